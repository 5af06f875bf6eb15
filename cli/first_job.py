"""The job that `up` queues for the demo model, so that the page of a new user opens on text being written."""

from __future__ import annotations

from cli.listening import Door
from cli.local_http import call
from jobs.settings import child_environment


def queue_first_job(door: Door) -> str | None:
    """Queue it when there is no job at all.

    Returns the address of its page; None when there are jobs already, or the server takes none.
    """
    status, page = call(door, "/v1/responses?limit=1")
    if status != 200 or page["data"]:
        return None
    variables = {"topic": "人工智能" if _speaks_chinese() else "artificial intelligence", "words": "600"}
    request = {"prompt": {"id": "story", "variables": variables}, "background": True}
    status, response = call(door, "/v1/responses", request, seconds=10)
    return f"{door.url}/jobs/{response['id']}" if status == 200 else None


def _speaks_chinese() -> bool:
    # Not the locale module: it falls back to C when the locale that is asked for is not installed.
    environment = child_environment()
    language = next(filter(None, map(environment.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return language.startswith("zh")
