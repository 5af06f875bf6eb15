"""What not every model server takes, and an answer can be had without: found out from the words of its refusals."""

from __future__ import annotations

import re
from collections.abc import Collection

# The names that a person may list in a server's `refuses`.
STREAM, USAGE, JSON_SCHEMA, JSON, MAX_TOKENS = "stream", "stream_options", "json_schema", "json_object", "max_tokens"
SYSTEM_ROLE, SAME_ROLES, PARALLEL_CALLS = "system_role", "same_roles", "parallel_tool_calls"

_FORMAT = r"response_format|structured[ _]outputs?|guided|grammar|'text' or 'json_object'"
# A template raises in its own words when it does not like the messages.
_TEMPLATE = r"jinja|chat[ _]template|template ?error"
# What an error says when it refuses a feature. A limit that is too high is not refused by its name.
_REFUSALS = {
    USAGE: re.compile(r"stream_options|include_usage", re.IGNORECASE),
    PARALLEL_CALLS: re.compile(r"parallel_tool_calls|parallel (tool|function)", re.IGNORECASE),
    MAX_TOKENS: re.compile(r"'max_tokens' is not supported|use '?max_completion_tokens", re.IGNORECASE),
    JSON_SCHEMA: re.compile(rf"json_schema|json schema|{_FORMAT}", re.IGNORECASE),
    JSON: re.compile(rf"json_object|json mode|\bjson\b|{_FORMAT}", re.IGNORECASE),
    SAME_ROLES: re.compile(r"alternat|consecutive (user|assistant|messages)|same role|" + _TEMPLATE, re.IGNORECASE),
    SYSTEM_ROLE: re.compile(
        r"system[ _'\"`]{0,3}(role|message|prompt|instruction)|role[^.]{0,40}\bsystem\b|only user(,| and) assistant"
        r"|alternat|developer instruction|" + _TEMPLATE,
        re.IGNORECASE,
    ),
    STREAM: re.compile(r"stream(ing|ed)?\b[^.]{0,60}\b(support|available|allowed|disabled|false)", re.IGNORECASE),
}
# What an error says that names a feature, but is the asker's to mend.
_ASKERS_FAULT = re.compile(r"must contain the word|invalid schema|maximum context|api key", re.IGNORECASE)
# Statuses that speak of the caller or of the hour, and of no feature.
_OTHER_MATTERS = frozenset({401, 402, 403, 408, 409, 425, 429})


def refused_feature(words: str, used: Collection[str], status: int | None = None) -> str | None:
    """Which of the features `used` the words of an error refuse; None when they speak of something else."""
    if status in _OTHER_MATTERS or _ASKERS_FAULT.search(words):
        return None
    return next((feature for feature, pattern in _REFUSALS.items() if feature in used and pattern.search(words)), None)
