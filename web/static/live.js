// A job's stream for as long as its page is looked at. Whatever happens to it, it goes on where it was.

import { root } from "./page.js";

const HIDDEN_MS = 5_000; // a tab that is only passed by keeps its stream
const ASK_MS = 20_000;
const DEAD_MS = 20_000; // the server says something every 8 s
const FIRST_MS = 500;
const LONGEST_MS = 10_000;

export class Live {
  #source = null;
  #tries = 0;
  #due = 0; // when to connect again
  #heard = 0;
  #hidden = 0; // since when
  #asked = 0;
  #limited = false; // as many streams are open as may be
  #over = false;

  // `on` is told of `block`, `tail` and `state` events, of `connection` (what, seconds), and of a `status` that was asked
  // for.
  constructor(id, cursor, on) {
    Object.assign(this, { id, cursor, on });
    addEventListener("online", () => this.#open());
    addEventListener("offline", () => this.#lost());
    addEventListener("pagehide", () => this.#close());
    addEventListener("pageshow", ({ persisted }) => persisted && this.#open());
    document.addEventListener("visibilitychange", () => this.#turn());
    setInterval(() => this.#beat(), 1000);
    this.#open();
    this.#turn();
  }

  end(what) {
    this.#over = true;
    this.#close();
    this.on.connection(what);
  }

  #open() {
    this.#close();
    if (this.#over) return;
    this.#heard = Date.now();
    const source = (this.#source = new EventSource(this.#address()));
    source.onopen = () => this.on.connection("live");
    source.onerror = () => this.#lost(source.readyState === EventSource.CLOSED);
    for (const kind of ["block", "tail", "state"]) {
      source.addEventListener(kind, ({ data, lastEventId }) => {
        this.#heard = Date.now();
        this.#tries = 0;
        this.#limited = false;
        if (kind === "block") this.cursor = lastEventId;
        this.on[kind](JSON.parse(data), lastEventId);
      });
    }
  }

  #address() {
    return `${root}/jobs/${this.id}/live?after=${this.cursor}`;
  }

  #close() {
    this.#source?.close();
    this.#source = null;
    this.#due = 0;
  }

  // The browser would connect again by itself, but not tell when.
  #lost(refused) {
    this.#close();
    if (this.#over) return;
    if (refused) this.#ask().then(() => this.#askStream());
    if (!navigator.onLine) return this.on.connection("offline");
    this.#due = Date.now() + Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#tries++) * (0.5 + Math.random());
    this.#count();
  }

  #count() {
    this.on.connection(this.#limited ? "limited" : "reconnecting", Math.max(1, Math.ceil((this.#due - Date.now()) / 1000)));
  }

  #turn() {
    this.#hidden = document.visibilityState === "hidden" ? Date.now() : 0;
    if (!this.#hidden && !this.#source) this.#open();
  }

  #beat() {
    const now = Date.now();
    if (this.#over) return;
    if (this.#hidden && now - this.#hidden >= HIDDEN_MS) {
      if (this.#source || this.#due) this.on.connection("asleep");
      this.#close();
      if (now - this.#asked >= ASK_MS) this.#ask();
    } else if (this.#source && now - this.#heard >= DEAD_MS) {
      this.#lost();
    } else if (this.#due) {
      if (now >= this.#due) this.#open();
      else this.#count();
    }
  }

  // A refused EventSource does not tell its status.
  async #askStream() {
    if (this.#over) return;
    const answer = await fetch(this.#address()).catch(() => null);
    this.#limited = answer?.status === 429;
    answer?.body?.cancel();
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
