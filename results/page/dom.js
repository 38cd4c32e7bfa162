// Nodes of the page. What comes from reports becomes text or an attribute, never markup.
const data = JSON.parse(document.getElementById("data").textContent);
const place = (id) => document.getElementById(id);

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

const element = (tag, attributes = {}, ...children) =>
  filled(document.createElement(tag), attributes, children);

const shape = (tag, attributes = {}, ...children) =>
  filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

// A labelled choice; options are [value, text].
function choice(label, options, onchange, chosen = null) {
  const select = element("select", { onchange: () => onchange(select.value) });
  for (const [value, text] of options)
    select.append(element("option", { value, selected: String(value) === String(chosen) }, text));
  return element("label", {}, element("span", {}, label), select);
}

function checkbox(label, checked, onchange) {
  const input = element("input", {
    type: "checkbox", checked, onchange: () => onchange(input.checked),
  });
  return element("label", { class: "check" }, input, element("span", {}, label));
}

// Naturally: 32 before 128, none first, what is missing last.
const collator = new Intl.Collator("en", { numeric: true });
function inOrder(a, b) {
  if (a === "-" || b === "-") return (a === "-") - (b === "-");
  if (a === "none" || b === "none") return (b === "none") - (a === "none");
  return collator.compare(a, b);
}

const distinct = (values) => [...new Set(values)];
const rounded = (value, digits = 1) => (value == null ? "–" : value.toFixed(digits));

// The tip: what is pointed at or focused, in words; lines are texts or [name, value].
const tip = place("tip");
function showTip(target, lines) {
  tip.replaceChildren(...lines.map((line) => typeof line === "string"
    ? element("strong", { dir: "auto" }, line)
    : element("div", {}, element("span", {}, line[0]), element("span", { dir: "auto" }, line[1]))));
  tip.hidden = false;
  const at = target.getBoundingClientRect(), size = tip.getBoundingClientRect();
  const left = Math.min(at.right + 10, document.documentElement.clientWidth - size.width - 6);
  const below = at.bottom + 8;
  const top = below + size.height > window.innerHeight ? at.top - size.height - 8 : below;
  tip.style.left = `${Math.max(6, left) + window.scrollX}px`;
  tip.style.top = `${Math.max(6, top) + window.scrollY}px`;
}
const hideTip = () => { tip.hidden = true; };

// Whatever tells its lines when the pointer or the focus is on it.
function tells(node, lines) {
  const show = () => showTip(node, lines());
  for (const name of ["pointerenter", "focus"]) node.addEventListener(name, show);
  for (const name of ["pointerleave", "blur"]) node.addEventListener(name, hideTip);
  return node;
}

// One tab stop for many nodes: arrow keys, Home and End move among them.
function roving(nodes) {
  nodes.forEach((node, index) => {
    node.setAttribute("tabindex", index ? -1 : 0);
    node.addEventListener("keydown", (event) => {
      const to = { ArrowRight: index + 1, ArrowDown: index + 1, ArrowLeft: index - 1,
        ArrowUp: index - 1, Home: 0, End: nodes.length - 1 }[event.key];
      if (to === undefined || !nodes[to]) return;
      event.preventDefault();
      nodes.forEach((other) => other.setAttribute("tabindex", -1));
      nodes[to].setAttribute("tabindex", 0);
      nodes[to].focus();
    });
  });
}
