// The page about the API: examples are copied, and run with this browser's session.

import { root } from "./page.js";
import { copyOnClick } from "./copy.js";

const MOST_SHOWN = 20_000;
const WAIT_MS = 60_000;

copyOnClick(document.querySelector(".api"));

async function run(form) {
  const { method, path } = form.dataset;
  const fields = new FormData(form);
  const address = path.replace(/\{(\w+)\}/g, (_all, name) => encodeURIComponent(fields.get(name)));
  const body = fields.get("body") ?? undefined;
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const answer = await fetch(root + address, { method, headers, body, signal: AbortSignal.timeout(WAIT_MS) });
  const text = await answer.text();
  return `${answer.status} ${answer.statusText}\n\n${text.slice(0, MOST_SHOWN)}${text.length > MOST_SHOWN ? "…" : ""}`;
}

for (const form of document.querySelectorAll("form.run")) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = form.querySelector("pre");
    said.hidden = false;
    said.textContent = "…";
    said.textContent = await run(form).catch((error) => error.message);
  });
}
