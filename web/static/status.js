// The status and the pace of a job; the title and the icon of the tab, which show the status too.

import { root } from "./page.js";
import { STATUS, isEnd } from "./statuses.js";
import { setTitle } from "./tab.js";

const part = (name) => document.getElementById(name);
const title = document.title;
const compact = part("job").matches(".compact");
const SIGNS = { queued: "○", in_progress: "◐", completed: "✓", failed: "✕" };

export { isEnd };

export function show(status) {
  const pill = part("status");
  pill.className = `status ${status}`;
  if (pill.textContent !== STATUS[status]) pill.textContent = STATUS[status];
  if (compact) return;
  setTitle(`${SIGNS[status] ?? "…"} ${title}`);
  document.querySelector("link[rel=icon]").href = `${root}/static/icon-${status}.svg`;
}

// The pace, as the server has drawn it: as wide as it has points.
export function draw(path) {
  const drawing = part("spark");
  drawing.toggleAttribute("hidden", !path); // an SVG has no such property
  drawing.setAttribute("viewBox", `0 0 ${Math.max(1, path.split("L").length - 1)} 24`);
  drawing.firstElementChild.setAttribute("d", path);
}
