"""How an owner files a job: its title, its star and its labels, kept in its `metadata`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

TITLE = "title"
STARRED = "starred"
LABELS = "labels"
MAX_TITLE = 80
MAX_LABEL = 64
# The longest value of metadata.
MAX_LABELS = 512

_YES = "true"
_COMMAS = re.compile("[,，、\n]")


class Filing(NamedTuple):
    """The `title` is empty when the owner has given none; each of the `labels` is there once."""

    title: str = ""
    starred: bool = False
    labels: tuple[str, ...] = ()


def filing_of(metadata: Mapping[str, str]) -> Filing:
    """How a job with this metadata is filed. What is too long is cut: metadata may be meant for something else."""
    title = " ".join(metadata.get(TITLE, "").split())[:MAX_TITLE]
    return Filing(title, metadata.get(STARRED) == _YES, labels_in(metadata.get(LABELS, "")))


def filed(metadata: Mapping[str, str], filing: Filing) -> dict[str, str]:
    """The metadata of a job that is filed so; what else is in it stays."""
    values = {TITLE: filing.title, STARRED: _YES * filing.starred, LABELS: joined(filing.labels)}
    return {**{name: value for name, value in metadata.items() if name not in values}, **_given(values)}


def labels_in(text: str) -> tuple[str, ...]:
    """The labels in a text, which has commas between them."""
    labels = (" ".join(label.split())[:MAX_LABEL].strip() for label in _COMMAS.split(text))
    return tuple(dict.fromkeys(filter(None, labels)))


def joined(labels: Iterable[str]) -> str:
    """Labels as one text."""
    return ", ".join(labels)


def _given(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
