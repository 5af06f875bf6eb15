"""`/v1/sources`: the text of a file, to be read before it is used. Nothing of it is kept."""

from __future__ import annotations

from typing import Any, cast

from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from jobs.errors import InvalidRequest
from web.actions.source_files import read_source, too_large
from web.api import render
from web.context import WebContext
from web.http.request import Request

# For the words of the form around a file.
_MORE_BYTES = 10_000


class SourceApi:
    """The handler of `/v1/sources`."""

    def __init__(self, context: WebContext) -> None:
        self._context = context

    def read(self) -> Response:
        """The text of the form's `file`."""
        return render.json(sent_source(self._context.settings.max_source_bytes))


def sent_source(most_bytes: int) -> dict[str, Any]:
    """What the form's `file` is read as. Raises InvalidRequest, TooManyRequests."""
    cast(Request, request).max_content_length = most_bytes + _MORE_BYTES
    try:
        file = request.files.get("file")
    except RequestEntityTooLarge:
        raise too_large("file", most_bytes, "file") from None
    if file is None or not file.filename:
        raise InvalidRequest("Send a form (multipart/form-data) with a 'file' that has a name.", param="file")
    name = file.filename.replace("\n", " ")[-255:]
    source = read_source(name, file.read(), most_bytes, "file")
    return {
        "object": "source",
        "filename": source.name,
        "bytes": source.size,
        "words": source.words,
        "text": source.text,
    }
