"""How settings are written: values in files that `NAME_FILE` names, passwords beside their URLs, lists, names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from jobs.errors import BadSetting


def value_of(name: str, environment: Mapping[str, str]) -> str | None:
    """The value of a variable, from its file if `<name>_FILE` names one; None when neither is set. Raises BadSetting.

    White space around a file's text is not part of the value: editors and `echo` end it with a line break.
    """
    path = environment.get(f"{name}_FILE")
    if not path:
        return environment.get(name)
    if environment.get(name):
        raise BadSetting(f"{name} and {name}_FILE are both set: unset one of them")
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BadSetting(f"{name}_FILE: cannot read {path}: {reason}") from error
    if not value:
        raise BadSetting(f"{name}_FILE: {path} is empty")
    return value


def values_from_files(names: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """What stands in the files that the environment names for some of `names`, variables by their keys.

    Raises BadSetting.
    """
    named = {key: name for key, name in names.items() if environment.get(f"{name}_FILE")}
    return {key: value_of(name, environment) or "" for key, name in named.items()}


def url_with_password(url: str, password: str) -> str:
    """A URL with a password, encoded; one that has its own keeps that."""
    parts = urlsplit(url)
    user, _, place = parts.netloc.rpartition("@")
    if not password or ":" in user:
        return url
    return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{place}").geturl()


def comma_separated(value: Any) -> Any:
    """The names in a text, as an environment variable has them; a list stays one."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def place_of(location: tuple[int | str, ...]) -> str:
    """Where a setting is made, as the person calls it; a check of several names the places itself."""
    if not location:
        return ""
    name, *inner = map(str, location)
    if inner and name in ("servers", "prices"):
        return " ".join([f"[{name}.{inner[0]}]", *inner[1:2]]) + ": "
    return f"{name}: " if name.isupper() else f"PENSTOCK_{name.upper()}: "
