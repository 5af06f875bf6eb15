"""An image for a request: a file of this machine, or an address that only the model server fetches."""

from __future__ import annotations

import base64
import mimetypes
from pathlib import Path

from cli.exit_codes import CommandError


def image_address(image: str) -> str:
    """A `data:` URL with the file of this name, or the address that it is. Raises CommandError."""
    if image.startswith(("http://", "https://")):
        return image
    media_type, _ = mimetypes.guess_type(image)
    if media_type is None or not media_type.startswith("image/"):
        raise CommandError(f"--image {image}: no image by its name; send a .png, .jpg, .gif or .webp")
    try:
        data = Path(image).read_bytes()
    except OSError as error:
        raise CommandError(f"--image {image}: {error.strerror}") from error
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
