"""Waits for webhooks, and prints the text of each response that has ended. `pip install openai`.

    export OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=sk-penstock-... OPENAI_WEBHOOK_SECRET=whsec_...
    python webhook_receiver.py 9000

`penstock webhooks add http://127.0.0.1:9000/` prints the secret; addresses like this one are private, and need
PENSTOCK_WEBHOOK_ALLOW_PRIVATE.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai

client = openai.OpenAI()
# A delivery may come twice; the id tells.
seen: OrderedDict[str, None] = OrderedDict()
MOST_SEEN = 10_000


class Receiver(BaseHTTPRequestHandler):
    """Takes deliveries."""

    def do_POST(self) -> None:  # noqa: N802  (the name that http.server looks for)
        """One delivery: 2xx says that it was taken, anything else that it is to come again."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            event = client.webhooks.unwrap(body, dict(self.headers))
        except (openai.InvalidWebhookSignatureError, ValueError):
            self.answer(400)
            return
        self.answer(204)
        if event.id in seen:
            return
        seen[event.id] = None
        if len(seen) > MOST_SEEN:
            seen.popitem(last=False)
        if event.type == "response.completed":
            print(event.data.id, client.responses.retrieve(event.data.id).output_text, flush=True)

    def answer(self, status: int) -> None:
        """An answer without a body."""
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
