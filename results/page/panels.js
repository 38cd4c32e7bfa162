// Ablation: a panel for each axis and dataset, a line for rows that differ in that axis alone.
function linesAlong(axis, metric, rows) {
  const groups = new Map();
  for (const row of rows) {
    if (valueOf(row, metric) === null || textOf(row, axis) === "-") continue;
    const key = JSON.stringify(axes.map((other) => (other === axis ? "" : textOf(row, other))));
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(row);
  }
  const sorted = [...groups.values()].filter((group) => group.length > 1);
  for (const group of sorted) group.sort((a, b) => inOrder(textOf(a, axis), textOf(b, axis)));
  return sorted;
}

function drawCategories(svg, box, values, at) {
  const slanted = values.join("").length * 7 > box.right - box.left;
  for (const value of values) {
    const [x, y] = [at(value), box.bottom + 14], text = value.length > 16 ? `${value.slice(0, 15)}…` : value;
    svg.append(words(text, slanted
      ? { class: "tick", "text-anchor": "end", transform: `translate(${x} ${y}) rotate(-30)` }
      : { class: "tick", "text-anchor": "middle", x, y }));
  }
}

function drawLine(group, axis, metric, at, y) {
  const row = data.rows[group[0]];
  const looks = axis.label === "backbone" ? { colour: "var(--plain)", shape: "circle" } : lookOf(row);
  const points = group.map((one) => [at(textOf(one, axis)), y(valueOf(one, metric))]);
  const others = axes.filter((other) => other !== axis).map((other) => [other.label, textOf(group[0], other)]);
  const numbers = group.map((one) => [textOf(one, axis), textOf(one, metric)]);
  const node = shape("g", { class: "line", role: "img", "aria-label":
    [...others, ...numbers].map((pair) => pair.join(" ")).join(", ") },
  shape("path", { d: pathOf(points), class: "target" }),
  shape("path", { d: pathOf(points), stroke: looks.colour, class: "trace" }),
  ...points.map(([px, py], index) =>
    marker(looks, px, py, { size: 0.62, hollow: signsOf(textOf(group[index], metric)) !== "" })));
  return tells(node, () => [`${titleOf(metric)} along ${axis.label}`, ...numbers, ...others]);
}

function drawPanel(axis, metric, groups) {
  const rows = groups.flat(), values = distinct(rows.map((row) => textOf(row, axis))).sort(inOrder);
  const title = `${titleOf(metric)} along ${axis.label}`;
  const slanted = values.join("").length * 7 > 220;
  const { svg, box } = plotOf(290, slanted ? 210 : 180, title,
    { left: 38, right: 12, top: 8, bottom: slanted ? 52 : 24 });
  const step = (box.right - box.left) / values.length;
  const at = (value) => box.left + (values.indexOf(value) + 0.5) * step;
  const y = scaleOf(rows.map((row) => valueOf(row, metric)), [box.bottom, box.top], false, 5);
  drawY(svg, box, y, "");
  drawCategories(svg, box, values, at);
  const nodes = groups.map((group) => drawLine(group, axis, metric, at, y));
  svg.append(...nodes);
  roving(nodes);
  return element("figure", { class: "panel" },
    element("figcaption", {}, element("span", { dir: "auto" }, `${titleOf(metric)} (%)`), " along ",
      element("strong", {}, axis.label)), svg);
}

function drawPanels(rows) {
  const panels = [];
  for (const metric of data.datasets.map((_, index) => headlineOf(index)).filter(Boolean))
    for (const axis of axes) {
      const groups = linesAlong(axis, metric, rows);
      if (groups.length) panels.push(drawPanel(axis, metric, groups));
    }
  place("panels").replaceChildren(...(panels.length ? panels
    : [element("p", { class: "hint" }, "No two of these rows differ in one axis alone.")]));
}
