"""What is wrong with settings, in words for people: where each is made, and what it has to be."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from jobs.configuration.sources import Origin
from jobs.errors import BadSetting

_log = logging.getLogger(__name__)

_PREFIX = "PENSTOCK_"
# Of the client commands, which talk to a server; no process of ours has them for a setting.
_CLIENT_VARIABLES = ("PENSTOCK_URL", "PENSTOCK_API_KEY")
# Kubernetes tells each container of the Services beside it: PENSTOCK_WEB_SERVICE_HOST, PENSTOCK_WEB_PORT_80_TCP_ADDR.
_OF_KUBERNETES = re.compile(r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$")
_TABLES = ("servers", "prices")
_OURS = "Value error, "
_TABLE = re.compile(rf"{_OURS}\[servers\.([^\]]+)\] (\w+)")
# By the types of pydantic's errors; the places are filled from their contexts.
_WORDS = {
    "int_parsing": "must be a whole number, not {input}",
    "int_from_float": "must be a whole number, not {input}",
    "int_type": "must be a whole number, not {input}",
    "float_parsing": "must be a number, not {input}",
    "float_type": "must be a number, not {input}",
    "finite_number": "must be a number that ends, not {input}",
    "bool_parsing": "must be true or false, not {input}",
    "bool_type": "must be true or false, not {input}",
    "literal_error": "must be {expected}, not {input}",
    "greater_than": "must be more than {gt:.12g}, not {input}",
    "greater_than_equal": "must be {ge:.12g} or more, not {input}",
    "less_than_equal": "must be {le:.12g} or less, not {input}",
    "string_too_long": "must have {max_length} characters or fewer",
    "too_short": "must name at least one",
    "missing": "is missing",
    "string_type": "must be a text in quotation marks",
    "path_type": "must be the path of a file or a folder",
    "path_not_file": "there is no such file: {input}",
    "tuple_type": "must be a list of names",
    "frozen_set_type": "must be a list of names",
    "model_type": "must be a table with keys",
    "model_attributes_type": "must be a table with keys",
    "dict_type": "must be a table with keys",
}


def check_variables(known: Iterable[str], environment: Mapping[str, str]) -> None:
    """Raise BadSetting for a variable that is nearly a setting of ours; warn of others that begin like one.

    Those may be another program's, which must not keep Penstock from starting.
    """
    names = {*known, *_CLIENT_VARIABLES}
    for name in sorted(environment):
        setting = name.upper().removesuffix("_FILE")
        if not setting.startswith(_PREFIX) or _OF_KUBERNETES.search(setting) or {setting, name.upper()} & names:
            continue
        fault = f"{name}: {_no_setting(setting, names)}"
        if _near(setting, names):
            raise BadSetting(fault)
        _log.warning("%s", fault)


def described(error: ValidationError, origins: Mapping[str, Origin], fields: Iterable[str]) -> str:
    """All faults of the settings, in one line. `origins` tells where each is made, `fields` which there are."""
    return "; ".join(dict.fromkeys(_described(problem, origins, fields) for problem in error.errors()))


def _described(problem: ErrorDetails, origins: Mapping[str, Origin], fields: Iterable[str]) -> str:
    location = problem["loc"]
    if not location and (table := _TABLE.match(problem["msg"])):  # a check of several, which names the place itself
        location = ("servers", *table.groups())
    elif not location:
        return problem["msg"].removeprefix(_OURS)
    name, *inner = location
    written = str(name) if name in origins else str(name).lower()
    origin = origins.get(written, Origin())
    place = f"{origin.place(written, *inner)}: " if origin.file else ""
    if not problem["loc"]:
        return f"{place}{problem['msg'].removeprefix(_OURS)}"
    return f"{place}{_name(location, in_file=bool(origin.file))}: {_words(problem, fields)}"


def _name(location: tuple[int | str, ...], *, in_file: bool) -> str:
    """A setting, or a key of a table, as a person calls it."""
    name, *inner = map(str, location)
    if inner and name in _TABLES:
        return " ".join([f"[{name}.{inner[0]}]", *inner[1:2]])
    if in_file:
        return name if name.startswith(_PREFIX) else name.lower()
    return name if name.isupper() else f"{_PREFIX}{name.upper()}"


def _words(problem: ErrorDetails, fields: Iterable[str]) -> str:
    if problem["type"] == "extra_forbidden":
        return _no_setting(str(problem["loc"][0]), fields) if len(problem["loc"]) == 1 else "there is no such key"
    words = _WORDS.get(problem["type"])
    if not words:
        return problem["msg"].removeprefix(_OURS)
    return words.format(input=_shown(problem["input"]), **problem.get("ctx", {}))


def _shown(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 60 else "what it is"


def _no_setting(name: str, names: Iterable[str]) -> str:
    near = _near(name, names)
    return f"there is no such setting; {f'did you mean {near}?' if near else 'take it away'}"


def _near(name: str, names: Iterable[str]) -> str:
    """The setting that is probably meant; empty when none is like it. A file has its names without our prefix."""
    ends = {known.upper().removeprefix(_PREFIX): known for known in names}
    near = get_close_matches(name.upper().removeprefix(_PREFIX), list(ends), 1, 0.7)
    return ends[near[0]] if near else ""
