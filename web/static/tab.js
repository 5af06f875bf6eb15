// The title of the tab: what the page says, behind how many jobs have ended that nobody has seen.

let text = document.title;
let unseen = 0;

const show = () => (document.title = unseen ? `(${unseen}) ${text}` : text);

export function setTitle(title) {
  text = title;
  show();
}

export function addUnseen(count) {
  unseen += count;
  show();
}

export function seen() {
  unseen = 0;
  show();
}
