// Draws the map: the server says what there is, dagre finds places, this puts it there as SVG and keeps it
// up to date without moving what somebody looks at.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 42;
const LARGEST = 2;
const SMALLEST = 0.2;
/** Below this, text cannot be read: a wide map scrolls instead. */
const LEGIBLE = 0.8;
const LOOK = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin",
  "font-family", "font-size", "font-weight", "text-anchor"];

const view = document.getElementById("map");
const note = document.getElementById("map-note");
const pen = document.createElement("canvas").getContext("2d");
const font = getComputedStyle(document.body).fontFamily;
/** What is drawn: where nodes are, and of which nodes and edges the layout was made. */
let drawn = { svg: null, layout: "" };
let tag = "";
let scale = 0;

function element(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function widthOf(text, size, weight) {
  pen.font = `${weight} ${size}px ${font}`;
  return Math.ceil(pen.measureText(text).width);
}

/** Of the label alone, so that nothing moves when a rate gets longer. */
function sizeOf(node) {
  const text = Math.max(widthOf(node.label, 13, 600), 78);
  if (node.shape === "outside") return { width: text + 4, height: text + 4 };
  return { width: text + (node.shape === "service" ? 24 : 36), height: HEIGHT };
}

/** Places for all nodes and edges, in layers from left to right. */
function layOut(picture) {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({
    rankdir: "LR", ranker: "tight-tree", acyclicer: "greedy",
    nodesep: 12, edgesep: 3, ranksep: 30, marginx: 14, marginy: 18,
  });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of picture.nodes) graph.setNode(node.key, sizeOf(node));
  for (const edge of picture.edges) {
    const width = edge.label ? Math.max(widthOf(edge.label, 11, 700) + 6, 46) : 0;
    graph.setEdge(edge.from, edge.to, { width, height: edge.label ? 14 : 0, labelpos: "c" });
  }
  dagre.layout(graph);
  return graph;
}

/** The outline of a node around its middle; the kinds are told apart by it. */
function outline({ shape }, { width, height }) {
  const [x, y] = [width / 2, height / 2];
  switch (shape) {
    case "service": return element("rect", { x: -x, y: -y, width, height, rx: 8 });
    case "outside": return element("circle", { r: x });
    case "command": return element("path", { d: `M${-x} ${-y}H${x - 14}L${x} 0L${x - 14} ${y}H${-x}Z` });
    case "need": return element("path", { d: `M${-x + 14} ${-y}H${x - 14}L${x} 0L${x - 14} ${y}H${-x + 14}L${-x} 0Z` });
    default: return element("rect", { x: -x, y: -y, width, height, rx: y });
  }
}

/** What stands on the upper edge of a node, from right to left. */
function marks(node, { width, height }) {
  let right = width / 2 - (node.shape === "service" ? 4 : 12);
  return node.marks.map(([text, kind]) => {
    const wide = widthOf(text, 11, 700) + 12;
    right -= wide + 3;
    return element("g", { class: `sign ${kind}`, transform: `translate(${right + 3} ${-height / 2 - 9})` },
      element("rect", { width: wide, height: 18, rx: 9 }),
      element("text", { x: wide / 2, y: 13 }, text));
  });
}

/** Fills the link that a node is; the link itself stays, and with it what is focused. */
function fill(link, node, place) {
  link.setAttribute("href", node.address);
  link.setAttribute("class", `node ${node.classes}`);
  link.setAttribute("aria-label", node.words);
  link.setAttribute("data-node", node.key);
  link.setAttribute("transform", `translate(${place.x} ${place.y})`);
  if (node.is_focus) link.setAttribute("aria-current", "true");
  // The blanks keep the words of a node apart for who hears them.
  link.replaceChildren(outline(node, place), element("text", { class: "label", y: -1 }, node.label), " ",
    element("text", { class: "under", y: 13 }, node.under), ...marks(node, place).flatMap((mark) => [" ", mark]));
}

/** A line through the points, level at each of them, with an arrow at its end, and what stands on it. */
function line(edge, { points, x, y }, from, to) {
  const way = from.x < to.x ? 1 : -1;
  const begin = [from.x + (way * from.width) / 2, from.y];
  const tip = [to.x - (way * to.width) / 2, to.y];
  const between = points.slice(1, -1).map((point) => [point.x, point.y]);
  let [path, last] = [`M${begin}`, begin];
  for (const next of [...between, [tip[0] - way * 6, tip[1]]]) {
    const middle = (last[0] + next[0]) / 2;
    path += `C${middle} ${last[1]} ${middle} ${next[1]} ${next}`;
    last = next;
  }
  const half = 3 + edge.width / 2;
  const drawn = element("g", {}, element("title", {}, edge.words),
    element("path", { class: `edge ${edge.classes}`, d: path, "stroke-width": edge.width }),
    element("path", { class: `tip ${edge.classes}`, d: `M${tip}l${-way * 9} ${half}v${-2 * half}Z` }));
  const width = widthOf(edge.label, 11, 600) + 4;
  const label = edge.label ? [element("rect", { class: "ground", x: x - width / 2, y: y - 7, width, height: 14, rx: 4 }),
    element("text", { class: `rate ${edge.classes}`, x, y: y + 4 }, edge.label)] : [];
  return { drawn, label };
}

/** Draws anew where something came or went, and changes only the words where nothing did. */
function show(picture) {
  note.textContent = picture.note ?? "";
  note.hidden = !picture.note;
  view.hidden = picture.nodes.length === 0;
  for (const button of document.querySelectorAll(".map-tools button")) button.hidden = view.hidden;
  if (view.hidden) return;
  const layout = JSON.stringify([picture.nodes.map((node) => [node.key, node.shape]),
    picture.edges.map(({ from, to, classes }) => [from, to, classes])]);
  const isNew = layout !== drawn.layout;
  const graph = isNew ? layOut(picture) : drawn.graph;
  const place = (key) => graph.node(key);
  const lines = picture.edges.map((edge) => line(edge, graph.edge(edge.from, edge.to), place(edge.from), place(edge.to)));
  const edges = element("g", { "aria-hidden": "true" }, ...lines.map((it) => it.drawn), ...lines.flatMap((it) => it.label));
  if (!isNew) {
    for (const node of picture.nodes) fill(drawn.links.get(node.key), node, place(node.key));
    drawn.svg.firstChild.replaceWith(edges);
    return;
  }
  const focused = document.activeElement?.closest?.("a.node")?.dataset.node;
  const { width, height } = graph.graph();
  const links = new Map(picture.nodes.map((node) => [node.key, element("a")]));
  for (const node of picture.nodes) fill(links.get(node.key), node, place(node.key));
  // Tab goes through the layers from left to right.
  const places = picture.nodes.map(({ key }) => ({ key, ...place(key) }));
  places.sort((one, two) => Math.round(one.x - two.x) || one.y - two.y);
  const nodes = element("g", {}, ...places.map(({ key }) => links.get(key)));
  const label = `${picture.nodes.length} services and names, ${picture.edges.length} lines between them`;
  const svg = element("svg", { role: "group", "aria-label": label, viewBox: `0 0 ${width} ${height}` }, edges, nodes);
  const isFirst = !drawn.svg;
  drawn = { svg, size: { width, height }, graph, layout, links, places, edges: picture.edges };
  if (isFirst) scale = Math.max(fitting(), LEGIBLE);
  zoom(scale);
  view.replaceChildren(svg);
  if (focused) links.get(focused)?.focus({ preventScroll: true });
  if (isFirst) links.get(picture.nodes.find((node) => node.is_focus)?.key)?.scrollIntoView({ block: "nearest", inline: "center" });
}

function fitting() {
  return Math.min(1, (view.clientWidth - 2) / drawn.size.width);
}

function zoom(to) {
  scale = Math.min(LARGEST, Math.max(SMALLEST, to));
  drawn.svg.setAttribute("width", drawn.size.width * scale);
  drawn.svg.setAttribute("height", drawn.size.height * scale);
}

/** Goes along the lines with left and right, and within a layer with up and down. */
function step(event) {
  const key = event.target.closest?.("a.node")?.dataset.node;
  const [right, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
  if (!key || right === undefined) return;
  event.preventDefault();
  const at = drawn.graph.node(key);
  const joined = new Set(drawn.edges.flatMap(({ from, to }) => (from === key ? [to] : to === key ? [from] : [])));
  const isThere = (other) => (right
    ? joined.has(other.key) && (other.x - at.x) * right > 1
    : Math.abs(other.x - at.x) < 60 && (other.y - at.y) * down > 1);
  const far = (other) => Math.hypot(other.x - at.x, other.y - at.y);
  const [nearest] = drawn.places.filter(isThere).sort((one, two) => far(one) - far(two));
  drawn.links.get(nearest?.key)?.focus();
}

/** The drawing as a file of its own: with the look of this page, and without its addresses. */
function standalone() {
  const copy = drawn.svg.cloneNode(true);
  const looks = new Map();
  const copies = [...copy.querySelectorAll("*")];
  for (const [at, original] of [...drawn.svg.querySelectorAll("*")].entries()) {
    const style = getComputedStyle(original);
    const look = LOOK.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";");
    if (!looks.has(look)) looks.set(look, `l${looks.size}`);
    copies[at].setAttribute("class", looks.get(look));
    for (const name of ["href", "data-node", "aria-current"]) copies[at].removeAttribute(name);
  }
  const rules = [...looks].map(([look, name]) => `.${name}{${look}}`).join("\n");
  const fill = getComputedStyle(view).backgroundColor;
  copy.prepend(element("title", {}, document.title), element("style", {}, rules),
    element("rect", { ...drawn.size, fill }));
  for (const [name, value] of Object.entries(drawn.size)) copy.setAttribute(name, value);
  return new XMLSerializer().serializeToString(copy);
}

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetch(view.dataset.source, { headers: tag ? { "If-None-Match": tag } : {} });
    if (!answer.ok) return;
    const picture = await answer.json();
    tag = answer.headers.get("ETag") ?? "";
    show(picture);
  } catch {
    // What is drawn stays; console.js says that the server is away.
  }
}

view.addEventListener("keydown", step);
document.getElementById("map-in").addEventListener("click", () => zoom(scale * 1.25));
document.getElementById("map-out").addEventListener("click", () => zoom(scale / 1.25));
document.getElementById("map-fit").addEventListener("click", () => zoom(fitting()));
// console.js copies it, after this.
document.getElementById("map-copy-svg").addEventListener("click", () => {
  document.getElementById("map-svg").textContent = standalone();
});
document.addEventListener("htmx:after:swap", refresh);
document.addEventListener("visibilitychange", refresh);
refresh();
