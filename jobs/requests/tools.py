"""Function tools: the model may ask for a call of one, the client makes it. Penstock runs none."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

# The type of the error for what is known, or may be, and not supported: the code that clients see.
UNSUPPORTED = "unsupported_parameter"

ToolName = Annotated[str, Field(pattern=r"^[\w.-]{1,128}$")]


class FunctionTool(BaseModel):
    """A function of the client's: its name, what it does, and the JSON schema of its arguments."""

    type: Literal["function"]
    name: ToolName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ToolByName(BaseModel):
    """The choice of one function, which the model has to call."""

    type: Literal["function"]
    name: ToolName


def of_function(value: Any) -> Any:
    """A tool, or a choice of one, if it is a function. Raises PydanticCustomError: there is no other kind here."""
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind != "function":
        words = f"tools of type '{kind[:64]}' are not supported: the client runs the tools, so send functions"
        raise PydanticCustomError(UNSUPPORTED, "{words}", {"words": words})
    return value


Tools = Annotated[list[Annotated[FunctionTool, BeforeValidator(of_function)]], Field(max_length=128)]
ToolChoice = Annotated[Literal["none", "auto", "required"] | ToolByName, BeforeValidator(of_function)]
