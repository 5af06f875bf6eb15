"""Accept a create: check it, store the job, wake a worker."""

from __future__ import annotations

from jobs.job import Job
from jobs.requests import generation
from jobs.requests.generation import CreateRequest
from jobs.requests.job_request import JobRequest, named_model
from jobs.storage.acceptance import hash_of
from web.actions import conversation
from web.context import WebContext


def submit(
    context: WebContext,
    owner: str,
    body: bytes,
    *,
    idempotency_key: str | None = None,
    client_retry: int = 0,
    waiter: str | None = None,
) -> Job:
    """The job of a create's JSON body: a new one, or the one that the same create made before.

    A repeated create is recognised by its bytes, before they are validated: it is answered even if it could not be
    accepted any more. `waiter` is the connection that waits for a job without `background`. Raises InvalidRequest.
    """
    body_hash = hash_of(body)
    job = context.store.earlier(owner, body_hash, idempotency_key=idempotency_key, retried=client_retry, waiter=waiter)
    if job is None:
        create = generation.parse(body)
        job = context.store.accept(
            owner,
            _job_request(context, owner, create),
            body_hash=body_hash,
            idempotency_key=idempotency_key,
            retried=client_retry,
            waiter=None if create.background else waiter,
        )
    context.wakeups.job(job.id)
    return job


def _job_request(context: WebContext, owner: str, create: CreateRequest) -> JobRequest:
    model = named_model(create, context.prompts) or context.models.default()
    previous = create.previous_response_id
    return JobRequest.from_create(
        create,
        context.prompts,
        default_model=model,
        allowed=context.settings.models,
        history=conversation.history(context.store, owner, previous) if previous else [],
    )
