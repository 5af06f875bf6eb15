"""What goes with a request: images, by data or by address, and the texts of files."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Iterable
from pathlib import Path

import click

from cli.client.server import Server
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


def source_text(server: Server, paths: Iterable[Path]) -> str:
    """The text that the server reads out of these files; of each its name, size and words on stderr.

    Raises CommandError for a file that cannot be opened.
    """
    texts = []
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CommandError(f"--source {path}: {error.strerror}") from error
        source = server.read_source(path.name, content)
        click.echo(f"{path.name}: {source['bytes']:,} bytes, {source['words']:,} words", err=True)
        texts.append(source["text"])
    return "\n\n".join(texts)
