// What a row opens to.

// Its command, where the time went, its losses, and the columns that are not in the table.
function about(i) {
  const row = data.rows[i];
  const box = make("div", {class: "about"});
  box.append(make("div", {class: "command"}, make("button", {type: "button", class: "copy", "aria-label": "Copy the command"}, "copy"), make("code", {}, row.command)));
  if (row.reason) box.append(make("p", {}, `${cell(columns.get("status"), i)}: ${row.reason}`));
  const sights = make("div", {class: "sights"});
  if (row.ledger.length) sights.append(ledger(row));
  if (row.losses.length) sights.append(curve(row, i));
  if (sights.children.length) box.append(sights);
  const facts = make("dl", {class: "facts"});
  for (const column of data.columns) {
    if (!column.shown) facts.append(make("div", {}, make("dt", {}, column.title), make("dd", {}, cell(column, i))));
  }
  box.append(facts, make("p", {}, "row ", make("a", {href: row.link}, make("code", {}, row.key))));
  return make("tr", {class: "about-row", "data-row": i}, make("td", {class: "opened", colspan: shown.length + 3}, box));
}

function ledger(row) {
  const parts = data.buckets.map((bucket, j) => ({...bucket, share: row.ledger[j]})).filter(one => one.share > 0).sort((a, b) => b.share - a.share);
  const percent = share => share >= 0.0005 ? `${(100 * share).toFixed(1)} %` : "< 0.1 %";
  const said = parts.map(one => `${one.name} ${percent(one.share)}`);
  const bar = make("div", {class: "bar", role: "img", "aria-label": `Worker-seconds: ${said.join(", ")}`});
  const legend = make("div", {class: "legend"});
  parts.forEach((one, j) => {
    const piece = make("i", {title: said[j]});
    piece.style.background = one.colour;
    piece.style.width = `${100 * one.share}%`;
    bar.append(piece);
    legend.append(make("span", {}, swatch(one.colour), said[j]));
  });
  return make("div", {class: "ledger"}, make("div", {}, "Where the worker-seconds went"), bar, legend);
}

function curve(row, i) {
  const [width, height, edge] = [300, 80, 6];
  const target = columns.get("target_loss").numbers[i];
  const points = row.losses.map((loss, j) => [row.seconds[j], loss]).filter(([time, loss]) => time !== null && loss !== null);
  if (points.length < 2) return make("div", {class: "curve"}, "No curve: fewer than two losses are known");
  const losses = points.map(point => point[1]).concat(target ?? []);
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  const x = time => edge + (width - 2 * edge) * time / (points.at(-1)[0] || 1);
  const y = loss => edge + (height - 2 * edge) * (high - loss) / (high - low || 1);
  const svg = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const say = loss => loss.toFixed(3);
  const words = `Held-out loss from ${say(points[0][1])} to ${say(points.at(-1)[1])} nats a token in ${secondsText(points.at(-1)[0])}`
    + (target === null ? "" : `; dashes: target loss ${say(target)}`);
  const drawing = svg("svg", {width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words});
  if (target !== null) drawing.append(svg("line", {x1: edge, x2: width - edge, y1: y(target), y2: y(target), stroke: "#777777", "stroke-dasharray": "4 3"}));
  const path = points.map(([time, loss]) => `${x(time).toFixed(1)},${y(loss).toFixed(1)}`).join(" ");
  drawing.append(svg("polyline", {points: path, fill: "none", stroke: data.colours[cell(columns.get("algorithm"), i)], "stroke-width": 2}));
  return make("div", {class: "curve"}, drawing, words);
}

function swatch(colour) {
  const element = make("span", {class: "swatch", "aria-hidden": "true"});
  element.style.background = colour;
  return element;
}
