"""Takes what is secret out of words that people and databases get to see: keys, passwords, names in URLs."""

from __future__ import annotations

import base64
import re
from urllib.parse import parse_qsl, unquote, urlsplit

from jobs.settings import Settings

_REMOVED = "***"
# Shorter keys are the placeholders of servers that want none: "none", "demo", "EMPTY".
_SHORTEST_KEY = 8
_SHORTEST_PASSWORD = 4
_USERINFO = re.compile(r"(?<=://)[^\s/@:]{0,200}(:[^\s/@]{0,200})?@")
_KEYS = re.compile(r"\b(sk|pk|rk|gsk|xai|hf|r8)[-_][A-Za-z0-9_-]{16,200}|(?<=Bearer )[A-Za-z0-9._~+/=-]{8,500}")


class Secrets:
    """The secrets of one process's settings."""

    def __init__(self, settings: Settings) -> None:
        servers = settings.servers.values()
        urls = (settings.openai_base_url, *(server.url for server in servers), settings.database)
        urls = (*urls, settings.redis_url, settings.broker_url)
        keys = (settings.openai_api_key, settings.secret, *(server.key for server in servers))
        words = {key for key in keys if len(key) >= _SHORTEST_KEY}
        for url in urls:
            words |= _secrets_of(url)
        # The longest first: one may be a part of another.
        escaped = map(re.escape, sorted(words, key=len, reverse=True))
        self._words = re.compile(rf"(?<!\w)(?:{'|'.join(escaped)})(?!\w)") if words else None

    def removed_from(self, text: str) -> str:
        """The text without any configured key, any userinfo of a URL, and whatever looks like a key."""
        text = _USERINFO.sub("", text)
        if self._words:
            text = self._words.sub(_REMOVED, text)
        return _KEYS.sub(_REMOVED, text)

    def without_userinfo(self, url: str) -> str:
        """The URL as it may be shown."""
        return _USERINFO.sub("", url)


def _secrets_of(url: str) -> set[str]:
    """The passwords in a URL, alone and as a client sends them, encoded or not."""
    try:
        parts = urlsplit(url)
        user = parts.username or ""
        password = parts.password or ""
    except ValueError:
        return set()
    plain = (unquote(user), unquote(password))
    basic = base64.b64encode(":".join(plain).encode()).decode() if password else ""
    secret = (password, plain[1]) if password else (user, plain[0])  # a user without a password is a token
    asked = [value for name, value in parse_qsl(parts.query) if "password" in name]
    return {word for word in (*secret, basic, *asked) if len(word) >= _SHORTEST_PASSWORD}
