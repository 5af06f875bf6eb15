// What the transport of the AI SDK's `useChat` does with the server of the example at CHAT_URL.
// Prints one JSON object with what it saw.

import { DefaultChatTransport, readUIMessageStream } from "ai";

const transport = new DefaultChatTransport({ api: process.env.CHAT_URL });
const messages = (text) => [{ id: "1", role: "user", parts: [{ type: "text", text }] }];
const send = (chatId, text, abortSignal) =>
  transport.sendMessages({ trigger: "submit-message", chatId, messages: messages(text), messageId: undefined, abortSignal });

async function last(stream, seen = () => {}) {
  let message;
  for await (const next of readUIMessageStream({ stream })) {
    message = next;
    await seen(message);
  }
  return message;
}

const texts = (message, type) => message.parts.filter((part) => part.type === type).map((part) => part.text).join("");

const whole = await last(await send("whole", "hello [[demo tokens=10 think=5]]"));

// The page is left as soon as text comes, and opened again. The model stalls, so that the job still runs then.
const leaving = new AbortController();
const reader = (await send("left", "hello [[demo tokens=100 rate=0 stall=20]]", leaving.signal)).getReader();
let first;
do first = (await reader.read()).value;
while (first.type !== "text-delta");
leaving.abort();
let cancelled;
const again = await last(await transport.reconnectToStream({ chatId: "left" }), async (message) => {
  if (cancelled || !texts(message, "text")) return;
  cancelled = await fetch(`${process.env.API_URL}/responses/${message.id}/cancel`, { method: "POST" });
});
const over = await transport.reconnectToStream({ chatId: "left" });

console.log(JSON.stringify({
  sends: { id: whole.id, text: texts(whole, "text"), thought: texts(whole, "reasoning") },
  resumes: { id: again.id, text: texts(again, "text"), after: over },
}));
