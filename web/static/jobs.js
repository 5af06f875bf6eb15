// Keeps the list as it is on the server, without moving what the pointer is over; ticks many at once.

import { _, every, now, renew } from "./page.js";

const list = document.getElementById("list");
const rows = document.getElementById("rows");
const all = document.getElementById("all");
const more = document.getElementById("more");
const state = document.getElementById("state");
const boxes = () => [...rows.querySelectorAll("input[type=checkbox]")];

// A row that somebody points at, or is led through by keys, stays where it is.
const isHeld = () => list.matches(":hover, :has(#rows :focus-visible)");

// The cells that differ; never the first, which holds the tick.
function patch(row, fresh) {
  [...fresh.cells].forEach((cell, number) => {
    if (number && cell.innerHTML !== row.cells[number].innerHTML) row.cells[number].replaceChildren(...cell.childNodes);
  });
}

function merge(fresh, moving) {
  const wanted = [...fresh.getElementById("rows").rows].map((row) => {
    const known = document.getElementById(row.id);
    if (known) patch(known, row);
    return known ?? row;
  });
  for (const row of rows.rows) row.classList.toggle("gone", !wanted.includes(row));
  const added = wanted.filter((row) => !row.isConnected || row.ownerDocument !== document).length;
  if (moving) rows.replaceChildren(...wanted);
  more.hidden = moving || !added;
  if (!more.hidden) more.textContent = _("Show one new job|Show {n} new jobs", { n: added });
}

async function refresh(moving = !isHeld()) {
  const fresh = await now();
  state.textContent = fresh ? "" : _("The server does not answer. Trying again …");
  if (!fresh) return;
  merge(fresh, moving);
  renew(fresh, ["counts", "pages", "found"].map((id) => document.getElementById(id)));
  document.getElementById("none").hidden = rows.rows.length > 0;
  count();
}

// Days are those of whoever chooses them: the form sends when the first begins and when the last is over.
const form = document.querySelector("form[role=search]");
const DAYS_LATER = { since: 0, until: 1 };
const begin = (day, later) => {
  const [year, month, date] = day.split("-").map(Number);
  return new Date(year, month - 1, date + later).getTime() / 1000;
};
const dayOf = (seconds) => new Intl.DateTimeFormat("sv").format(new Date(seconds * 1000)); // as 2026-12-31
for (const [name, later] of Object.entries(DAYS_LATER)) {
  const input = form.elements[name];
  if (input.dataset.at && !input.value) input.value = dayOf(input.dataset.at - later); // one second before it is over
}
form.addEventListener("formdata", ({ formData }) => {
  for (const [name, later] of Object.entries(DAYS_LATER)) {
    if (formData.get(name)) formData.set(name, begin(formData.get(name), later));
  }
});
document.getElementById("zone").textContent = Intl.DateTimeFormat().resolvedOptions().timeZone;

every(3000, () => refresh());
more.addEventListener("click", () => refresh(true));

function count() {
  const ticked = boxes().filter((box) => box.checked).length;
  document.getElementById("ticked").textContent = ticked ? _("{n} ticked", { n: ticked }) : "";
  all.checked = ticked > 0 && ticked === boxes().length;
  all.indeterminate = ticked > 0 && !all.checked;
}

let last = null;
rows.addEventListener("click", (event) => {
  if (event.target.type !== "checkbox") return;
  const [from, to] = [last, event.target].map((box) => boxes().indexOf(box)).sort((a, b) => a - b);
  if (event.shiftKey && from >= 0) for (const box of boxes().slice(from, to + 1)) box.checked = event.target.checked;
  last = event.target;
  count();
});
all.hidden = false;
all.addEventListener("change", () => {
  for (const box of boxes()) box.checked = all.checked;
  count();
});
count();
