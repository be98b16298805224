"""A quarantined message may be put aside, with the reason.

Revision: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("quarantine", sa.Column("discarded_ms", sa.BigInteger(), nullable=True))
    op.add_column("quarantine", sa.Column("discarded_because", sa.String(length=300), nullable=True))
