// What every page does with a script: times in the zone of the reader, copying, and words about a server that
// is away. Pages can be read without it.

const zoned = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
});

/** Shows times in the zone of the reader; `title` has UTC. */
function showTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-zoned])")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.getTime())) {
      time.textContent = zoned.format(moment);
      time.dataset.zoned = "";
    }
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
});
document.addEventListener("htmx:after:swap", () => showTimes(document));
document.addEventListener("htmx:sse:after:connection", () => connection(true));
document.addEventListener("htmx:sse:error", () => connection(false));
showTimes(document);
