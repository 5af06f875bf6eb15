// What every page needs: texts in its language, the one door for HTML, local times, and to be kept up to date.

// The path below which a proxy shows this site; empty when it has a name of its own.
export const root = document.documentElement.dataset.root;
const words = JSON.parse(document.documentElement.dataset.words || "{}");
const language = document.documentElement.lang;
// Made when they are needed: the first of their kind takes the browser some 50 ms.
let numbers = null;
let clock = null;
let days = null;

// An English text in the language of the page, with {name} filled in. Of "one job|{n} jobs" the first is for n = 1.
export function _(text, values = {}) {
  const [one, many] = (words[text] ?? text).split("|");
  const filled = many !== undefined && values.n !== 1 ? many : one;
  return filled.replace(/\{(\w+)\}/g, (_all, name) =>
    values[name] >= 1000 ? (numbers ??= new Intl.NumberFormat(language)).format(values[name]) : values[name],
  );
}

// All HTML that scripts put into a page passes here, and all of it was made by this server.
const door = window.trustedTypes?.createPolicy("penstock", { createHTML: (text) => text });
export const html = (text) => door?.createHTML(text) ?? text;

// The times in an element, which come in UTC.
export function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    if (time.matches(".day")) {
      days ??= new Intl.DateTimeFormat(language, { dateStyle: "full" });
      time.textContent = days.format(new Date(time.dateTime));
      continue;
    }
    clock ??= new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
    const local = clock.format(new Date(time.dateTime));
    if (time.matches(".age")) time.title = local;
    else time.textContent = local;
  }
}

localise(document);

const SCROLLED = ".wide, .wide-table, .facts, .outline, .markdown :is(pre, table, .formula)";

// What scrolls by itself is scrolled by keys as well; not every browser sees to that.
export function reach(root) {
  for (const box of root.querySelectorAll(SCROLLED)) {
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
  }
}

reach(document);

// This page as the server would show it now; null when the server does not answer.
export async function now() {
  const answer = await fetch(location.href, { signal: AbortSignal.timeout(8000) }).catch(() => null);
  if (answer?.redirected) location.reload(); // signed out
  if (!answer?.ok || answer.redirected) return null;
  const page = new DOMParser().parseFromString(html(await answer.text()), "text/html");
  localise(page);
  return page;
}

// Puts what has changed of these elements in their place, unless somebody is just about to use it.
export function renew(page, elements) {
  for (const old of elements) {
    const fresh = page.getElementById(old.id);
    if (fresh && old.innerHTML !== fresh.innerHTML && !old.matches(":has(:focus-visible, button:hover, a:active)")) {
      old.replaceChildren(...fresh.childNodes);
    }
  }
}

// Does something every so many milliseconds for as long as the page is looked at, and when it is shown again.
export function every(milliseconds, act) {
  const isShown = () => document.visibilityState === "visible";
  const again = async () => {
    if (isShown()) await act();
    setTimeout(again, milliseconds);
  };
  setTimeout(again, milliseconds);
  document.addEventListener("visibilitychange", () => isShown() && act());
}
