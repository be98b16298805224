"""Tickets of a site, and those that rest, are found by an index.

Revision: 0013
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_ticket_site_stage", "ticket", ["site_id", "stage", "id"])
    op.create_index("ix_ticket_hold_reason", "ticket", ["hold_reason", "site_id"])
