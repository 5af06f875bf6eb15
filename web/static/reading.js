// Where the reader is in a text that grows: at its end, which is followed, or at a place that must not move.

// Blocks whose places are noted before a change: the first of them that is still there afterwards counts.
const ANCHORS = 6;

export class Reading {
  following = false;
  #last = 0;

  // `text` scrolls by itself if it is the `box`, else the window scrolls; `jump` is the button that leads to the end.
  constructor(text, box, jump) {
    Object.assign(this, { text, box, jump });
    const scrolled = () => {
      if (this.#atEnd()) this.following = true;
      else if (box.scrollTop < this.#last) this.following = false;
      this.#last = box.scrollTop;
      this.show();
    };
    (box === text ? box : window).addEventListener("scroll", scrolled, { passive: true });
    jump?.addEventListener("click", () => {
      this.following = true;
      this.toEnd();
      this.show();
    });
  }

  show(live = this.live) {
    this.live = live;
    if (this.jump) this.jump.hidden = this.following || !live || this.#atEnd();
  }

  // Change the page, and let the reader see the same as before: the end, or the lines that were in view.
  keep(change) {
    const seen = this.box === this.text ? [] : this.#inView();
    change();
    if (this.following && this.#below() + 24 > 0) return this.toEnd();
    const still = seen.find(([element]) => element.isConnected);
    if (still) this.box.scrollTop += still[0].getBoundingClientRect().top - still[1];
    this.#last = this.box.scrollTop;
    this.show();
  }

  toEnd() {
    const hidden = this.#below() + 24;
    if (hidden > 0) this.box.scrollTop += hidden;
    this.#last = this.box.scrollTop;
  }

  // How many pixels of the text are below what can be seen.
  #below() {
    if (this.box === this.text) return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight;
    return this.text.getBoundingClientRect().bottom - innerHeight;
  }

  #atEnd() {
    return this.#below() <= 48;
  }

  // The finished blocks of text in the window, with their places: first the one where people read.
  #inView() {
    const { left, width } = this.text.getBoundingClientRect();
    const [eye, found] = [innerHeight * 0.3, new Map()];
    for (let step = 0; step < 0.6 * innerHeight && found.size < ANCHORS; step += 24) {
      for (const y of [eye + step, eye - step]) {
        let block = document.elementFromPoint(left + width / 3, y)?.closest("#output section > *");
        // What is being written is drawn again and again; it grows below what is finished.
        if (block?.matches(".tail")) block = block.previousElementSibling ?? block.parentElement;
        if (block && !found.has(block)) found.set(block, block.getBoundingClientRect().top);
      }
    }
    return [...found];
  }
}
