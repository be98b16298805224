"""A notice may be for one building.

Revision: 0033
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notice", sa.Column("building", sa.String(64), nullable=False, server_default=""))
