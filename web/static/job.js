// The page of a job: puts the server's HTML where it belongs while the text is written.

import { _, html, reach, root } from "./page.js";
import { addCopies, copyOnClick, removeCopies } from "./copy.js";
import { Live } from "./live.js";
import { Reading } from "./reading.js";
import { draw, isEnd, show } from "./status.js";

const article = document.getElementById("job");
const { id, cursor, blocks } = article.dataset;
const part = (name) => document.getElementById(name);
const output = part("output");
const compact = article.matches(".compact");
const reading = new Reading(output, compact ? output : document.scrollingElement, part("jump"));
const GONE_MS = 3_000;
const changes = [];
let state = null;
let structure = "";

// ---- The text ----

// Changes wait for the next frame and are made together: what is in view is measured once.
function later(change) {
  if (changes.push(change) === 1) requestAnimationFrame(flush);
}

function flush() {
  const start = performance.now();
  reading.keep(() => {
    while (changes.length && performance.now() - start < 8) changes.shift()();
    nameOnce();
    addCopies(output);
  });
  if (changes.length) requestAnimationFrame(flush);
}

// The title does not stand above the text again when the text begins with it.
function nameOnce() {
  const heading = output.querySelector(":scope > section > h1:first-child")?.textContent.trim().toLowerCase();
  article.classList.toggle("named", heading === article.querySelector("h1").textContent.trim().toLowerCase());
}

const home = (index) => article.querySelector(`[data-index="${index}"]`);

function block({ index, html: text }) {
  const tail = home(index)?.querySelector(".tail"); // none: the whole text comes at the end
  tail?.replaceChildren();
  tail?.insertAdjacentHTML("beforebegin", html(text));
}

function tail({ index, html: text }) {
  const tail = home(index)?.querySelector(".tail");
  if (tail) tail.innerHTML = html(text);
}

const copy = (name) => part(`${name}-template`).content.firstElementChild.cloneNode(true);

const places = { message: "output", reasoning: "thoughts", function_call: "calls" };

// The element of an output item, a new one if need be, behind that of the item before it.
function place(item, before) {
  let element = home(item.index);
  if (!element) {
    const message = item.type === "message";
    element = copy(message ? "message" : "reasoning");
    element.dataset.index = item.index;
    element.dataset.id = item.id;
    if (message) element.id = `section-${item.section}`;
    else element.querySelector("summary").textContent = item.label;
    if (before) before.after(element);
    else part(places[item.type]).prepend(element);
  }
  element.classList.toggle("writing", item.status === "in_progress");
  return element;
}

// What was begun again stays until the end, so that nothing that is read goes away.
function fold(item) {
  const old = article.querySelector(`[data-id="${CSS.escape(item.replaces)}"]`);
  if (!old || old.closest(".replaced")) return;
  if (item.type !== "message") return old.remove();
  const folded = copy("replaced");
  folded.open = !reading.following;
  folded.querySelector("summary").textContent = item.replaces_label;
  old.removeAttribute("id");
  old.replaceWith(folded);
  folded.append(old);
}

function arrange(items) {
  const last = {};
  for (const item of items) {
    const element = place(item, last[item.type]);
    if (item.replaces) fold(item);
    last[item.type] = element.closest(".replaced") ?? element;
  }
}

// ---- The state of the job ----

function update(fresh) {
  state = fresh;
  if (isEnd(state.status)) return end(state.status);
  later(showState);
  const shape = state.items.map((item) => item.id + item.status).join() + state.attempt;
  if (shape !== structure && !compact) refresh();
  structure = shape;
}

function showState() {
  show(state.status);
  part("facts").innerHTML = html(state.facts);
  part("details").innerHTML = html(state.details);
  part("details").hidden = !state.details;
  draw(state.spark);
  part("plan").hidden = state.waiting?.reason !== "plan";
  if (state.stopping) stopping();
  arrange(state.items);
  for (const { section, type, status, words } of state.items) {
    const line = type === "message" && article.querySelector(`li[data-section="${section}"]`);
    if (!line) continue;
    line.className = status;
    if (words) line.querySelector("span").textContent = _("one word|{n} words", { n: words });
  }
}

async function parsed(address) {
  const answer = await fetch(address).catch(() => null);
  return answer?.ok ? new DOMParser().parseFromString(html(await answer.text()), "text/html") : null;
}

// Outline and timeline, as the server draws them.
async function refresh() {
  const fresh = await parsed(`${root}/jobs/${id}/progress`);
  if (fresh && !ended) reading.keep(() => replace(fresh, ["sections", "timeline"]));
}

function replace(fresh, names) {
  for (const name of names) {
    const [old, found] = [part(name), fresh.getElementById(name)];
    if (old && found) mend(old, found);
  }
  if (!compact) part("outline").hidden = fresh.getElementById("outline").hidden;
  prepare();
}

// Makes what is in an element that which is in a fresh one, and leaves alone all that is the same.
function mend(before, after) {
  before.normalize();
  const [old, fresh] = [[...before.childNodes], [...after.childNodes]];
  fresh.forEach((node, at) => {
    if (!old[at]) before.append(node);
    else if (!old[at].isEqualNode(node)) old[at].replaceWith(node);
  });
  for (const extra of old.slice(fresh.length)) extra.remove();
}

// ---- The end ----

let ended = cursor === undefined;

// Whoever deletes a job that runs cancels it first, and this page has left its stream at that.
async function isGone() {
  const answer = await fetch(`${root}/v1/responses/${id}`).catch(() => null);
  if (answer?.status !== 404) return false;
  connection("gone");
  return true;
}

async function end(status) {
  if (ended) return;
  ended = true;
  stream.end("ended");
  const fresh = await parsed(`${root}/jobs/${id}`);
  if (!fresh) {
    if (await isGone()) return;
    connection("reconnecting", 3);
    return setTimeout(() => ((ended = false), end(status)), 3000);
  }
  while (changes.length) flush();
  reading.keep(() => {
    removeCopies(output);
    part("cancel").remove();
    if (compact) fresh.getElementById("actions").replaceChildren();
    replace(fresh, ["facts", "thoughts", "actions", "sections", "timeline", "going-on"]);
    for (const name of ["details", "error"]) part(name).replaceWith(fresh.getElementById(name));
    article.querySelector(".status-bar").after(part("details"));
    settle(fresh.getElementById("output"));
    addCopies(output);
    article.querySelector("h1").replaceWith(fresh.querySelector("#job h1")); // the text may have named itself
    nameOnce();
    show(status); // only now, when nothing is missing
  });
  if (status === "cancelled") setTimeout(isGone, GONE_MS);
  reading.following = false;
  reading.show(false);
}

// Puts the final text in place of that which was written before the reader's eyes, block by block, where they differ.
function settle(final) {
  const sections = [...final.children];
  for (const old of [...output.children]) if (!sections.some((section) => section.id === old.id)) old.remove();
  sections.forEach((section, at) => {
    const old = output.children[at];
    if (old?.id !== section.id) return output.insertBefore(section, old ?? null);
    old.className = section.className;
    old.querySelector(":scope > .tail").remove();
    mend(old, section);
  });
  while (output.children.length > sections.length) output.lastElementChild.remove();
}

// ---- What can be done ----

function stopping() {
  const said = part("stopping");
  if (said) said.textContent = _("Stopping …");
}

// What works with JavaScript only appears with it; again when the server's HTML was put in.
function prepare() {
  reach(article);
  if (navigator.clipboard) for (const button of article.querySelectorAll("[data-copy]")) button.hidden = false;
  if (!compact && matchMedia("(max-width: 64rem)").matches) part("outline").querySelector("details").open = false;
}

article.addEventListener("submit", async (event) => {
  if (event.target.id !== "cancel") return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(event.target, event.submitter));
  stopping();
  event.submitter.disabled = true;
  const answer = await fetch(event.target.action, { method: "POST", redirect: "manual", body }).catch(() => null);
  if (!answer) event.submitter.disabled = false;
});

part("try-now").addEventListener("click", () => stream.open());

const CONNECTION = {
  live: () => _("live"),
  reconnecting: (left) => _("connection lost; next try in {n} s", { n: left }),
  limited: (left) => _("too many pages are live: close one; trying again in {n} s", { n: left }),
  offline: () => _("offline"),
  asleep: () => _("paused"),
  ended: () => "",
  gone: () => _("This job is no longer here."),
};

function connection(what, left) {
  reading.keep(() => {
    part("connection").className = `connection ${what}`;
    part("connection").textContent = CONNECTION[what](left);
    part("try-now").hidden = !(what === "reconnecting" || what === "limited" || what === "offline");
  });
}

copyOnClick(article);
prepare();
const stream = ended
  ? null
  : new Live(id, cursor, JSON.parse(blocks), {
      block: (data) => later(() => block(data)),
      tail: (data) => later(() => tail(data)),
      state: update,
      status: (status) => (isEnd(status) ? end(status) : show(status)),
      connection,
    });
if (!ended) {
  reading.following = !location.hash;
  reading.show(true);
}
