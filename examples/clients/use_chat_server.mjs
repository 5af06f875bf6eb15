// The server behind a page with the AI SDK's `useChat`. It renames the events of a job, and goes on with them after a reload.
//
//   export OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=sk-penstock-...
//   node use_chat_server.mjs 3001 page.js
//
// The page is use_chat_page.jsx, which says how page.js is made of it.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const base = process.env.OPENAI_BASE_URL;
const headers = { Authorization: `Bearer ${process.env.OPENAI_API_KEY}`, "Content-Type": "application/json" };
// The newest job of each chat. A server that has a database keeps it there, beside the user whose chat it is.
const jobs = new Map();

// The events of a job's stream as they come.
async function* events(answer) {
  if (!answer.ok) throw new Error(await answer.text());
  let rest = "";
  for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
    const frames = (rest + piece).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      const data = frame.split("\n").find((line) => line.startsWith("data: "));
      if (data) yield JSON.parse(data.slice(6));
    }
  }
}

// What `useChat` calls an event; nothing for most.
function renamed(event) {
  const kind = { message: "text", reasoning: "reasoning" }[event.item?.type];
  switch (event.type) {
    case "response.created":
      return { type: "start", messageId: event.response.id };
    case "response.output_item.added":
      return kind && { type: `${kind}-start`, id: event.item.id };
    case "response.output_item.done":
      return kind && { type: `${kind}-end`, id: event.item.id };
    case "response.output_text.delta":
      return { type: "text-delta", id: event.item_id, delta: event.delta };
    case "response.reasoning_text.delta":
      return { type: "reasoning-delta", id: event.item_id, delta: event.delta };
    case "response.failed":
      return { type: "error", errorText: event.response.error.message };
    case "response.completed":
    case "response.incomplete":
      return { type: "finish" };
  }
}

async function send(response, answer, chat) {
  const type = { "Content-Type": "text/event-stream", "x-vercel-ai-ui-message-stream": "v1" };
  response.writeHead(200, { ...type, "Cache-Control": "no-cache" });
  for await (const event of events(answer)) {
    if (event.type === "response.created") jobs.set(chat, event.response.id);
    const part = renamed(event);
    // The page was left: the job goes on without it.
    if (response.destroyed) return answer.body.cancel().catch(() => {});
    if (part) response.write(`data: ${JSON.stringify(part)}\n\n`);
  }
  response.end("data: [DONE]\n\n");
}

async function start(request, response) {
  let body = "";
  for await (const piece of request) body += piece;
  const { id, messages } = JSON.parse(body);
  const input = messages.map(({ role, parts }) => ({
    role,
    content: parts.map((part) => part.type === "text" ? part.text : "").join(""),
  }));
  const asked = JSON.stringify({ input, model: process.env.MODEL, background: true, stream: true });
  await send(response, await fetch(`${base}/responses`, { method: "POST", headers, body: asked }), id);
}

// The stream of a chat's job from its beginning, if it is still being written; else 204, and the page has all.
async function resume(chat, response) {
  const job = jobs.get(chat);
  const known = job && (await (await fetch(`${base}/responses/${job}`, { headers })).json());
  if (!["queued", "in_progress"].includes(known?.status)) return response.writeHead(204).end();
  await send(response, await fetch(`${base}/responses/${job}?stream=true`, { headers }), chat);
}

const PAGE = '<!doctype html><meta charset="utf-8"><title>Chat</title><div id="root"></div><script src="/page.js"></script>';

async function page(path, response) {
  const type = path === "/page.js" ? "text/javascript" : "text/html";
  response.writeHead(200, { "Content-Type": type }).end(path === "/page.js" ? await readFile(process.argv[3]) : PAGE);
}

const server = createServer((request, response) => {
  const chat = request.url.match(/^\/api\/chat\/([^/]+)\/stream$/)?.[1];
  const answer = chat ? () => resume(decodeURIComponent(chat), response) : () => page(request.url, response);
  const done = request.method === "POST" ? start(request, response) : answer();
  done.catch((error) => {
    console.error(error);
    response.headersSent ? response.destroy() : response.writeHead(502).end();
  });
});
server.listen(Number(process.argv[2]), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});
