// The form of a plan: sections are moved, dropped and added; their places are those in which they stand.

const form = document.getElementById("plan");
const list = document.getElementById("sections");

function number() {
  [...list.children].forEach((section, at) => (section.querySelector("[name=place]").value = at + 1));
}

function move(section, way) {
  if (way === "up") section.previousElementSibling?.before(section);
  else if (way === "down") section.nextElementSibling?.after(section);
  else section.remove();
  number();
}

if (form) {
  const empty = list.lastElementChild.cloneNode(true);
  form.classList.add("scripted");
  for (const section of [...list.children]) if (!section.querySelector("[name=section]").value) section.remove();
  for (const moves of [...list.querySelectorAll(".moves"), empty.querySelector(".moves")]) moves.hidden = false;
  list.addEventListener("click", ({ target }) => {
    if (!target.dataset.move) return;
    move(target.closest("li"), target.dataset.move);
    if (target.isConnected) target.focus();
  });
  const add = document.getElementById("add");
  add.hidden = false;
  add.addEventListener("click", () => {
    list.append(empty.cloneNode(true));
    number();
    list.lastElementChild.querySelector("[name=section]").focus();
  });
}
