"""The sections of a report that has ended: the texts of those that are finished, and what is known of the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import orjson

from jobs.errors import InvalidRequest
from jobs.job import Job, Status
from jobs.protocol.fold import words_of_part

_SECTION_FAILED = "section_failed"
_CUT = "It was not written to its end."


class Unfinished(TypedDict):
    """A section that was not finished: the text that it has all the same, and its fault, or why the report ended."""

    text: str
    fault: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class ReportSections:
    """The text of each finished section by its number, and those that were begun, or planned, and not finished."""

    finished: Mapping[int, str]
    unfinished: Mapping[int, Unfinished]

    @property
    def numbers(self) -> Collection[int]:
        """Those that can be written again."""
        return self.finished.keys() | self.unfinished.keys()

    def is_with(self, others: ReportSections, section: int, text: str) -> bool:
        """Whether these are the others with that text of one section, and the summary if it had to wait for that."""
        wanted = {**others.finished, section: text}
        more = self.finished.keys() - wanted.keys()
        return wanted.items() <= self.finished.items() and not more & others.unfinished.keys()


def report_sections(job: Job, section: int) -> ReportSections:
    """The sections of a report that `section` is one of. Raises InvalidRequest."""
    if not job.request.plan:
        words = "This response has no sections: only a prompt that plans writes them, as 'report'."
        raise InvalidRequest(words, code="no_sections")
    sections = sections_of(job)
    if sections is None:
        words = "A section can be written again once its report has ended, completed or incomplete, and has any text."
        raise InvalidRequest(words, code="not_completed")
    if section not in sections.numbers:
        words = f"This report has no section {section}; it has 1 to {max(sections.numbers)}."
        raise InvalidRequest(words, param="section")
    return sections


def sections_of(job: Job) -> ReportSections | None:
    """The sections of a report, None while there is nothing that could be written again."""
    if not job.request.plan or job.response is None or job.status not in (Status.COMPLETED, Status.INCOMPLETE):
        return None
    response = orjson.loads(job.response)
    sections = ReportSections(finished_sections(response), _unfinished(response))
    has_text = sections.finished or any(section["text"] for section in sections.unfinished.values())
    return sections if has_text else None


def finished_sections(response: Mapping[str, Any]) -> dict[int, str]:
    """The text of each section that a response has finished."""
    return {
        item["penstock"]["section"]: _text(item)
        for item in response["output"]
        if item["type"] == "message" and item["status"] == "completed"
    }


def _unfinished(response: Mapping[str, Any]) -> dict[int, Unfinished]:
    """Of the summary, which needs all sections, only where it was begun."""
    if response["status"] == Status.COMPLETED:
        return {}
    penstock = response["penstock"]
    reason = response["incomplete_details"]["reason"]
    faults = {int(number): fault for number, fault in penstock.get("faults", {}).items()}
    messages = [item for item in response["output"] if item["type"] == "message" and item["status"] != "completed"]
    texts = {item["penstock"]["section"]: _text(item) for item in messages}
    planned = range(1, len(penstock.get("outline", {}).get("sections", ())) + 1)
    unknown = _CUT if reason == _SECTION_FAILED else None
    return {
        number: {"text": texts.get(number, ""), "fault": faults.get(number, unknown), "reason": reason}
        for number in sorted({*planned, *faults, *texts} - finished_sections(response).keys())
    }


def _text(item: Mapping[str, Any]) -> str:
    return "".join(map(words_of_part, item["content"]))
