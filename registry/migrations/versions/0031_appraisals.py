"""Appraisals of property companies with every entry and version; owners' ratings of what they reported.

Revision: 0031
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}_{target}"))


def upgrade() -> None:
    op.create_table(
        "service_rating",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("report_id", BIG_ID, nullable=False),
        sa.Column("ticket_id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("stars", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        _reference("service_rating", "report_id", "resident_report"),
        _reference("service_rating", "ticket_id", "ticket"),
        _reference("service_rating", "site_id", "site"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_rating")),
        sa.UniqueConstraint("report_id", name=op.f("uq_service_rating_report_id")),
    )
    op.create_index("ix_service_rating_site_at", "service_rating", ["site_id", "at_ms"])
    op.create_table(
        "appraisal",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("company", sa.String(length=100), nullable=False),
        sa.Column("period", sa.String(length=8), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("end_ms", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("published_ms", sa.BigInteger(), nullable=True),
        sa.Column("objection_until_ms", sa.BigInteger(), nullable=True),
        _reference("appraisal", "site_id", "site"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appraisal")),
        sa.UniqueConstraint("site_id", "company", "period", name=op.f("uq_appraisal_site_id_company_period")),
    )
    op.create_index("ix_appraisal_state", "appraisal", ["state", "id"])
    op.create_table(
        "appraisal_entry",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("appraisal_id", BIG_ID, nullable=False),
        sa.Column("item", sa.String(length=32), nullable=False),
        sa.Column("centipoints", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("shown_as", sa.String(length=100), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        _reference("appraisal_entry", "appraisal_id", "appraisal"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appraisal_entry")),
    )
    op.create_index(op.f("ix_appraisal_entry_appraisal_id"), "appraisal_entry", ["appraisal_id"])
    op.create_table(
        "appraisal_step",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("appraisal_id", BIG_ID, nullable=False),
        sa.Column("from_state", sa.String(length=16), nullable=False),
        sa.Column("to_state", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("frozen", sa.JSON(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        _reference("appraisal_step", "appraisal_id", "appraisal"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appraisal_step")),
    )
    op.create_index(op.f("ix_appraisal_step_appraisal_id"), "appraisal_step", ["appraisal_id"])
