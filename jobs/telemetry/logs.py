"""How a process logs: a line an event, with the ids of what it is about, never with what was asked or written.

Whoever logs uses `logging`. For people the lines are text; for programs structlog makes them JSON.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

import orjson

from jobs.background import places_of
from jobs.telemetry.repetitions import RepetitionFilter

Format = Literal["text", "json"]

_LONGEST_LINE = 1000
# Below warnings they log bodies and addresses.
_TALKATIVE = ("httpx2", "httpcore2", "openai", "urllib3")
# They bring handlers of their own, and tell addresses below INFO.
_PROUD = ("gunicorn.error",)

_ids: ContextVar[Mapping[str, object]] = ContextVar("log_ids", default={})  # noqa: B039  (nobody changes it)


def set_up_logging(level: str, style: Format) -> None:
    """Log to stderr from this level on, in text or JSON; again is no harm."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_json_formatter() if style == "json" else _TextFormatter())
    handler.addFilter(RepetitionFilter(_kind))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _PROUD:
        logging.getLogger(name).handlers[:] = [handler]
        logging.getLogger(name).setLevel(max(logging.getLevelName(level.upper()), logging.INFO))


@contextmanager
def log_ids(**ids: object) -> Iterator[None]:
    """What is logged meanwhile, in this thread or greenlet, is about these."""
    token = _ids.set({**_ids.get(), **ids})
    try:
        yield
    finally:
        _ids.reset(token)


def begin_log_ids(**ids: object) -> None:
    """From here on, what this thread or greenlet logs is about these, and no others."""
    _ids.set(ids)


def add_log_ids(**ids: object) -> None:
    """It is about these as well."""
    _ids.set({**_ids.get(), **ids})


def _message(record: logging.LogRecord, words: str) -> str:
    """One line. Of an error only its type and places; beside one the words of a library may quote what was sent."""
    if record.exc_info and record.exc_info[1]:
        error = record.exc_info[1]
        words = f"{str(record.msg).partition('%')[0].strip()}: {type(error).__name__} at {places_of(error)}"
    line = " | ".join(part for part in words.splitlines() if part.strip())
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}..."


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """The ids, what the caller gave in `extra={"fields": ...}`, and how many lines like this were left out before."""
    repeated = getattr(record, "repeated", 0)
    return {**_ids.get(), **getattr(record, "fields", {}), **({"repeated": repeated} if repeated else {})}


def _kind(record: logging.LogRecord) -> tuple[object, ...]:
    """What a line has in common with those that repeat it: all but the time."""
    return record.name, _message(record, record.getMessage()), *sorted(map(str, _fields(record).items()))


class _TextFormatter(logging.Formatter):
    """`time LEVEL logger message key=value ...`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        message = _message(record, record.getMessage())
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        return f"{self.formatTime(record)} {record.levelname} {record.name} {message}{fields}"


def _json_formatter() -> logging.Formatter:
    import structlog  # noqa: PLC0415  (it takes a quarter of a second, which text need not pay)

    def describe(_logger: object, _name: str, event: Any) -> Any:
        record = event["_record"]
        described = {**event, "event": _message(record, event["event"]), **_fields(record)}
        described.pop("exc_info", None)
        record.exc_info = record.exc_text = record.stack_info = None  # nor is a traceback to follow the line
        return described

    def dumped(fields: Any, **_options: object) -> str:
        return orjson.dumps(fields, default=str).decode()

    return structlog.stdlib.ProcessorFormatter(
        keep_exc_info=True,
        processors=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            describe,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(serializer=dumped),
        ],
    )
