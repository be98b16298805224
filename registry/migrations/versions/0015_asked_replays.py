"""A quarantined message may be asked for again from the page; the ingest takes it.

Revision: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("quarantine", sa.Column("replay_asked_ms", sa.BigInteger(), nullable=True))
    op.create_index("ix_quarantine_replay_asked", "quarantine", ["replay_asked_ms"])
