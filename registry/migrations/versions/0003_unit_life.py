"""Units as senders: when they were heard, how their clocks go, for which minutes there is data, and who listens.

Revision: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "unit_life",
        sa.Column("unit_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("heard_ms", sa.BigInteger(), nullable=False),
        sa.Column("newest_ms", sa.BigInteger(), nullable=False),
        sa.Column("interval_ms", sa.BigInteger(), nullable=True),
        sa.Column("gap_count", sa.Integer(), nullable=False),
        sa.Column("limit_ms", sa.BigInteger(), nullable=False),
        sa.Column("skew_ms", sa.BigInteger(), nullable=True),
        sa.Column("late_values", sa.BigInteger(), nullable=False),
        sa.Column("late_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_unit_life_unit_id_unit")),
        sa.PrimaryKeyConstraint("unit_id", name=op.f("pk_unit_life")),
    )
    op.create_table(
        "gateway_clock",
        sa.Column("site_key", sa.String(length=64), nullable=False),
        sa.Column("gateway", sa.String(length=200), nullable=False),
        sa.Column("heard_ms", sa.BigInteger(), nullable=False),
        sa.Column("skew_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("site_key", "gateway", name=op.f("pk_gateway_clock")),
    )
    op.create_table(
        "coverage",
        sa.Column("unit_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_coverage_unit_id_unit")),
        sa.PrimaryKeyConstraint("unit_id", "hour", name=op.f("pk_coverage")),
    )
    op.create_table(
        "listening",
        sa.Column("worker", sa.String(length=200), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("lost_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("worker", name=op.f("pk_listening")),
    )
