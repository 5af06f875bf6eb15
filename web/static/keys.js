// Keys for those who do not reach for the pointer. None of them acts while somebody types.

import { root } from "./page.js";

const dialog = document.getElementById("keys");
const rows = () => [...document.querySelectorAll("#rows tr")];
const current = () => rows().find((row) => row.contains(document.activeElement));

function move(step) {
  const all = rows();
  const at = all.indexOf(current());
  const next = at < 0 ? all[0] : all[at + step];
  next?.querySelector("th a").focus({ focusVisible: true });
}

const KEYS = {
  "/": () => {
    const search = document.querySelector("input[type=search]");
    if (search) search.select();
    else location.href = `${root}/jobs`;
  },
  n: () => (location.href = `${root}/`),
  j: () => move(1),
  k: () => move(-1),
  x: () => current()?.querySelector("input[type=checkbox]").click(),
  "?": () => dialog.showModal(),
};

addEventListener("keydown", (event) => {
  const { target, key } = event;
  const types = target.matches?.("input:not([type=checkbox]), textarea, select");
  if (key === "Enter" && (event.ctrlKey || event.metaKey) && target.form) return target.form.requestSubmit();
  if (key === "Escape" && types) target.blur();
  if (types || event.ctrlKey || event.metaKey || event.altKey || dialog.open || !Object.hasOwn(KEYS, key)) return;
  event.preventDefault();
  KEYS[key]();
});
