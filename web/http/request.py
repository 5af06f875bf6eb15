"""The request that the application reads: its body is whole, or it is refused."""

from __future__ import annotations

from typing import Any

import flask
from werkzeug.exceptions import RequestEntityTooLarge


class Request(flask.Request):
    """Flask's request, which cuts a chunked body that is too long at its limit instead of refusing it."""

    def get_data(self, *args: Any, **options: Any) -> Any:
        """The body. Raises RequestEntityTooLarge."""
        data = super().get_data(*args, **options)
        limit = self.max_content_length
        if self.content_length is None and limit is not None and len(data) >= limit:
            raise RequestEntityTooLarge
        return data
