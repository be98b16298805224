"""Alarms that are set aside because the lift itself says that it is inspected, or in fire service.

Revision: 0036
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("alarm", sa.Column("is_in_service", sa.Boolean(), nullable=False, server_default=sa.false()))
