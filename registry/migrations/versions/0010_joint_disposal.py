"""Tickets: who signs, why they rest, what gathers around them; requests that were carried out.

Revision: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("ticket", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("ticket", sa.Column("hold_reason", sa.String(length=32), nullable=True))
    op.add_column("ticket", sa.Column("demands", sa.String(length=32), nullable=False, server_default=""))
    op.add_column("ticket", sa.Column("restored_by", sa.String(length=64), nullable=True))
    op.add_column("ticket", sa.Column("restored_party", sa.String(length=16), nullable=True))
    op.execute("UPDATE ticket SET hold_reason = 'other' WHERE stage = 'on_hold'")
    # Who repaired did so for the property company: no other party had that move before.
    op.execute(
        "UPDATE ticket SET restored_party = 'property', restored_by = (SELECT actor FROM ticket_move WHERE "
        "ticket_move.ticket_id = ticket.id AND to_stage = 'restored' ORDER BY ticket_move.id DESC LIMIT 1) "
        "WHERE stage IN ('restored', 'verified')"
    )
    op.add_column("ticket_move", sa.Column("party", sa.String(length=16), nullable=True))
    op.add_column("ticket_move", sa.Column("hold_reason", sa.String(length=32), nullable=True))
    op.add_column("ticket_move", sa.Column("stands_in", sa.Boolean(), nullable=False, server_default=sa.false()))
    _gathered(
        "ticket_comment", sa.Column("text", sa.Text(), nullable=False), sa.Column("mentions", sa.JSON(), nullable=False)
    )
    _gathered(
        "ticket_cost",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("what", sa.String(length=200), nullable=False),
        sa.Column("quantity", sa.String(length=20), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
    )
    _gathered(
        "ticket_attachment",
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("media_type", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.UniqueConstraint("ticket_id", "digest", name=op.f("uq_ticket_attachment_ticket_id_digest")),
    )
    _gathered(
        "ticket_link",
        sa.Column("other_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["other_id"], ["ticket.id"], name=op.f("fk_ticket_link_other_id_ticket")),
        sa.UniqueConstraint("ticket_id", "other_id", "kind", name=op.f("uq_ticket_link_ticket_id_other_id_kind")),
    )
    op.create_index(op.f("ix_ticket_link_other_id"), "ticket_link", ["other_id"])
    _gathered(
        "ticket_mediation",
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=False),
    )
    op.create_table(
        "done_request",
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("result", sa.String(length=100), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", name=op.f("pk_done_request")),
    )
    op.create_index(op.f("ix_done_request_at_ms"), "done_request", ["at_ms"])


def _gathered(table: str, *columns: sa.schema.SchemaItem) -> None:
    """A table of what people add to a ticket."""
    op.create_table(
        table,
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("ticket_id", BIG_ID, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f(f"fk_{table}_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    op.create_index(op.f(f"ix_{table}_ticket_id"), table, ["ticket_id"])
