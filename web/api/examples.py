"""How each operation of the API is called from a shell, from Python and from Node, for the page that describes it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_JSON = "application/json"
# By the operation's id; what a request may say is in the schemas.
BODIES: Mapping[str, Any] = {
    "createResponse": {"input": "Why is the sky blue?", "background": True},
    "updateResponse": {"metadata": {"title": "The blue sky", "starred": "true", "labels": "physics, draft"}},
    "cancelResponse": {"graceful": True},
    "rewriteSection": {"wish": "shorter, with figures from 2024"},
    "chooseVersion": {"response_id": "resp_1"},
    "askAboutResponse": {"question": "What follows from section 2?"},
    "createShare": {"days": 7},
    "createChatCompletion": {"messages": [{"role": "user", "content": "Why is the sky blue?"}]},
    "createBatch": {"input_file_id": "ID", "endpoint": "/v1/responses", "completion_window": "24h"},
    "createWebhookEndpoint": {
        "name": "my server",
        "url": "https://example.com/hook",
        "event_types": ["response.completed"],
    },
    "updateWebhookEndpoint": {"name": "my other server"},
    "testWebhookEndpoint": {"event_type": "response.completed"},
}


def body_of(operation: Mapping[str, Any]) -> str:
    """The JSON of an example's body; empty for an operation that takes none."""
    if _JSON not in operation.get("requestBody", {}).get("content", {}):
        return ""
    return json.dumps(BODIES.get(operation["operationId"], {}))


def examples(site: str, method: str, path: str, operation: Mapping[str, Any]) -> dict[str, str]:
    """The call in each language, with `site` as the address of this server; ids stand as ID."""
    url = site.rstrip("/") + re.sub(r"\{\w+\}", "ID", path)
    method, body = method.upper(), body_of(operation)
    return {"curl": _curl(method, url, body), "Python": _python(method, url, body), "Node": _node(method, url, body)}


def _curl(method: str, url: str, body: str) -> str:
    lines = [
        f"curl{'' if method == 'GET' else f' -X {method}'} {url}",
        '-H "Authorization: Bearer $PENSTOCK_API_KEY"',
        *([f"-H 'Content-Type: {_JSON}'", f"-d '{body}'"] if body else []),
    ]
    return " \\\n  ".join(lines)


def _python(method: str, url: str, body: str) -> str:
    arguments = f", json={json.loads(body)!r}" if body else ""
    return f"""import requests

headers = {{"Authorization": "Bearer sk-penstock-..."}}
answer = requests.request("{method}", "{url}", headers=headers{arguments})
print(answer.text)"""


def _node(method: str, url: str, body: str) -> str:
    headers = "{ Authorization: `Bearer ${process.env.PENSTOCK_API_KEY}`" + (
        f', "Content-Type": "{_JSON}" }}' if body else " }"
    )
    sent = f"\n  body: JSON.stringify({body})," if body else ""
    return f"""const answer = await fetch("{url}", {{
  method: "{method}",
  headers: {headers},{sent}
}});
console.log(await answer.text());"""
