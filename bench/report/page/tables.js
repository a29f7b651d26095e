// The other tables sort as well; figures become elements when their part of the page opens.

const words = new Intl.Collator("en", {numeric: true});

function sortTable(table, column) {
  const head = table.tHead.rows[0].cells[column];
  const descending = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const numbers = head.classList.contains("number");
  const rankOf = row => {
    const box = row.cells[column];
    if (!box) return null;
    if (numbers) return box.dataset.size === undefined ? null : Number(box.dataset.size);
    return ["", "-"].includes(box.textContent) ? null : box.textContent;
  };
  const rows = [...table.tBodies[0].rows].map((row, place) => ({row, place, rank: rankOf(row)}));
  const sign = descending ? -1 : 1;
  const compare = numbers ? (a, b) => a - b : words.compare;
  rows.sort((a, b) => (a.rank === null) - (b.rank === null) || (a.rank === null ? 0 : sign * compare(a.rank, b.rank)) || a.place - b.place);
  table.tBodies[0].append(...rows.map(one => one.row));
}

function ready(box) {
  for (const table of box.querySelectorAll("table.sorts:not([data-ready])")) {
    table.dataset.ready = "";
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = make("button", {type: "button"});
      button.append(...head.childNodes);
      button.addEventListener("click", () => sortTable(table, column));
      head.append(button);
      head.setAttribute("aria-sort", "none");
    });
  }
  for (const paper of box.querySelectorAll("[data-drawing]")) {
    paper.innerHTML = document.getElementById(paper.dataset.drawing).textContent;
    paper.querySelector("svg").setAttribute("aria-label", paper.dataset.caption);
    delete paper.dataset.drawing;
  }
}

document.addEventListener("toggle", event => { if (event.target.open) ready(event.target); }, true);

// The address is the state of the rows: links to parts of this page go there without it.
document.querySelector("nav").addEventListener("click", event => {
  const link = event.target.closest("a");
  if (!link) return;
  event.preventDefault();
  const section = document.getElementById(link.hash.slice(1));
  section.scrollIntoView();
  section.focus({preventScroll: true});
});
