// Files for a source text: the server reads them, and their text is put where it can be read and changed first.

import { _, root } from "./page.js";

const SECONDS = 90;

async function read(file) {
  const body = new FormData();
  body.append("file", file);
  const signal = AbortSignal.timeout(SECONDS * 1000);
  const answer = await fetch(`${root}/sources`, { method: "POST", body, signal });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error.message);
  return said;
}

async function add(files, area, list) {
  for (const file of files) {
    const line = list.appendChild(document.createElement("li"));
    line.textContent = _("{name}: being read …", { name: file.name });
    try {
      const source = await read(file);
      area.value = [area.value.trim(), source.text].filter(Boolean).join("\n\n");
      const kilobytes = Math.ceil(source.bytes / 1000);
      line.textContent = _("{name}: {kilobytes} KB, {words} words", { name: file.name, kilobytes, words: source.words });
    } catch (error) {
      line.textContent = error.message;
      line.className = "problem";
    }
  }
}

for (const field of document.querySelectorAll("[data-files]")) {
  const area = document.getElementById(field.dataset.files);
  const input = field.querySelector("input");
  const list = field.querySelector("ul");
  input.addEventListener("change", async () => {
    const files = [...input.files];
    input.value = ""; // else they would be sent with the form as well
    await add(files, area, list);
  });
  area.addEventListener("dragover", (event) => event.preventDefault());
  area.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    add([...event.dataTransfer.files], area, list);
  });
}
