"""The one factory of chat models: ChatOpenAI with reasoning kept.

It never retries by itself: a wait of the SDK cannot be cancelled, and a restart has to be seen in the stream.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Sequence
from functools import cache, partial
from typing import Any

import httpx2
import openai
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from jobs.secrets import Secrets
from jobs.settings import Settings
from worker.model.answer.chunk_stream import ChunkStream
from worker.model.answer.model_chunk import ModelChunk, extras_of, model_chunk
from worker.model.errors import ModelError, model_error
from worker.model.features import STREAM
from worker.model.http.http_client import http_client

# What a call may carry that only the SDK's own method knows how to send.
_SDK_ONLY = frozenset({"extra_headers", "extra_query", "timeout"})


class DictCompletions:
    """The SDK's `chat.completions`, whose stream gives the chunks as dicts, in OpenAI's form whoever sent them.

    Two thirds of the time of a streamed chunk goes into building typed objects that ChatOpenAI turns back
    into dicts at once; it takes dicts as they are. Whatever else is asked for goes to the SDK's own method.
    """

    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client
        self._stock = client.chat.completions

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stock, name)

    def create(self, **payload: Any) -> Any:
        """As the SDK's `create`; with `stream=True` a stream of dicts, whose only chunk is the whole answer when
        `extra_body` says `"stream": False`.
        """
        if not payload.get("stream") or _SDK_ONLY & payload.keys():
            return self._stock.create(**payload)
        body = {**payload, **payload.pop("extra_body", {})}
        body.pop("extra_body", None)
        if not body["stream"]:
            body.pop("stream_options", None)
        return self._client.post("/chat/completions", body=body, cast_to=object, stream=True, stream_cls=ChunkStream)


class ChatModel(ChatOpenAI):
    """ChatOpenAI that keeps reasoning, in either spelling, and refusals, in `additional_kwargs`."""

    def chunks(self, messages: Sequence[Any], *, stream_usage: bool, **options: Any) -> Generator[ModelChunk]:
        """What `stream` gives, read once and kept by nobody, for a reader that is the only one.

        The request is the one that ChatOpenAI makes. Raises the errors of the SDK.
        """
        if stream_usage:
            options["stream_options"] = {"include_usage": True}
        payload = self._get_request_payload(messages, stop=None, stream=True, **options)
        with self.client.create(**payload) as chunks:
            yield from map(model_chunk, chunks)

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type[Any], base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        generated = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        if generated is not None and (choices := chunk.get("choices")):
            generated.message.additional_kwargs |= extras_of(choices[0].get("delta") or {})
        return generated

    def _create_chat_result(
        self, response: dict[str, Any] | openai.BaseModel, generation_info: dict[str, Any] | None = None
    ) -> ChatResult:
        result = super()._create_chat_result(response, generation_info)
        raw = response if isinstance(response, dict) else response.model_dump()
        for choice, generation in zip(raw["choices"], result.generations, strict=True):
            generation.message.additional_kwargs |= extras_of(choice.get("message") or {})
        return result


class Models:
    """The chat models of one worker process: one HTTP client, one model object per name."""

    def __init__(self, settings: Settings) -> None:
        self.server_of = settings.server_of
        self.prompt_folder = settings.prompts
        # The model of a name, built at its first use.
        self.get = cache(partial(chat_model, settings, http_client(settings)))
        self._secrets = Secrets(settings)
        self._refused: defaultdict[str, set[str]] = defaultdict(set)

    def refused(self, name: str) -> frozenset[str]:
        """The features (worker.model.features) that the server is known not to have for this model."""
        server = self.server_of(name)
        return server.refuses | self._refused[name] | ({STREAM} if not server.stream else set())

    def refuse(self, name: str, feature: str) -> None:
        """Remember that the server refuses this feature."""
        self._refused[name].add(feature)

    def fault(self, name: str, error: Exception) -> ModelError:
        """The fault behind any exception that asking this model, or reading its answer, has raised."""
        return model_error(error, self.server_of(name).url, self._secrets)


def chat_model(settings: Settings, client: httpx2.Client, name: str) -> ChatModel:
    """A ChatOpenAI for one model name that streams dicts."""
    server = settings.server_of(name)
    model = ChatModel(
        model=name,
        base_url=server.url,
        api_key=SecretStr(server.key),
        http_client=client,
        http_socket_options=(),  # those of the clients that it would make itself; they come with a false warning
        max_retries=0,
        stream_usage=True,
        use_responses_api=False,
        cache=False,
    )
    model.client = DictCompletions(model.root_client)
    return model
