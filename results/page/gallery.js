// The gallery: queries of one row with what they found, right and wrong by colour and sign.
const GRADES = [["✗", "wrong", ""], ["✓", "right", ""], ["✓", "right", "easy"], ["✓", "right", "hard"]];
const COPIES = { file: "same file as the query", pixels: "same pixels as the query",
  descriptor: "same descriptor as the query (similarity ≥ 1 − 10⁻⁶)" };
const MORE = 8;
const { galleries, images, pictures } = data.pictures;

function imageOf(number) {
  const { path, class: name, picture } = images[number];
  return picture !== undefined
    ? element("img", { src: `data:image/jpeg;base64,${pictures[picture]}`, alt: name ? `${name}, ${path}` : path, title: path })
    : element("div", { class: "missing", title: path }, element("span", {}, "image not here"),
      element("span", { dir: "auto" }, path));
}

const nameOf = (number) => element("span", { class: "name", dir: "auto", title: images[number].path },
  images[number].class ?? images[number].path.split("/").at(-1));

const askedCard = (number, value) => element("figure", { class: "card asked" }, imageOf(number),
  element("figcaption", {}, element("strong", {}, "query"), value, nameOf(number)));

function foundCard([number, similarity, grade, copy, hub]) {
  const [sign, kind, how] = GRADES[grade];
  const caption = element("figcaption", {},
    element("span", { class: "verdict" }, sign, element("span", { class: "unseen" }, ` ${kind}`), how && ` ${how}`),
    element("span", { class: "similarity" }, similarity.toFixed(3)));
  caption.append(nameOf(number));
  if (copy) caption.append(element("span", { class: "badge copy", title: COPIES[copy] }, `same ${copy}`));
  if (hub) caption.append(element("span", { class: "badge", title: `a hub: found by ${hub} queries` }, `hub ${hub}`));
  return element("li", {}, element("figure", { class: `card ${kind}` }, imageOf(number), caption));
}

const foundList = (label, found) => element("ol", { class: "found", "aria-label": label }, ...found.map(foundCard));

const isBinary = (gallery) => data.datasets[gallery.dataset].metric.startsWith("r@");

function valueText(gallery, value) {
  const { label } = headlineOf(gallery.dataset);
  return element("span", { class: "value" }, isBinary(gallery)
    ? `${label} = ${Number(value.toPrecision(3))}` : `AP ${label} ${(100 * value).toFixed(1)}`);
}

const rowName = (row, seed) => labelOf(row) + (seed ? ` (seed ${seed})` : "");
const datasetChoices = () => galleries.map((gallery, index) => [index, data.datasets[gallery.dataset].title]);

function drawLegend() {
  const item = (...parts) => element("span", {}, ...parts);
  place("gallery-legend").append(
    item(element("span", { class: "verdict right" }, "✓"), "relevant"),
    item(element("span", { class: "verdict wrong" }, "✗"), "wrong"),
    item("0.873: cosine similarity"),
    item(element("span", { class: "badge" }, "hub 12"),
      "found by so many queries: more than the mean + 2 standard deviations (Radovanović et al. 2010)"),
    item(element("span", { class: "badge copy" }, "same file"), "a copy of the query: of its file, its pixels or its descriptor"));
}

// Articles a few at a time, with a button for more.
function drawSome(box, makers) {
  const more = element("button", { type: "button", onclick: () => add() });
  function add() {
    const from = box.querySelectorAll(":scope > article").length;
    more.before(...makers.slice(from, from + MORE).map((make) => make()));
    const left = makers.length - Math.min(from + MORE, makers.length);
    more.hidden = left === 0;
    more.textContent = `Show ${Math.min(left, MORE)} more of ${left}`;
  }
  box.replaceChildren(more);
  add();
}

function makeGallery() {
  const state = { at: 0, row: 0, which: "all" };
  if (!galleries.length) {
    place("gallery-status").textContent = "No row has neighbours to show.";
    return { show: () => {} };
  }
  drawLegend();

  function draw() {
    const gallery = galleries[state.at];
    const row = gallery.rows.find((one) => one.row === state.row) ?? gallery.rows[0];
    state.row = row.row;
    const right = (query) => row.items[query][1][0]?.[2] > 0;
    const queries = gallery.queries.filter((query) => query in row.items)
      .filter((query) => state.which === "all" || right(query) === (state.which === "right"));
    const size = gallery.of, more = gallery.rows_of - gallery.rows.length;
    place("gallery-status").textContent = `${queries.length} of ${size} queries of ${data.datasets[gallery.dataset].title} by `
      + `${rowName(row.row, row.seed)}; ${row.hubs} of its images are hubs.${more ? ` ${more} rows have no pictures here, for want of room or other queries.` : ""}`;
    drawSome(place("gallery-queries"), queries.map((query) => () => {
      const [value, found] = row.items[query];
      return element("article", { class: "query" }, askedCard(query, valueText(gallery, value)),
        foundList("nearest first", found));
    }));
  }

  function drawControls() {
    const rows = galleries[state.at].rows;
    place("gallery-controls").replaceChildren(
      choice("Dataset", datasetChoices(), (value) => { state.at = Number(value); drawControls(); }, state.at),
      choice("Row", rows.map((one) => [one.row, labelOf(one.row)]),
        (value) => { state.row = Number(value); draw(); }, state.row),
      choice("Queries", [["all", "all"], ["right", "first is right"], ["wrong", "first is wrong"]],
        (value) => { state.which = value; draw(); }, state.which));
    draw();
  }

  state.row = galleries[0].rows[0].row;
  drawControls();
  return {
    show(row) {
      const at = [state.at, ...galleries.keys()].find((one) => galleries[one].rows.some((other) => other.row === row));
      if (at === undefined) return;
      Object.assign(state, { at, row });
      drawControls();
    },
  };
}
