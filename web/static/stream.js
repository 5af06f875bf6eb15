// One connection for the live text of some jobs. Whatever happens to it, it goes on where it was.

import { root } from "./page.js";

const SILENT_MS = 1_500; // the server says something every second
const ANSWER_MS = 1_000;
const FIRST_MS = 500;
const LONGEST_MS = 10_000;
const KINDS = ["block", "tail", "state", "end"];

export class Stream {
  #cursors = new Map(); // of each job, its last block
  #source = null;
  #tries = 0;
  #due = 0; // when to connect again
  #heard = 0;
  #asking = false;
  #limited = false; // as many streams are open as may be
  #timer = setInterval(() => this.#beat(), 250);
  #leave = new AbortController();

  // `on` is told of an `event` (job, kind, data, name), of the `connection` (what, seconds), and when it is `refused`.
  constructor(on) {
    this.on = on;
    const { signal } = this.#leave;
    addEventListener("online", () => this.open(), { signal });
    addEventListener("offline", () => this.#lost(), { signal });
  }

  cursor(job) {
    return this.#cursors.get(job);
  }

  // Goes on with these jobs, each from its block; a connection that has them all stays.
  follow(cursors) {
    const known = [...cursors].every(([job, cursor]) => this.#cursors.get(job) === cursor);
    const fewer = known && this.#source && cursors.size > 0;
    this.#cursors = new Map(cursors);
    if (!fewer) this.open();
  }

  open() {
    this.#close();
    if (!this.#cursors.size) return;
    this.#heard = Date.now();
    const source = (this.#source = new EventSource(this.#address()));
    let job = this.#cursors.keys().next().value;
    source.onopen = () => this.on.connection("live");
    source.onerror = () => this.#lost(source.readyState === EventSource.CLOSED);
    source.addEventListener("job", ({ data }) => (job = JSON.parse(data)));
    for (const kind of KINDS) {
      source.addEventListener(kind, ({ data, lastEventId }) => {
        this.#heard = Date.now();
        this.#tries = 0;
        this.#limited = false;
        if (!this.#cursors.has(job)) return;
        if (kind === "block") this.#cursors.set(job, lastEventId);
        this.on.event(job, kind, JSON.parse(data), lastEventId);
      });
    }
  }

  end() {
    this.#close();
    clearInterval(this.#timer);
    this.#leave.abort();
  }

  #address() {
    const [[job, cursor]] = this.#cursors;
    if (this.#cursors.size === 1) return `${root}/jobs/${job}/live?after=${cursor}`;
    return `${root}/live?${[...this.#cursors].map(([id, after]) => `job=${id}:${after}`).join("&")}`;
  }

  #close() {
    this.#source?.close();
    this.#source = null;
    this.#due = 0;
  }

  // The browser would connect again by itself, but not tell when.
  #lost(refused) {
    this.#close();
    if (!this.#cursors.size) return;
    if (refused) {
      this.on.refused();
      this.#askStream();
    }
    if (!navigator.onLine) return this.on.connection("offline");
    this.#due = Date.now() + Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#tries++) * (0.5 + Math.random());
    this.#count();
  }

  #count() {
    const left = Math.max(1, Math.ceil((this.#due - Date.now()) / 1000));
    this.on.connection(this.#limited ? "limited" : "reconnecting", left);
  }

  #beat() {
    const now = Date.now();
    if (this.#source && now - this.#heard >= SILENT_MS) this.#askServer();
    else if (this.#due && now >= this.#due) this.open();
    else if (this.#due) this.#count();
  }

  // A link that is dead says nothing; a server that has nothing to say answers.
  async #askServer() {
    if (this.#asking) return;
    this.#asking = true;
    const source = this.#source;
    const heard = this.#heard;
    const asked = { signal: AbortSignal.timeout(ANSWER_MS), cache: "no-store" };
    const answer = await fetch(`${root}/healthz`, asked).catch(() => null);
    this.#asking = false;
    if (source !== this.#source || heard !== this.#heard) return;
    if (answer) this.#heard = Date.now();
    else this.#lost();
  }

  // A refused EventSource does not tell its status.
  async #askStream() {
    const answer = await fetch(this.#address()).catch(() => null);
    this.#limited = answer?.status === 429;
    answer?.body?.cancel();
  }
}
