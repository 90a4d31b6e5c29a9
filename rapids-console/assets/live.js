// The live page: counts what passes, drops the oldest rows, pauses and goes on, and inserts clauses into the
// expression. The stream itself is read by htmx.

const MOST_ROWS = 500;
/** After so long it is tried again, in milliseconds. */
const AGAIN = 5000;
/** For so long between two frames the page can do something else. */
const BREATH = 30;

const rows = document.getElementById("rows");
const button = document.getElementById("pause");
const state = document.getElementById("live-state");
const counter = document.getElementById("counter");
const expression = document.getElementById("where");
const number = new Intl.NumberFormat();

/** The element that the stream is read with: a new one each time, so that an old one cannot go on. */
let feed = document.getElementById("feed");
let connection;
let isPaused = feed?.dataset.paused !== undefined;
let passed = 0;
let matched = 0;

function say(text) {
  if (state.textContent !== text) state.textContent = text;
}

/** Takes the hidden row with which each frame begins: it has the counts, and the place in the stream. */
function takeFrames() {
  let behind = 0;
  for (const frame of rows.querySelectorAll("tr[data-frame]")) {
    passed += Number(frame.dataset.passed);
    matched += Number(frame.dataset.matched);
    behind = Number(frame.dataset.behind);
    feed.dataset.last = frame.dataset.last;
    frame.remove();
  }
  while (rows.rows.length > MOST_ROWS) rows.lastElementChild.remove();
  document.getElementById("none").hidden = rows.rows.length > 0;
  const late = behind > 0 ? `, ${number.format(behind)} to catch up` : "";
  counter.textContent = `${number.format(passed)} passed, ${number.format(matched)} matched${late}; `
    + `${number.format(rows.rows.length)} rows shown, at most ${MOST_ROWS}`;
}

/** Ends the reading, and unless it is paused, begins it behind what is there already. */
function connect() {
  const next = feed.cloneNode(false);
  next.removeAttribute("class");
  next.removeAttribute("data-htmx-powered");
  next.removeAttribute("hx-sse:connect");
  if (!isPaused) next.setAttribute("hx-sse:connect", `${next.dataset.events}&after=${next.dataset.last}`);
  feed.replaceWith(next);
  feed = next;
  connection?.abortController?.abort();
  connection = undefined;
  htmx.process(feed);
}

function show() {
  button.textContent = isPaused ? "Resume" : "Pause";
  button.title = "Key p";
  state.className = isPaused ? "state warning" : "state good";
  say(isPaused ? `Paused behind ${feed.dataset.last}` : "Live");
}

function toggle() {
  isPaused = !isPaused;
  connect();
  show();
}

/** The console has turned the stream away, or was not there: htmx gives up then. */
function refused(context, why) {
  if (context?.sourceElement !== feed || isPaused) return;
  const turnedAway = feed;
  state.className = "state bad";
  say(`Not live: ${String(why).slice(0, 200)}. Tries again.`);
  setTimeout(() => { if (feed === turnedAway && !isPaused) connect(); }, AGAIN);
}

/** Inserts a clause where the cursor is, and puts it between the quotes. */
function insert(clause) {
  const { selectionStart: start, selectionEnd: end } = expression;
  expression.focus();
  expression.setRangeText(clause, start, end, "end");
  const quotes = clause.indexOf("''");
  if (quotes >= 0) expression.setSelectionRange(start + quotes + 1, start + quotes + 1);
  expression.dispatchEvent(new Event("input", { bubbles: true }));
}

document.getElementById("clauses").hidden = false;
document.addEventListener("click", (event) => {
  const clause = event.target.closest("button[data-insert]");
  if (clause) insert(clause.dataset.insert);
});
document.addEventListener("htmx:after:swap", () => {
  const fault = document.getElementById("where-fault");
  expression.setAttribute("aria-invalid", String(fault.textContent.trim() !== ""));
});

if (feed) {
  button.hidden = false;
  show();
  button.addEventListener("click", toggle);
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
    const isChord = event.ctrlKey || event.metaKey || event.altKey;
    if (event.key === "p" && !isTyping && !isChord && !event.repeat) toggle();
  });
  document.addEventListener("htmx:after:swap", (event) => {
    if (event.detail.ctx?.sourceElement === feed) takeFrames();
  });
  document.addEventListener("htmx:sse:before:message", ({ target, detail }) => {
    if (target !== feed) return;
    // Frames that are there already would be taken at one go. One that waits when it is paused comes again.
    detail.waitUntil(new Promise((go) => {
      setTimeout(() => { detail.cancelled = target !== feed; go(); }, BREATH);
    }));
  });
  document.addEventListener("htmx:sse:after:connection", (event) => {
    if (event.target !== feed) return;
    connection = event.detail.connection;
    show();
  });
  document.addEventListener("htmx:response:error", ({ detail }) => refused(detail.ctx, detail.ctx?.text));
  document.addEventListener("htmx:error", ({ detail }) => refused(detail.ctx, "the console does not answer"));
}
