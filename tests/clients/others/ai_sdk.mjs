// What a program does with the AI SDK (`ai` and `@ai-sdk/openai`), whose models speak the Responses API.
// Prints one JSON object: for each part below what it saw, or the stack with which it ended.

import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";

const PICTURE =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB4iG8MwAAAABJRU5ErkJggg==";
// Address and key come from the environment.
const model = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL }).responses("demo+rate=0");

async function answers() {
  return { text: (await generateText({ model, prompt: "hello [[demo tokens=10]]" })).text };
}

async function streams() {
  const pieces = [];
  for await (const piece of streamText({ model, prompt: "hello [[demo tokens=60 rate=60]]" }).textStream) pieces.push(piece);
  return { pieces };
}

async function thinks() {
  return { thought: (await generateText({ model, prompt: "hello [[demo tokens=5 think=5]]" })).reasoningText };
}

async function calls_tools() {
  const asked = [];
  const inputSchema = jsonSchema({ type: "object", properties: { place: { type: "string" } }, required: ["place"] });
  const weather = tool({
    description: "Tell the weather at a place.",
    inputSchema,
    execute: ({ place }) => {
      asked.push(place);
      return `fine in ${place}`;
    },
  });
  const prompt = "what weather? [[demo calls=1]]";
  return { asked, text: (await generateText({ model, prompt, tools: { weather }, stopWhen: stepCountIs(3) })).text };
}

async function parses() {
  const properties = { name: { type: "string" }, people: { type: "integer" } };
  const schema = jsonSchema({ type: "object", properties, required: Object.keys(properties), additionalProperties: false });
  return (await generateText({ model, prompt: "a city", output: Output.object({ schema }) })).output;
}

// The second turn names the items of the first: the SDK sends `item_reference`.
async function continues() {
  const messages = [{ role: "user", content: "my name is 翠花 [[demo tokens=5 think=5]]" }];
  const first = await generateText({ model, messages });
  messages.push(...first.response.messages, { role: "user", content: "what is my name?" });
  const second = await generateText({ model, messages });
  return { read: [first.usage.inputTokens, second.usage.inputTokens] };
}

async function sees_images() {
  const content = [
    { type: "text", text: "[[demo echo]]a " },
    { type: "file", data: PICTURE, mediaType: "image/png" },
  ];
  return { text: (await generateText({ model, messages: [{ role: "user", content }] })).text };
}

async function fails() {
  try {
    await generateText({ model, prompt: "hello [[demo error=5]]", maxRetries: 0 });
  } catch (error) {
    return { error: error.name, words: error.message };
  }
  return {};
}

const seen = {};
for (const part of [answers, streams, thinks, calls_tools, parses, continues, sees_images, fails]) {
  try {
    seen[part.name] = await part();
  } catch (error) {
    seen[part.name] = error.stack;
  }
}
console.log(JSON.stringify(seen));
