"""What one long answer costs a worker in memory, by parts, and what is left of it when it has ended."""

from __future__ import annotations

import gc
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path

import openai
import psutil

from bench._results.results import Results, parsed
from jobs.settings import Settings
from tests.support.job_factory import JobFactory, sqlite
from tests.support.stack import DemoModel, Stack, running_stack, wait_for
from worker.model import call
from worker.model.chat_model import Models
from worker.model.chunks import ChunkReader, Slot
from worker.model.request import ModelRequest
from worker.publishing.event_writer import EventWriter
from worker.writing.section import Section

# Whose memory it is: of the calls that led to it, the innermost one from one of these decides.
_OWNERS = {
    "/langchain_": "LangChain",
    "/openai/": "LangChain",
    "/jobs/protocol/fold.py": "fold",
    "/worker/publishing/frame_buffer.py": "fold",
    "/jobs/protocol/transcript.py": "transcript",
    "/jobs/protocol/events.py": "frames",
}
_CALLS = 5
_TRACED, _GROWN = (2_000, 8_000), (10_000, 20_000)
_JOBS, _FIRST_JOBS, _JOB_TOKENS = 100, 10, 1000

Write = Callable[[Slot, str], None]


def traced(models: Models, tokens: int, write: Write) -> Counter[str]:
    """Bytes held for each owner, and those of the text, after so many tokens of an answer that goes on."""
    question = {"role": "user", "content": f"How long is this? [[demo tokens={2 * tokens} rate=0]]"}
    held: Counter[str] = Counter()
    with closing(call.stream(models, ModelRequest("demo", [question], {}))) as chunks:
        answer = (piece for piece in ChunkReader().pieces(chunks) if piece)
        next(answer)
        gc.collect()
        tracemalloc.start(_CALLS)
        for kind, text in islice(answer, tokens):
            write(kind, text)
            held["text"] += len(text.encode())
        gc.collect()
        snapshot = tracemalloc.take_snapshot()
        tracemalloc.stop()
    for trace in snapshot.traces:
        held[_owner(trace.traceback)] += trace.size
    return held


def _owner(calls: tracemalloc.Traceback) -> str:
    owners = (owner for call in reversed(calls) for place, owner in _OWNERS.items() if place in call.filename)
    return next(owners, "other")


def forgotten(_kind: Slot, _text: str) -> None:
    """Writes an answer nowhere."""


def recorded(writer: EventWriter, *, taken: bool) -> Write:
    """Writes an answer as the worker does. A frame is made of each piece, and taken, or not: Redis is away then."""
    section = Section(writer, 0)

    def write(kind: Slot, text: str) -> None:
        section.write(kind, text)
        if (batch := writer.buffer.batch()) and taken:
            writer.buffer.acknowledge(batch.first + len(batch.frames) - 1)

    return write


def parts(folder: Path, results: Results) -> None:
    """What is held for each token of an answer, by owner: without what the worker keeps, and with it."""
    job_factory = JobFactory(sqlite(folder))
    model = DemoModel(folder)

    def writer() -> EventWriter:
        events = job_factory.writer(job_factory.claim())
        events.begin()
        return events

    ways: dict[str, Callable[[], Write]] = {
        "the stream alone": lambda: forgotten,
        "recorded": lambda: recorded(writer(), taken=True),
        "recorded, Redis away": lambda: recorded(writer(), taken=False),
    }
    owners = ("text", *dict.fromkeys(_OWNERS.values()), "other")
    try:
        models = Models(Settings.load(openai_base_url=model.url, openai_api_key="demo"))
        for way, begin in ways.items():
            for tokens in _TRACED:
                held = traced(models, tokens, begin())
                for owner in owners:
                    results.add(f"{way}, {tokens:,} tokens", f"held by {owner}", "B/tok", held[owner] / tokens)
    finally:
        model.close()


def resident(running: Stack) -> int:
    """Bytes that the worker has in memory."""
    rss: int = psutil.Process(running.workers[0].pid).memory_info().rss
    return rss


def whole_worker(folder: Path, tokens: int) -> dict[str, int]:
    """Bytes that a worker has before, with and after an answer of so many tokens, then after short jobs in turn."""
    question = f"How large is this? [[demo tokens={tokens} stall={tokens} rate=0]]"
    with running_stack(folder / "data") as running, running.client() as client:
        client.responses.create(input="the first is not like the others")
        sizes = {"before": resident(running)}
        job = client.responses.create(input=question, background=True)
        whole = answer_of(running.model, question.replace("stall", "tokens"))
        wait_for(lambda: client.responses.retrieve(job.id).output_text == whole, 50)
        sizes["long answer"] = resident(running)
        client.responses.cancel(job.id)
        sizes["it is over"] = resident(running)
        for number in range(1, _JOBS + 1):
            client.responses.create(input=f"one of many [[demo tokens={_JOB_TOKENS}]]")
            if number in (_FIRST_JOBS, _JOBS):
                sizes[f"{number} jobs more"] = resident(running)
    return sizes


def answer_of(model: DemoModel, question: str) -> str | None:
    """What the model says to this, which is always the same."""
    with openai.OpenAI(base_url=model.url, api_key="demo") as client:
        answer = client.chat.completions.create(model="demo", messages=[{"role": "user", "content": question}])
    return answer.choices[0].message.content


def main() -> None:
    """Measure in this process, where memory can be traced, then in a worker of its own."""
    _, results = parsed("memory", __doc__)
    with tempfile.TemporaryDirectory() as folder:
        parts(Path(folder), results)
    for tokens in _GROWN:
        with tempfile.TemporaryDirectory() as folder:
            sizes = whole_worker(Path(folder), tokens)
        growth = (sizes["long answer"] - sizes["before"]) / tokens
        results.add(f"a worker, {tokens:,} tokens", "growth", "B/tok", growth)
        for name, size in sizes.items():
            results.add(f"a worker, {tokens:,} tokens", name, "MB", size / 1e6)


if __name__ == "__main__":
    main()
