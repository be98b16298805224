"""Proposals with their history, signatures and remarks.

Revision: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}_{target}"))


def upgrade() -> None:
    op.create_table(
        "proposal",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        *(sa.Column(name, sa.String(length=16), nullable=False) for name in ("matter", "procedure", "stage")),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("version", "round")),
        sa.Column("ruleset", sa.String(length=64), nullable=True),
        sa.Column("building", sa.String(length=100), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("created_ms", "updated_ms")),
        sa.Column("meeting", sa.String(length=16), nullable=True),
        *(sa.Column(name, sa.Date(), nullable=True) for name in ("posted_on", "opens_on", "closes_on", "decided_on")),
        *(sa.Column(name, sa.BigInteger(), nullable=True) for name in ("opened_ms", "closes_ms")),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("urgent_cause", sa.String(length=16), nullable=True),
        *(sa.Column(name, BIG_ID, nullable=True) for name in ("ticket_id", "supplements_id")),
        _reference("proposal", "site_id", "site"),
        _reference("proposal", "ticket_id", "ticket"),
        _reference("proposal", "supplements_id", "proposal"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposal")),
        sa.UniqueConstraint("site_id", "number", name=op.f("uq_proposal_site_id_number")),
    )
    op.create_index("ix_proposal_site_stage", "proposal", ["site_id", "stage", "id"])
    op.create_index("ix_proposal_stage_closes", "proposal", ["stage", "closes_ms"])
    op.create_index(op.f("ix_proposal_supplements_id"), "proposal", ["supplements_id"])
    op.create_table(
        "proposal_move",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("proposal_id", BIG_ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        *(sa.Column(name, sa.String(length=16), nullable=True) for name in ("party", "from_stage")),
        sa.Column("to_stage", sa.String(length=16), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        _reference("proposal_move", "proposal_id", "proposal"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposal_move")),
    )
    op.create_index(op.f("ix_proposal_move_proposal_id"), "proposal_move", ["proposal_id"])
    op.create_table(
        "proposal_signature",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("proposal_id", BIG_ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.String(length=16), nullable=False) for name in ("step", "party")),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        _reference("proposal_signature", "proposal_id", "proposal"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposal_signature")),
        *(
            sa.UniqueConstraint(
                "proposal_id", "round", "step", last, name=op.f(f"uq_proposal_signature_proposal_id_round_step_{last}")
            )
            for last in ("party", "actor")
        ),
    )
    op.create_table(
        "proposal_remark",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("proposal_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("answers_id", BIG_ID, nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("party", sa.String(length=16), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        _reference("proposal_remark", "proposal_id", "proposal"),
        _reference("proposal_remark", "answers_id", "proposal_remark"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposal_remark")),
    )
    op.create_index(op.f("ix_proposal_remark_proposal_id"), "proposal_remark", ["proposal_id"])
