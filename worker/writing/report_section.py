"""A section of a report as it is written: below its heading, fit to stand among the others."""

from __future__ import annotations

from worker.model.chunks import ChunkReader, Kind
from worker.model.errors import ModelError
from worker.model.request import ModelRequest
from worker.publishing.event_writer import EventWriter
from worker.writing.answer_stream import stream_answer
from worker.writing.attempt_context import AttemptContext
from worker.writing.outcome import STOPPED
from worker.writing.section import Section
from worker.writing.text.ending import ending
from worker.writing.text.section_text import SectionText


# An answer that ended so may have no word yet.
_CUT = ("length", "max_tokens", "content_filter", STOPPED)


def stream_section(attempt: AttemptContext, section: Section, model_request: ModelRequest, heading: str) -> ChunkReader:
    """One try at a section: its heading, what the model says as it says it, and a blank line.

    Raises ModelError, also for an answer without a word; Stopped, Replaced.
    """
    text = _titled(section, heading)
    written: list[str] = []

    def write(kind: Kind, piece: str) -> None:
        if kind is Kind.TEXT:
            _write_text(text.feed(piece))
        else:
            section.write(kind, piece)

    def _write_text(piece: str) -> None:
        if piece:
            pieces = [piece] if written else [heading, piece]
            written.extend(pieces)
            for part in pieces:
                section.write(Kind.TEXT, part)

    answer = stream_answer(attempt, model_request, write)
    _write_text(text.finish())
    if written:
        section.write(Kind.TEXT, ending("".join(written)))
    elif answer.finish_reason not in _CUT:
        # With nothing below it, the heading would be missing from a report that says it is completed.
        raise ModelError("The model gave no answer for this section, not a word.")
    return answer


def end_open_sections(writer: EventWriter) -> None:
    """Let what was cut, failed or cancelled in its middle end so that the next heading is a heading."""
    for item in list(writer.buffer.fold.items.values()):
        if item.type == "message" and item.title and item.status == "in_progress" and (text := writer.text_of(item)):
            writer.write(item, ending(text))


def _titled(section: Section, heading: str) -> SectionText:
    return SectionText(section.number, *(line.lstrip("# ") for line in heading.splitlines() if line))
