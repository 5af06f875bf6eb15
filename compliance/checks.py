"""What is checked, by name: each check asks a server, and raises Violation. Its docstring says what has to hold."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from compliance.server import TERMINAL_EVENTS, Answer, Event, Server, Violation, expect

SHORT = "Write about 40 words about tides."
LONG = "Write an essay of 2000 words about tides."
# A text of many events is resumed at so many of them, the first and the last among them.
MOST_CURSORS = 40
_OPEN = ("queued", "in_progress")


def background_create(server: Server) -> None:
    """A create with `background` is answered at once, with a response that is still to be written."""
    response = server.create(input=LONG)
    expect(str(response.get("id", "")).startswith("resp_"), f"the id is {response.get('id')!r}")
    expect(response.get("object") == "response", f"the object is {response.get('object')!r}")
    expect(response.get("status") in _OPEN, f"the status is {response.get('status')!r}")
    expect(response.get("background") is True, "the response does not say that it is in background")
    expect(response.get("output") == [], "there is output already")
    server.ask("POST", f"/responses/{response['id']}/cancel")


def background_poll(server: Server) -> None:
    """A response that is polled comes to its end, with its text and what it cost."""
    response = server.ended(server.create(input=SHORT)["id"])
    expect(response["status"] == "completed", f"it ended {response['status']}: {response.get('error')}")
    expect(_text_of(response), "it has no text")
    expect((response.get("usage") or {}).get("output_tokens"), "it does not say what it cost")


def stream_order(server: Server) -> None:
    """A stream begins with `response.created`, is numbered without a gap from 0, and has one end, which is last."""
    events = _streamed(server)
    kinds = [event["type"] for event in events]
    numbers = [event.get("sequence_number") for event in events]
    expect(kinds[:1] == ["response.created"], f"the first event is {kinds[:1]}")
    expect(numbers == list(range(len(events))), f"the numbers are {numbers[:20]} ...")
    ends = [kind for kind in kinds if kind in TERMINAL_EVENTS]
    expect(len(ends) == 1 and kinds[-1] == ends[0], f"the ends are {ends}, the last event is {kinds[-1]}")


def stream_items(server: Server) -> None:
    """Items and parts are added before their text comes; pieces of text add up to what is done, and to the response."""
    events = _streamed(server)
    added: set[Any] = set()
    pieces: dict[Any, str] = {}
    for event in events:
        place = (event.get("output_index"), event.get("content_index"))
        if event["type"] in ("response.output_item.added", "response.content_part.added"):
            added.add(place)
        elif event["type"] == "response.output_text.delta":
            expect(place in added and (place[0], None) in added, f"text of {place} comes before it is added")
            pieces[place] = pieces.get(place, "") + event["delta"]
        elif event["type"] == "response.output_text.done":
            expect(event["text"] == pieces.get(place, ""), f"the pieces of {place} do not add up to its text")
    expect(pieces, "no text came")
    expect(events[-1]["response"]["status"] == "completed", "the last event's response is not completed")
    expect(
        _text_of(events[-1]["response"]) == "".join(pieces.values()), "the response has another text than its stream"
    )


def stream_same_as_stored(server: Server) -> None:
    """What the last event says is what is stored, and the id is the same in all of a stream."""
    events = _streamed(server)
    ids = {event["response"]["id"] for event in events if "response" in event}
    expect(len(ids) == 1, f"the ids are {ids}")
    stored = server.get(ids.pop())
    for name in ("status", "output", "usage"):
        expect(stored.get(name) == events[-1]["response"].get(name), f"'{name}' is stored otherwise than it was sent")


def resume_at_each_cursor(server: Server) -> None:
    """A stream that is taken up again behind any event goes on with exactly the rest."""
    events = _streamed(server)
    step = max(1, len(events) // MOST_CURSORS)
    for after in [*range(0, len(events) - 1, step), len(events) - 2]:
        rest = _replayed(server, events[0]["response"]["id"], after)
        expect(rest == events[after + 1 :], f"behind event {after} come {len(rest)} events that are not the rest")


def resume_from_the_beginning(server: Server) -> None:
    """Without a cursor the stream begins at event 0: the SDKs' helpers filter by themselves."""
    events = _streamed(server)
    expect(_replayed(server, events[0]["response"]["id"], None) == events, "another stream than the first time")


def resume_behind_the_end(server: Server) -> None:
    """Behind the last event comes an empty stream, which ends at once."""
    events = _streamed(server)
    rest = _replayed(server, events[0]["response"]["id"], len(events) - 1)
    expect(rest == [], f"there come {len(rest)} events")


def resume_while_it_is_written(server: Server) -> None:
    """Who joins in the middle sees the same events as who was there from the beginning."""
    with server.created_stream(input=SHORT) as stream:
        begun = list(islice(stream, 4))
        response_id = begun[0]["response"]["id"]
        joined = _replayed(server, response_id, 1)
        events = [*begun, *stream]
    expect(joined == events[2:], "the second viewer saw another stream")


def leaving_does_not_cancel(server: Server) -> None:
    """A background response goes on when whoever created it drops the stream."""
    with server.created_stream(input=SHORT) as stream:
        response_id = next(stream)["response"]["id"]
    ended = server.ended(response_id)
    expect(ended["status"] == "completed", f"it ended {ended['status']}")


def cancel_a_running_one(server: Server) -> None:
    """Cancel ends a response and its stream; once more changes nothing."""
    with server.created_stream(input=LONG) as stream:
        response_id = next(stream)["response"]["id"]
        expect(any(event["type"].endswith(".delta") for event in stream), "nothing was written")
        for _ in range(2):
            answer = server.ask("POST", f"/responses/{response_id}/cancel")
            expect((answer.status, _status(answer)) == (200, "cancelled"), f"cancel is answered {answer}")
        last = list(stream)[-1:]
    expect(last and last[0]["type"] in TERMINAL_EVENTS, "the stream has no end")
    expect(server.get(response_id)["status"] == "cancelled", "it is not cancelled")


def cancel_an_ended_one(server: Server) -> None:
    """What has ended is not cancelled any more; the answer is 400, which no client repeats."""
    response_id = server.ended(server.create(input=SHORT)["id"])["id"]
    _refused(server.ask("POST", f"/responses/{response_id}/cancel"), 400)
    expect(server.get(response_id)["status"] == "completed", "its status has changed")


def delete(server: Server) -> None:
    """A response that is deleted is not found any more, neither it nor its stream."""
    response_id = server.ended(server.create(input=SHORT)["id"])["id"]
    answer = server.ask("DELETE", f"/responses/{response_id}")
    expect(answer.status in (200, 204), f"DELETE is answered {answer.status}")
    for path in (f"/responses/{response_id}", f"/responses/{response_id}?stream=true"):
        _refused(server.ask("GET", path), 404)


def input_items(server: Server) -> None:
    """What was asked is listed, page by page, in both orders."""
    asked = [{"role": "user", "content": text} for text in ("first", "second", SHORT)]
    response_id = server.create(input=asked)["id"]
    path = f"/responses/{response_id}/input_items"
    whole = server.ask("GET", f"{path}?order=asc").body["data"]
    expect([item["content"][0]["text"] for item in whole] == ["first", "second", SHORT], "other items are listed")
    page = server.ask("GET", f"{path}?order=asc&limit=1&after={whole[0]['id']}").body
    expect(page["data"] == whole[1:2] and page["has_more"] is True, "the page after the first item is another one")
    expect(server.ask("GET", path).body["data"] == whole[::-1], "the newest item does not come first")
    server.ask("POST", f"/responses/{response_id}/cancel")


def previous_response(server: Server) -> None:
    """A response goes on with one before it, and knows what was said there."""
    first = server.ended(server.create(input=SHORT)["id"])
    second = server.ended(server.create(input=SHORT, previous_response_id=first["id"])["id"])
    read = [response["usage"]["input_tokens"] for response in (first, second)]
    expect(read[0] < read[1], f"the second turn read {read[1]} tokens, the first {read[0]}")
    missing = server.body(input=SHORT, previous_response_id="resp_" + "0" * 40)
    _refused(server.ask("POST", "/responses", missing), 400, 404)


def idempotence_key(server: Server) -> None:
    """The same key with the same body gives the same response; with another body it is refused."""
    key, body = secrets.token_hex(16), server.body(input=SHORT)
    first, second = (server.ask("POST", "/responses", body, Idempotency_Key=key) for _ in range(2))
    expect((first.status, second.status) == (200, 200), f"the answers are {first.status} and {second.status}")
    expect(first.body["id"] == second.body["id"], "a second response was made")
    _refused(server.ask("POST", "/responses", server.body(input=LONG), Idempotency_Key=key), 400, 422)


def idempotence_retry(server: Server) -> None:
    """What an SDK sends again by itself, without a key, makes no second response."""
    body = server.body(input=f"{SHORT} {secrets.token_hex(8)}")
    first = server.ask("POST", "/responses", body, x_stainless_retry_count="0")
    second = server.ask("POST", "/responses", body, x_stainless_retry_count="1")
    expect((first.status, second.status) == (200, 200), f"the answers are {first.status} and {second.status}")
    expect(first.body["id"] == second.body["id"], "a second response was made")


def errors_not_found(server: Server) -> None:
    """What is not there is 404 for each method, in the error's envelope."""
    path = f"/responses/resp_{'0' * 40}"
    for method, tail in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
        _refused(server.ask(method, path + tail), 404)


def errors_bad_request(server: Server) -> None:
    """A bad body is 400, in the error's envelope, with the parameter at fault."""
    _refused(server.ask("POST", "/responses", b"{"), 400)
    _refused(server.ask("POST", "/responses", server.body()), 400)
    error = _refused(server.ask("POST", "/responses", server.body(input=SHORT, temperature=9)), 400)
    expect(error.get("param") == "temperature", f"'param' is {error.get('param')!r}")
    _refused(server.ask("POST", "/responses", server.body(input=SHORT, store=False)), 400)


def errors_bad_cursor(server: Server) -> None:
    """A cursor that is no number is 400."""
    response_id = server.create(input=SHORT, stream=False)["id"]
    _refused(server.ask("GET", f"/responses/{response_id}?stream=true&starting_after=x"), 400, 422)


CHECKS: Sequence[Callable[[Server], None]] = (
    *(background_create, background_poll, stream_order, stream_items, stream_same_as_stored),
    *(resume_at_each_cursor, resume_from_the_beginning, resume_behind_the_end, resume_while_it_is_written),
    *(leaving_does_not_cancel, cancel_a_running_one, cancel_an_ended_one, delete, input_items, previous_response),
    *(idempotence_key, idempotence_retry, errors_not_found, errors_bad_request, errors_bad_cursor),
)


def _streamed(server: Server) -> list[Event]:
    """The whole stream of a short response."""
    with server.created_stream(input=SHORT) as stream:
        events = list(stream)
    expect(events, "the stream is empty")
    return events


def _replayed(server: Server, response_id: str, after: int | None) -> list[Event]:
    with server.stream(response_id, after) as stream:
        return list(stream)


def _refused(answer: Answer, *statuses: int) -> dict[str, Any]:
    """The error of an answer that has to have one of these statuses."""
    expect(answer.status in statuses, f"the status is {answer.status}, where it has to be {statuses[0]}")
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    if not isinstance(error, dict):
        raise Violation(f"the error is no object with 'error' in it: {answer.body}")
    expect(
        isinstance(error.get("message"), str) and error.get("type"), f"the error has no 'message' or 'type': {error}"
    )
    return error


def _status(answer: Answer) -> Any:
    return (answer.body or {}).get("status")


def _text_of(response: dict[str, Any]) -> str:
    messages = (item for item in response["output"] if item["type"] == "message")
    return "".join(part.get("text", "") for item in messages for part in item["content"])
