// The status and the pace of a job; the title and the icon of the tab, which show the status too.

import { _, root } from "./page.js";

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
  document.querySelector("link[rel=icon]").href = `${root}/static/icon-${status}.svg`;
}

// The pace, as the server has drawn it: as wide as it has points.
export function draw(path) {
  const drawing = part("spark");
  drawing.toggleAttribute("hidden", !path); // an SVG has no such property
  drawing.setAttribute("viewBox", `0 0 ${Math.max(1, path.split("L").length - 1)} 24`);
  drawing.firstElementChild.setAttribute("d", path);
}
