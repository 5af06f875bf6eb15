"""What API and page do with batches alike: a file is stored, and a batch is made of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from flask import Request
from sqlalchemy import RowMapping
from werkzeug.exceptions import RequestEntityTooLarge

from jobs.errors import InvalidRequest, NotFound
from jobs.requests.batch_line import ENDPOINTS
from jobs.storage.batches.batches import Batches
from jobs.storage.batches.files import BATCH, PIECE_BYTES, FileLimits, Files, too_large
from web.context import WebContext

# What a form has around its file.
_FORM_BYTES = 100_000
_LONGEST_NAME = 255
_SHORTEST_SECONDS, _LONGEST_SECONDS = 3600, 30 * 86_400


def store_file(context: WebContext, owner: str, request: Request) -> RowMapping:
    """The file in the form of this request, which may be longer than other bodies. Raises InvalidRequest."""
    limits = FileLimits(context.settings.max_batch_bytes, context.settings.max_kept_bytes)
    request.max_content_length = limits.file + _FORM_BYTES
    try:
        file = request.files.get("file")
    except RequestEntityTooLarge:
        raise too_large(limits.file) from None
    if file is None:
        raise InvalidRequest("Send the file as 'file', in multipart/form-data.", param="file", values={})
    if (purpose := request.form.get("purpose", BATCH)) != BATCH:
        raise InvalidRequest(f"Files are for batches: purpose is 'batch', not '{purpose[:50]}'.", param="purpose")
    seconds = request.form.get("expires_after[seconds]")
    if seconds is not None and not (seconds.isdecimal() and _SHORTEST_SECONDS <= int(seconds) <= _LONGEST_SECONDS):
        words = f"'expires_after[seconds]' is {_SHORTEST_SECONDS} to {_LONGEST_SECONDS}."
        raise InvalidRequest(words, param="expires_after.seconds")
    expires_at = time.time() + int(seconds) if seconds else None
    name = "".join(filter(str.isprintable, file.filename or "batch.jsonl"))[:_LONGEST_NAME]

    def pieces() -> Iterator[bytes]:
        while piece := file.stream.read(PIECE_BYTES):
            yield piece

    return Files(context.database).create(owner, name, pieces(), expires_at, limits)


def create_batch(
    context: WebContext, owner: str, file_id: str, endpoint: str, metadata: dict[str, str] | None = None
) -> RowMapping:
    """A new batch of the lines of a file. Raises InvalidRequest, LimitReached."""
    if endpoint not in ENDPOINTS:
        raise InvalidRequest(f"'endpoint' is one of {', '.join(ENDPOINTS)}.", param="endpoint")
    try:
        file = Files(context.database).get(owner, file_id)
    except NotFound as error:
        raise InvalidRequest(str(error), param="input_file_id") from None
    if file["purpose"] != BATCH:
        raise InvalidRequest("This file is what a batch has written: upload one with requests.", param="input_file_id")
    context.admission.check_create(owner)
    values: dict[str, Any] = {"input_file_id": file_id, "endpoint": endpoint, "metadata": metadata or {}}
    return Batches(context.database).create(owner, {**values, "model": _default_model(context)})


def _default_model(context: WebContext) -> str | None:
    try:
        return context.models.default()
    except InvalidRequest:
        return None
