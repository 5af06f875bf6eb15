"""The chat model against the demo model's server, and against strict ones that refuse what they do not know."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx2
import pytest
from langchain_core.messages import AIMessageChunk

from jobs.settings import Settings
from tests.support.job_factory import accepted
from worker.model import call
from worker.model.chat_model import Models, chat_model
from worker.model.chunks import ChunkReader, Kind, Slot
from worker.model.errors import ModelError
from worker.model.http.http_client import http_client
from worker.model.request import ModelRequest


def ask(settings: Settings, script: str, **options: Any) -> tuple[ChunkReader, str, str]:
    """An answer as a generation reads it, its reasoning and its text."""
    model_request = ModelRequest.for_job(accepted(model=f"demo+rate=0{script}", input="Explain tides", **options))
    answer = ChunkReader()
    texts: dict[Slot, str] = dict.fromkeys(Kind, "")
    for kind, text in filter(None, answer.pieces(call.stream(Models(settings), model_request))):
        texts[kind] += text
    return answer, texts[Kind.REASONING], texts[Kind.TEXT]


class Strict(ThreadingHTTPServer):
    """A server that refuses what it does not know, in OpenAI's words; `bodies` are those that it was sent."""

    KNOWN = frozenset({"model", "messages", "stream", "stream_options", "max_tokens", "response_format", "temperature"})
    ANSWER: Mapping[str, Any] = {"index": 0, "finish_reason": "stop"}

    def __init__(self, refuses: str = "", status: int = 400, words: str = "") -> None:
        super().__init__(("127.0.0.1", 0), Speech)
        self.refuses, self.status, self.words, self.bodies = refuses, status, words, list[dict[str, Any]]()

    @property
    def settings(self) -> Settings:
        return Settings.load(openai_base_url=f"http://127.0.0.1:{self.server_port}/v1")


class Speech(BaseHTTPRequestHandler):
    server: Strict

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        known = self.server.KNOWN - {self.server.refuses} | (
            {"max_completion_tokens"} if self.server.refuses == "max_tokens" else set()
        )
        kind = body.get("response_format", {}).get("type")
        if unknown := sorted(body.keys() - known) or ([kind] if kind == self.server.refuses else []):
            words = self.server.words or f"Unsupported parameter: '{unknown[0]}' is not supported with this model."
            self.say(self.server.status, "application/json", json.dumps({"error": {"message": words}}))
        elif body.get("stream"):
            chunk = {"choices": [{**self.server.ANSWER, "delta": {"content": "Yes"}}]}
            self.say(200, "text/event-stream", f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n")
        else:
            message = {"role": "assistant", "content": "Yes"}
            whole = {"id": "1", "model": body["model"], "choices": [{**self.server.ANSWER, "message": message}]}
            self.say(200, "application/json", json.dumps(whole))

    def say(self, status: int, kind: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def strict(*arguments: Any) -> Iterator[Strict]:
    with Strict(*arguments) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def text_of(models: Models, **body: Any) -> str:
    """The text of an answer."""
    return "".join(str(chunk.content) for chunk in call.stream(models, ModelRequest.for_job(accepted(**body))))


@pytest.mark.parametrize(
    "feature", ["+think=5", "+think=5+field=reasoning", "+think=5+field=tag", "+think=5+nostream", "+think=5+nooptions"]
)
def test_a_server_with_features_gives_the_same_answer(settings: Settings, feature: str) -> None:
    answer, reasoning, text = ask(settings, f"+tokens=20{feature}")
    assert (reasoning, text) == ask(settings, "+tokens=20+think=5")[1:]
    assert all((reasoning, text))
    assert answer.finish_reason == "stop"
    assert (answer.usage and answer.usage["reasoning_tokens"]) == (None if "nooptions" in feature else 5)


def test_many_at_once_find_out_that_a_server_refuses_options(settings: Settings) -> None:
    models, name = Models(settings), "demo+rate=0+tokens=3+nooptions+headers=0.2"
    with ThreadPoolExecutor(3) as threads:
        assert len(set(threads.map(lambda _: text_of(models, model=name), range(3)))) == 1
    assert models.refused(name) == {"stream_options"}


SCHEMA = {"type": "json_schema", "name": "yes", "schema": {"type": "object"}}
JSON_OBJECT = {"type": "json_object"}


@pytest.mark.parametrize(
    ("refuses", "status", "words", "then"),
    [
        ("", 400, "", {"max_tokens": 4, "response_format": "json_schema"}),
        ("max_tokens", 400, "", {"max_completion_tokens": 4, "response_format": "json_schema"}),
        ("json_schema", 400, "This response_format type is unavailable now", {"response_format": "json_object"}),
        ("json_schema", 422, "unknown variant `json_schema`", {"max_tokens": 4, "response_format": "json_object"}),
        ("stream_options", 422, "", {"stream_options": None}),
    ],
)
def test_what_a_server_refuses_is_left_out_from_then_on(
    refuses: str, status: int, words: str, then: dict[str, Any]
) -> None:
    with strict(refuses, status, words) as server:
        models = Models(server.settings)
        for _ in range(2):
            assert text_of(models, max_output_tokens=4, text={"format": SCHEMA}) == "Yes"
    first, *rest = server.bodies
    assert (first["max_tokens"], first["response_format"]["type"]) == (4, "json_schema")
    assert len(rest) == (2 if refuses else 1)
    for body in rest:
        options = {**body, "response_format": body["response_format"]["type"]}
        assert {name: options.get(name) for name in then} == then
    told_in_words = ["JSON schema" in str(body["messages"]) for body in server.bodies]
    assert told_in_words == [False, *[refuses == "json_schema"] * len(rest)]


def test_a_server_that_takes_only_schemas_goes_on_getting_them() -> None:
    with strict("json_object", 400, "'response_format.type' must be 'json_schema' or 'text'") as server:
        models = Models(server.settings)
        for response_format in (JSON_OBJECT, JSON_OBJECT, SCHEMA):
            assert text_of(models, text={"format": response_format}) == "Yes"
    kinds = [body.get("response_format", {}).get("type") for body in server.bodies]
    assert kinds == ["json_object", None, None, "json_schema"]


def test_a_preset_saves_the_refused_call(monkeypatch: pytest.MonkeyPatch) -> None:
    with strict("max_tokens") as server:
        table = {"preset": "openai", "url": server.settings.openai_base_url, "key": "k", "models": ["m"]}
        monkeypatch.setenv("PENSTOCK_SERVERS", json.dumps({"it": table}))
        assert text_of(Models(Settings.load()), model="m", max_output_tokens=4) == "Yes"
    (body,) = server.bodies
    assert (body["max_completion_tokens"], "max_tokens" in body) == (4, False)


def test_what_the_asker_has_to_mend_is_no_feature_of_the_server() -> None:
    words = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
    with strict("json_object", 400, words) as server:
        models = Models(server.settings)
        with pytest.raises(ModelError, match="must contain the word"):
            text_of(models, model="m", text={"format": JSON_OBJECT})
    assert models.refused("m") == frozenset()


def test_a_limit_is_kept(settings: Settings) -> None:
    answer, _, _ = ask(settings, "", max_output_tokens=4)
    assert (answer.finish_reason, answer.usage and answer.usage["output_tokens"]) == ("length", 4)


@pytest.mark.parametrize("refuses", ["", "max_tokens"])
def test_a_server_that_is_not_to_stream_is_asked_for_the_whole(refuses: str) -> None:
    with strict(refuses) as server:
        models = Models(server.settings.model_copy(update={"stream": False}))
        chunks = list(call.stream(models, ModelRequest.for_job(accepted(max_output_tokens=4))))
    assert "".join(str(chunk.content) for chunk in chunks) == "Yes"
    assert [body.get("stream") for body in server.bodies] == [False] * (2 if refuses else 1)


def test_only_a_server_elsewhere_is_asked_through_a_proxy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, settings.openai_base_url.removesuffix("/v1"))
    with strict() as server:
        assert text_of(Models(server.settings)) == "Yes"
    with http_client(settings) as client:
        # The demo model answers in a proxy's place.
        assert client.get("http://model.example/v1/models").json()["data"][0]["id"] == "demo"
        for host in ("127.0.0.1", "localhost", "[::1]"):
            with pytest.raises(httpx2.ConnectError):
                client.get(f"http://{host}:1/v1/models")


def test_a_whole_answer_keeps_its_reasoning(settings: Settings) -> None:
    with http_client(settings) as client:
        message = chat_model(settings, client, "demo+rate=0+tokens=3+think=4+field=reasoning").invoke("hi")
    assert not isinstance(message, AIMessageChunk)
    assert message.additional_kwargs["reasoning_content"]
    assert message.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("script", "words", "transient", "retry_after"),
    [
        ("+status=429+retry_after=7", "answered 429", True, 7.0),
        ("+status=503", "answered 503", True, None),
        ("+status=401", "answered 401", False, None),
        ("+error=3", "ran out of memory", True, None),
        ("+drop=3", "The connection to the model server", True, None),
        ("+badjson=3", "malformed line", True, None),
    ],
)
def test_a_fault_has_the_providers_words(
    settings: Settings, script: str, words: str, transient: bool, retry_after: float | None
) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        ask(settings, f"+tokens=9{script}")
    fault = caught.value
    assert (fault.transient, fault.retry_after) == (transient, retry_after)
    assert fault.pause(3, 60) >= (retry_after or 4)
