"""Patrols: plans with their checkpoints, rounds ahead, what was found on them, and the dates that the law sets.

Revision: 0026
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "patrol_plan",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("interval_days", sa.Integer(), nullable=False),
        sa.Column("window_days", sa.Integer(), nullable=False),
        sa.Column("start_min", sa.Integer(), nullable=False),
        sa.Column("end_min", sa.Integer(), nullable=False),
        sa.Column("is_working_days", sa.Boolean(), nullable=False),
        sa.Column("parties", sa.String(length=64), nullable=False),
        sa.Column("limits", sa.JSON(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_patrol_plan_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patrol_plan")),
        sa.UniqueConstraint("site_id", "name", name=op.f("uq_patrol_plan_site_id_name")),
    )
    op.create_table(
        "inspection_application",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("unit_id", BIG_ID, nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=False),
        sa.Column("applied_on", sa.Date(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_inspection_application_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inspection_application")),
        sa.UniqueConstraint("unit_id", "valid_until", name=op.f("uq_inspection_application_unit_id_valid_until")),
    )
    op.create_table(
        "patrol_checkpoint",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("plan_id", BIG_ID, nullable=False),
        sa.Column("unit_id", BIG_ID, nullable=True),
        sa.Column("place", sa.String(length=200), nullable=False),
        sa.Column("building", sa.String(length=100), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("item_codes", sa.String(length=400), nullable=False),
        sa.Column("from_day", sa.Date(), nullable=False),
        sa.Column("until_day", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["plan_id"], ["patrol_plan.id"], name=op.f("fk_patrol_checkpoint_plan_id_patrol_plan")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_patrol_checkpoint_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patrol_checkpoint")),
        sa.UniqueConstraint("code", name=op.f("uq_patrol_checkpoint_code")),
    )
    op.create_index("ix_patrol_checkpoint_plan", "patrol_checkpoint", ["plan_id", "position"], unique=False)
    op.create_index(op.f("ix_patrol_checkpoint_unit_id"), "patrol_checkpoint", ["unit_id"], unique=False)
    op.create_table(
        "patrol_round",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("plan_id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("starts_ms", sa.BigInteger(), nullable=False),
        sa.Column("ends_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("done_ms", sa.BigInteger(), nullable=True),
        sa.Column("missed_ms", sa.BigInteger(), nullable=True),
        sa.Column("missed_ticket_id", BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["missed_ticket_id"], ["ticket.id"], name=op.f("fk_patrol_round_missed_ticket_id_ticket")
        ),
        sa.ForeignKeyConstraint(["plan_id"], ["patrol_plan.id"], name=op.f("fk_patrol_round_plan_id_patrol_plan")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_patrol_round_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patrol_round")),
        sa.UniqueConstraint("plan_id", "number", name=op.f("uq_patrol_round_plan_id_number")),
    )
    op.create_index(op.f("ix_patrol_round_missed_ticket_id"), "patrol_round", ["missed_ticket_id"], unique=False)
    op.create_index("ix_patrol_round_site_ends", "patrol_round", ["site_id", "ends_ms"], unique=False)
    op.create_index("ix_patrol_round_state_ends", "patrol_round", ["state", "ends_ms"], unique=False)
    op.create_table(
        "statutory_date",
        sa.Column("unit_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("duty", sa.String(length=24), nullable=False),
        sa.Column("since_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("raised_ms", sa.BigInteger(), nullable=True),
        sa.Column("ticket_id", BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_statutory_date_ticket_id_ticket")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_statutory_date_unit_id_unit")),
        sa.PrimaryKeyConstraint("unit_id", "duty", name=op.f("pk_statutory_date")),
    )
    op.create_index("ix_statutory_date_due", "statutory_date", ["raised_ms", "due_ms"], unique=False)
    op.create_table(
        "patrol_focus",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("round_id", BIG_ID, nullable=False),
        sa.Column("unit_id", BIG_ID, nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["round_id"], ["patrol_round.id"], name=op.f("fk_patrol_focus_round_id_patrol_round")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_patrol_focus_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patrol_focus")),
        sa.UniqueConstraint("round_id", "unit_id", name=op.f("uq_patrol_focus_round_id_unit_id")),
    )
    op.create_index("ix_patrol_focus_unit", "patrol_focus", ["unit_id"], unique=False)
    op.create_table(
        "patrol_participant",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("round_id", BIG_ID, nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("party", sa.String(length=16), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_patrol_participant_person_id_person")),
        sa.ForeignKeyConstraint(
            ["round_id"], ["patrol_round.id"], name=op.f("fk_patrol_participant_round_id_patrol_round")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patrol_participant")),
        sa.UniqueConstraint("round_id", "person_id", name=op.f("uq_patrol_participant_round_id_person_id")),
    )
    op.create_table(
        "patrol_photo",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("round_id", BIG_ID, nullable=False),
        sa.Column("result_key", sa.String(length=100), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["round_id"], ["patrol_round.id"], name=op.f("fk_patrol_photo_round_id_patrol_round")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patrol_photo")),
        sa.UniqueConstraint(
            "round_id", "result_key", "digest", name=op.f("uq_patrol_photo_round_id_result_key_digest")
        ),
    )
    op.create_table(
        "patrol_result",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("round_id", BIG_ID, nullable=False),
        sa.Column("checkpoint_id", BIG_ID, nullable=False),
        sa.Column("item", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=True),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("party", sa.String(length=16), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("is_clock_ahead", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("low", sa.Float(), nullable=True),
        sa.Column("high", sa.Float(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("ticket_id", BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"], ["patrol_checkpoint.id"], name=op.f("fk_patrol_result_checkpoint_id_patrol_checkpoint")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_patrol_result_person_id_person")),
        sa.ForeignKeyConstraint(["round_id"], ["patrol_round.id"], name=op.f("fk_patrol_result_round_id_patrol_round")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_patrol_result_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patrol_result")),
        sa.UniqueConstraint("round_id", "key", name=op.f("uq_patrol_result_round_id_key")),
    )
    op.create_index(op.f("ix_patrol_result_checkpoint_id"), "patrol_result", ["checkpoint_id"], unique=False)
    op.create_index("ix_patrol_result_ticket", "patrol_result", ["ticket_id"], unique=False)
    op.create_table(
        "patrol_scan",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("round_id", BIG_ID, nullable=False),
        sa.Column("checkpoint_id", BIG_ID, nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("is_clock_ahead", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"], ["patrol_checkpoint.id"], name=op.f("fk_patrol_scan_checkpoint_id_patrol_checkpoint")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["patrol_round.id"], name=op.f("fk_patrol_scan_round_id_patrol_round")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patrol_scan")),
        sa.UniqueConstraint("round_id", "key", name=op.f("uq_patrol_scan_round_id_key")),
    )
    op.create_table(
        "patrol_stop",
        sa.Column("round_id", BIG_ID, nullable=False),
        sa.Column("checkpoint_id", BIG_ID, nullable=False),
        sa.Column("done_ms", sa.BigInteger(), nullable=False),
        sa.Column("done_on", sa.Date(), nullable=False),
        sa.Column("service_record_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["checkpoint_id"], ["patrol_checkpoint.id"], name=op.f("fk_patrol_stop_checkpoint_id_patrol_checkpoint")
        ),
        sa.ForeignKeyConstraint(["round_id"], ["patrol_round.id"], name=op.f("fk_patrol_stop_round_id_patrol_round")),
        sa.PrimaryKeyConstraint("round_id", "checkpoint_id", name=op.f("pk_patrol_stop")),
    )
