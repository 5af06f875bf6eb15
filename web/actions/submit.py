"""Accept a create: check it, store the job, wake a worker."""

from __future__ import annotations

from jobs.job import Job
from jobs.requests.generation import CreateRequest
from jobs.requests.job_request import JobRequest, named_model
from web.actions import conversation
from web.context import WebContext


def submit(
    context: WebContext, owner: str, create: CreateRequest, *, idempotency_key: str | None = None, client_retry: int = 0
) -> Job:
    """A new job of the owner; or the one that this key, or this retry of a client, was answered with before.

    Raises InvalidRequest.
    """
    model = named_model(create, context.prompts) or context.models.default()
    previous = create.previous_response_id
    request = JobRequest.from_create(
        create,
        context.prompts,
        default_model=model,
        allowed=context.settings.models,
        history=conversation.history(context.store, owner, previous) if previous else [],
    )
    job = context.store.accept(owner, request, idempotency_key=idempotency_key, retried=client_retry)
    context.wakeups.job(job.id)
    return job
