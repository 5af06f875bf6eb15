// What every page needs: texts in its language, the one door for HTML, times as the reader's clock has them.

const words = JSON.parse(document.documentElement.dataset.words || "{}");
const language = document.documentElement.lang;

// An English text in the language of the page, with {name} filled in. Of "one job|{n} jobs" the first is for n = 1.
export function _(text, values = {}) {
  const [one, many] = (words[text] ?? text).split("|");
  const filled = many !== undefined && values.n !== 1 ? many : one;
  return filled.replace(/\{(\w+)\}/g, (_all, name) =>
    typeof values[name] === "number" ? values[name].toLocaleString(language) : values[name],
  );
}

// All HTML that scripts put into a page passes here, and all of it was made by this server.
const door = window.trustedTypes?.createPolicy("penstock", { createHTML: (text) => text });
export const html = (text) => door?.createHTML(text) ?? text;

const clock = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

// The times in an element, which come in UTC.
export function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const local = clock.format(new Date(time.dateTime));
    if (time.matches(".age")) time.title = local;
    else time.textContent = local;
  }
}

localise(document);
