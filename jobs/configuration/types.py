"""The types of settings: what each kind may be, and how it may be written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from jobs.limits import HIGHEST_LIMIT
from jobs.redis_url import has_host_and_port

# A shorter time than this ends what it is to protect; a longer one than a month was meant to be none.
_SHORTEST_SECONDS = 0.1
_LONGEST_SECONDS = 31 * 24 * 3600
_SHORTEST_TOKEN = 16


def comma_separated(value: Any) -> Any:
    """The names in a text, as an environment variable has them; a list stays one."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def in_lower_case(value: Any) -> Any:
    """A word, however it is written."""
    return value.strip().lower() if isinstance(value, str) else value


def _url(value: str) -> str:
    scheme, _, rest = value.partition("://")
    if scheme.lower() not in ("http", "https") or any(map(str.isspace, value)) or not has_host_and_port(rest):
        raise ValueError("must be an address like http://host:8000/v1")
    return value.rstrip("/")


def _token(value: str) -> str:
    if value and (len(value) < _SHORTEST_TOKEN or any(map(str.isspace, value))):
        raise ValueError(f"needs {_SHORTEST_TOKEN} characters or more, none of them white space")
    return value


Limit = Annotated[int, Field(ge=0, le=HIGHEST_LIMIT)]
Seconds = Annotated[float, Field(ge=_SHORTEST_SECONDS, le=_LONGEST_SECONDS)]
SecondsOrNone = Annotated[float, Field(ge=0, le=_LONGEST_SECONDS)]
Url = Annotated[str, AfterValidator(_url)]
UrlOrNone = Annotated[str, AfterValidator(lambda url: url and _url(url))]
Token = Annotated[str, AfterValidator(_token)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(comma_separated)]
Tier = Literal["default", "flex"]
# What a model server may be known not to take; that it does not stream has a setting of its own.
Feature = Literal["stream_options", "json_schema", "json_object", "max_tokens", "system_role", "same_roles"]
