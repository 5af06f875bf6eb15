"""Where settings are written: in the environment, in files that it names, in penstock.toml; passwords beside URLs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from jobs.errors import BadSetting

CONFIG_FILE = "penstock.toml"
_CHECKOUT = Path(__file__).resolve().parents[2]
_KEY = re.compile(r"""\s*([\w-]+|"[^"]+"|'[^']+')\s*=""")


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


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a setting is made: a variable, or a file and what stands in it."""

    variable: str = ""
    file: Path | None = None
    text: str = ""

    def place(self, *names: object) -> str:
        """As a person looks for it: `PENSTOCK_X`, or `penstock.toml, line 7`; `names` lead to a key in a table."""
        if not self.file:
            return self.variable
        line = line_of(self.text, list(map(str, names)))
        return f"{self.file}, line {line}" if line else str(self.file)


def config_file(environment: Mapping[str, str], data: str | Path | None = None) -> Path:
    """The penstock.toml that holds: of the current folder, else beside the data directory, else in it.

    It need not exist. `data` is the directory where one is given; else it is the one of the environment, or the
    default, which a checkout has beside start.py.
    """
    named = data or next(
        (value for name, value in environment.items() if name.upper() == "PENSTOCK_DATA" and value), ""
    )
    home = _CHECKOUT if (_CHECKOUT / "start.py").is_file() else Path.cwd()
    directory = Path(named or home / ".penstock").expanduser()
    places = [Path(CONFIG_FILE), directory.parent / CONFIG_FILE, directory / CONFIG_FILE]
    return next((place for place in places if place.is_file()), places[0])


def origins_of(variables: Mapping[str, str], environment: Mapping[str, str], file: Path) -> dict[str, Origin]:
    """Where each of these settings is made, by its name; those that are made nowhere are left out.

    `variables` are their variables, by the names that they have in the file. A file that cannot be read has none.
    """
    given = {name.upper(): name for name, value in environment.items() if value}
    try:
        text = file.read_text(encoding="utf-8")
        in_file = tomllib.loads(text)
    except (OSError, ValueError):
        text, in_file = "", {}
    origins = {name: Origin(name, file, text) for name in in_file}
    for name, variable in variables.items():
        for written in (variable, f"{variable}_FILE"):
            if written in given:
                origins[name] = Origin(given[written])
    return origins


def line_of(text: str, names: list[str]) -> int | None:
    """The line of a TOML file in which a key stands, its tables before it; that of the table if the key is not there.

    Keys within values of several lines are taken for keys, too: good enough to say where to look.
    """
    table: list[str] = []
    found = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("["):
            table = _table(line)
            if table[: len(names)] == names[: len(table)]:
                found = found or number
        elif (key := _KEY.match(line)) and [*table, key[1].strip("\"'")] == names[: len(table) + 1]:
            return number
    return found


def _table(header: str) -> list[str]:
    """The names in a line like `[servers."a.b"]`; none when it is something else."""
    try:
        inner: Any = tomllib.loads(header)
    except tomllib.TOMLDecodeError:
        return []
    names: list[str] = []
    while isinstance(inner, dict) and inner:
        names.extend(inner)
        inner = inner[names[-1]]
    return names
