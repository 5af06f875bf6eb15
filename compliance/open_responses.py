"""The cases of Open Responses' tests, told anew: foreground requests, with each field of what comes back.

Its tests cover `POST /responses` alone. What a response and its events must have is taken from its schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from compliance.server import Event, Server, expect

_NONE = type(None)
_NUMBER = (int, float)
_FIELDS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("id", "object", "status", "model", "truncation", "service_tier"), (str,)),
    **dict.fromkeys(("created_at", "top_logprobs"), (int,)),
    **dict.fromkeys(("completed_at", "max_output_tokens", "max_tool_calls"), (int, _NONE)),
    **dict.fromkeys(("previous_response_id", "user", "safety_identifier", "prompt_cache_key"), (str, _NONE)),
    **dict.fromkeys(("incomplete_details", "error", "reasoning", "usage"), (dict, _NONE)),
    **dict.fromkeys(("output", "tools"), (list,)),
    **dict.fromkeys(("parallel_tool_calls", "store", "background"), (bool,)),
    **dict.fromkeys(("top_p", "presence_penalty", "frequency_penalty", "temperature"), _NUMBER),
    "instructions": (str, list, _NONE),
    "tool_choice": (str, dict),
    "text": (dict,),
    "metadata": (dict, _NONE),
}
_ITEM_FIELDS = {
    "message": ("id", "status", "role", "content"),
    "function_call": ("id", "call_id", "name", "arguments", "status"),
    "reasoning": ("id", "summary"),
}
_TEXT_EVENT = ("item_id", "output_index", "content_index")
_CALL_EVENT = ("item_id", "output_index")
_EVENT_FIELDS: Mapping[str, tuple[str, ...]] = {
    **{f"response.{name}": ("response",) for name in ("created", "queued", "in_progress", "completed", "incomplete")},
    "response.failed": ("response",),
    "response.output_item.added": ("output_index", "item"),
    "response.output_item.done": ("output_index", "item"),
    "response.content_part.added": (*_TEXT_EVENT, "part"),
    "response.content_part.done": (*_TEXT_EVENT, "part"),
    "response.output_text.delta": (*_TEXT_EVENT, "delta"),
    "response.output_text.done": (*_TEXT_EVENT, "text"),
    "response.function_call_arguments.delta": (*_CALL_EVENT, "delta"),
    "response.function_call_arguments.done": (*_CALL_EVENT, "arguments"),
}
_WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather for a location",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "A city"}},
        "required": ["location"],
    },
}
# A model may answer otherwise unless it has to call.
_CALL = {"input": "What is the weather like in Lisbon?", "tools": [_WEATHER], "tool_choice": "required"}
# One red pixel.
_PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJg"
    "gg=="
)


def open_responses_basic(server: Server) -> None:
    """A request in foreground is answered with a completed response that has every field."""
    _answered(server, input=[_message("user", "Say hello in exactly 3 words.")])


def open_responses_streaming(server: Server) -> None:
    """Each event of a stream has its fields, and so has the response in the last."""
    events = _streamed(server, input=[_message("user", "Count from 1 to 5.")])
    expect(events[-1]["response"]["status"] == "completed", "the last event's response is not completed")


def open_responses_system_prompt(server: Server) -> None:
    """The input may begin with a system message."""
    _answered(server, input=[_message("system", "Answer as a pirate."), _message("user", "Say hello.")])


def open_responses_tool_call(server: Server) -> None:
    """A function that the model has to call comes back as a `function_call`."""
    response = _answered(server, **_CALL)
    kinds = [item["type"] for item in response["output"]]
    expect("function_call" in kinds, f"the output has {kinds}")


def open_responses_tool_call_streaming(server: Server) -> None:
    """A streamed call is added, comes in pieces, and is done."""
    events = _streamed(server, **_CALL)
    told = {
        event["type"] for event in events if event.get("item", {"type": "function_call"})["type"] == "function_call"
    }
    wanted = {f"response.{name}" for name in ("output_item.added", "output_item.done")}
    wanted |= {f"response.function_call_arguments.{name}" for name in ("delta", "done")}
    expect(wanted <= told, f"missing are {', '.join(sorted(wanted - told))}")


def open_responses_image(server: Server) -> None:
    """A message may hold an image beside its text."""
    parts = [{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": _PICTURE}]
    _answered(server, input=[_message("user", parts)])


def open_responses_multi_turn(server: Server) -> None:
    """A conversation comes as messages of both sides."""
    turns = (("user", "My name is Alice."), ("assistant", "Hello Alice!"), ("user", "What is my name?"))
    _answered(server, input=[_message(role, text) for role, text in turns])


OPEN_RESPONSES: Sequence[Callable[[Server], None]] = (
    *(open_responses_basic, open_responses_streaming, open_responses_system_prompt, open_responses_tool_call),
    *(open_responses_tool_call_streaming, open_responses_image, open_responses_multi_turn),
)


def _message(role: str, content: str | list[dict[str, str]]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content}


def _answered(server: Server, **fields: Any) -> dict[str, Any]:
    """A completed response in foreground, whole in its fields."""
    answer = server.ask("POST", "/responses", server.body(background=False, **fields))
    expect(answer.status == 200, f"the answer is {answer.status}: {answer.body}")
    response: dict[str, Any] = answer.body
    _expect_whole(response)
    expect(response["status"] == "completed", f"it ended {response['status']}: {response['error']}")
    expect(response["output"], "there is no output")
    return response


def _streamed(server: Server, **fields: Any) -> list[Event]:
    """The events of a stream in foreground, whole in their fields."""
    with server.created_stream(background=False, **fields) as stream:
        events = list(stream)
    expect(events, "the stream is empty")
    for event in events:
        wanted = ("sequence_number", *_EVENT_FIELDS.get(event["type"], ()))
        missing = [name for name in wanted if name not in event]
        expect(not missing, f"{event['type']} lacks {', '.join(missing)}")
    expect("response" in events[-1], f"the last event is {events[-1]['type']}")
    _expect_whole(events[-1]["response"])
    return events


def _expect_whole(response: dict[str, Any]) -> None:
    missing = sorted(_FIELDS.keys() - response.keys())
    expect(not missing, f"the response lacks {', '.join(missing)}")
    for name, kinds in _FIELDS.items():
        value = response[name]
        fits = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
        expect(fits, f"'{name}' is {value!r}")
    for item in response["output"]:
        missing = [name for name in _ITEM_FIELDS.get(item["type"], ("id",)) if name not in item]
        expect(not missing, f"an item of type {item['type']} lacks {', '.join(missing)}")
