// The page behind a share's link: the text as it is written.

import { _, html } from "./page.js";
import { STATUS, isEnd } from "./statuses.js";

const AGAIN_MS = 3_000;
const article = document.getElementById("shared");
const part = (name) => document.getElementById(name);
let source = null;
let address = article.dataset.live; // none when the text has ended

const home = (index) => article.querySelector(`section[data-index="${index}"]`);

function place({ index, section }) {
  let element = home(index);
  if (!element) {
    element = document.createElement("section");
    element.className = "text markdown";
    element.dataset.index = index;
    element.id = `section-${section}`;
    element.append(document.createElement("div"));
    element.firstChild.className = "tail";
  }
  return element;
}

function state({ status, items, words }) {
  if (isEnd(status)) return end();
  part("status").className = `status ${status}`;
  part("status").textContent = STATUS[status];
  part("words").textContent = words ? _("one word|{n} words", { n: words }) : "";
  const sections = items.map(place);
  sections.forEach((section, at) => {
    const there = part("output").children[at];
    if (there !== section) part("output").insertBefore(section, there ?? null);
  });
  for (const begunAgain of [...part("output").children].slice(sections.length)) begunAgain.remove();
}

const TAKE = {
  state,
  block({ index, html: text }) {
    const tail = home(index)?.querySelector(".tail");
    tail?.replaceChildren();
    tail?.insertAdjacentHTML("beforebegin", html(text));
  },
  tail({ index, html: text }) {
    const tail = home(index)?.querySelector(".tail");
    if (tail) tail.innerHTML = html(text);
  },
};

// All of it, as the server shows it: only then is nothing missing.
async function end() {
  close();
  const answer = await fetch(location.href).catch(() => null);
  if (!answer || answer.status >= 500) return setTimeout(end, AGAIN_MS);
  if (!answer.ok) return location.reload();
  const page = new DOMParser().parseFromString(html(await answer.text()), "text/html");
  const fresh = page.getElementById("shared");
  document.title = page.title;
  article.replaceChildren(...fresh.childNodes);
  address = fresh.dataset.live;
  setTimeout(open, AGAIN_MS);
}

function open() {
  if (!address || source) return;
  source = new EventSource(address);
  for (const [kind, take] of Object.entries(TAKE)) {
    source.addEventListener(kind, ({ data, lastEventId }) => {
      if (kind === "block") address = address.replace(/after=.*$/, `after=${lastEventId}`);
      take(JSON.parse(data));
    });
  }
  source.onerror = () => {
    if (source?.readyState === EventSource.CLOSED) end(); // refused: taken back, or over
  };
}

function close() {
  source?.close();
  source = null;
}

// Browsers open six connections to a server: a page that is not looked at needs none.
document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
open();
