"""The jobs of a soak: texts and reports of which it is known beforehand what the model says, because it echoes."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

from jobs.protocol import events
from jobs.protocol.fold import fold
from jobs.protocol.transcript import read
from jobs.storage.database import Database
from jobs.storage.store import Store
from tests.support.assertions import assert_one_end, row_of
from tests.support.stack import DemoModel

SECTIONS = 3
PROMPT_NAME = "soak"
# The topic is the job's own words, so that the model's ledger tells whose section it was asked for.
PROMPT = f"""
id = "{PROMPT_NAME}"
version = "1"
[title]
en = "Soak"
[description]
en = "A report whose every section is its own prompt"
[inputs]
type = "object"
required = ["topic"]
[inputs.properties]
topic = {{type = "string"}}
sections = {{type = "integer", default = {SECTIONS}}}
words = {{type = "integer", default = 120}}
[[messages.en]]
role = "user"
content = "Plan “{{{{topic}}}}” in {{{{sections}}}} sections"
[[section.en]]
role = "user"
content = "[[demo echo rate=100]]Section {{{{number}}}} of “{{{{topic}}}}”: {{{{section}}}}, {{{{section_words}}}}"
[[summary.en]]
role = "user"
content = "[[demo echo rate=400]]Summarise “{{{{topic}}}}”: {{{{report}}}}"
"""
_WORDS = ("water", "wheel", "stream", "gate", "stone", "mill", "river", "spring", "channel", "weir", "flood", "dam")


@dataclass
class SoakJob:
    """One job of the soak, and what its viewers have seen of it. `text` is like no other job's."""

    text: str
    is_report: bool
    script: str
    id: str = ""
    views: list[list[bytes]] = field(default_factory=list)
    # The prompts of finished items, and how often the model had been asked for each when a viewer saw it finished.
    requests_at_done: list[tuple[str, int]] = field(default_factory=list)

    @classmethod
    def draw(cls, number: int, chance: random.Random) -> SoakJob:
        """A new job."""
        text = f"{number} {' '.join(chance.choices(_WORDS, k=chance.randint(8, 40)))}"
        think = chance.choice(["", " think=20"])
        return cls(text, chance.random() < 0.2, f"[[demo echo rate={chance.randint(30, 80)}{think}]]")

    @property
    def body(self) -> dict[str, Any]:
        """The request that creates it."""
        if self.is_report:
            return {"prompt": {"id": PROMPT_NAME, "variables": {"topic": self.text}}, "background": True}
        return {"input": f"{self.script}{self.text}", "background": True}

    def note(self, frame: bytes, model: DemoModel) -> None:
        """A viewer has got this frame."""
        if not frame.startswith(f"event: {events.ITEM_DONE}\n".encode()):
            return
        item = events.event_of(frame)["item"]
        if item["status"] == "completed":
            requests = self.requests(model)
            prompt = self._prompt_of(item["penstock"]["section"], requests)
            self.requests_at_done.append((prompt, requests[prompt]))

    def requests(self, model: DemoModel) -> dict[str, int]:
        """By prompt, how often the model has been asked for a part of this job."""
        if self.is_report:
            stats = model.all_stats()
            return {prompt: counts["requests"] for prompt, counts in stats.items() if f"“{self.text}”" in prompt}
        with urlopen(f"{model.url.removesuffix('/v1')}/stats?key={quote(self.text)}", timeout=30) as answer:
            return {self.text: json.load(answer)["requests"]}

    def _prompt_of(self, section: int, requests: dict[str, int]) -> str:
        """What the model was asked for this section."""
        begin = {0: "Plan", SECTIONS + 1: "Summarise"}.get(section, f"Section {section} of") if self.is_report else ""
        (match,) = [prompt for prompt in requests if prompt.startswith(begin)]
        return match

    def check(self, database: Database, model: DemoModel) -> tuple[int, int]:
        """All who tell of this job tell the same, and it is what the model says.

        Returns how many attempts it took, and how many viewers saw a restart because log and worker were lost.
        """
        final = assert_one_end(database, self.id)
        attempt = row_of(database, self.id).attempt
        requests = self.requests(model)
        assert final["status"] == "completed"
        messages = [item for item in final["output"] if item["type"] == "message"]
        assert len(messages) == (SECTIONS + 1 if self.is_report else 1)
        for item in messages:
            text = item["content"][0]["text"].rstrip()
            prompt = self._prompt_of(item["penstock"]["section"], requests)
            assert text.endswith(prompt) if self.is_report else text == prompt
        assert all(1 <= count <= attempt for count in requests.values())
        assert {prompt for prompt, _ in self.requests_at_done} == set(requests)
        assert all(requests[prompt] == count for prompt, count in self.requests_at_done), f"{self.id} was bought again"
        kept = [frame for page in read(Store(database).transcript(self.id) or b"") for frame in page]
        return attempt, sum(_saw_restart(view, kept) for view in self.views)


def _saw_restart(view: list[bytes], kept: list[bytes]) -> bool:
    """Whether a viewer has seen more than was kept: then a restart took its place. It has all that was kept."""
    numbers = [events.number_of(frame) for frame in view]
    assert numbers == sorted(set(numbers))
    assert set(kept) <= set(view)
    lost = [events.number_of(frame) for frame in set(view) - set(kept)]
    if not lost:
        assert fold(events.events_of(view)) == fold(events.events_of(kept))
        return False
    begun = f"event: {events.IN_PROGRESS}\n".encode()
    assert any(frame.startswith(begun) and events.number_of(frame) > max(lost) for frame in view)
    return True
