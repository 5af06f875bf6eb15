"""The request that the application reads: its body is whole, or it is refused."""

from __future__ import annotations

import re
from typing import Any

import flask
from werkzeug.exceptions import RequestEntityTooLarge

# The data of images and files in JSON, which may write a slash as two characters.
_DATA = re.compile(rb"data:[a-z]{1,16}\\?/[a-z0-9.+-]{1,128};base64,(?:[A-Za-z0-9+/=]|\\/)*+", re.IGNORECASE)
# For the words around them, and the last piece of each in base64.
_MORE_BYTES = 10_000


class Request(flask.Request):
    """Flask's request, which cuts a chunked body that is too long at its limit instead of refusing it."""

    def get_data(self, *args: Any, **options: Any) -> Any:
        """The body. Raises RequestEntityTooLarge."""
        data = super().get_data(*args, **options)
        limit = self.max_content_length
        if self.content_length is None and limit is not None and len(data) >= limit:
            raise RequestEntityTooLarge
        return data

    def get_data_with_images(self, most_bytes: int) -> bytes:
        """The body, which may be longer than others by so many bytes of images and files.

        Raises RequestEntityTooLarge.
        """
        others = self.max_content_length
        if others is None or not most_bytes:
            return bytes(self.get_data())
        too_large = RequestEntityTooLarge(
            f"A request has at most {others:,} bytes (PENSTOCK_MAX_REQUEST_BYTES) beside its images and files, and"
            f" those at most {most_bytes:,} (PENSTOCK_MAX_IMAGE_BYTES)."
        )
        self.max_content_length = others + most_bytes * 4 // 3 + _MORE_BYTES
        try:
            body = bytes(self.get_data())
        except RequestEntityTooLarge:
            raise too_large from None
        if len(body) > others and len(body) - sum(len(data[0]) for data in _DATA.finditer(body)) > others:
            raise too_large
        return body
