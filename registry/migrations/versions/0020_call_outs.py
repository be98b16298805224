"""Call-outs with their stages, summons and plans; neighbouring compounds; barriers and equipment in stock.

Revision: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}_{target}"))


def upgrade() -> None:
    op.create_table(
        "site_neighbour",
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("helper_id", BIG_ID, nullable=False),
        sa.Column("agreed_ms", sa.BigInteger(), nullable=False),
        _reference("site_neighbour", "site_id", "site"),
        _reference("site_neighbour", "helper_id", "site"),
        sa.PrimaryKeyConstraint("site_id", "helper_id", name=op.f("pk_site_neighbour")),
    )
    op.create_table(
        "call_out",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("condition", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("meeting_point", sa.String(length=100), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("ticket_id", sa.BigInteger(), nullable=True),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("opened_by", sa.String(length=64), nullable=False),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=True),
        sa.Column("called_ms", sa.BigInteger(), nullable=True),
        sa.Column("called_by", sa.String(length=64), nullable=True),
        sa.Column("stood_down_ms", sa.BigInteger(), nullable=True),
        sa.Column("stood_down_by", sa.String(length=64), nullable=True),
        sa.Column("stand_down_note", sa.Text(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.String(length=64), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        _reference("call_out", "site_id", "site"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_out")),
    )
    op.create_index("ix_call_out_site", "call_out", ["site_id", "id"])
    op.create_index("ix_call_out_state", "call_out", ["state", "due_ms"])
    op.create_index(op.f("ix_call_out_ticket_id"), "call_out", ["ticket_id"])
    op.create_index(
        "uq_call_out_open",
        "call_out",
        ["site_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('proposed', 'called')"),
        postgresql_where=sa.text("state IN ('proposed', 'called')"),
    )
    op.create_table(
        "call_out_alarm",
        sa.Column("alarm_id", sa.BigInteger(), nullable=False),
        sa.Column("call_out_id", BIG_ID, nullable=False),
        _reference("call_out_alarm", "call_out_id", "call_out"),
        sa.PrimaryKeyConstraint("alarm_id", name=op.f("pk_call_out_alarm")),
    )
    op.create_index(op.f("ix_call_out_alarm_call_out_id"), "call_out_alarm", ["call_out_id"])
    op.create_table(
        "call_out_stage",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("call_out_id", BIG_ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("audience", sa.String(length=16), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("wait_min", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=True),
        sa.Column("called_ms", sa.BigInteger(), nullable=True),
        sa.Column("called_by", sa.String(length=64), nullable=True),
        sa.Column("late_ms", sa.BigInteger(), nullable=True),
        sa.Column("asked", sa.Integer(), nullable=False),
        _reference("call_out_stage", "call_out_id", "call_out"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_out_stage")),
        sa.UniqueConstraint("call_out_id", "position", name=op.f("uq_call_out_stage_call_out_id_position")),
    )
    op.create_index("ix_call_out_stage_due", "call_out_stage", ["state", "due_ms"])
    op.create_table(
        "call_out_summons",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("call_out_id", BIG_ID, nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("link_hash", sa.String(length=64), nullable=False),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.String(length=16), nullable=True),
        sa.Column("minutes", sa.Integer(), nullable=True),
        sa.Column("first_answered_ms", sa.BigInteger(), nullable=True),
        sa.Column("answered_ms", sa.BigInteger(), nullable=True),
        sa.Column("expected_ms", sa.BigInteger(), nullable=True),
        sa.Column("arrived_ms", sa.BigInteger(), nullable=True),
        sa.Column("noted_by", sa.String(length=64), nullable=True),
        _reference("call_out_summons", "call_out_id", "call_out"),
        _reference("call_out_summons", "person_id", "person"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_out_summons")),
        sa.UniqueConstraint("call_out_id", "person_id", name=op.f("uq_call_out_summons_call_out_id_person_id")),
        sa.UniqueConstraint("link_hash", name=op.f("uq_call_out_summons_link_hash")),
    )
    op.create_index("ix_call_out_summons_answer", "call_out_summons", ["call_out_id", "answer", "expected_ms"])
    op.create_table(
        "call_out_rule",
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("audience", sa.String(length=16), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("wait_min", sa.Integer(), nullable=False),
        _reference("call_out_rule", "site_id", "site"),
        sa.PrimaryKeyConstraint("site_id", "position", name=op.f("pk_call_out_rule")),
    )
    op.create_table(
        "call_out_setting",
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("meeting_point", sa.String(length=100), nullable=False),
        sa.Column("automatic_from", sa.String(length=16), nullable=True),
        _reference("call_out_setting", "site_id", "site"),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_call_out_setting")),
    )
    op.create_table(
        "stock_item",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("measure", sa.String(length=20), nullable=False),
        sa.Column("place", sa.String(length=100), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("out", sa.Integer(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        _reference("stock_item", "site_id", "site"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_item")),
        sa.UniqueConstraint("site_id", "name", name=op.f("uq_stock_item_site_id_name")),
    )
    op.create_table(
        "stock_entry",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("item_id", BIG_ID, nullable=False),
        sa.Column("call_out_id", BIG_ID, nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("move", sa.String(length=16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        _reference("stock_entry", "item_id", "stock_item"),
        _reference("stock_entry", "call_out_id", "call_out"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_entry")),
    )
    op.create_index("ix_stock_entry_call_out", "stock_entry", ["call_out_id", "item_id"])
    op.create_index(op.f("ix_stock_entry_item_id"), "stock_entry", ["item_id"])
