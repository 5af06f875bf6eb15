// The live text of all jobs that this browser shows, over one stream: browsers open six connections to a server, and
// another page would get none. Whoever has the lock leads: its stream is for all, and hands on what comes.

import { root } from "./page.js";
import { Stream } from "./stream.js";

const NAME = `penstock live ${root}`;
const GATHER_MS = 50;
const AGAIN_MS = 5_000;
const GONE_MS = 20_000;

export const canShare = Boolean(navigator.locks && window.BroadcastChannel);

// A page's stream of its own, where browsers know no locks.
export class OwnStream {
  constructor(on) {
    this.on = on;
  }

  join(job, cursor) {
    this.stream ??= new Stream(this.on);
    this.stream.follow(new Map([[job, cursor()]]));
  }

  leave() {
    this.stream?.end();
    this.stream = null;
  }

  open() {
    this.stream?.open();
  }

  missed() {
    // Nothing comes from another page.
  }
}

// A page's part of the stream that all pages share.
export class SharedStream {
  #page = crypto.randomUUID();
  #wanted = new Map(); // for the leader, by page: which job, when the page was heard, and from which block it is sent
  #told = null; // and what pages were told of the connection
  #channel = null;
  #stream = null; // the leader's
  #release = null;
  #gathering = null;
  #timer = null;

  // `on` as that of a Stream.
  constructor(on) {
    this.on = on;
  }

  // Follow a job from the block that `cursor()` names.
  join(job, cursor) {
    if (this.#channel) return;
    this.job = job;
    this.cursor = cursor;
    this.#channel = new BroadcastChannel(NAME);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    this.#timer = setInterval(() => this.#say({ kind: "here", page: this.#page, job: this.job }), AGAIN_MS);
    this.#want();
    this.#lead();
  }

  leave() {
    if (!this.#channel) return;
    this.#say({ kind: "leave", page: this.#page });
    clearInterval(this.#timer);
    this.#channel.close();
    this.#channel = null;
    this.#release?.();
  }

  // The page has not got a block that was sent to another.
  missed() {
    this.#want();
  }

  open() {
    this.#say({ kind: "open" });
  }

  #want() {
    this.#say({ kind: "want", page: this.#page, job: this.job, cursor: this.cursor() });
  }

  // To all pages, this one too.
  #say(message) {
    this.#channel?.postMessage(message);
    this.#hear(message);
  }

  #hear(message) {
    switch (message.kind) {
      case "event":
        if (message.job === this.job) this.on.event(message.job, message.type, message.data, message.name);
        break;
      case "connection":
        this.on.connection(message.what, message.left);
        break;
      case "refused":
        this.on.refused();
        break;
      case "leader":
        if (message.page !== this.#page) this.#want();
        break;
      default:
        if (this.#stream) this.#serve(message);
    }
  }

  // ---- The leader's part ----

  async #lead() {
    const leaving = new AbortController();
    const left = new Promise((resolve) => (this.#release = resolve));
    left.then(() => leaving.abort());
    await navigator.locks
      .request(NAME, { signal: leaving.signal }, async () => {
        this.#stream = new Stream({
          event: (job, type, data, name) => this.#say({ kind: "event", job, type, data, name }),
          connection: (what, left) => this.#say((this.#told = { kind: "connection", what, left })),
          refused: () => this.#say({ kind: "refused" }),
        });
        this.#say({ kind: "leader", page: this.#page });
        this.#want();
        await left;
        clearTimeout(this.#gathering);
        this.#gathering = null;
        this.#stream.end();
        this.#stream = null;
        this.#wanted.clear();
        this.#told = null;
      })
      .catch(() => null); // it left before it led
  }

  #serve({ kind, page, job, cursor }) {
    if (kind === "open") return this.#stream.open();
    if (kind === "leave") this.#wanted.delete(page);
    else this.#wanted.set(page, { job, cursor: cursor ?? this.#wanted.get(page)?.cursor, at: Date.now() });
    this.#gathering ??= setTimeout(() => this.#gather(), GATHER_MS);
  }

  // A page that is behind the stream gets what it lacks; the others know that they have it.
  #gather() {
    this.#gathering = null;
    const cursors = new Map();
    for (const [page, wish] of this.#wanted) {
      if (Date.now() - wish.at > GONE_MS) this.#wanted.delete(page);
      else cursors.set(wish.job, wish.cursor ?? cursors.get(wish.job) ?? this.#stream.cursor(wish.job) ?? "");
      wish.cursor = null;
    }
    this.#stream.follow(cursors);
    if (this.#told) this.#say(this.#told);
  }
}
