// All is defined: build the table of rows and show it.

build();
listen();
update("farbench open", recall);
document.documentElement.dataset.ready = "";
performance.mark("farbench usable");
setTimeout(index, 300);  // before the first search, not before the first look
