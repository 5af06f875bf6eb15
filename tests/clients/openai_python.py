"""What a program does with the `openai` package and background jobs, run unchanged on every major version of it.

Prints one JSON object: for each part below what it saw, or the traceback with which it ended.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from typing import Any

import openai
import pydantic
from openai.types.responses import Response


def which(_: openai.OpenAI) -> dict[str, Any]:
    """What runs here."""
    return {"version": openai.__version__}


def streams(client: openai.OpenAI) -> dict[str, Any]:
    """Create with a stream, follow it, and later take only the rest."""
    prompt = "stream it [[demo tokens=20 rate=200]]"
    events = list(client.responses.create(input=prompt, background=True, stream=True))
    job: Any = events[0]
    rest = client.responses.retrieve(job.response.id, stream=True, starting_after=5)
    return {
        "types": [event.type for event in events],
        "numbers": [event.sequence_number for event in events],
        "text": "".join(event.delta for event in events if event.type == "response.output_text.delta"),
        "stored": client.responses.retrieve(job.response.id).output_text,
        "rest": [event.sequence_number for event in rest],
    }


def polls(client: openai.OpenAI) -> dict[str, Any]:
    """Create, and ask until it has ended."""
    asked: Any = {"topic": "翠花", "words": "50"}
    queued = client.responses.create(
        prompt={"id": "story", "variables": asked}, background=True, metadata={"series": "one"}
    )
    job = ended(client, queued)
    return {
        "first": queued.status,
        "last": job.status,
        "text": job.output_text,
        "asked": asked,
        "variables": job.prompt and job.prompt.variables,
        "metadata": job.metadata,
        "tokens": job.usage and job.usage.output_tokens,
    }


def ended(client: openai.OpenAI, job: Response) -> Response:
    """A job once it has ended."""
    while job.status in ("queued", "in_progress"):
        time.sleep(0.05)
        job = client.responses.retrieve(job.id)
    return job


def follows_with_the_helper(client: openai.OpenAI) -> dict[str, Any]:
    """`.stream()` adds up the events; then the same helper resumes the job by its id."""
    prompt = "think [[demo tokens=20 think=8]]"
    with client.responses.stream(model="demo+rate=0", input=prompt, background=True) as stream:
        numbers = [event.sequence_number for event in stream]
        final = stream.get_final_response()
    with client.responses.stream(response_id=final.id, starting_after=numbers[6]) as resumed:
        rest = [event.sequence_number for event in resumed]
        query = resumed._response.request.url.query.decode()
        again = resumed.get_final_response()
    return {
        "items": [item.type for item in final.output],
        "text": final.output_text,
        "stored": client.responses.retrieve(final.id).output_text,
        "numbers": numbers,
        "rest": rest,
        "resumed_query": query,
        "resumed_text": again.output_text,
    }


def awaits(client: openai.OpenAI) -> dict[str, Any]:
    """Create without `background`: the answer is the response at its end."""
    job = client.responses.create(input="wait for it [[demo tokens=10]]", instructions="Be brief.")
    return {"status": job.status, "text": job.output_text, "stored": client.responses.retrieve(job.id).output_text}


class City(pydantic.BaseModel):
    """What a model is to say about a city."""

    name: str
    people: int


def parses(client: openai.OpenAI) -> dict[str, Any]:
    """An answer in the form of a class, awaited and streamed."""
    parsed = client.responses.parse(input="a city", text_format=City).output_parsed
    with client.responses.stream(model="demo+rate=0", input="a city", text_format=City, background=True) as stream:
        streamed = stream.get_final_response().output_parsed
    return {"awaited": parsed and parsed.model_dump(), "streamed": streamed and streamed.model_dump()}


def cancels(client: openai.OpenAI) -> dict[str, Any]:
    """Stop a job in the middle of its text, twice; the text stays."""
    seen = ""
    cancelled: list[Response] = []
    stream = client.responses.create(input="stop it [[demo rate=50 tokens=5000]]", background=True, stream=True)
    for event in stream:
        if event.type == "response.created":
            job_id = event.response.id
        if event.type == "response.output_text.delta" and not cancelled:
            seen = event.delta
            cancelled.append(client.responses.cancel(job_id))
    cancelled.append(client.responses.cancel(job_id))
    return {
        "last_event": event.type,
        "statuses": [job.status for job in cancelled],
        "seen": seen,
        "texts": [job.output_text for job in (*cancelled, client.responses.retrieve(job_id))],
    }


def deletes(client: openai.OpenAI) -> dict[str, Any]:
    """Remove a job; nobody finds it afterwards."""
    job = client.responses.create(input="delete it [[demo tokens=3]]")
    client.responses.delete(job.id)
    return {"after": refusal(lambda: client.responses.retrieve(job.id))}


def lists_input(client: openai.OpenAI) -> dict[str, Any]:
    """The items of a job's input, in pages of one, from both ends."""
    said: Any = [{"role": "user", "content": text} for text in ("first", "second", "third")]
    job = client.responses.create(input=said, background=True)
    down: list[Any] = list(client.responses.input_items.list(job.id, limit=1))
    up: list[Any] = list(client.responses.input_items.list(job.id, limit=1, order="asc"))
    return {
        "up": [item.content[0].text for item in up],
        "down": [item.content[0].text for item in down],
        "ids": [item.id for item in up],
    }


def continues(client: openai.OpenAI) -> dict[str, Any]:
    """A second turn on top of the first, which the server remembers."""
    first = client.responses.create(input="my name is 翠花 [[demo tokens=3]]")
    second = client.responses.create(input="what is my name? [[demo tokens=3]]", previous_response_id=first.id)
    read = [job.usage and job.usage.input_tokens for job in (first, second)]
    return {"first": first.id, "previous": second.previous_response_id, "read": read}


def creates_once(client: openai.OpenAI) -> dict[str, Any]:
    """The same create twice, with a key."""
    key = {"Idempotency-Key": uuid.uuid4().hex}
    return {"ids": [client.responses.create(input="x", background=True, extra_headers=key).id for _ in range(2)]}


def begins_again(client: openai.OpenAI) -> dict[str, Any]:
    """A failed job's retry, which is an addition of Penstock's."""
    failed = client.responses.create(input=f"{uuid.uuid4()} [[demo tokens=3 status=400 fails=1]]")
    again = ended(client, client.post(f"/responses/{failed.id}/retry", cast_to=Response))
    return {"failed": failed.error and failed.error.code, "again": again.status}


def fails(client: openai.OpenAI) -> dict[str, Any]:
    """What a job that fails in the middle looks like in a stream and in the helper."""
    last: Any = list(client.responses.create(input="fail [[demo error=5]]", background=True, stream=True))[-1]
    with client.responses.stream(response_id=last.response.id) as stream:
        try:
            stream.get_final_response()
        except RuntimeError as error:
            helper = str(error)
    return {
        "last_event": last.type,
        "status": last.response.status,
        "message": last.response.error.message,
        "text": last.response.output_text,
        "helper": helper,
    }


def is_refused(client: openai.OpenAI) -> dict[str, Any]:
    """The error classes, with what they say."""
    create: Any = client.responses.create
    return {
        "tools": refusal(lambda: create(input="x", tools=[{"type": "web_search"}])),
        "temperature": refusal(lambda: create(input="x", temperature=9)),
        "prompt": refusal(lambda: create(prompt={"id": "nonsense"})),
        "unknown": refusal(lambda: client.responses.retrieve("resp_unknown")),
        "cancel": refusal(lambda: client.responses.cancel("resp_unknown")),
    }


def refusal(call: Callable[[], Any]) -> list[Any]:
    """Class, status, code and parameter of the error that a call raises."""
    try:
        call()
    except openai.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.code, error.param]
    return ["nothing was raised"]


def goes_asynchronous(_: openai.OpenAI) -> dict[str, Any]:
    """Three jobs at once in one thread."""
    asked = [f"翠花 {number} 👍" for number in range(3)]
    return {"asked": asked, "answers": asyncio.run(answers(asked))}


async def answers(asked: list[str]) -> list[str]:
    """The model's echo of each text, streamed."""
    async with openai.AsyncOpenAI() as client:
        return list(await asyncio.gather(*(answer(client, text) for text in asked)))


async def answer(client: openai.AsyncOpenAI, text: str) -> str:
    """The text of one streamed job."""
    stream = await client.responses.create(input=f"{text}[[demo echo]]", background=True, stream=True)
    deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
    return "".join(deltas)


PARTS = (
    *(which, streams, polls, follows_with_the_helper, awaits, parses, cancels, deletes, lists_input, continues),
    *(creates_once, begins_again, fails, is_refused, goes_asynchronous),
)


def main() -> None:
    """Run all parts with a client that takes its address and key from the environment."""
    seen: dict[str, Any] = {}
    with openai.OpenAI() as client:
        for part in PARTS:
            try:
                seen[part.__name__] = part(client)
            except Exception:  # noqa: BLE001 - the other parts are to be seen all the same
                seen[part.__name__] = traceback.format_exc()
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
