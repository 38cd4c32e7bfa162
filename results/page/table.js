// The table: sorted by a click on a header, filtered by words and by values of axes.
function makeTable(onRows, onSelect) {
  const state = { words: [], values: new Map(), sort: metrics[0] ?? axes[0], down: true,
    which: "headline", intervals: false, selected: null };
  const filters = place("filters");

  const shownColumns = () => columns.filter((column) => column.kind !== "metric"
    || state.which === "all" || (state.which === "headline" && column.headline)
    || String(column.dataset) === state.which);

  function matches(row) {
    for (const [at, value] of state.values) if (value && textOf(row, columns[at]) !== value) return false;
    const text = labelOf(row).toLowerCase();
    return state.words.every((word) => text.includes(word));
  }

  function compare(a, b) {
    const { sort, down } = state;
    if (sort.kind === "axis") {
      const [one, other] = [textOf(a, sort), textOf(b, sort)];
      return one === "-" || other === "-" ? inOrder(one, other) : (down ? -1 : 1) * inOrder(one, other);
    }
    const [one, other] = [valueOf(a, sort), valueOf(b, sort)];
    if (one === null || other === null) return (one === null) - (other === null);
    return (down ? -1 : 1) * (one - other);
  }

  function sortBy(column) {
    state.down = state.sort === column ? !state.down : column.kind === "metric";
    state.sort = column;
    draw();
    place("grid").querySelector(`[data-at="${column.at}"]`)?.focus();
  }

  function header(column) {
    const sorted = state.sort === column ? (state.down ? "descending" : "ascending") : "none";
    const arrow = { ascending: "▲", descending: "▼", none: "" }[sorted];
    const mark = element("span", { class: "arrow", "aria-hidden": "true" }, arrow);
    return element("th", { scope: "col", "aria-sort": sorted, class: column.kind },
      element("button", { type: "button", "data-at": column.at, onclick: () => sortBy(column) },
        ...(column.kind === "axis" ? [column.label, mark] : [mark, column.label])));
  }

  // Above the headers: what dataset metrics are of.
  function over(shown) {
    const row = element("tr");
    for (let at = 0; at < shown.length;) {
      let next = at + 1;
      while (next < shown.length && shown[next].dataset === shown[at].dataset) next++;
      const title = shown[at].kind === "metric" ? data.datasets[shown[at].dataset].title : "";
      row.append(title
        ? element("th", { scope: "colgroup", colspan: next - at, dir: "auto", class: "over" }, title)
        : element("td", { colspan: next - at }));
      at = next;
    }
    return row;
  }

  function number(row, column) {
    const [text, , emphasis, low, high] = data.rows[row].cells[column.at];
    const signs = column.kind === "metric" ? signsOf(text) : "";
    const cell = element("td", { class: `number ${emphasis}` },
      element("span", { class: "value" }, signs ? text.slice(0, -signs.length) : text));
    if (signs) cell.append(element("span", { class: "sign", title: explained(signs) }, signs));
    if (state.intervals && low != null)
      cell.append(element("span", { class: "interval" }, ` [${rounded(low)}, ${rounded(high)}]`));
    return cell;
  }

  function line(row, shown) {
    const select = (event) => { event.stopPropagation(); onSelect(row); };
    const cells = shown.map((column, index) => {
      if (column.kind !== "axis") return number(row, column);
      const text = textOf(row, column);
      return index ? element("td", { dir: "auto" }, text)
        : element("th", { scope: "row" },
          element("button", { type: "button", dir: "auto", onclick: select, "aria-label":
            `Select ${labelOf(row)}` }, text));
    });
    return element("tr", { "data-row": row, onclick: select,
      class: state.selected === row ? "selected" : "",
      "aria-current": state.selected === row ? "true" : null }, ...cells);
  }

  function draw() {
    const rows = data.rows.map((_, row) => row).filter(matches).sort(compare);
    const shown = shownColumns();
    place("grid").replaceChildren(element("table", {},
      element("caption", {}, "Metrics in %. Bold: the best of all rows; underlined: the second."),
      element("thead", {}, over(shown), element("tr", {}, ...shown.map(header))),
      element("tbody", {}, ...rows.map((row) => line(row, shown)))));
    place("count").textContent = `${rows.length} of ${data.rows.length} rows`;
    return rows;
  }

  const redraw = () => onRows(draw());

  function makeFilters() {
    const search = element("input", { type: "search", placeholder: "words, such as deit 128",
      oninput: () => { state.words = search.value.toLowerCase().split(/\s+/).filter(Boolean); redraw(); } });
    filters.append(element("label", {}, element("span", {}, "Filter"), search));
    for (const axis of axes) {
      const values = distinct(data.rows.map((_, row) => textOf(row, axis))).sort(inOrder);
      if (values.length < 2) continue;
      filters.append(choice(axis.label, [["", "all"], ...values.map((value) => [value, value])],
        (value) => { state.values.set(axis.at, value); redraw(); }));
    }
    const datasets = data.datasets.map((dataset, index) => [index, `all of ${dataset.title}`]);
    filters.append(choice("Metrics", [["headline", "headline"], ["all", "all"], ...datasets],
      (value) => { state.which = value; draw(); }));
    filters.append(checkbox("95 % intervals", false, (on) => { state.intervals = on; draw(); }));
    filters.append(element("button", { type: "button", onclick: clear }, "Clear filters"));
  }

  function clear() {
    for (const field of filters.querySelectorAll("input[type=search], select"))
      field.value = field.options ? field.options[0].value : "";
    Object.assign(state, { words: [], which: "headline" });
    state.values.clear();
    redraw();
  }

  function select(row) {
    state.selected = row;
    for (const line of place("grid").querySelectorAll("tbody tr")) {
      const chosen = Number(line.dataset.row) === row;
      line.classList.toggle("selected", chosen);
      chosen ? line.setAttribute("aria-current", "true") : line.removeAttribute("aria-current");
    }
  }

  // The page stays where it is: only the table scrolls.
  function reveal(row) {
    const grid = place("grid"), line = grid.querySelector(`tr[data-row="${row}"]`);
    if (line) grid.scrollTop = line.offsetTop - grid.clientHeight / 2;
  }

  makeFilters();
  for (const note of data.notes) {
    const signature = note.startsWith("signature");
    place("notes").append(element("p", { dir: "auto", class: signature ? "signature" : "" }, note));
  }
  return { redraw, select, reveal };
}
