// What a program does with the npm package `openai` and background jobs.
// Prints one JSON object: for each part below what it saw, or the error with which it ended.

import OpenAI from "openai";

const MODEL = "demo+rate=0";
const asked = []; // addresses: they show what the package leaves out of them

const client = new OpenAI({
  fetch: (url, init) => {
    asked.push(String(url));
    return fetch(url, init);
  },
});

const all = async (iterable) => {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
};

const refusal = async (promise) => {
  try {
    await promise;
  } catch (error) {
    return [error.constructor.name, error.status, error.code, error.param];
  }
  return ["nothing was thrown"];
};

const parts = {
  // Create with a stream, follow it, and later take only the rest.
  async streams() {
    const input = "stream it [[demo tokens=20 rate=200]]";
    const events = await all(await client.responses.create({ input, background: true, stream: true }));
    const { id } = events[0].response;
    const rest = await all(await client.responses.retrieve(id, { stream: true, starting_after: 5 }));
    return {
      types: events.map((event) => event.type),
      numbers: events.map((event) => event.sequence_number),
      rest: rest.map((event) => event.sequence_number),
      text: events.map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join(""),
      stored: (await client.responses.retrieve(id)).output_text,
    };
  },

  // Check the signature of a delivery; the one here is that of tests/unit/jobs/webhooks/test_signature.py.
  async checks_a_webhook() {
    const secret = "whsec_cGVuc3RvY2stdGVzdC12ZWN0b3Itc2VjcmV0LTMyYnk=";
    const id = "01a217f46d6736057d227a377a9a4951";
    const data = { id: `resp_${id}45e4f480` };
    const event = { id: `evt_${id}`, object: "event", created_at: 1795698000, type: "response.completed", data };
    const headers = {
      "webhook-id": `wh_${id}`,
      "webhook-timestamp": "1795698000",
      "webhook-signature": "v1,CPHh/yZuEd2ZtGJoxOGEwpraa90naSrSMCWqARUPf9s=",
    };
    await client.webhooks.verifySignature(JSON.stringify(event), headers, secret, 1e9);
    const wrong = client.webhooks.verifySignature(JSON.stringify({ ...event, data: {} }), headers, secret, 1e9);
    return { right: true, wrong: (await refusal(wrong))[0] };
  },

  // Create, and ask until it has ended.
  async polls() {
    const prompt = { id: "story", variables: { topic: "翠花", words: "50" } };
    let job = await client.responses.create({ prompt, background: true });
    const first = job.status;
    while (["queued", "in_progress"].includes(job.status)) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      job = await client.responses.retrieve(job.id);
    }
    return { first, last: job.status, text: job.output_text };
  },

  // `.stream()` adds up the events; then the same helper resumes the job by its id.
  async follows_with_the_helper() {
    const input = "think [[demo tokens=20 think=8]]";
    const stream = client.responses.stream({ model: MODEL, input, background: true });
    const numbers = (await all(stream)).map((event) => event.sequence_number);
    const final = await stream.finalResponse();
    asked.length = 0;
    const resumed = client.responses.stream({ response_id: final.id, starting_after: numbers[6] });
    const rest = (await all(resumed)).map((event) => event.sequence_number);
    return {
      items: final.output.map((item) => item.type),
      text: final.output_text,
      stored: (await client.responses.retrieve(final.id)).output_text,
      numbers,
      rest,
      resumed_text: (await resumed.finalResponse()).output_text,
      resumed_query: new URL(asked[0]).search,
    };
  },

  // An answer that follows a schema.
  async parses() {
    const properties = { name: { type: "string" }, people: { type: "integer" } };
    const schema = { type: "object", properties, required: Object.keys(properties), additionalProperties: false };
    const text = { format: { type: "json_schema", name: "city", schema, strict: true } };
    return (await client.responses.parse({ input: "a city", text })).output_parsed;
  },

  // Stop a job in the middle of its text, twice; the text stays.
  async cancels() {
    const input = "stop it [[demo rate=50 tokens=5000]]";
    const stream = await client.responses.create({ input, background: true, stream: true });
    let id, seen, last, cancelled;
    for await (const event of stream) {
      id ??= event.response.id;
      if (event.type === "response.output_text.delta" && !cancelled) {
        seen = event.delta;
        cancelled = await client.responses.cancel(id);
      }
      last = event.type;
    }
    const again = await client.responses.cancel(id);
    return {
      last_event: last,
      statuses: [cancelled.status, again.status],
      seen,
      keys: Object.keys(cancelled),
      items: cancelled.output.map((item) => item.content[0].text),
      stored: (await client.responses.retrieve(id)).output_text,
    };
  },

  // Remove a job; nobody finds it afterwards.
  async deletes() {
    const job = await client.responses.create({ input: "delete it [[demo tokens=3]]" });
    await client.responses.delete(job.id);
    return { after: await refusal(client.responses.retrieve(job.id)) };
  },

  // The items of a job's input, in pages of one, in both orders.
  async lists_input() {
    const input = ["first", "second", "third"].map((content) => ({ role: "user", content }));
    const { id } = await client.responses.create({ input, background: true });
    const texts = async (order) =>
      (await all(client.responses.inputItems.list(id, { limit: 1, order }))).map((item) => item.content[0].text);
    return { up: await texts("asc"), down: await texts(undefined) };
  },

  // A second turn on top of the first, which the server remembers.
  async continues() {
    const first = await client.responses.create({ input: "my name is 翠花 [[demo tokens=3]]" });
    const second = await client.responses.create({ input: "who? [[demo tokens=3]]", previous_response_id: first.id });
    const read = [first, second].map((job) => job.usage.input_tokens);
    return { first: first.id, previous: second.previous_response_id, read };
  },

  // A job that fails in the middle: the helper hands it out and throws nothing.
  async fails() {
    const final = await client.responses
      .stream({ model: MODEL, input: "fail [[demo error=5]]", background: true })
      .finalResponse();
    return { status: final.status, message: final.error.message, text: final.output_text };
  },

  // The error classes, with what they say.
  async is_refused() {
    return {
      tools: await refusal(client.responses.create({ input: "x", tools: [{ type: "web_search" }] })),
      temperature: await refusal(client.responses.create({ input: "x", temperature: 9 })),
      unknown: await refusal(client.responses.retrieve("resp_unknown")),
    };
  },
};

const seen = {};
for (const [name, part] of Object.entries(parts)) {
  seen[name] = await part().catch((error) => error.stack);
}
console.log(JSON.stringify(seen));
