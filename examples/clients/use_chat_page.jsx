// A page with `useChat` that goes on with an answer when it is loaded again.
//
//   npm install ai @ai-sdk/react react react-dom esbuild
//   npx esbuild use_chat_page.jsx --bundle --jsx=automatic --outfile=page.js
//   node use_chat_server.mjs 3001 page.js

import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";
import { useState } from "react";
import { createRoot } from "react-dom/client";

// The chat's id is in the address, and what was asked in the browser: a real page has both from its server.
const id = location.hash.slice(1) || crypto.randomUUID();
location.hash = id;
const asked = JSON.parse(localStorage.getItem(id) ?? "[]");
const transport = new DefaultChatTransport({ api: "/api/chat" });

function Chat() {
  const { messages, sendMessage, status, error } = useChat({ id, messages: asked, resume: asked.length > 0, transport });
  const [text, setText] = useState("");
  const submit = (event) => {
    event.preventDefault();
    const message = { id: crypto.randomUUID(), role: "user", parts: [{ type: "text", text }] };
    localStorage.setItem(id, JSON.stringify([...messages, message]));
    sendMessage(message);
    setText("");
  };
  return (
    <main>
      {messages.map((message) => (
        <p key={message.id} className={message.role}>
          {message.parts.map((part) => (part.type === "text" ? part.text : "")).join("")}
        </p>
      ))}
      {error && <p role="alert">{error.message}</p>}
      <p role="status">{status}</p>
      <form onSubmit={submit}>
        <input aria-label="Message" value={text} onChange={(event) => setText(event.target.value)} />
      </form>
    </main>
  );
}

createRoot(document.getElementById("root")).render(<Chat />);
