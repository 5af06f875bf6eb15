"""What to call a job."""

from __future__ import annotations

from jobs.record import Job

_LENGTH = 80


def title(job: Job) -> str:
    """A job's topic, else the beginning of what was asked."""
    prompt = job.request["prompt"]
    topic = prompt and prompt["variables"].get("topic")
    asked = next((message["content"] for message in reversed(job.request["input"])), "")
    text = " ".join(str(topic or asked or job.id).split())
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 1]}…"
