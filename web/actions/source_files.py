"""The files of a create: the text of each takes its place, or goes into the prompt's variable `source`."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from werkzeug.exceptions import TooManyRequests

from jobs.errors import InvalidRequest
from jobs.protocol.word_count import words_in
from jobs.requests.generation import CreateRequest
from jobs.requests.input_items import InputMessage, TextPart
from jobs.requests.prompt_folder import Prompts
from jobs.requests.sources.files import FilePart
from web.documents.limited_process import Limits, ProcessFailed, run

_LIMITS = Limits(seconds=30, memory_bytes=1 << 30, output_bytes=8 << 20)
_BUSY_SECONDS = 10
_SOURCE = "source"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """What was read out of one file, which had so many bytes."""

    name: str
    size: int
    text: str

    @property
    def words(self) -> int:
        """How many words its text has."""
        return words_in(self.text)


def read_source(name: str, content: bytes, most_bytes: int, param: str | None = None) -> Source:
    """The text of a file. Raises InvalidRequest, one line that says what is the matter with it, and TooManyRequests
    when so many are being read that its turn does not come: its sender may try again.
    """
    if len(content) > most_bytes:
        raise too_large(name, most_bytes, param)
    try:
        text = run("web.documents.sources", f"{name}\n".encode() + content, _LIMITS).decode()
    except ProcessFailed as error:
        if error.code == "busy":
            raise TooManyRequests("Many files are being read just now.", retry_after=_BUSY_SECONDS) from error
        if error.code == "broken":
            _log.error("a file could not be read: %s", error.details)
        raise _unreadable(name, error, param) from error
    return Source(name, len(content), text)


def too_large(name: str, most_bytes: int, param: str | None) -> InvalidRequest:
    """What is said of a file with more bytes than it may have."""
    values = {"name": name, "most": most_bytes}
    return InvalidRequest("{name}: a file has at most {most} bytes.", param=param, code="file_too_large", values=values)


def _unreadable(name: str, error: ProcessFailed, param: str | None) -> InvalidRequest:
    said: dict[str, Any] = {"param": param, "code": "unreadable_file", "values": {"name": name}}
    if error.code == "unreadable":
        words, values = json.loads(error.details)
        return InvalidRequest(words, **{**said, "values": {"name": name, **values}})
    if error.code == "too_long":
        return InvalidRequest("{name}: it takes too much time or memory to read.", **said)
    return InvalidRequest("{name}: it could not be read.", **said)


def with_texts(create: CreateRequest, prompts: Prompts, most_bytes: int) -> CreateRequest:
    """The create with text where it had files. Raises InvalidRequest."""
    items = create.input or []
    if not any(isinstance(part, FilePart) for item in items if isinstance(item, InputMessage) for part in item.content):
        return create
    prompt = create.prompt
    into_variable = prompt and _SOURCE in prompts.get(prompt.id, prompt.version).inputs["properties"]
    texts: list[str] = []
    for number, item in enumerate(items):
        if isinstance(item, InputMessage):
            texts += _replace(item, f"input.{number}", most_bytes, keep=not into_variable)
    if not prompt or not into_variable:
        return create
    given = (prompt.variables or {}).get(_SOURCE)
    variables = {**(prompt.variables or {}), _SOURCE: "\n\n".join([*([str(given)] if given else []), *texts])}
    left = [item for item in items if not isinstance(item, InputMessage) or item.content]
    return create.model_copy(
        update={"prompt": prompt.model_copy(update={"variables": variables}), "input": left or None}
    )


def _replace(message: InputMessage, place: str, most_bytes: int, *, keep: bool) -> Sequence[str]:
    """Put the texts of a message's files in their places, or take the files out; the texts."""
    texts: list[str] = []
    for number, part in reversed([*enumerate(message.content)]):
        if isinstance(part, FilePart):
            source = read_source(part.filename, part.file_data, most_bytes, f"{place}.content.{number}")
            texts.insert(0, source.text)
            kept = [TextPart(type="input_text", text=f"{source.text}\n\n")] if keep else []
            message.content[number : number + 1] = kept
    return texts
