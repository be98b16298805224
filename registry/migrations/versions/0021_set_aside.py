"""Windows and times out of service, each time an alarm was put before people, and alarms that were found to be false.

Revision: 0021
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "suppression",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("site_id", BigId, sa.ForeignKey("site.id"), nullable=False),
        sa.Column("building", sa.String(100), nullable=False),
        sa.Column("unit_id", BigId, sa.ForeignKey("unit.id"), nullable=True),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("starts_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_by", sa.String(64), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
    )
    op.create_index("ix_suppression_until", "suppression", ["until_ms"])
    op.create_index("ix_suppression_site", "suppression", ["site_id", "id"])
    op.add_column("alarm", sa.Column("suppression_id", sa.BigInteger(), nullable=True))
    op.create_table(
        "annunciation",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("alarm_id", BigId, sa.ForeignKey("alarm.id"), nullable=False),
        sa.Column("site_id", BigId, sa.ForeignKey("site.id"), nullable=False),
        sa.Column("unit_id", BigId, sa.ForeignKey("unit.id"), nullable=False),
        sa.Column("condition", sa.String(64), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("is_aside", sa.Boolean(), nullable=False),
        sa.Column("is_explained", sa.Boolean(), nullable=False),
        sa.Column("acknowledged_ms", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_by", sa.String(64), nullable=True),
    )
    op.create_index("ix_annunciation_alarm_id", "annunciation", ["alarm_id"])
    op.create_index("ix_annunciation_site_at", "annunciation", ["site_id", "at_ms"])
    op.create_index("ix_annunciation_at", "annunciation", ["at_ms"])
    # Of what came before, the first time of each alarm is known.
    op.execute(
        "INSERT INTO annunciation (alarm_id, site_id, unit_id, condition, severity, at_ms, is_aside, is_explained,"
        " acknowledged_ms, acknowledged_by) SELECT alarm.id, unit.site_id, alarm.unit_id, alarm.condition,"
        " alarm.severity, alarm.received_ms, alarm.state = 'shelved', alarm.is_explained, alarm.acknowledged_ms,"
        " alarm.acknowledged_by FROM alarm JOIN unit ON unit.id = alarm.unit_id ORDER BY alarm.id"
    )
    op.create_table(
        "false_alarm",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("alarm_id", BigId, sa.ForeignKey("alarm.id"), nullable=False),
        sa.Column("site_id", BigId, sa.ForeignKey("site.id"), nullable=False),
        sa.Column("unit_id", BigId, sa.ForeignKey("unit.id"), nullable=False),
        sa.Column("condition", sa.String(64), nullable=False),
        sa.Column("raised_ms", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("note", sa.String(500), nullable=False),
        sa.Column("marked_by", sa.String(64), nullable=False),
        sa.Column("marked_ms", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_by", sa.String(64), nullable=True),
        sa.Column("withdrawn_ms", sa.BigInteger(), nullable=True),
    )
    op.create_index(
        "uq_false_alarm_standing",
        "false_alarm",
        ["alarm_id"],
        unique=True,
        sqlite_where=sa.text("withdrawn_ms IS NULL"),
        postgresql_where=sa.text("withdrawn_ms IS NULL"),
    )
    op.create_index("ix_false_alarm_unit", "false_alarm", ["unit_id", "raised_ms"])
    op.create_index("ix_false_alarm_site", "false_alarm", ["site_id", "raised_ms"])
