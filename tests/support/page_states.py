"""Every page that people see, in the states in which it looks different."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tests.support.stack import Stack, wait_for
from tests.support.wire import create, fetch

TEXT = """# Tides

A tide is a **wave** as long as half the sea [^1].

| Place | Height |
|---|---|
| Saint-Malo | 12 m |

```python
height = lambda hour: 6 * math.cos(hour / 12.4 * 2 * math.pi)  # a line that is too long for the column it stands in
```

[^1]: Of which nobody sees more than a part.
"""


def page_states(site: Stack) -> Mapping[str, str]:
    """The paths of all pages by what they show. Makes the jobs for them, some of which go on for minutes."""
    ids = {
        "completed": _story(site, "Of tides", TEXT, "echo rate=0 think=30", labels="sea, draft"),
        "failed": _story(site, "A key that is refused", "[[demo status=401]]"),
        "cut": _story(site, "A text that is cut", "[[demo rate=0 tokens=99]]", max_output_tokens=30),
        "report": _report(site, "lighthouses", "rate=0"),
        "running": _report(site, "bridges", "rate=30"),
        "waiting": _report(site, "The history of the paper mill", "rate=0", review=True),
    }
    ended = ("completed", "failed", "incomplete")
    wait_for(
        lambda: all(_told(site, ids[name])["status"] in ended for name in ("completed", "failed", "cut", "report")), 60
    )
    wait_for(lambda: _told(site, ids["waiting"])["penstock"].get("status_details", {}).get("code") == "plan_waits", 60)
    weekly = {"name": "Tides of the week", "cron": "0 9 * * 1", "request": {"input": "Tides of {date}"}}
    fetch(site.url, "/v1/schedules", method="POST", body=json.dumps(weekly).encode())
    share = fetch(site.url, f"/v1/responses/{ids['completed']}/shares", method="POST", body=b"{}")[1]
    return {
        "new": "/?prompt=report",
        "free text": "/?prompt=",
        "jobs": "/jobs",
        "search": "/jobs?q=tide&since=2020-01-01&sort=title",
        "nothing found": "/jobs?label=none",
        **{f"job {name}": f"/jobs/{job_id}" for name, job_id in ids.items()},
        "plan": f"/jobs/{ids['waiting']}/plan",
        "section": f"/jobs/{ids['report']}/sections/1",
        "share": f"/jobs/{ids['completed']}/share",
        "shared": urlsplit(share["url"]).path,
        "system": "/system",
        "batches": "/batches",
        "schedules": "/schedules",
        "webhooks": "/webhooks",
        "prompts": "/prompts",
        "api": "/openapi",
        "sign-in": "/signin",
        "missing": "/jobs/resp_0",
        "no such page": "/job",
    }


def _story(site: Stack, title: str, text: str, directives: str = "", labels: str = "", **asked: Any) -> str:
    text = f"{text}\n\n[[demo {directives}]]" if directives else text
    return str(create(site.url, input=text, metadata={"title": title, "labels": labels}, **asked)["id"])


def _report(site: Stack, topic: str, directives: str, *, review: bool = False) -> str:
    variables = {"topic": topic, "words": 3000, "source": f"[[demo {directives}]]"}
    prompt = {"id": "report", "variables": variables}
    return str(create(site.url, prompt=prompt, penstock={"review": review})["id"])


def _told(site: Stack, job_id: str) -> Any:
    return fetch(site.url, f"/v1/responses/{job_id}")[1]
