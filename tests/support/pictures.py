"""Images of a few bytes, as data and as the API has them."""

from __future__ import annotations

import base64
import secrets
import struct
import zlib

from jobs.job import Job
from jobs.requests.generation import CreateRequest
from jobs.requests.messages import sent_images
from jobs.storage.store import Store
from tests.support.job_factory import accepted


def png(*, extra_bytes: int = 0) -> bytes:
    """A PNG of one pixel that no other test has, longer by about so many bytes."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0\0"))]
    comment = (b"tEXt", b"Comment\0" + secrets.token_hex(8 + extra_bytes // 2).encode())
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, [*chunks[:1], comment, chunks[1], (b"IEND", b"")]))


def _chunk(chunk: tuple[bytes, bytes]) -> bytes:
    name, data = chunk
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def accept_with(store: Store, owner: str, *pictures: bytes) -> Job:
    """A job that was asked about these images."""
    parts = [{"type": "input_image", "image_url": url_of(picture)} for picture in pictures]
    given = [{"role": "user", "content": [{"type": "input_text", "text": "What is it?"}, *parts]}]
    create = CreateRequest.model_validate({"input": given})
    return store.accept(owner, accepted(input=given), images=sent_images(create.input or ()))


def url_of(data: bytes, media_type: str = "image/png") -> str:
    """A `data:` URL."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
