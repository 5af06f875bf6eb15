"""`/v1/sources`: the text of a file, to be read before it is used. Nothing of it is kept."""

from __future__ import annotations

from typing import cast

from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from jobs.errors import InvalidRequest
from web.actions.source_files import MOST_BYTES, read_source
from web.api import render
from web.http.request import Request

# For the words of the form around a file.
_MORE_BYTES = 10_000


class SourceApi:
    """The handler of `/v1/sources`."""

    def read(self) -> Response:
        """The text of the form's `file`."""
        cast(Request, request).max_content_length = MOST_BYTES + _MORE_BYTES
        try:
            file = request.files.get("file")
        except RequestEntityTooLarge:
            raise RequestEntityTooLarge(f"A file has at most {MOST_BYTES:,} bytes.") from None
        if file is None or not file.filename:
            raise InvalidRequest("Send a form (multipart/form-data) with a 'file' that has a name.", param="file")
        name = file.filename.replace("\n", " ")[-255:]
        source = read_source(name, file.read(), "file")
        return render.json(
            {
                "object": "source",
                "filename": source.name,
                "bytes": source.size,
                "words": source.words,
                "text": source.text,
            }
        )
