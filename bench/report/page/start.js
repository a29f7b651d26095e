// All is defined: build the table of rows and show it.

build();
listen();
update("farbench open", recall);
document.documentElement.dataset.ready = "";
performance.mark("farbench usable");
