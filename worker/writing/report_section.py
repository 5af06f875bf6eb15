"""A section of a report as it is written: below its heading, fit to stand among the others."""

from __future__ import annotations

from dataclasses import dataclass

from worker.model.answer.finish_reason import End
from worker.model.chunks import ChunkReader, Kind, Slot
from worker.model.errors import ModelError
from worker.model.request import ModelRequest
from worker.publishing.event_writer import EventWriter
from worker.writing.answer_stream import stream_answer
from worker.writing.attempt_context import AttemptContext
from worker.writing.outcome import NO_ANSWER, ONLY_REASONING, STOPPED
from worker.writing.section import Section
from worker.writing.text.section_end import section_end
from worker.writing.text.section_text import SectionText


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above a section's text: its title and, above the first, that of the report."""

    title: str
    report_title: str
    is_first: bool = False

    @property
    def markdown(self) -> str:
        """The heading with the blank line behind it."""
        return f"# {self.report_title}\n\n## {self.title}\n\n" if self.is_first else f"## {self.title}\n\n"


def stream_section(
    attempt: AttemptContext, section: Section, model_request: ModelRequest, heading: Heading
) -> ChunkReader:
    """One try at a section: its heading, what the model says as it says it, and a blank line.

    Raises ModelError, also for an answer without a word; Stopped, Replaced.
    """
    writing = _SectionWriting(section, heading)
    answer = stream_answer(attempt, model_request, writing.write)
    writing.end()
    if not writing.has_heading and answer.end is End.GOOD and answer.finish_reason != STOPPED:
        # The heading would be missing from a report that says it is completed.
        if answer.has_reasoning:
            raise ModelError(ONLY_REASONING, cause_code="only_reasoning")
        raise ModelError(NO_ANSWER, cause_code="no_answer")
    return answer


def end_open_sections(writer: EventWriter) -> None:
    """Let what was cut, failed or cancelled in its middle end so that the next heading is a heading."""
    open_items = [item for item in writer.buffer.fold.items.values() if item.status == "in_progress"]
    for item in open_items:
        is_writing = item.type == "message" and item.title and item.parts and item.parts[-1].type == "output_text"
        if is_writing and (text := writer.text_of(item, "output_text")):
            writer.write(item, section_end(text))


class _SectionWriting:
    """Writes the pieces of one answer; `has_heading` tells whether there was any text or refusal."""

    def __init__(self, section: Section, heading: Heading) -> None:
        self._section = section
        self._heading = heading.markdown
        self._titles = (heading.title, heading.report_title)
        self._text = SectionText(section.number, *self._titles)
        self._written: list[str] = []
        self._refused = False

    @property
    def has_heading(self) -> bool:
        return bool(self._written)

    def write(self, kind: Slot, piece: str) -> None:
        """Write what the model said."""
        if kind is Kind.TEXT:
            self._write_text(self._text.feed(piece))
        elif kind is Kind.RETRACTION:
            self._retract()
        else:
            if kind is Kind.REFUSAL:
                self._refused = True
                self._write_text(self._text.finish())
                self._write_heading()
            self._section.write(kind, piece)

    def end(self) -> None:
        """Write what was held back and what the text lacks before another heading."""
        self._write_text(self._text.finish())
        if self._written and not self._refused:
            self._section.write(Kind.TEXT, section_end("".join(self._written)))

    def _write_text(self, piece: str) -> None:
        if piece:
            self._write_heading()
            self._written.append(piece)
            self._section.write(Kind.TEXT, piece)

    def _write_heading(self) -> None:
        if not self._written:
            self._written.append(self._heading)
            self._section.write(Kind.TEXT, self._heading)

    def _retract(self) -> None:
        """What looked like the answer was reasoning, also what is held back of it."""
        held = self._text.finish()
        self._section.retract(self._heading if self._written else "")
        self._section.write(Kind.REASONING, held)
        self._written.clear()
        self._text = SectionText(self._section.number, *self._titles)
