"""docs/settings.md: every setting, its default, what it may be and what it means."""

from __future__ import annotations

import json
from typing import Any

from jobs.configuration.meanings import meanings
from jobs.limits import HIGHEST_LIMIT
from jobs.settings import Settings

_HEAD = """\
# Every setting

<!-- Made from jobs/settings.py and jobs/configuration/meanings.toml by `python -m tests.documents`. -->

A setting is a variable of the environment, or a key in `penstock.toml`: the variable's name without `PENSTOCK_`, in
small letters. The environment holds where both have it. The file is looked for in the current folder, then beside the
data directory, then in it. `NAME_FILE` names a file that holds the value, for secrets. A variable that is nearly a
setting stops the start with the near name; one that is like none is warned of.

`penstock config` prints each value in force and where it is made, `penstock config NAME` also what it means.
"""


def settings_page() -> str:
    """The whole document."""
    properties = Settings.model_json_schema(by_alias=False)["properties"]
    variables = Settings.variables()
    lines = [_HEAD]
    for section, texts in meanings().items():
        lines += [f"## {section}", "", "| setting | default | |", "|---|---|---|"]
        lines += [
            f"| `{variables[name]}` | {_default(properties[name])} | {text}{_range(properties[name])} |"
            for name, text in texts.items()
        ]
        lines.append("")
    return "\n".join(lines)


def _default(described: dict[str, Any]) -> str:
    value = described.get("default")
    if value in (None, "", {}, []):
        return ""
    shown = ",".join(value) if isinstance(value, list) else value if isinstance(value, str) else json.dumps(value)
    return f"`{shown}`"


def _range(described: dict[str, Any]) -> str:
    """What a value may be, where a schema says it: words, or numbers from and to."""
    kinds = [described, *described.get("anyOf", []), *([described["items"]] if "items" in described else [])]
    words = next((kind["enum"] for kind in kinds if "enum" in kind), None)
    if words:
        return f" {', '.join(f'`{word}`' for word in words)}."
    limits = {key: kind[key] for kind in kinds for key in ("minimum", "maximum") if key in kind}
    if not limits:
        return ""
    least, most = (f"{limits[key]:.12g}" if key in limits else "" for key in ("minimum", "maximum"))
    has_end = bool(most) and limits["maximum"] != HIGHEST_LIMIT
    return f" {least} to {most}." if has_end else f" {least} or more."
