"""How a model's answer ended, out of the words that the servers of this world have for it.

Only the words for a good end are a list: a word that is on none of the lists, new or misspelt, is a fault.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Any

_NONE = frozenset({"", "null", "none", "nil", "undefined", "unspecified"})
_GOOD = frozenset(
    {
        *("stop", "stopped", "stop_sequence", "stop_word", "stop_words", "stop_token", "stop_token_id"),
        *("stop_string", "stop_string_found", "stop_sequence_found"),
        *("eos", "eos_token", "eos_token_id", "eos_found", "eot", "eot_id", "end_of_text", "end_of_sequence"),
        *("end", "end_turn", "end_of_turn", "end_token", "endoftext"),
        *("done", "complete", "completed", "finish", "finished", "normal"),
    }
)
_TOOL = frozenset({"tool_calls", "tool_call", "tool_use", "function_call", "function_calls"})
_LENGTH = re.compile(
    r"length|max_?length|length_limit|length_capped|model_length|max_model_length|max(_\w+)?_tokens?(_reached|_exceeded)?"
    r"|limit|(max_)?token_?limit(_reached|_exceeded)?|error_limit|(model_)?context_(length|window|limit)\w*|truncated?"
)
_FILTER = re.compile(
    r"safety|filter|sensitive|moderat|prohibited|blocklist|blocked|guardrail|recitation|toxic|unsafe|harmful"
    r"|refusal|spii|content_policy|policy_violation|data_inspection"
)


class End(StrEnum):
    """What the end of an answer means; LENGTH and FILTER are the response's reasons for being incomplete."""

    GOOD = "stop"
    LENGTH = "max_output_tokens"
    FILTER = "content_filter"
    TOOL = "tool_calls"
    FAULT = "fault"


@lru_cache(maxsize=256)
def _end_of(word: str) -> End | None:
    word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word)  # camelCase
    word = re.sub(r"[^a-z0-9]+", "_", word.lower()).strip("_")
    word = re.sub(r"^(finish|stop|done)_?reason_", "", word)
    if word in _NONE:
        return None
    if word in _GOOD:  # invariant 6
        return End.GOOD
    if word in _TOOL:
        return End.TOOL
    if _LENGTH.fullmatch(word):
        return End.LENGTH
    return End.FILTER if _FILTER.search(word) else End.FAULT


def end_of(finish_reason: Any) -> End | None:
    """What a `finish_reason` means, whatever its case or type; None when it says that there is no end yet."""
    if finish_reason is None or finish_reason is False:
        return None
    return _end_of(str(finish_reason)[:200])


def settled(before: End | None, after: End | None) -> End | None:
    """The end that counts when a server names two: what cut the answer short, else a good one, else the later."""
    if after is None or before in (End.LENGTH, End.FILTER):
        return before
    if before in (End.GOOD, End.TOOL) and after is End.FAULT:
        return before
    return after
