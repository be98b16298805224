"""Hours and deadlines of compounds, what is due, who is on duty, and what people are told through which channels.

Revision: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}_{target}"))


def upgrade() -> None:
    op.create_table(
        "site_hours",
        sa.Column("site_id", BIG_ID, nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("work_start_min", "work_end_min", "quiet_start_min", "quiet_end_min")
        ),
        _reference("site_hours", "site_id", "site"),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_site_hours")),
    )
    op.create_table(
        "deadline_rule",
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("matter", sa.String(length=16), nullable=False),
        sa.Column("goal", sa.String(length=16), nullable=False),
        sa.Column("within_s", sa.Integer(), nullable=False),
        _reference("deadline_rule", "site_id", "site"),
        sa.PrimaryKeyConstraint("site_id", "matter", "goal", name=op.f("pk_deadline_rule")),
    )
    op.create_table(
        "due_action",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("ticket_id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.String(length=16), nullable=False) for name in ("matter", "kind", "goal")),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in ("paused_ms", "executed_ms", "late_ms")),
        _reference("due_action", "ticket_id", "ticket"),
        _reference("due_action", "site_id", "site"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_due_action")),
        sa.UniqueConstraint("key", name=op.f("uq_due_action_key")),
    )
    op.create_index("ix_due_action_state_due", "due_action", ["state", "due_ms"])
    op.create_index("ix_due_action_ticket", "due_action", ["ticket_id", "state"])
    op.create_table(
        "duty_shift",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("party", sa.String(length=16), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("days", sa.String(length=8), nullable=False),
        sa.Column("start_min", sa.Integer(), nullable=False),
        sa.Column("end_min", sa.Integer(), nullable=False),
        sa.Column("from_day", sa.String(length=10), nullable=False),
        sa.Column("until_day", sa.String(length=10), nullable=True),
        _reference("duty_shift", "site_id", "site"),
        _reference("duty_shift", "person_id", "person"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_shift")),
    )
    op.create_index("ix_duty_shift_site_party", "duty_shift", ["site_id", "party"])
    op.create_table(
        "absence",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("substitute_id", BIG_ID, nullable=True),
        sa.Column("starts_ms", sa.BigInteger(), nullable=False),
        sa.Column("ends_ms", sa.BigInteger(), nullable=False),
        _reference("absence", "person_id", "person"),
        _reference("absence", "substitute_id", "person"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_absence")),
    )
    op.create_index("ix_absence_person", "absence", ["person_id", "ends_ms"])
    op.create_table(
        "channel",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("label", sa.String(length=60), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("least_severity", sa.String(length=16), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        _reference("channel", "person_id", "person"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_channel")),
    )
    op.create_index(op.f("ix_channel_person_id"), "channel", ["person_id"])
    op.create_table(
        "notification",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("key", sa.String(length=160), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("site", sa.String(length=64), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("template", sa.String(length=32), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        _reference("notification", "person_id", "person"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
        sa.UniqueConstraint("key", name=op.f("uq_notification_key")),
    )
    op.create_index("ix_notification_person", "notification", ["person_id", "id"])
    op.create_index(op.f("ix_notification_ticket_id"), "notification", ["ticket_id"])
    op.create_table(
        "delivery",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("notification_id", BIG_ID, nullable=False),
        sa.Column("channel_id", BIG_ID, nullable=False),
        sa.Column("is_urgent", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in ("claimed_ms", "settled_ms")),
        sa.Column("result", sa.String(length=200), nullable=False),
        _reference("delivery", "notification_id", "notification"),
        _reference("delivery", "channel_id", "channel"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
    )
    op.create_index("ix_delivery_state_next", "delivery", ["state", "next_ms"])
    op.create_index(op.f("ix_delivery_notification_id"), "delivery", ["notification_id"])
    op.create_index(op.f("ix_delivery_channel_id"), "delivery", ["channel_id"])
