"""Time to first token: through Penstock, against a direct ChatOpenAI.stream() of the same model, in one run."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from bench._results.results import parsed
from jobs.protocol.events import TEXT_DELTA
from tests.support.stack import running_stack

_MODEL = "demo+rate=50+first=0+tokens=20"
_WARM_UP = 5


def direct(base_url: str) -> Callable[[int], float]:
    """Seconds until a stock ChatOpenAI gives its first text."""
    model = ChatOpenAI(model=_MODEL, base_url=base_url, api_key=SecretStr("demo"), max_retries=0)

    def first(number: int) -> float:
        return _first(piece.text for piece in model.stream(f"question {number}"))

    return first


def penstock(client: openai.OpenAI, *, page: bool) -> Callable[[int], float]:
    """Seconds until a viewer has the first text: of a streamed POST, or of a job watched after it was queued."""

    def first(number: int) -> float:
        def texts() -> Iterator[str]:
            question = f"question {number}"
            if page:
                job = client.responses.create(model=_MODEL, input=question, background=True)
                stream = client.responses.retrieve(job.id, stream=True)
            else:
                stream = client.responses.create(model=_MODEL, input=question, background=True, stream=True)
            for event in stream:
                yield str(getattr(event, "delta", "")) if event.type == TEXT_DELTA else ""

        return _first(texts())

    return first


def _first(texts: Iterator[str]) -> float:
    began = time.perf_counter()
    first = 0.0
    for text in texts:
        if text and not first:
            first = time.perf_counter() - began
    return first


def main() -> None:
    """Measure each way in turns."""
    arguments, results = parsed("first_token", __doc__, times=50)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack(Path(folder) / "data") as running,
        running.client() as client,
    ):
        ways = {
            "ChatOpenAI.stream(), direct": direct(running.model.url),
            "Penstock, POST with stream=true": penstock(client, page=False),
            "Penstock, POST, then GET stream": penstock(client, page=True),
        }
        measured: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(_WARM_UP + arguments.times):
            for name, measure in ways.items():
                seconds = measure(number)
                if number >= _WARM_UP:
                    measured[name].append(seconds * 1000)
    for name, values in measured.items():
        results.add(name, "time to first token", "ms", *values)
        results.add(name, "95 of 100 within", "ms", statistics.quantiles(values, n=20)[-1])


if __name__ == "__main__":
    main()
