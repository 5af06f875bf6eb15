"""All frames of a job as one zlib stream: about eight bytes a frame, written as it grows, read in pages."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from jobs.protocol import events

# Level 1: the frames of a job are so alike that higher levels win little and cost several times the CPU.
_LEVEL = 1
_PAGE = 256 * 1024


class TranscriptWriter:
    """The growing transcript of one attempt. Not thread-safe: its owner locks."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(_LEVEL)
        self._blocks: list[bytes] = []

    def add(self, frames: bytes) -> None:
        """Append whole frames."""
        self._blocks.append(self._stream.compress(frames))

    def closed(self, last: bytes = b"") -> bytes:
        """The transcript as if it ended here with the frames `last`; the writer itself goes on."""
        stream = self._stream.copy()
        self._blocks = [b"".join(self._blocks)]
        return b"".join((self._blocks[0], stream.compress(last), stream.flush()))


def read(transcript: bytes, after: int = -1) -> Iterator[list[bytes]]:
    """The frames numbered above `after`, in pages of about 256 KiB, without unpacking the whole at once."""
    unpacker = zlib.decompressobj()
    packed = transcript
    rest = b""
    while packed:
        rest += unpacker.decompress(packed, _PAGE)
        packed = unpacker.unconsumed_tail
        border = rest.rfind(b"\n\n") + 2
        if border < 2:
            continue
        page = [frame for frame in events.split(rest[:border]) if events.number_of(frame) > after]
        rest = rest[border:]
        if page:
            yield page
