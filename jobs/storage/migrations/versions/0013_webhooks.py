"""Endpoints of webhooks, and what is delivered to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_DUE = sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("event_types", sa.Text, nullable=False),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("old_secret", sa.String(64)),
        sa.Column("old_secret_until", sa.Float),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
    )
    op.create_index("webhook_endpoints_by_owner", "webhook_endpoints", ["owner", "created_at", "id"])
    endpoint = sa.ForeignKey("webhook_endpoints.id", ondelete="CASCADE")
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("endpoint_id", sa.String(64), endpoint, nullable=False),
        sa.Column("url", sa.Text),
        sa.Column("event_type", sa.String(64), nullable=False),
        sa.Column("object_id", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Float),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("delivered_at", sa.Float),
        sa.Column("status_code", sa.Integer),
        sa.Column("problem", sa.String(64)),
    )
    op.create_index(
        "webhook_deliveries_due", "webhook_deliveries", ["due_at"], sqlite_where=_DUE, postgresql_where=_DUE
    )
    op.create_index("webhook_deliveries_by_owner", "webhook_deliveries", ["owner", "created_at", "id"])
    op.create_index("webhook_deliveries_by_endpoint", "webhook_deliveries", ["endpoint_id"])
    op.create_index("webhook_deliveries_by_age", "webhook_deliveries", ["created_at"])
