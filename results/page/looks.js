// Looks: a colour (Okabe and Ito 2008) and a shape for each family or training, and rows in words.
const COLOURS = ["blue", "vermillion", "green", "purple", "orange", "sky", "plain"];
const SHAPES = ["circle", "square", "triangle", "diamond", "down", "plus", "star", "cross"];
// One shape more than colours: a colour has another shape when it comes again.

const look = (index) => ({
  colour: `var(--${COLOURS[index % COLOURS.length]})`,
  shape: SHAPES[index % SHAPES.length],
});

const families = distinct(data.rows.map((row) => row.family)).sort(collator.compare);
const lookOf = (row) => look(families.indexOf(row.family));

const OUTLINES = {
  circle: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
  square: "M-4.5-4.5h9v9h-9z",
  triangle: "M0-5.5L5.5 4.5h-11z",
  diamond: "M0-6L5.5 0L0 6L-5.5 0z",
  down: "M0 5.5L5.5-4.5h-11z",
  plus: "M-1.8-5.5h3.6v3.7h3.7v3.6h-3.7v3.7h-3.6v-3.7h-3.7v-3.6h3.7z",
  star: "M0-6.2L1.6-2L6-1.9L2.5 .8L3.7 5L0 2.5L-3.7 5L-2.5 .8L-6-1.9L-1.6-2z",
  cross: "M-5-3L-3-5L0-2L3-5L5-3L2 0L5 3L3 5L0 2L-3 5L-5 3L-2 0z",
};

function marker(looks, x, y, { hollow = false, size = 1, ...more } = {}) {
  return shape("path", {
    d: OUTLINES[looks.shape], transform: `translate(${x} ${y}) scale(${size})`,
    fill: hollow ? "var(--surface)" : looks.colour, stroke: looks.colour, "stroke-width": 1.6, ...more,
  });
}

const swatch = (looks) => shape("svg", { viewBox: "-7 -7 14 14", class: "swatch", "aria-hidden": "true" },
  marker(looks, 0, 0));

// What the columns are.
const columns = data.columns.map((column, at) => ({ ...column, at }));
const axes = columns.filter((column) => column.kind === "axis");
const metrics = columns.filter((column) => column.kind === "metric");
const titleOf = (metric) => `${data.datasets[metric.dataset].title} ${metric.label}`;
const headlineOf = (dataset) => metrics.find((column) => column.dataset === dataset);

const textOf = (row, column) => data.rows[row].cells[column.at][0];
const valueOf = (row, column) => data.rows[row].cells[column.at][1] ?? null;
const signsOf = (text) => text.replace(/^(--|-?[\d.]+)( ± [\d.]+)?/, "");
// As it is typed: deit_s dims=128 pooling=cls.
const labelOf = (row) => axes.map((axis) =>
  (axis.label === "backbone" ? "" : `${axis.label}=`) + textOf(row, axis)).join(" ");
const explained = (signs) => [...signs].map((sign) => data.signs[sign]).filter(Boolean).join("; ");

// A row in lines for the tip: what it is, then its numbers.
function linesOf(row, ...more) {
  const named = axes.map((axis) => [axis.label, textOf(row, axis)]);
  return [labelOf(row), ...named, ...more];
}
