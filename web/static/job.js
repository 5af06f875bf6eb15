// Shows a job while it is written: follows its events, from the first one on, and puts text where it belongs.

import { html } from "./page.js";

const job = document.getElementById("job");
const output = document.getElementById("output");
const status = document.getElementById("status");
const connection = document.getElementById("connection");
const length = document.getElementById("length");
const pace = document.getElementById("pace");
const outline = document.getElementById("outline");
const items = new Map();
const sections = new Map();
let characters = 0;

const stream = new EventSource(`/v1/responses/${job.dataset.id}`);

function on(type, act) {
  stream.addEventListener(type, (event) => act(JSON.parse(event.data)));
}

function show(state) {
  status.className = `status ${state}`;
  status.textContent = state.replace("_", " ");
}

// Where a section's items go: a new run of it, too, so that nothing that is read moves.
function home({ section, title }) {
  if (!sections.has(section)) {
    const home = document.createElement("section");
    output.append(home);
    sections.set(section, { home, line: title ? outlined(section, home, title) : null });
  }
  return sections.get(section);
}

function outlined(section, home, title) {
  const line = document.createElement("li");
  const link = document.createElement("a");
  home.id = `section-${section}`;
  link.href = `#${home.id}`;
  link.textContent = title;
  line.append(link);
  line.className = "queued";
  outline.append(line);
  outline.hidden = false;
  return line;
}

function place(item) {
  const { home: here } = home(item.penstock);
  const text = document.createElement("div");
  text.className = "text";
  if (item.type === "reasoning") {
    const fold = document.createElement("details");
    const title = document.createElement("summary");
    title.textContent = item.penstock.section === 0 && job.dataset.planned ? "Plan" : "Reasoning";
    fold.className = "reasoning";
    fold.append(title, text);
    here.append(fold);
  } else {
    here.append(text);
  }
  return text;
}

// On a job’s own page the window scrolls, on the home page only the text.
const box = job.closest(".now") ? output : document.scrollingElement;

function write({ output_index: index, delta }) {
  const follow = box.scrollTop + box.clientHeight >= box.scrollHeight - 80;
  const text = items.get(index);
  text.append(delta);
  text.classList.add("writing");
  if (text.line) text.line.className = "in_progress";
  characters += delta.length;
  length.textContent = `${characters.toLocaleString()} characters`;
  if (follow) box.scrollTop = box.scrollHeight;
}

on("response.queued", () => show("queued"));
on("response.in_progress", () => show("in_progress"));
on("response.output_item.added", ({ output_index: index, item }) => {
  const text = place(item);
  text.dataset.id = item.id;
  if (item.type === "message") text.line = home(item.penstock).line;
  const replaced = item.penstock.replaces;
  if (replaced) output.querySelector(`[data-id="${CSS.escape(replaced)}"]`)?.classList.add("replaced");
  items.set(index, text);
});
on("response.output_text.delta", write);
on("response.reasoning_text.delta", write);
on("response.reasoning_summary_text.delta", write);
on("response.content_part.done", ({ output_index: index }) => items.get(index).classList.remove("writing"));
on("response.output_item.done", ({ output_index: index, item }) => {
  const text = items.get(index);
  text.classList.remove("writing");
  if (text.line) text.line.className = item.status;
});

// The server makes of the whole text what it cannot yet while it is written.
async function format() {
  const page = await fetch(`/jobs/${job.dataset.id}`);
  const article = new DOMParser().parseFromString(html(await page.text()), "text/html");
  if (page.ok) output.replaceChildren(...article.getElementById("output").children);
}

function end({ response }) {
  stream.close();
  pace.textContent = "";
  format();
  show(response.status);
  connection.textContent = "";
  document.getElementById("cancel").hidden = true;
  document.getElementById("result").hidden = false;
  if (response.error) {
    const error = document.getElementById("error");
    error.textContent = response.error.message;
    error.hidden = false;
  }
}
for (const type of ["completed", "failed", "incomplete"]) on(`response.${type}`, end);

// What no event carries, because it moves: place in the queue, pace, time left.
async function look() {
  if (stream.readyState === EventSource.CLOSED) return;
  if (document.visibilityState === "visible") {
    const answer = await fetch(`/v1/responses/${job.dataset.id}`).catch(() => null);
    if (answer?.ok && stream.readyState !== EventSource.CLOSED) pace.textContent = paceOf((await answer.json()).penstock);
  }
  setTimeout(look, 5000);
}

function paceOf({ queue_position: before, oldest_wait_seconds: wait, progress, tokens_per_second: speed, eta_seconds: left }) {
  if (before !== undefined) return before ? `${before} before it, the first for ${Math.round(wait)} s` : "next in the queue";
  const parts = [`${progress.words.toLocaleString()} words`];
  if (progress.total > 1) parts.unshift(`${progress.done} of ${progress.total} sections`);
  if (speed) parts.push(`about ${Math.round(speed)} tokens/s`);
  if (left) parts.push(left < 90 ? `about ${left} s left` : `about ${Math.round(left / 60)} min left`);
  return parts.join(" · ");
}
setTimeout(look, 1000);

stream.onopen = () => (connection.textContent = "live");
stream.onerror = () => {
  connection.textContent = stream.readyState === EventSource.CLOSED ? "ended" : "reconnecting…";
};

const cancel = document.getElementById("cancel");
cancel.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = new URLSearchParams(new FormData(cancel, event.submitter)); // a button that is disabled is not in it
  for (const button of cancel.querySelectorAll("button")) button.disabled = true;
  connection.textContent = "stopping…";
  await fetch(cancel.action, { method: "POST", redirect: "manual", body });
});
