"""The tables of penstock.toml: model servers, with presets for the usual kinds, and what tokens cost."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, Field, model_validator

from jobs.configuration.sources import value_of
from jobs.configuration.types import Feature, Url
from jobs.errors import BadSetting


@cache
def presets() -> dict[str, dict[str, Any]]:
    """What is known of the kinds of model servers, by the name of the kind."""
    return tomllib.loads(Path(__file__).with_name("presets.toml").read_text())


class ModelServer(BaseModel, frozen=True, extra="forbid"):
    """`[servers.<name>]` in `penstock.toml`: a model server; what it does not say, its preset does.

    `concurrency` is how many jobs each of its models may run at once, over all workers; `fallbacks` are the models
    to ask, in order, when one of these fails before its first token; `refuses` is what it is known not to take.
    """

    preset: str | None = None
    url: Url
    key_variable: str = ""
    key: str = Field("none", repr=False)
    models: tuple[str, ...] = Field(min_length=1)
    fallbacks: tuple[str, ...] = ()
    concurrency: int | None = Field(None, ge=1)
    stream: bool = True
    refuses: frozenset[Feature] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, table: Any) -> Any:
        if not isinstance(table, dict):
            return table
        preset = str(table.get("preset") or "")
        if preset not in presets() and (preset or "url" not in table):
            raise ValueError(f"preset must be one of {', '.join(presets())}; without one, url is needed")
        return {**presets().get(preset, {}), **table}

    def with_key(self, place: str, environment: Mapping[str, str]) -> Self:
        """The same server, which stands at `place`, with the key that its variable has. Raises BadSetting."""
        if not self.key_variable or "key" in self.model_fields_set:
            return self
        key = value_of(self.key_variable, environment)
        if not key:
            remedy = "set it, or name another variable"
            raise BadSetting(f"{place}: key_variable names {self.key_variable}, which is not set: {remedy}")
        return self.model_copy(update={"key": key})


class Price(BaseModel, frozen=True, extra="forbid"):
    """`[prices.<model>]` in `penstock.toml`: what a million tokens that go in and come out cost."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    currency: str = "USD"
