"""What one chunk of a model's answer costs the worker before it is written: HTTP body to piece of text.

The recorded body comes out of memory, so that only the reading is measured. `python -m bench.chunks [chunks]`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx2

from bench._results.results import parsed
from jobs.settings import Settings
from worker.model import chat_model
from worker.model.call import stream
from worker.model.chunks import ChunkReader
from worker.model.request import ModelRequest

_ROUNDS = 5


class Recorded(httpx2.BaseTransport, httpx2.SyncByteStream):
    """Answers every request with the same event stream, one event for each read of the socket."""

    def __init__(self, chunks: int) -> None:
        name = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "recorded"}
        choices = [
            {"index": 0, "delta": {"content": f" word{number}"}, "finish_reason": None} for number in range(chunks)
        ]
        end = {"index": 0, "delta": {}, "finish_reason": "stop"}
        events = [json.dumps({**name, "choices": [choice]}) for choice in [*choices, end]]
        self._body = [f"data: {event}\n\n".encode() for event in [*events, "[DONE]"]]

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, whatever is asked."""
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=self, request=request)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)


def main() -> None:
    """Print microseconds of CPU time a chunk, of the best of five rounds."""
    arguments, results = parsed("chunks", __doc__, chunks=20_000)
    chunks = arguments.chunks
    client = httpx2.Client(transport=Recorded(chunks))
    chat_model.http_client = lambda settings: client  # type: ignore[attr-defined] # noqa: ARG005
    models = chat_model.Models(Settings.load(openai_base_url="http://recorded.invalid/v1"))
    request = ModelRequest("recorded", [{"role": "user", "content": "go"}], {})
    best = float("inf")
    for _ in range(_ROUNDS):
        reader = ChunkReader()
        started = time.process_time()
        characters = sum(len(piece[1]) for piece in reader.pieces(stream(models, request)) if piece is not None)
        best = min(best, time.process_time() - started)
        assert reader.finish_reason == "stop", reader.finish_reason
        assert characters > chunks, characters
    results.add(f"{chunks:,} chunks, best of {_ROUNDS}", "CPU time a chunk", "us", best / chunks * 1e6)


if __name__ == "__main__":
    main()
