"""Going on from a text that has ended: what is asked about it, or how it shall be changed, turn by turn."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Any

from pydantic import BaseModel, StringConstraints

from jobs.job import Job
from jobs.requests.generation import CreateRequest
from jobs.storage.reports.report_jobs import ReportJobs
from web.actions.submit import submit
from web.context import WebContext


class Question(BaseModel):
    """What somebody asks about a text, or wishes of it."""

    question: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000, pattern=r"^[^\x00]*$")
    ]


def ask(context: WebContext, owner: str, job_id: str, question: str, **sending: Any) -> Job:
    """A new job that answers a question about the text of another, by the same model.

    `sending` is how the client sends it. Raises InvalidRequest, JobNotFound, LimitReached.
    """
    job = context.store.get(owner, job_id)
    create = CreateRequest(input=question, background=True, previous_response_id=job.id, model=job.request.model)
    return submit(context, owner, create, **sending)


def thread(context: WebContext, job: Job) -> list[Job]:
    """The turns before and after a job, and the job itself, the oldest first: all that go on with each other."""
    together = {known.id: known for known in [job, *ReportJobs(context.database).others(job)]}
    turns = {job.id}
    while more := set(_next_to(turns, together.values())) - turns:
        turns |= more
    return sorted((together[turn] for turn in turns), key=lambda turn: (turn.created_at, turn.id))


def _next_to(turns: set[str], known: Collection[Job]) -> Iterator[str]:
    """The ids of known jobs that go on with one of these turns, or that one of them goes on with."""
    ids = {job.id for job in known}
    for job in known:
        before = job.request.previous_response_id
        if before in turns:
            yield job.id
        if job.id in turns and before in ids:
            yield str(before)


def asked(job: Job) -> str:
    """What a turn was asked, in its reader's words; of a report its topic, and empty when nothing says it."""
    question = "\n\n".join(message["content"] for message in job.request.input if message.get("role") == "user")
    return question or str(job.request.variables.get("topic") or "")
