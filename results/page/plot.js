// Plots: scales, ticks and axes, drawn by hand.
function ticksOf(low, high, count) {
  const step = 10 ** Math.floor(Math.log10((high - low) / count));
  const size = [1, 2, 5, 10].map((times) => times * step).find((one) => (high - low) / one <= count);
  const ticks = [];
  for (let at = Math.ceil(low / size) * size; at <= high + size * 1e-9; at += size)
    ticks.push(Number(at.toPrecision(12)));
  return ticks;
}

function logTicksOf(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const times of [1, 2, 5]) found.push(times * 10 ** power);
  const inside = found.filter((at) => at >= low * 0.999 && at <= high * 1.001);
  return inside.length > 1 ? inside : [low, high];
}

// Where values lie between two ends of the screen; with a margin, so that no point is cut.
function scaleOf(values, [from, to], log = false, count = 6) {
  const warp = log ? Math.log10 : (value) => value;
  let low = warp(Math.min(...values)), high = warp(Math.max(...values));
  const margin = (high - low) * 0.06 || Math.abs(high) * 0.05 || 1;
  [low, high] = [low - margin, high + margin];
  const scale = (value) => from + ((warp(value) - low) / (high - low)) * (to - from);
  scale.ticks = log ? logTicksOf(10 ** low, 10 ** high) : ticksOf(low, high, count);
  return scale;
}

const tickText = (value) => Math.abs(value) >= 1e5 ? value.toExponential(0).replace("e+", "e")
  : String(Number(value.toPrecision(6)));

// An empty plot of a size: { svg, box }, box being where data goes.
function plotOf(width, height, label, margins = {}) {
  const { left = 52, right = 14, top = 12, bottom = 44 } = margins;
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": label,
    class: "plot" });
  const box = { left, right: width - right, top, bottom: height - bottom };
  return { svg, box };
}

const words = (text, attributes) => shape("text", attributes, text);

function drawX(svg, box, scale, label) {
  for (const at of scale.ticks) {
    const x = scale(at);
    svg.append(shape("line", { class: "rule", x1: x, x2: x, y1: box.top, y2: box.bottom }),
      words(tickText(at), { x, y: box.bottom + 16, "text-anchor": "middle", class: "tick" }));
  }
  svg.append(words(label, { x: (box.left + box.right) / 2, y: box.bottom + 35, "text-anchor": "middle" }));
}

function drawY(svg, box, scale, label) {
  for (const at of scale.ticks) {
    const y = scale(at);
    svg.append(shape("line", { class: "rule", x1: box.left, x2: box.right, y1: y, y2: y }),
      words(tickText(at), { x: box.left - 6, y: y + 4, "text-anchor": "end", class: "tick" }));
  }
  if (label) svg.append(words(label, { "text-anchor": "middle",
    transform: `translate(14 ${(box.top + box.bottom) / 2}) rotate(-90)` }));
}

const pathOf = (points) => points.map(([x, y], index) => `${index ? "L" : "M"}${x} ${y}`).join("");
