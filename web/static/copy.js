// The buttons that copy: each block of code, one section, the whole text.

import { _, root } from "./page.js";

const CODE = "pre:not([tabindex])";
const SAID_MS = 1500;

// A button above every block of code that has none; the block can be scrolled by the keyboard as well.
export function addCopies(root) {
  if (!navigator.clipboard) return;
  for (const code of root.querySelectorAll(CODE)) {
    if (code.closest(".tail, .request")) continue;
    const button = document.createElement("button");
    button.className = "copy";
    button.textContent = _("Copy");
    code.tabIndex = 0;
    code.before(button);
  }
}

export function removeCopies(root) {
  for (const button of root.querySelectorAll(".copy")) button.remove();
  for (const code of root.querySelectorAll("pre[tabindex]")) code.removeAttribute("tabindex");
}

// The Markdown of a job, or of one of its sections, as the model wrote it.
async function written(id, section) {
  const { output } = await (await fetch(`${root}/v1/responses/${id}`)).json();
  const wanted = output.filter((item) => item.type === "message" && (!section || `${item.penstock.section}` === section));
  return wanted.flatMap((item) => item.content.map((part) => part.text)).join("");
}

export function copyOnClick(article) {
  if (!navigator.clipboard) return;
  addCopies(article);
  article.addEventListener("click", async ({ target }) => {
    const button = target.closest("button.copy, button[data-copy]");
    if (!button) return;
    const code = button.matches(".copy") && button.nextElementSibling;
    // Safari lets a script write only while the click lasts, so it is given a promise.
    const text = code ? Promise.resolve(code.innerText) : written(article.dataset.id, button.dataset.copy);
    const before = button.textContent;
    try {
      await navigator.clipboard.write([new ClipboardItem({ "text/plain": text.then((it) => new Blob([it], { type: "text/plain" })) })]);
      button.textContent = _("Copied");
    } catch {
      button.textContent = _("Not copied");
    }
    setTimeout(() => (button.textContent = before), SAID_MS);
  });
}
