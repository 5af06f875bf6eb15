"""A report whose eight sections are written side by side: how long it takes beside its parts, and beside one stream."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import openai

from bench._results.results import parsed
from tests.support.stack import DemoModel, running_stack

_RATE = 50
_AT_MOST = 1.5
# How the prompt of each step begins.
_OUTLINE, _SECTION, _SUMMARY = "Plan", "Section", "Summarise"
_PROMPT = """
id = "eight"
version = "1"
title.en = "Eight"
description.en = "A report in eight sections"
[inputs]
type = "object"
properties = {topic = {type = "string"}, sections = {type = "integer", default = 8}}
[[messages.en]]
role = "user"
content = "Plan a report about “{{topic}}”"
[[section.en]]
role = "user"
content = "Section {{number}} about “{{topic}}” [[demo tokens=%d]]"
[[summary.en]]
role = "user"
content = "Summarise the report about “{{topic}}” [[demo tokens=100]]"
"""


def watch(client: openai.OpenAI, **request: Any) -> tuple[float, Any]:
    """Seconds from the question until its viewer has the end of the answer, and the response."""
    began = time.perf_counter()
    *_, last = client.responses.create(background=True, stream=True, **request)
    return time.perf_counter() - began, last.response


def seconds_of(model: DemoModel, step: str) -> list[float]:
    """How long the model itself took over each request whose prompt begins so."""
    keys = [key for key in model.all_stats() if key.startswith(step)]
    return [model.wait(key, "finished") - model.wait(key, "request") for key in keys]


def main() -> None:
    """Write the report, then one answer of as many tokens. Fails when the report takes too long for its parts."""
    arguments, results = parsed("report", __doc__, tokens=400)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "eight.toml").write_text(_PROMPT % arguments.tokens, encoding="utf-8")
        paced = f"demo+rate={_RATE}+first=0"
        with running_stack(Path(folder) / "data", PENSTOCK_PROMPTS=folder) as running, running.client() as client:
            prompt: Any = {"id": "eight", "variables": {"topic": "tides"}}
            whole, report = watch(client, model=paced, prompt=prompt)
            assert report.status == "completed", report.error
            outlines, sections, summaries = (seconds_of(running.model, it) for it in (_OUTLINE, _SECTION, _SUMMARY))
            cost = report.usage.output_tokens
            single, _ = watch(client, model=paced, input=f"One answer [[demo tokens={cost}]]")
    parts = {"outline": outlines[0], "longest section": max(sections), "summary": summaries[0]}
    ratio = whole / sum(parts.values())
    rows = {f"the model's time for the {name}": seconds for name, seconds in parts.items()} | {
        "the report, as its viewer has it": whole,
        f"one stream of as many tokens ({cost})": single,
        "report / (outline + longest section + summary)": ratio,
        "one stream / report": single / whole,
    }
    case = f"{len(sections)} sections of {arguments.tokens} tokens"
    for name, value in rows.items():
        results.add(case, name, "" if " / " in name else "s", value)
    if ratio > _AT_MOST:
        sys.exit(f"A report may take {_AT_MOST} times its outline, longest section and summary.")


if __name__ == "__main__":
    main()
