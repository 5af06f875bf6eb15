"""The pages of a Django site whose users queue texts and watch them being written, each only their own.

    pip install Django uvicorn openai
    export OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=sk-penstock-... DJANGO_SECRET_KEY=...
    python manage.py migrate && python manage.py createsuperuser
    uvicorn asgi:application --port 9000

The site has the key, its users have none. To whom a job belongs stands in the job's `metadata`, so there is no table of
jobs here. A browser that comes back says which event it saw last (`Last-Event-ID`), and gets the rest.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import openai
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST
from openai.types.responses import Response

MODEL = os.environ.get("MODEL", "demo")
client = openai.AsyncOpenAI()


async def job_of(request: HttpRequest, job_id: str) -> Response:
    """The user's job with this id. Raises Http404 for another's, which does not exist for them."""
    user = await request.auser()
    try:
        job = await client.responses.retrieve(job_id)
    except openai.NotFoundError as error:
        raise Http404 from error
    if (job.metadata or {}).get("user") != str(user.pk):
        raise Http404
    return job


@login_required
@require_GET
async def home(request: HttpRequest) -> HttpResponse:
    """The form."""
    return render(request, "home.html")


@login_required
@require_POST
async def create(request: HttpRequest) -> HttpResponse:
    """Queue what the form asks for. It is written whether somebody watches or not."""
    user = await request.auser()
    job = await client.responses.create(
        model=MODEL, input=request.POST["question"], background=True, metadata={"user": str(user.pk)}
    )
    return redirect(f"/jobs/{job.id}")


@login_required
@require_GET
async def show(request: HttpRequest, job_id: str) -> HttpResponse:
    """The page of a job, where its text grows."""
    job = await job_of(request, job_id)
    return render(request, "job.html", {"job": job})


@login_required
@require_GET
async def follow(request: HttpRequest, job_id: str) -> HttpResponse:
    """The job's events as a browser's EventSource takes them, from the one behind that which it saw last."""
    job = await job_of(request, job_id)
    seen = request.headers.get("Last-Event-ID", "")
    events = _frames(job.id, int(seen) if seen.isdecimal() else -1)
    # Proxies would keep a stream until it is whole.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(events, content_type="text/event-stream", headers=headers)


async def _frames(job_id: str, seen: int) -> AsyncIterator[str]:
    # The SDK sends the cursor only when it is told one.
    cursor = {"starting_after": seen} if seen >= 0 else {}
    async with await client.responses.retrieve(job_id, stream=True, **cursor) as events:
        async for event in events:
            yield f"id: {event.sequence_number}\nevent: {event.type}\ndata: {event.to_json(indent=None)}\n\n"
