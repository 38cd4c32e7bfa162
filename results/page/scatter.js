// Quality against cost: a point a row, and the front of those that no other beats in both.
function makeScatter(onSelect) {
  const state = { rows: [], x: 0, y: metrics[0], log: null, selected: null };
  const controls = place("tradeoff-controls"), figure = place("scatter");

  const costOf = (row, cost) => data.rows[row].of[state.y.dataset]?.costs[cost] ?? null;

  function pointsOf(cost) {
    return state.rows
      .map((row) => ({ row, x: costOf(row, cost), y: valueOf(row, state.y) }))
      .filter((point) => point.x !== null && point.y !== null)
      .sort((a, b) => a.x - b.x || a.y - b.y);
  }

  // The cost in which rows differ most is shown at first.
  function usualCost() {
    const counts = data.costs.map((_, cost) => new Set(pointsOf(cost).map((point) => point.x.toPrecision(2))).size);
    return counts.indexOf(Math.max(...counts));
  }

  function isLog(points) {
    const values = points.map((point) => point.x);
    const able = values.length > 0 && Math.min(...values) > 0;
    return able && (state.log ?? Math.max(...values) > 8 * Math.min(...values));
  }

  function drawFront(svg, points, x, y) {
    const steps = points.flatMap((point, index) => index
      ? [[x(point.x), y(points[index - 1].y)], [x(point.x), y(point.y)]] : [[x(point.x), y(point.y)]]);
    svg.append(shape("path", { d: pathOf(steps), class: "front" }));
  }

  function drawPoint(point, x, y) {
    const { row } = point, signs = signsOf(textOf(row, state.y));
    const numbers = [[titleOf(state.y), textOf(row, state.y)],
      [data.costs[state.x], tickText(point.x)]];
    const node = shape("g", { class: `point${row === state.selected ? " selected" : ""}`,
      "data-row": row, role: "button",
      "aria-label": [labelOf(row), ...numbers.map((pair) => pair.join(" "))].join(", ") },
    shape("circle", { class: "ring", cx: x(point.x), cy: y(point.y), r: 10 }),
    marker(lookOf(data.rows[row]), x(point.x), y(point.y), { hollow: signs !== "" }));
    node.addEventListener("click", () => onSelect(row));
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); onSelect(row); }
    });
    return tells(node, () => linesOf(row, ...numbers, ...(signs ? [[signs, explained(signs)]] : [])));
  }

  function legend() {
    const shown = families.filter((family) => state.rows.some((row) => data.rows[row].family === family));
    return element("p", { class: "legend" },
      ...shown.map((family) => element("span", { dir: "auto" }, swatch(look(families.indexOf(family))), family)),
      element("span", {}, shape("svg", { viewBox: "0 0 22 14", class: "swatch wide", "aria-hidden": "true" },
        shape("path", { d: "M1 11h9v-8h11", class: "front" })), "front: no row has more for less"),
      state.rows.some((row) => signsOf(textOf(row, state.y)))
        ? element("span", { class: "hint" }, "hollow: marked in the table, see its notes") : null);
  }

  function draw() {
    const points = pointsOf(state.x), width = Math.max(300, Math.min(980, figure.clientWidth || 800));
    if (!points.length) {
      figure.replaceChildren(element("p", { class: "hint" }, "No row has both numbers."));
      return;
    }
    const label = `${titleOf(state.y)} in % against ${data.costs[state.x]}`;
    const { svg, box } = plotOf(width, Math.max(300, Math.min(460, width * 0.55)), label);
    const log = isLog(points);
    const x = scaleOf(points.map((point) => point.x), [box.left, box.right], log, width / 90);
    const y = scaleOf(points.map((point) => point.y), [box.bottom, box.top]);
    drawX(svg, box, x, data.costs[state.x] + (log ? " (log scale)" : ""));
    drawY(svg, box, y, `${titleOf(state.y)} (%)`);
    const best = frontOf(points);
    drawFront(svg, best, x, y);
    const nodes = points.map((point) => drawPoint(point, x, y));
    svg.append(...nodes);
    roving(nodes);
    const told = best.slice(0, 12).map((point) => labelOf(point.row)).join(" · ");
    figure.replaceChildren(legend(), svg, element("p", { class: "hint", id: "front" },
      `On the front, ${best.length} of ${points.length} rows: ${told}${best.length > 12 ? " …" : ""}`));
  }

  function makeControls() {
    const log = checkbox("log scale", isLog(pointsOf(state.x)), (on) => { state.log = on; draw(); });
    const usual = () => { state.log = null; log.firstChild.checked = isLog(pointsOf(state.x)); draw(); };
    controls.append(
      choice("Horizontal", data.costs.map((cost, index) => [index, cost]),
        (value) => { state.x = Number(value); usual(); }, state.x),
      choice("Vertical", metrics.map((metric) => [metric.at, titleOf(metric)]),
        (value) => { state.y = columns[value]; usual(); }, state.y.at), log);
  }

  function show(rows) {
    const first = !controls.children.length;
    state.rows = rows;
    if (first) { state.x = usualCost(); makeControls(); }
    draw();
  }

  function select(row) {
    state.selected = row;
    for (const node of figure.querySelectorAll(".point"))
      node.classList.toggle("selected", Number(node.dataset.row) === row);
    place("selected").replaceChildren(`Selected: ${labelOf(row)}, in the `,
      element("a", { href: "#table" }, "table"), " and, if it has pictures, in the ",
      element("a", { href: "#gallery" }, "gallery"));
  }
  return { show, draw, select };
}

// Points that no other has more than for as little, nor as much for less.
function frontOf(points) {
  const beats = (a, b) => a.x <= b.x && a.y >= b.y && (a.x < b.x || a.y > b.y);
  return points.filter((point) => !points.some((other) => beats(other, point)));
}
