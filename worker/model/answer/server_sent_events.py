"""Server-sent events out of the bytes of an HTTP body, as WHATWG 9.2.6 reads them, and a little more leniently.

Beyond the standard: a line that is bare JSON counts as data, and so does the last event without its blank line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Event = tuple[str, bytes]  # its name, which most have not, and its data

_BOM = b"\xef\xbb\xbf"
LONGEST_LINE = 32 * 1024 * 1024


def events_of(chunks: Iterable[bytes]) -> Iterator[Event]:
    """The events that have data. Raises ValueError for a line without end."""
    name, data = b"", list[bytes]()
    for line in _lines(chunks):
        if line.startswith(b"data:"):
            data.append(line[6:] if line.startswith(b"data: ") else line[5:])
        elif not line:
            text = data[0] if len(data) == 1 else b"\n".join(data)
            if text:
                yield name.decode("utf-8", "replace"), text
            name, data = b"", []
        elif line.startswith(b"event:"):
            name = line[6:].strip()
        elif line.startswith((b"{", b"[{")):
            yield name.decode("utf-8", "replace"), line
    if text := b"\n".join(data):
        yield name.decode("utf-8", "replace"), text


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a body, whichever of the three line ends it has, the byte order mark left out."""
    rest, size = list[bytes](), 0
    after_return, first = False, True
    for chunk in chunks:
        if after_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]  # noqa: PLW2901  (the other half of a line end)
        after_return = chunk.endswith(b"\r") if chunk else after_return
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")  # noqa: PLW2901
        if b"\n" not in chunk:
            # Joined only at the line's end: adding each to the last would copy a long line over and over.
            rest.append(chunk)
            size += len(chunk)
            if size > LONGEST_LINE:
                raise ValueError(f"it sent a line of more than {LONGEST_LINE} bytes")
            continue
        lines = (b"".join([*rest, chunk]) if rest else chunk).split(b"\n")
        last = lines.pop()
        rest, size = [last] if last else [], len(last)
        if first:
            lines[0] = lines[0].removeprefix(_BOM)
            first = False
        yield from lines
    if rest:
        line = b"".join(rest)
        yield line.removeprefix(_BOM) if first else line
