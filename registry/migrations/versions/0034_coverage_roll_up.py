"""Coverage by unit and month, and marks where it no longer holds.

Revision: 0034
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "coverage_month",
        sa.Column("unit_id", BigId, sa.ForeignKey("unit.id"), primary_key=True, autoincrement=False),
        sa.Column("month", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("pause_min", sa.Integer(), nullable=False),
        sa.Column("covered_min", sa.Integer(), nullable=False),
        sa.Column("days", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "coverage_mark",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("unit_id", BigId, sa.ForeignKey("unit.id"), nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
    )
    op.create_index("ix_coverage_mark_month", "coverage_mark", ["month", "unit_id"])
    op.create_table(
        "coverage_rolled",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("until_day", sa.Integer(), nullable=False),
        sa.Column("to_day", sa.Integer(), nullable=True),
        sa.Column("after_unit_id", BigId, nullable=False),
    )
