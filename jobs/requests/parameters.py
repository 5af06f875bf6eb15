"""What can be set about an answer: by a request, or by the prompt that it names."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from jobs.json_schema.acceptance import check_schema

Text = Annotated[str, StringConstraints(min_length=1)]
Penalty = Annotated[float, Field(ge=-2, le=2)]


def without_nulls(value: Any) -> Any:
    """An object without the fields that are null: they count as absent."""
    return {name: each for name, each in value.items() if each is not None} if isinstance(value, dict) else value


class TextFormat(BaseModel):
    """The form of the answer: free text, any JSON object, or JSON that follows a schema."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: Annotated[str, Field(pattern=r"^[\w-]{1,64}$")] | None = None
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None

    @model_validator(mode="after")
    def _has_its_schema(self) -> Self:
        if self.type == "json_schema":
            if self.schema_ is None or self.name is None:
                raise ValueError("a format of type json_schema needs a 'name' and a 'schema'")
            try:
                check_schema(self.schema_)
            except ValueError as error:
                raise ValueError(f"its schema is not a JSON schema that can be used: {error}") from error
        return self


class TextOptions(BaseModel):
    """How the text of the answer is to be."""

    format: TextFormat = TextFormat()
    verbosity: Literal["low", "medium", "high"] | None = None

    _absent = model_validator(mode="before")(without_nulls)


class Reasoning(BaseModel):
    """How hard a reasoning model should think."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


class Parameters(BaseModel):
    """How the model is to work: what a request says of it wins over what its prompt says."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    max_output_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    reasoning: Reasoning | None = None
    truncation: Literal["auto", "disabled"] | None = None
