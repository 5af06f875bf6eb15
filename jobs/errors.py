"""The errors that Penstock raises on purpose, and their root: a docstring says what went wrong.

demo_model and start.py have errors of their own, because they import nothing of ours.
"""

from __future__ import annotations

from collections.abc import Mapping

from jobs.status.translation import Translation, english


class PenstockError(Exception):
    """The root of our exceptions. Of those that a person or a program can mend, the message is one clear line."""


class BadSetting(PenstockError):
    """A setting is missing or wrong."""


class InvalidRequest(PenstockError):
    """A request cannot be accepted as it is.

    `param` is the dotted name of the field at fault, or None; `code` is one of OpenAI's error codes, or None. With
    `values`, the message has places for them, and a page can say it in another language.
    """

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        values: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message if values is None else english(message, **values))
        self.param = param
        self.code = code
        self._message, self._values = message, values

    def sentence(self, _: Translation = english) -> str:
        """The message in a language; in English where it has no places for values."""
        return str(self) if self._values is None else _(self._message, **self._values)


class LimitReached(PenstockError):
    """The owner has as much of something as may be: `name` is one of jobs.limits, `most` how much.

    `retry_after` are the seconds after which asking again may succeed.
    """

    def __init__(self, name: str, most: int, *, retry_after: float) -> None:
        super().__init__(f"{name} is {most}")
        self.name = name
        self.most = most
        self.retry_after = retry_after


class NotFound(PenstockError):
    """There is no such thing, or it belongs to another owner."""


class JobNotFound(NotFound):
    """No such job, or it belongs to another owner."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"Response with id '{job_id}' not found.")
