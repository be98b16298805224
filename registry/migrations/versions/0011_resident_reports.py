"""Codes on units, and what residents report by them.

Revision: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "report_code",
        sa.Column("unit_id", BIG_ID, nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("turned_away", sa.Integer(), nullable=False),
        sa.Column("turned_away_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_report_code_unit_id_unit")),
        sa.PrimaryKeyConstraint("unit_id", name=op.f("pk_report_code")),
        sa.UniqueConstraint("code", name=op.f("uq_report_code_code")),
    )
    op.create_table(
        "resident_report",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("ticket_id", BIG_ID, nullable=False),
        sa.Column("unit_id", BIG_ID, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("matter", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("form_key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_resident_report_ticket_id_ticket")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_resident_report_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resident_report")),
        sa.UniqueConstraint("form_key", name=op.f("uq_resident_report_form_key")),
        sa.UniqueConstraint("number", name=op.f("uq_resident_report_number")),
    )
    op.create_index(op.f("ix_resident_report_ticket_id"), "resident_report", ["ticket_id"])
    op.create_index(op.f("ix_resident_report_unit_id"), "resident_report", ["unit_id"])
