"""Prompts: named, versioned templates with variables, one TOML file each; a user's beats a built-in one.

`{{name}}` is substituted and nothing else: no expressions, no attributes, so that a text can never run.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, cast

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from jobs.errors import BadSetting, InvalidRequest
from jobs.json_schema.acceptance import check_schema
from jobs.json_schema.validation import first_problem
from jobs.requests.parameters import Parameters, Text, TextFormat
from jobs.requests.runnables import load_runnable
from jobs.requests.sources import source_text

BUILT_IN = Path(__file__).parent / "prompt_files"
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
# Hiragana, katakana, hangul: the Han characters beside them are not Chinese.
_KANA_OR_HANGUL = re.compile(
    r"[\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9f\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]"
)
# What the messages say where {{language_name}} stands; "" is a language that is left to the model.
_LANGUAGE_NAMES = {"en": "English", "zh": "Chinese", "": "the language of the topic"}
_LANGUAGE_NAME = "language_name"
# What the messages of each step may name beside the inputs.
PLANNED: Mapping[str, frozenset[str]] = {
    "messages": frozenset({"sources"}),
    "section": frozenset({"title", "outline", "number", "section", "section_words", "brief", "source"}),
    "summary": frozenset({"title", "outline", "report", "summary_words"}),
}
_FROM_TEXT: Mapping[str, Callable[[str], Any]] = {
    "integer": int,
    "number": float,
    "boolean": {"true": True, "false": False}.__getitem__,
}


# How much of a file's digest tells one content from another.
_DIGEST_CHARACTERS = 8

Language = Literal["en", "zh"]
Message = dict[str, Any]  # role and content, and what jobs/requests/messages.py says
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedPrompt:
    """A prompt as a job keeps it: which one it was, its variables, and what they made of its messages.

    `plan` has the messages of the steps `section` and `summary`, still with their own variables; `parts` are the
    headings under which the text has its parts.
    """

    id: str
    version: str = ""
    digest: str = ""
    runnable: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    messages: Sequence[Message] = ()
    plan: Mapping[str, Sequence[Message]] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def revision(self) -> str:
        """That of the file that it was made from."""
        return revision_of(self.version, self.digest)

    @classmethod
    def from_stored(cls, values: Mapping[str, Any]) -> Self:
        """The prompt of a stored request; fields that it lacks get their defaults, unknown ones are ignored."""
        known = {field.name: values[field.name] for field in fields(cls) if values.get(field.name) is not None}
        return cls(**{"id": "", **known})


def revision_of(version: str, digest: str) -> str:
    """What a version is called whose file has this digest."""
    return f"{version}-{digest[:_DIGEST_CHARACTERS]}" if digest else version


class PromptMessage(BaseModel, frozen=True, extra="forbid"):
    """One message of a prompt file, with its `{{variables}}`."""

    role: Literal["system", "user", "assistant"]
    content: str


def _with_properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(schema.get("properties"), Mapping):
        raise ValueError("needs a table `properties`, which names the variables")  # noqa: TRY004  (pydantic's way)
    check_schema(schema)
    return schema


class Prompt(BaseModel, frozen=True, extra="forbid"):
    """One prompt file. `inputs` is a JSON schema of the variables; messages come per language.

    One with `section` messages is a plan: `messages` ask for an outline, `section` for each of its sections, and
    `summary`, if there are any, for what comes last. They may name what PLANNED lists as well. One with a `runnable`
    is run by the user's own code. `model`, `parameters` and `output` are for requests that do not say otherwise,
    `parts` are the headings under which the text has its parts.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=64)
    version: str
    title: Mapping[str, str]
    description: Mapping[str, str]
    inputs: Annotated[Mapping[str, Any], AfterValidator(_with_properties)]
    messages: Mapping[Language, Sequence[PromptMessage]] = {}
    section: Mapping[Language, Sequence[PromptMessage]] = {}
    summary: Mapping[Language, Sequence[PromptMessage]] = {}
    runnable: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")] | None = None
    model: Text | None = None
    parameters: Parameters = Parameters()
    output: TextFormat | None = None
    parts: Mapping[str, Annotated[Mapping[Language, Text], Field(min_length=1)]] = {}
    digest: str
    path: Path = Field(exclude=True)

    @property
    def revision(self) -> str:
        """Its version, with what tells one content of the file from another."""
        return revision_of(self.version, self.digest)

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        if not self.messages and (self.section or not self.runnable):
            raise ValueError("there are no messages: write [[messages.en]], or name a `runnable` that does without")
        if self.section and (self.runnable or self.output):
            raise ValueError("sections are text that `section` asks for: leave out `runnable` and `output`")
        for step, planned in PLANNED.items():
            texts = [message.content for messages in getattr(self, step).values() for message in messages]
            known = {*self.inputs["properties"], _LANGUAGE_NAME, *planned}
            for name in sorted({*_VARIABLE.findall("\n".join(texts))} - known):
                raise ValueError(f"{{{{{name}}}}} is not among its inputs; add [inputs.properties.{name}]")
        return self

    def render(self, variables: Mapping[str, Any]) -> RenderedPrompt:
        """This prompt with `variables`, defaults filled in.

        Raises InvalidRequest that names the variable at fault.
        """
        values = self._checked(variables)
        language = values["language"]
        overview = source_text.overview(source_text.split(str(values.get("source", ""))))
        steps = {
            step: _named(_of(language, messages), language) if messages else []
            for step, messages in self.model_dump(include={*PLANNED}).items()
        }
        return RenderedPrompt(
            **self.model_dump(include={"id", "version", "digest", "runnable"}),
            variables=values,
            messages=fill(steps.pop("messages"), {**values, "sources": overview}),
            plan=steps if self.section else {},
            parts={name: _of(language, headings) for name, headings in self.parts.items()},
        )

    def import_runnable(self) -> None:
        """Import what `runnable` names; nothing if the prompt has none.

        This runs the user's code: for the worker, and for whoever checks the file. Raises BadSetting, one line.
        """
        if self.runnable is None:
            return
        try:
            target = load_runnable(self.runnable, self.path.parent)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever their code raises)
            reason = " ".join(f"{type(error).__name__}: {error}".split())
        else:
            if callable(target) or hasattr(target, "stream"):
                return
            reason = f"a {type(target).__name__} is no Runnable, and no function that makes one"
        remedy = "write module:attribute; the module lies beside the prompt file, or is installed"
        raise BadSetting(f"prompt file {self.path}: runnable {self.runnable}: {reason} ({remedy})")

    def _checked(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        properties = self.inputs["properties"]
        if unknown := sorted(set(variables) - set(properties)):
            raise InvalidRequest(
                f"Prompt '{self.id}' has no variable '{unknown[0]}'; it has {', '.join(properties)}.",
                param=f"prompt.variables.{unknown[0]}",
            )
        values = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
        values |= {name: _read(value, properties[name]) for name, value in variables.items()}
        if error := first_problem(self.inputs, values):
            name = str(error.path[0]) if error.path else _missing(self.inputs, values)
            problem = error.message if error.path else "is required"
            raise InvalidRequest(f"Prompt '{self.id}', variable '{name}': {problem}", param=f"prompt.variables.{name}")
        if not values.get("language"):
            values["language"] = language_of(str(values.get("topic", "")))
        return values


def read_prompt(path: Path) -> Prompt:
    """One prompt file. Raises BadSetting, one line that names the file and what is wrong with it."""
    try:
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        values = {**tomllib.loads(content.decode()), "digest": digest, "path": path}
        return Prompt.model_validate(values, extra="forbid")
    except ValidationError as error:
        problem = error.errors()[0]
        words = [*filter(None, [".".join(map(str, problem["loc"]))]), problem["msg"].removeprefix("Value error, ")]
        raise BadSetting(f"prompt file {path}: {': '.join(words)}") from error
    except (OSError, ValueError) as error:
        raise BadSetting(f"prompt file {path}: {error}") from error


def fill(messages: Sequence[Mapping[str, str]], values: Mapping[str, Any]) -> list[dict[str, str]]:
    """Messages with every `{{name}}` replaced by its value, or by nothing."""
    return [
        {**message, "content": _VARIABLE.sub(lambda match: str(values.get(match[1], "")), message["content"])}
        for message in messages
    ]


def _named(messages: Sequence[Mapping[str, str]], language: str) -> list[dict[str, str]]:
    """Messages that name the language to write in."""
    name = _LANGUAGE_NAMES[language]
    place = f"{{{{{_LANGUAGE_NAME}}}}}"
    return [{**message, "content": message["content"].replace(place, name)} for message in messages]


def _of(language: str, table: Mapping[Language, T]) -> T:
    """What a table has for a language, or for another when it has nothing for this."""
    return table.get(cast(Language, language)) or table.get("en") or next(iter(table.values()))


def language_of(text: str) -> Literal["en", "zh", ""]:
    """The language to write in about this topic; "" when it is Japanese or Korean, and left to the model."""
    if _KANA_OR_HANGUL.search(text):
        return ""
    return "zh" if _HAN.search(text) else "en"


def _read(value: Any, schema: Mapping[str, Any]) -> Any:
    """Forms and command lines only have text: `"300"` for an integer becomes 300."""
    if isinstance(value, str) and (convert := _FROM_TEXT.get(schema.get("type", ""))):
        with suppress(ValueError, KeyError):
            return convert(value)
    return value


def _missing(schema: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    return next((name for name in schema.get("required", []) if name not in values), "?")
