"""Evidence of proposals, what follows a resolution, and the maintenance fund.

Revision: 0023
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}_{target}"))


def _of_proposal(table: str, *columns: sa.Column[Any]) -> None:
    """A table of rows that belong to a proposal, with who entered them and when."""
    entered = (
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        table,
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("proposal_id", BIG_ID, nullable=False),
        *columns,
        *entered,
        _reference(table, "proposal_id", "proposal"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )
    op.create_index(op.f(f"ix_{table}_proposal_id"), table, ["proposal_id"])


def _name() -> sa.Column[Any]:
    return sa.Column("name", sa.String(length=100), nullable=False)


def upgrade() -> None:
    op.create_table(
        "proposal_unit",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("proposal_id", BIG_ID, nullable=False),
        sa.Column("unit_id", BIG_ID, nullable=False),
        _reference("proposal_unit", "proposal_id", "proposal"),
        _reference("proposal_unit", "unit_id", "unit"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposal_unit")),
        sa.UniqueConstraint("proposal_id", "unit_id", name=op.f("uq_proposal_unit_proposal_id_unit_id")),
    )
    _of_proposal(
        "proposal_option",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("company", sa.String(length=200), nullable=False),
        sa.Column("quoted_fen", sa.BigInteger(), nullable=False),
        sa.Column("quoted_on", sa.Date(), nullable=True),
        sa.Column("is_chosen", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
    )
    _of_proposal(
        "proposal_cover",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("covered_fen", sa.BigInteger(), nullable=True),
        sa.Column("until_on", sa.Date(), nullable=True),
    )
    op.create_table(
        "evidence_pack",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("proposal_id", BIG_ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("frozen_ms", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        _reference("evidence_pack", "proposal_id", "proposal"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence_pack")),
        sa.UniqueConstraint("proposal_id", "round", name=op.f("uq_evidence_pack_proposal_id_round")),
    )
    _of_proposal(
        "proposal_contract",
        sa.Column("company", sa.String(length=200), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Date(), nullable=False) for name in ("signed_on", "starts_on", "ends_on")),
        _name(),
    )
    _of_proposal(
        "proposal_settlement",
        sa.Column("final_fen", sa.BigInteger(), nullable=False),
        sa.Column("auditor", sa.String(length=200), nullable=False),
        sa.Column("audit_report", sa.String(length=100), nullable=False),
        _name(),
    )
    _of_proposal(
        "proposal_filing",
        sa.Column("authority", sa.String(length=200), nullable=False),
        sa.Column("reference", sa.String(length=100), nullable=False),
        sa.Column("filed_on", sa.Date(), nullable=False),
        _name(),
    )
    op.create_table(
        "fund_account",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("building", sa.String(length=100), nullable=False),
        sa.Column("initial_fen", sa.BigInteger(), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        _reference("fund_account", "site_id", "site"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fund_account")),
        sa.UniqueConstraint("site_id", "building", name=op.f("uq_fund_account_site_id_building")),
    )
    op.create_table(
        "fund_movement",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("account_id", BIG_ID, nullable=False),
        sa.Column("proposal_id", BIG_ID, nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        _reference("fund_movement", "account_id", "fund_account"),
        _reference("fund_movement", "proposal_id", "proposal"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fund_movement")),
    )
    for column in ("account_id", "proposal_id"):
        op.create_index(op.f(f"ix_fund_movement_{column}"), "fund_movement", [column])
