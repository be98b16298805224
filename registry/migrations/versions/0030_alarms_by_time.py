"""Alarms of a span of time are found without reading all of them.

Revision: 0030
"""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_alarm_raised", "alarm", ["raised_ms"])


def downgrade() -> None:
    op.drop_index("ix_alarm_raised", "alarm")
