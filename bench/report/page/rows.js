// The table of rows: sorts, filters, opens; what is chosen stands in the address.

const PAGE = 100;
const data = JSON.parse(document.getElementById("data").textContent);
const columns = new Map(data.columns.map(column => [column.name, column]));
const facets = data.columns.filter(column => column.facet && column.words.length > 1);
const shown = data.columns.filter(column => column.shown && !(column.name === "folder" && column.words.length < 2));
const part = Object.fromEntries(["search", "facets", "target", "clear", "chips", "shown", "pages", "page", "previous", "next", "frame", "head", "body"]
  .map(id => [id, document.getElementById(id)]));
const opened = new Set();
const state = {words: "", sort: "", descending: false, target: "", page: 0, chosen: new Map(facets.map(facet => [facet.name, new Set()]))};
let texts = null;
let order = [];

for (const facet of facets) facet.choices = [...new Set(facet.words.flatMap(word => word.split(", ")))];

const cell = (column, row) => column.words ? column.words[column.places[row]] : column.texts[row];

// What a row sorts by; null, and last, where it is unknown.
function rank(column, row) {
  if (column.numbers) return column.numbers[row];
  return cell(column, row) === "-" ? null : column.places[row];
}

// What a search looks through.
function index() {
  texts ??= data.rows.map((row, i) => [...shown.map(column => cell(column, i)), row.key, row.command, row.reason].join("\n").toLowerCase());
}

// Which rows are shown, in which order.
function arrange() {
  const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length) index();
  const wanted = facets.filter(facet => state.chosen.get(facet.name).size)
    .map(facet => {
      const chosen = state.chosen.get(facet.name);
      return [facet.places, facet.words.map(word => word.split(", ").some(one => chosen.has(one)))];
    });
  order = [];
  for (let i = 0; i < data.rows.length; i++) {
    if (wanted.every(([places, fits]) => fits[places[i]]) && words.every(word => texts[i].includes(word))) order.push(i);
  }
  const column = columns.get(state.sort);
  if (!column) return;
  const known = order.filter(i => rank(column, i) !== null);
  const unknown = order.filter(i => rank(column, i) === null);
  const sign = state.descending ? -1 : 1;
  known.sort((a, b) => sign * (rank(column, a) - rank(column, b)) || a - b);
  order = known.concat(unknown);
}

function update(name, change) {
  const start = performance.now();
  change();
  arrange();
  render();
  part.frame.offsetHeight;  // laid out, so that the measure says when it can be read
  performance.measure(name, {start});
  remember();
}

function render() {
  const last = Math.max(0, Math.ceil(order.length / PAGE) - 1);
  state.page = Math.min(state.page, last);
  const first = state.page * PAGE;
  const rows = order.slice(first, first + PAGE);
  const body = document.createDocumentFragment();
  for (const i of rows) {
    body.append(line(i));
    if (opened.has(i)) body.append(about(i));
  }
  part.body.replaceChildren(body);
  for (const head of part.head.querySelectorAll("th[data-column]")) {
    const way = head.dataset.column !== state.sort ? "none" : state.descending ? "descending" : "ascending";
    head.setAttribute("aria-sort", way);
  }
  const number = count => count.toLocaleString("en-US");
  for (const note of document.querySelectorAll(".note")) note.hidden = Number(state.target) > 0;  // about targets of workloads
  part.shown.textContent = `${number(order.length)} of ${number(data.rows.length)} rows`
    + (last ? `; these are ${number(first + 1)} to ${number(first + rows.length)}` : "");
  part.pages.hidden = !last;
  part.page.textContent = `page ${state.page + 1} of ${last + 1}`;
  part.previous.disabled = state.page === 0;
  part.next.disabled = state.page === last;
  part.chips.replaceChildren(...chips());
  for (const facet of facets) {
    const chosen = state.chosen.get(facet.name);
    const said = chosen.size === 0 ? "all" : chosen.size === 1 ? [...chosen][0] : `${chosen.size} of ${facet.choices.length}`;
    const box = document.getElementById(`facet-${facet.name}`);
    box.querySelector("summary").textContent = `${facet.title}: ${said}`;
    for (const input of box.querySelectorAll("input")) input.checked = chosen.has(input.value);
  }
  if (part.search.value !== state.words) part.search.value = state.words;
  if (part.target.value !== state.target) part.target.value = state.target;
}

function line(i) {
  const row = data.rows[i];
  const element = make("tr", {class: "row", "data-row": i});
  const key = row.key.slice(0, 8);
  const label = `Open row ${key}`;
  element.append(make("td", {}, make("button", {type: "button", class: "expand", "aria-expanded": opened.has(i), "aria-label": label})));
  for (const column of shown) {
    const text = cell(column, i);
    const box = make("td", {}, text);
    if (column.numbers) box.className = "number";
    if (column.name === "settings") [box.className, box.title] = ["settings", text];
    if (column.name === "status") box.className = text === "done" ? "status-done" : "status-other";
    if (column.name === "algorithm") box.prepend(swatch(data.colours[text]));
    element.append(box);
  }
  element.append(make("td", {class: "key"}, make("a", {href: row.link}, make("code", {}, key || "-"))));
  element.append(make("td", {}, make("button", {type: "button", class: "copy", title: row.command, "aria-label": `Copy the command of row ${key}`}, "copy")));
  return element;
}

function chips() {
  const all = facets.flatMap(facet => [...state.chosen.get(facet.name)].map(word => [facet, word]));
  return all.map(([facet, word]) => {
    const chip = make("button", {type: "button", "aria-label": `Take back ${facet.title} ${word}`}, `${facet.title}: ${word} ×`);
    chip.addEventListener("click", () => choose(facet.name, word, false));
    return chip;
  });
}

function choose(name, word, on) {
  update("farbench filter", () => {
    state.chosen.get(name)[on ? "add" : "delete"](word);
    state.page = 0;
  });
}

// The address after '#', so that a view can be kept and sent; written a moment after the last change.
let writing = 0;
function remember() {
  clearTimeout(writing);
  writing = setTimeout(() => {
    const said = new URLSearchParams();
    if (state.words) said.set("search", state.words);
    for (const [name, words] of state.chosen) for (const word of words) said.append(name, word);
    if (state.sort) said.set("sort", (state.descending ? "-" : "") + state.sort);
    if (state.target) said.set("target", state.target);
    if (state.page) said.set("page", state.page + 1);
    const hash = said.toString();
    if (location.hash.slice(1) !== hash) history.replaceState(null, "", `#${hash}`);
  }, 150);
}

function recall() {
  const said = new URLSearchParams(location.hash.slice(1));
  state.words = said.get("search") ?? "";
  for (const facet of facets) state.chosen.set(facet.name, new Set(said.getAll(facet.name).filter(word => facet.choices.includes(word))));
  const sort = said.get("sort") ?? "";
  state.descending = sort.startsWith("-");
  state.sort = columns.has(sort.replace(/^-/, "")) ? sort.replace(/^-/, "") : "";
  state.target = Number(said.get("target")) > 0 ? said.get("target") : "";
  state.page = Math.max(0, (parseInt(said.get("page"), 10) || 1) - 1);
  retarget();
  texts = null;
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // not every browser lets a file do so
    const box = make("textarea", {});
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
    button.focus();
  }
  button.textContent = "copied";
  setTimeout(() => { button.textContent = "copy"; }, 1500);
}

function sortBy(name) {
  update("farbench sort", () => {
    state.descending = state.sort === name && !state.descending;
    state.sort = name;
    state.page = 0;
  });
}

function build() {
  part.head.append(make("td", {}));
  for (const column of shown) {
    const button = make("button", {type: "button", title: column.about}, column.title);
    button.addEventListener("click", () => sortBy(column.name));
    part.head.append(make("th", {scope: "col", "data-column": column.name, class: column.numbers ? "number" : ""}, button));
  }
  part.head.append(make("th", {scope: "col", title: "the row's file"}, "key"), make("th", {scope: "col"}, "command"));
  for (const facet of facets) {
    const counts = new Map(facet.choices.map(word => [word, 0]));
    for (const place of facet.places) for (const word of facet.words[place].split(", ")) counts.set(word, counts.get(word) + 1);
    const list = make("div", {});
    for (const word of facet.choices) {
      const input = make("input", {type: "checkbox", value: word});
      input.addEventListener("change", () => choose(facet.name, word, input.checked));
      list.append(make("label", {}, input, word, make("small", {}, counts.get(word).toLocaleString("en-US"))));
    }
    part.facets.append(make("details", {class: "facet", id: `facet-${facet.name}`}, make("summary", {}), list));
  }
}

function listen() {
  part.search.addEventListener("input", () => update("farbench filter", () => { [state.words, state.page] = [part.search.value, 0]; }));
  part.target.addEventListener("input", () => update("farbench target", () => { state.target = part.target.value; retarget(); texts = null; }));
  part.clear.addEventListener("click", () => update("farbench filter", () => {
    Object.assign(state, {words: "", sort: "", descending: false, target: "", page: 0});
    for (const chosen of state.chosen.values()) chosen.clear();
    retarget();
    texts = null;
  }));
  const turn = by => update("farbench page", () => { state.page += by; part.frame.scrollTop = 0; });
  part.previous.addEventListener("click", () => turn(-1));
  part.next.addEventListener("click", () => turn(1));
  part.body.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    const place = button.closest("tr").dataset.row;
    if (button.className === "copy") copy(data.rows[place].command, button);
    else toggleRow(Number(place), button);
  });
  document.addEventListener("click", event => {
    for (const box of part.facets.querySelectorAll("details[open]")) if (!box.contains(event.target)) box.open = false;
  });
  document.addEventListener("keydown", event => {
    const box = event.key === "Escape" && part.facets.querySelector("details[open]");
    if (box) { box.open = false; box.querySelector("summary").focus(); }
  });
  addEventListener("hashchange", () => update("farbench recall", recall));
}

function toggleRow(i, button) {
  const row = button.closest("tr");
  if (opened.delete(i)) row.nextElementSibling.remove();
  else { opened.add(i); row.after(about(i)); }
  button.setAttribute("aria-expanded", opened.has(i));
}
