"""Files of an input: they come as data, and their text takes their place before anything is kept."""

from __future__ import annotations

import binascii
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, InstanceOf, StringConstraints

_DATA = re.compile(r"data:[\w.+-]+/[\w.+-]+(;charset=[\w-]+)?;base64,", re.IGNORECASE)


def _bytes(value: Any) -> Any:
    """The bytes of a `data:` URL. Raises ValueError."""
    if not isinstance(value, str):
        return value
    if not (data := _DATA.match(value)):
        raise ValueError("send 'data:application/pdf;base64,...'")
    try:
        return binascii.a2b_base64(value[data.end() :], strict_mode=True)
    except ValueError as error:  # binascii.Error, or text that is not ASCII
        raise ValueError("the file is not valid base64") from error


class FilePart(BaseModel):
    """A file inside an input message; its name's ending says what it is."""

    type: Literal["input_file"]
    filename: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f]*$")]
    file_data: Annotated[InstanceOf[bytes], BeforeValidator(_bytes, json_schema_input_type=str)]
