"""What a search, a client's silent retry and Server-Timing need; requests hold history, and a prompt its messages."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("taken", sa.Integer, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("search", sa.Text, nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("tier", sa.Integer, nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("model", sa.String(255), nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("first_token_at", sa.Float))
    op.add_column("jobs", sa.Column("stop_requested_at", sa.Float))
    op.create_index("jobs_by_body", "jobs", ["owner", "body_hash"])
    jobs = sa.table("jobs", *(sa.column(name, sa.Text) for name in ("id", "request", "search", "model")))
    connection = op.get_bind()
    for job_id, request in connection.execute(sa.select(jobs.c.id, jobs.c.request)).all():
        kept = _with_history(json.loads(request))
        values = {"request": json.dumps(kept, ensure_ascii=False), "search": _words(kept), "model": kept["model"]}
        connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(values))


def _with_history(request: dict[str, Any]) -> dict[str, Any]:
    added = ["safety_identifier", "prompt_cache_key", "truncation", "previous_response_id"]
    added += ["presence_penalty", "frequency_penalty"]
    told, own = request.pop("messages"), len(request["input"])
    if request["prompt"]:
        first = 1 if request["instructions"] else 0
        request["prompt"]["messages"] = told[first : len(told) - own]
    return {**dict.fromkeys(added), **request, "history": []}


def _words(request: dict[str, Any]) -> str:
    variables = request["prompt"]["variables"].values() if request["prompt"] else ()
    return (
        "\n".join([*map(str, variables), *(message["content"] for message in request["input"])])
        .lower()
        .replace("\0", " ")
    )
