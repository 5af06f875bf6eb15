// The line that tells where a job stands; the title and the icon of the tab, which tell it too.

import { _ } from "./page.js";

const part = (name) => document.getElementById(name);
const title = document.title;
const compact = part("job").matches(".compact");
const SIGNS = { queued: "○", in_progress: "◐", completed: "✓", failed: "✕" };
const STATUS = {
  queued: _("queued"),
  in_progress: _("in progress"),
  completed: _("completed"),
  failed: _("failed"),
  cancelled: _("cancelled"),
  incomplete: _("incomplete"),
};

export const isEnd = (status) => status !== "queued" && status !== "in_progress";

export function show(status) {
  const pill = part("status");
  pill.className = `status ${status}`;
  if (pill.textContent !== STATUS[status]) pill.textContent = STATUS[status];
  if (compact) return;
  document.title = `${SIGNS[status] ?? "…"} ${title}`;
  document.querySelector("link[rel=icon]").href = `/static/icon-${status}.svg`;
}

// What the server's template facts.html says, so many seconds after it was told the state.
export function tell(state, since) {
  const { queue_position: before, oldest_wait_seconds: wait, attempt, total, done, words, tokens_per_second: speed } = state;
  const silent = state.silent + since;
  const said = [time(state.elapsed + since)];
  if (attempt > 1) said.unshift(_("attempt {n}", { n: attempt }));
  if (before === 0) said.unshift(_("next in the queue"));
  if (before) said.unshift(_("{n} before it in the queue, the first for {time}", { n: before, time: time(wait) }));
  if (total > 1) said.push(_("{done} of {total} sections", { done, total }));
  if (words) said.push(_("one word|{n} words", { n: words }));
  if (speed) said.push(_("about {n} tokens/s", { n: Math.round(speed) }));
  if (state.eta_seconds) said.push(_("about {time} left", { time: time(state.eta_seconds) }));
  if (state.waiting) said.push(_("waiting to ask the model again, try {n}", { n: state.waiting.try }));
  if (state.status === "in_progress" && silent >= 5) said.push(_("silent for {time}", { time: time(silent) }));
  part("facts").replaceChildren(...said.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
}

function time(span) {
  const whole = Math.max(0, Math.round(span));
  if (whole < 60) return _("{n} s", { n: whole });
  if (whole < 3600) return _("{m} min {s} s", { m: Math.floor(whole / 60), s: whole % 60 });
  return _("{h} h {m} min", { h: Math.floor(whole / 3600), m: Math.floor((whole % 3600) / 60) });
}

// The pace, as the server has drawn it: as wide as it has points.
export function draw(path) {
  const drawing = part("spark");
  drawing.toggleAttribute("hidden", !path); // an SVG has no such property
  drawing.setAttribute("viewBox", `0 0 ${Math.max(1, path.split("L").length - 1)} 24`);
  drawing.firstElementChild.setAttribute("d", path);
}
