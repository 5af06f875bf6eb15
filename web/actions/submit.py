"""Accept a create: check it, store the job, wake a worker."""

from __future__ import annotations

from jobs.job import Job
from jobs.requests.generation import CreateRequest
from jobs.requests.images import check_images
from jobs.requests.job_request import JobRequest, named_model
from jobs.requests.messages import sent_images
from web.actions import conversation, references, source_files, webhooks
from web.context import WebContext


def submit(
    context: WebContext,
    owner: str,
    create: CreateRequest,
    *,
    body_hash: str | None = None,
    idempotency_key: str | None = None,
    client_retry: int = 0,
    waiter: str | None = None,
) -> Job:
    """A new job of the owner; or the one that this key, or this retry of a client, was answered with before.

    `waiter` is the connection that waits for a job without `background`. Raises InvalidRequest, LimitReached.
    """
    context.admission.check_create(owner, opens_stream=create.stream or not create.background)
    model = named_model(create, context.prompts) or context.models.default()
    webhooks.check_own_address(context, owner, create)
    create = references.resolved(context.store, owner, create)
    create = source_files.with_texts(create, context.prompts, context.settings.max_source_bytes)
    previous_id = create.previous_response_id
    previous = conversation.previous(context.store, owner, previous_id) if previous_id else None
    request = JobRequest.from_create(
        create,
        context.prompts,
        default_model=model,
        allowed=context.settings.models,
        history=conversation.history(previous) if previous else [],
        root=previous.root_id if previous else None,
    )
    check_images(request.model_messages, context.settings.max_image_bytes)
    job = context.store.accept(
        owner,
        context.telemetry.traced(request),
        body_hash=body_hash,
        idempotency_key=idempotency_key,
        client_retry=client_retry,
        waiter=None if request.background else waiter,
        limits=context.admission.limits.of(owner),
        images=sent_images(create.input or ()),
    )
    context.telemetry.accepted(job)
    context.wakeups.job(job.id)
    return job
