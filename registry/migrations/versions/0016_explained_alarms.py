"""An alarm may be explained by another, and then has its ticket.

Revision: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alarm", sa.Column("cause_id", sa.BigInteger(), nullable=True))
    op.add_column("alarm", sa.Column("is_explained", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("alarm", sa.Column("forth_ms", sa.BigInteger(), nullable=True))
    op.create_index("ix_alarm_cause_id", "alarm", ["cause_id"])
    op.create_index("ix_alarm_forth_ms", "alarm", ["forth_ms"])
