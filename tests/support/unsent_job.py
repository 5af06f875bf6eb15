"""A job whose web process died before it told anybody of it."""

from __future__ import annotations

from jobs.job import Job
from jobs.requests.generation import CreateRequest
from jobs.requests.job_request import JobRequest
from jobs.requests.prompt_folder import Prompts
from jobs.storage.store import Store
from tests.support.stack import Stack

MODEL = "demo+rate=0+first=0"


def accept_silently(stack: Stack, text: str) -> Job:
    """A job whose web process died between storing it and telling anybody."""
    request = JobRequest.from_create(
        CreateRequest(input=text, background=True), Prompts(None), default_model=MODEL, allowed=()
    )
    return Store(stack.database).accept("local", request)
