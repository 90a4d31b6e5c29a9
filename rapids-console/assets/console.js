// What every page does with a script: times in the zone of the reader, copying, and words about a server that
// is away. Pages can be read without it.

const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const ofToday = new Intl.DateTimeFormat(undefined, clock);
const ofAnotherDay = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "2-digit", day: "2-digit", ...clock });

/** Shows times in the zone of the reader, those of today without their date; `title` has UTC. */
function showTimes(which) {
  const today = new Date().toDateString();
  for (const time of document.querySelectorAll(which)) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    const text = (moment.toDateString() === today ? ofToday : ofAnotherDay).format(moment);
    if (time.textContent !== text) time.textContent = text;
    time.dataset.zoned = "";
  }
}

/** Copies what an address answers, byte for byte, or the text of an element. */
async function copy(button) {
  const said = button.textContent;
  try {
    const { copyFrom, copyText } = button.dataset;
    let text = document.getElementById(copyText)?.textContent;
    if (copyFrom) {
      const answer = await fetch(copyFrom);
      if (!answer.ok) throw new Error(await answer.text());
      text = await answer.text();
    }
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch (error) {
    button.textContent = "Not copied";
    button.title = String(error.message ?? error);
  }
  setTimeout(() => { button.textContent = said; }, 1500);
}

/** Says that what moves on this page stands still, and that it goes on. */
function connection(isThere) {
  const notice = document.getElementById("notice");
  const own = notice.querySelector("[data-connection]");
  if (isThere) {
    own?.remove();
  } else if (!own) {
    const line = document.createElement("p");
    line.className = "notice";
    line.dataset.connection = "";
    line.textContent = "The console does not answer. This page goes on by itself once it does.";
    notice.append(line);
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-copy-from], button[data-copy-text]");
  if (button) copy(button);
  const every = event.target.closest("input[data-choose-all]");
  for (const one of every?.form.querySelectorAll("input[name=id]") ?? []) one.checked = every.checked;
});
// Sent twice, it would be done twice, or refused the second time.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
document.addEventListener("htmx:after:swap", () => showTimes("time[datetime]:not([data-zoned])"));
document.addEventListener("htmx:sse:after:connection", () => connection(true));
document.addEventListener("htmx:sse:error", () => connection(false));
showTimes("time[datetime]");
// Until midnight, when today becomes another day.
setInterval(() => showTimes("time[datetime]"), 60_000);
