// Training curves: a plot for each quantity, a line for each training that is ticked.
function makeCurves() {
  const { plots, trainings, logged } = data.curves;
  const shown = new Set(trainings.slice(0, 6).map((_, index) => index));
  if (!trainings.length) {
    place("curves").append(element("p", { class: "hint" },
      logged ? "There was no room for the curves." : "No training of these rows was logged."));
    return;
  }
  const linesIn = (plot) => trainings.flatMap((training, index) => shown.has(index)
    ? training.series.filter((series) => series.plot === plot).map((series) => ({ series, training, index })) : []);

  function drawSeries({ series, training, index }, x, y) {
    const points = series.points.map(([step, value]) => [x(step), y(value)]);
    const last = series.points.at(-1), looks = look(index);
    const node = shape("g", { class: "line", role: "img", "aria-label":
      `${training.label}: ${series.what || series.plot}, at step ${last[0]} ${tickText(last[1])}` },
    shape("path", { d: pathOf(points), class: "target" }),
    shape("path", { d: pathOf(points), stroke: looks.colour,
      class: `trace${series.what.startsWith("negative") ? " dashed" : ""}` }),
    marker(looks, ...points.at(-1), { size: 0.75 }));
    return tells(node, () => [training.label, [series.what || series.plot, tickText(last[1])],
      ["at step", String(last[0])], ["training", training.status]]);
  }

  function drawPlot(plot) {
    const lines = linesIn(plot);
    if (!lines.length) return null;
    const { svg, box } = plotOf(420, 240, `${plot} in each step`, { left: 50, bottom: 42 });
    const points = lines.flatMap((line) => line.series.points);
    const x = scaleOf([0, ...points.map((point) => point[0])], [box.left, box.right], false, 5);
    const y = scaleOf(points.map((point) => point[1]), [box.bottom, box.top], false, 5);
    drawX(svg, box, x, "step");
    drawY(svg, box, y, "");
    const nodes = lines.map((line) => drawSeries(line, x, y));
    svg.append(...nodes);
    roving(nodes);
    const kinds = plot === "similarity" ? "; solid: positive pairs, dashed: negative" : "";
    return element("figure", { class: "panel wide" }, element("figcaption", {}, `${plot}${kinds}`), svg);
  }

  const draw = () => place("curves").replaceChildren(...plots.map(drawPlot).filter(Boolean));

  const boxes = trainings.map((training, index) => {
    const label = checkbox(training.label, shown.has(index),
      (on) => { on ? shown.add(index) : shown.delete(index); draw(); });
    label.insertBefore(swatch(look(index)), label.lastChild);
    return label;
  });
  place("training-controls").append(element("fieldset", {}, element("legend", {}, "Trainings"), ...boxes));
  if (logged > trainings.length) place("training-controls").append(element("p", { class: "hint" },
    `${trainings.length} of ${logged} trainings are on this page.`));
  draw();
}
