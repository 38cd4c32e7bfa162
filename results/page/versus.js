// Wins and losses: queries on which two rows differ most, with what both found.
function makeVersus() {
  const state = { at: 0, a: null, b: null };
  const able = galleries.filter((gallery) => gallery.rows.length > 1);
  if (!able.length) {
    place("versus-status").textContent = "No dataset has two rows to compare.";
    return;
  }

  function reset() {
    const { rows, pair } = able[state.at];
    const there = pair && pair.every((one) => rows.some((row) => row.row === one));
    [state.a, state.b] = there ? pair : [rows[0].row, rows[1].row];
  }

  function counted() {
    const found = able[state.at].wins.find(([one, other]) =>
      (one === state.a && other === state.b) || (one === state.b && other === state.a));
    if (!found) return [0, 0, able[state.at].of];
    return found[0] === state.a ? found.slice(2) : [found[3], found[2], found[4]];
  }

  function tested() {
    const { pair, tested: test } = able[state.at];
    if (!test || !pair.includes(state.a) || !pair.includes(state.b) || state.a === state.b)
      return " bench compare tests whether that is chance.";
    const turn = pair[0] === state.a ? 1 : -1;
    const [low, high] = [turn * test.low, turn * test.high].sort((x, y) => x - y);
    const p = test.p < 0.0001 ? "< 0.0001" : `= ${test.p.toFixed(4)}`;
    const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
    return ` A−B: ${signed(turn * test.difference)} points [${signed(low)}, ${signed(high)}], p ${p}`
      + ` (95 % BCa bootstrap and sign-flip test over ${test.unit}).`;
  }

  function article(gallery, query, a, b) {
    const lists = [["A", a], ["B", b]].map(([side, row]) => {
      const [value, found] = row.items[query];
      return element("div", { class: "side" }, element("p", {}, element("strong", {}, side), " ",
        valueText(gallery, value)), foundList(`${side}, nearest first`, found));
    });
    return element("article", { class: "query two" }, askedCard(query, null), element("div", { class: "sides" }, ...lists));
  }

  function part(title, total, gallery, queries, a, b) {
    const box = element("div");
    const shown = `${queries.length} of ${total} on this page`;
    const head = element("h3", {}, title, element("span", { class: "hint" }, ` ${shown}`));
    drawSome(box, queries.map((query) => () => article(gallery, query, a, b)));
    return element("section", {}, head, box);
  }

  function draw() {
    const gallery = able[state.at];
    const [a, b] = [state.a, state.b].map((one) => gallery.rows.find((row) => row.row === one));
    const [wins, losses, equal] = counted();
    const { label } = headlineOf(gallery.dataset);
    place("versus-status").replaceChildren(
      element("span", {}, element("strong", {}, "A"), " ", rowName(a.row, a.seed)), " ",
      element("span", {}, element("strong", {}, "B"), " ", rowName(b.row, b.seed)), " ",
      element("span", {}, `On ${data.datasets[gallery.dataset].title}, by ${label}, A is better on ${wins} queries, B on ${losses}, neither on ${equal}.${tested()}`));
    const gap = (query) => a.items[query][0] - b.items[query][0];
    const both = gallery.queries.filter((query) => query in a.items && query in b.items);
    const better = both.filter((query) => gap(query) > 0).sort((x, y) => gap(y) - gap(x));
    const worse = both.filter((query) => gap(query) < 0).sort((x, y) => gap(x) - gap(y));
    place("versus-queries").replaceChildren(part("A is better", wins, gallery, better, a, b),
      part("B is better", losses, gallery, worse, a, b));
  }

  function drawControls() {
    const options = able[state.at].rows.map((one) => [one.row, labelOf(one.row)]);
    const titles = able.map((gallery, index) => [index, data.datasets[gallery.dataset].title]);
    const swap = () => { [state.a, state.b] = [state.b, state.a]; drawControls(); };
    place("versus-controls").replaceChildren(
      choice("Dataset", titles, (value) => { state.at = Number(value); reset(); drawControls(); }, state.at),
      choice("A", options, (value) => { state.a = Number(value); draw(); }, state.a),
      choice("B", options, (value) => { state.b = Number(value); draw(); }, state.b),
      element("button", { type: "button", onclick: swap }, "Swap"));
    draw();
  }

  reset();
  drawControls();
}
