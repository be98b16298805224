"""Webhooks that are told nothing for a while.

Revision: 0038
"""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("webhook", sa.Column("is_paused", sa.Boolean(), nullable=False, server_default=sa.false()))
