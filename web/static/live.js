// A job's live text for as long as its page is looked at: each block once, in its place, whoever has the stream.

import { root } from "./page.js";
import { OwnStream, SharedStream, canShare } from "./shared.js";

const HIDDEN_MS = 5_000; // a tab that is only passed by keeps its stream
const ASK_MS = 20_000;

export class Live {
  #hidden = 0; // since when
  #asleep = false;
  #asked = 0;
  #over = false;

  // `blocks` is how many blocks the page has of each output item, `cursor` the last of all. `on` is told of `block`,
  // `tail` and `state` events, of `connection` (what, seconds), and of a `status` that was asked for.
  constructor(id, cursor, blocks, on) {
    Object.assign(this, { id, cursor, blocks, on });
    this.stream = new (canShare ? SharedStream : OwnStream)({
      event: (_job, kind, data, name) => this.#take(kind, data, name),
      connection: (what, left) => this.#over || this.#asleep || on.connection(what, left),
      refused: () => this.#ask(),
    });
    addEventListener("pagehide", () => this.stream.leave());
    addEventListener("pageshow", ({ persisted }) => persisted && this.#join());
    document.addEventListener("visibilitychange", () => this.#turn());
    setInterval(() => this.#beat(), 1000);
    this.#join();
    this.#turn();
  }

  end(what) {
    this.#over = true;
    this.stream.leave();
    this.on.connection(what);
  }

  open() {
    this.stream.open();
  }

  #join() {
    this.#asleep = false;
    if (!this.#over) this.stream.join(this.id, () => this.cursor);
  }

  #take(kind, data, name) {
    if (this.#over) return;
    if (kind === "end") return this.#ask();
    if (kind === "block") {
      const [index, number] = name.split(".").map(Number);
      const have = this.blocks[index] ?? 0;
      if (number > have) return this.stream.missed();
      if (number < have) return;
      this.blocks[index] = have + 1;
      this.cursor = name;
    }
    this.on[kind](data, name);
  }

  #turn() {
    this.#hidden = document.visibilityState === "hidden" ? Date.now() : 0;
    if (!this.#hidden) this.#join();
  }

  #beat() {
    const now = Date.now();
    if (this.#over || !this.#hidden || now - this.#hidden < HIDDEN_MS) return;
    if (!this.#asleep) {
      this.stream.leave();
      this.on.connection("asleep");
      this.#asleep = true;
    }
    if (now - this.#asked >= ASK_MS) this.#ask();
  }

  // What a stream does not tell: that it was refused because the job has ended, or is gone.
  async #ask() {
    this.#asked = Date.now();
    const answer = await fetch(`${root}/v1/responses/${this.id}`).catch(() => null);
    if (this.#over || !answer) return;
    if (answer.ok) this.on.status((await answer.json()).status);
    else if (answer.status < 500) this.end("gone");
  }
}
