// Tells of the jobs that have ended, if that is wanted, whichever page is open: one page of the browser asks the server
// for all of them, by a notification and a sound; each that is hidden counts them in its title.

import { _, root } from "./page.js";
import { addUnseen, seen } from "./tab.js";

const NAME = `penstock news ${root}`;
const ASK_MS = 4_000;
const OVERLAP_SECONDS = 60; // an end may be seen later than one after it
const LONGEST_SECONDS = 3_600; // of what was missed for longer nothing is told
const MOST_TOLD = 3; // one by one
const REMEMBERED = 200;

const form = document.getElementById("news");
const channel = window.BroadcastChannel && new BroadcastChannel(NAME);

// What is remembered: what is wanted, until when it was asked, and of which jobs was told.
const remembered = () => JSON.parse(localStorage.getItem(NAME) ?? "{}");
const remember = (values) => localStorage.setItem(NAME, JSON.stringify({ ...remembered(), ...values }));

function notify(title, body, address) {
  if (window.Notification?.permission !== "granted") return;
  const notification = new Notification(title, { body, tag: address });
  notification.onclick = () => {
    focus();
    location.href = address;
  };
}

// Two short tones.
function sound() {
  const audio = new AudioContext();
  for (const [at, pitch] of [[0, 660], [0.18, 880]]) {
    const [tone, volume] = [audio.createOscillator(), audio.createGain()];
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.15, audio.currentTime + at);
    volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + at + 0.16);
    tone.connect(volume).connect(audio.destination);
    tone.start(audio.currentTime + at);
    tone.stop(audio.currentTime + at + 0.17);
  }
}

function tell(jobs) {
  if (jobs.length > MOST_TOLD) {
    notify("Penstock", _("One job has ended.|{n} jobs have ended.", { n: jobs.length }), `${root}/jobs`);
  } else {
    for (const { id, title, sentence } of jobs) notify(title, sentence, `${root}/jobs/${id}`);
  }
  if (remembered().sound) sound();
  count(jobs.length);
  channel?.postMessage(jobs.length);
}

function count(jobs) {
  if (document.hidden) addUnseen(jobs);
}

async function ask() {
  const { wanted, since = 0, told = [] } = remembered();
  if (!wanted) return;
  const from = Math.max(0, since - OVERLAP_SECONDS);
  const answer = await fetch(`${root}/jobs/news?since=${from}`, { signal: AbortSignal.timeout(8000) }).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const { now, jobs } = await answer.json();
  const fresh = jobs.filter(({ id, status }) => !told.includes(`${id} ${status}`));
  remember({ since: now, told: [...told, ...fresh.map(({ id, status }) => `${id} ${status}`)].slice(-REMEMBERED) });
  if (fresh.length && now - since < LONGEST_SECONDS) tell(fresh);
}

async function askOn() {
  for (;;) {
    await ask();
    await new Promise((resolve) => setTimeout(resolve, ASK_MS));
  }
}

function show() {
  const { wanted, sound } = remembered();
  form.elements.wanted.checked = Boolean(wanted);
  form.elements.sound.checked = Boolean(sound);
  form.elements.sound.disabled = !wanted;
  document.getElementById("news-sign").textContent = wanted ? "●" : "○";
  document.getElementById("news-refused").hidden = !wanted || window.Notification?.permission === "granted";
}

form.addEventListener("change", async ({ target }) => {
  remember({ [target.name]: target.checked });
  if (target.name === "wanted" && target.checked) {
    remember({ since: 0, told: [] });
    await window.Notification?.requestPermission();
    await ask(); // what has ended until now is known
  }
  if (target.name === "sound" && target.checked) sound();
  show();
});

addEventListener("storage", ({ key }) => key === NAME && show()); // another page was asked
document.addEventListener("visibilitychange", () => document.hidden || seen());
if (channel) channel.onmessage = ({ data }) => count(data);
form.closest("details").hidden = false;
show();
if (navigator.locks) navigator.locks.request(NAME, askOn);
else askOn();
