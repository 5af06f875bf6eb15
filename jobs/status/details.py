"""Why a job is in its status: a stable code, and what the sentence about it is filled in with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobs.status.sentences import SENTENCES, fill
from jobs.status.translation import Translation, english

# Nothing needs to be said of a job in one of these.
PLAIN = frozenset({"completed", "in_progress"})
# Nor in a list, where the status and what can be done stand beside it.
PLAIN_IN_LISTS = PLAIN | {"cancelled", "stopping", "stopped"}


@dataclass(frozen=True, slots=True)
class StatusDetails:
    """`code` is one of SENTENCES, or of another version; what it does not know of `values` a sentence leaves out."""

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_wire(cls, wire: Mapping[str, Any]) -> StatusDetails:
        """What `to_wire` made."""
        return cls(wire["code"], {name: value for name, value in wire.items() if name not in ("code", "message")})

    def to_wire(self) -> dict[str, Any]:
        """As the `penstock` object of a response has it, with the sentence in English."""
        return {"code": self.code, "message": self.sentence(), **self.values}

    def sentence(self, _: Translation = english) -> str:
        """What is the matter and what to do, in the language of the translation; the code itself if it is unknown."""
        return fill(SENTENCES.get(self.code, (self.code,)), self.values, _)

    @property
    def is_plain(self) -> bool:
        """Whether the status alone says all."""
        return self.code in PLAIN

    @property
    def is_plain_in_lists(self) -> bool:
        """The same for a line of a list, which is not to grow without need."""
        return self.code in PLAIN_IN_LISTS
