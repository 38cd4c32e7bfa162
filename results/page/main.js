// The page: its parts put together.
function summarise() {
  const titles = data.datasets.map((dataset) => dataset.title).join(", ");
  const missing = data.pictures.missing;
  place("summary").textContent = `${data.rows.length} rows on ${titles}`
    + (missing ? `; ${missing} of ${images.length} images were not found where this page was made` : "");
}

function makeTheme() {
  const button = place("theme"), root = document.documentElement;
  const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const name = () => { button.textContent = isDark() ? "Light theme" : "Dark theme"; };
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; name(); });
  name();
}

function main() {
  const select = (row) => {
    table.select(row);
    scatter.select(row);
    gallery.show(row);
  };
  const scatter = makeScatter((row) => { select(row); table.reveal(row); });
  const table = makeTable((rows) => { scatter.show(rows); drawPanels(rows); }, select);
  const gallery = makeGallery();
  makeCurves();
  makeVersus();
  summarise();
  makeTheme();
  table.redraw();
  let width = place("scatter").clientWidth;
  new ResizeObserver(() => {
    if (place("scatter").clientWidth !== width) { width = place("scatter").clientWidth; scatter.draw(); }
  }).observe(place("scatter"));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
}

main();
