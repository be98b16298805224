"""Joint meetings with agenda, attendance, reception and minutes; work lists; project action teams.

Revision: 0024
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "action_team",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("goal", sa.String(length=300), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("formed_by", sa.String(length=64), nullable=False),
        sa.Column("formed_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.Column("reported_by", sa.String(length=64), nullable=True),
        sa.Column("reported_party", sa.String(length=16), nullable=True),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_action_team_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_team")),
    )
    op.create_index("ix_action_team_site_state", "action_team", ["site_id", "state"])
    op.create_table(
        "meeting",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("held_on", sa.Date(), nullable=False),
        sa.Column("moved_from", sa.Date(), nullable=True),
        sa.Column("starts_ms", sa.BigInteger(), nullable=False),
        sa.Column("reception_start_ms", sa.BigInteger(), nullable=True),
        sa.Column("reception_end_ms", sa.BigInteger(), nullable=True),
        sa.Column("place", sa.String(length=100), nullable=False),
        sa.Column("parties", sa.String(length=60), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_arranged", sa.Boolean(), nullable=False),
        sa.Column("prepared_ms", sa.BigInteger(), nullable=True),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.Column("confirmed_ms", sa.BigInteger(), nullable=True),
        sa.Column("minutes_hash", sa.String(length=64), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_meeting_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting")),
        sa.UniqueConstraint("site_id", "month", name=op.f("uq_meeting_site_id_month")),
    )
    op.create_index("ix_meeting_site_held", "meeting", ["site_id", "held_on"])
    op.create_index("ix_meeting_stage", "meeting", ["stage", "held_on"])
    op.create_table(
        "meeting_rule",
        sa.Column("site_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("is_held", sa.Boolean(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("meeting_start_min", sa.Integer(), nullable=False),
        sa.Column("reception_start_min", sa.Integer(), nullable=False),
        sa.Column("reception_end_min", sa.Integer(), nullable=False),
        sa.Column("holiday_rule", sa.String(length=20), nullable=False),
        sa.Column("lead_days", sa.Integer(), nullable=False),
        sa.Column("place", sa.String(length=100), nullable=False),
        sa.Column("parties", sa.String(length=60), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_meeting_rule_site_id_site")),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_meeting_rule")),
    )
    op.create_table(
        "work_task",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("work_list", sa.String(length=16), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("owner_id", BIG_ID, nullable=True),
        sa.Column("party", sa.String(length=16), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=True),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("next_reminder_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["person.id"], name=op.f("fk_work_task_owner_id_person")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_work_task_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_task")),
    )
    op.create_index(op.f("ix_work_task_owner_id"), "work_task", ["owner_id"])
    op.create_index("ix_work_task_reminder", "work_task", ["next_reminder_ms"])
    op.create_index("ix_work_task_site_state", "work_task", ["site_id", "state", "due_on"])
    op.create_index("ix_work_task_source", "work_task", ["source", "source_id"])
    op.create_table(
        "action_team_delegate",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("team_id", BIG_ID, nullable=False),
        sa.Column("party", sa.String(length=16), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("named_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_action_team_delegate_person_id_person")),
        sa.ForeignKeyConstraint(
            ["team_id"], ["action_team.id"], name=op.f("fk_action_team_delegate_team_id_action_team")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_team_delegate")),
        sa.UniqueConstraint("team_id", "party", name=op.f("uq_action_team_delegate_team_id_party")),
        sa.UniqueConstraint("team_id", "person_id", name=op.f("uq_action_team_delegate_team_id_person_id")),
    )
    op.create_index(op.f("ix_action_team_delegate_person_id"), "action_team_delegate", ["person_id"])
    op.create_table(
        "action_team_step",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("team_id", BIG_ID, nullable=False),
        sa.Column("text", sa.String(length=300), nullable=False),
        sa.Column("party", sa.String(length=16), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("done_ms", sa.BigInteger(), nullable=True),
        sa.Column("done_by", sa.String(length=64), nullable=False),
        sa.Column("done_note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["action_team.id"], name=op.f("fk_action_team_step_team_id_action_team")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_action_team_step")),
    )
    op.create_index(op.f("ix_action_team_step_team_id"), "action_team_step", ["team_id"])
    op.create_table(
        "action_team_unit",
        sa.Column("team_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("unit_id", BIG_ID, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["team_id"], ["action_team.id"], name=op.f("fk_action_team_unit_team_id_action_team")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_action_team_unit_unit_id_unit")),
        sa.PrimaryKeyConstraint("team_id", "unit_id", name=op.f("pk_action_team_unit")),
    )
    op.create_index(op.f("ix_action_team_unit_unit_id"), "action_team_unit", ["unit_id"])
    op.create_table(
        "meeting_addendum",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("meeting_id", BIG_ID, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("party", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f("fk_meeting_addendum_meeting_id_meeting")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting_addendum")),
    )
    op.create_index(op.f("ix_meeting_addendum_meeting_id"), "meeting_addendum", ["meeting_id"])
    op.create_table(
        "meeting_attendance",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("meeting_id", BIG_ID, nullable=False),
        sa.Column("party", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("noted_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f("fk_meeting_attendance_meeting_id_meeting")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_meeting_attendance_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting_attendance")),
        sa.UniqueConstraint("meeting_id", "name", name=op.f("uq_meeting_attendance_meeting_id_name")),
        sa.UniqueConstraint("meeting_id", "person_id", name=op.f("uq_meeting_attendance_meeting_id_person_id")),
    )
    op.create_table(
        "meeting_confirmation",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("meeting_id", BIG_ID, nullable=False),
        sa.Column("party", sa.String(length=16), nullable=False),
        sa.Column("person_id", BIG_ID, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["meeting_id"], ["meeting.id"], name=op.f("fk_meeting_confirmation_meeting_id_meeting")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_meeting_confirmation_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting_confirmation")),
        sa.UniqueConstraint("meeting_id", "party", name=op.f("uq_meeting_confirmation_meeting_id_party")),
        sa.UniqueConstraint("meeting_id", "person_id", name=op.f("uq_meeting_confirmation_meeting_id_person_id")),
    )
    op.create_table(
        "meeting_item",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("meeting_id", BIG_ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("added_ms", sa.BigInteger(), nullable=False),
        sa.Column("is_removed", sa.Boolean(), nullable=False),
        sa.Column("discussion", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("tasks", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_by", sa.String(length=64), nullable=False),
        sa.Column("carried_into_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f("fk_meeting_item_meeting_id_meeting")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meeting_item")),
        sa.UniqueConstraint("meeting_id", "source", name=op.f("uq_meeting_item_meeting_id_source")),
    )
    op.create_index(op.f("ix_meeting_item_carried_into_id"), "meeting_item", ["carried_into_id"])
    op.create_table(
        "work_task_comment",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("task_id", BIG_ID, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["work_task.id"], name=op.f("fk_work_task_comment_task_id_work_task")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_task_comment")),
    )
    op.create_index(op.f("ix_work_task_comment_task_id"), "work_task_comment", ["task_id"])
    op.create_table(
        "action_team_ticket",
        sa.Column("team_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("ticket_id", BIG_ID, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["team_id"], ["action_team.id"], name=op.f("fk_action_team_ticket_team_id_action_team")
        ),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_action_team_ticket_ticket_id_ticket")),
        sa.PrimaryKeyConstraint("team_id", "ticket_id", name=op.f("pk_action_team_ticket")),
    )
    op.create_index(op.f("ix_action_team_ticket_ticket_id"), "action_team_ticket", ["ticket_id"])
    op.create_table(
        "reception_entry",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("meeting_id", BIG_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_by", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("matter", sa.Text(), nullable=False),
        sa.Column("unit_id", BIG_ID, nullable=True),
        sa.Column("place", sa.String(length=100), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("answered_by", sa.String(length=64), nullable=False),
        sa.Column("answered_ms", sa.BigInteger(), nullable=True),
        sa.Column("ticket_id", BIG_ID, nullable=True),
        sa.Column("item_id", BIG_ID, nullable=True),
        sa.ForeignKeyConstraint(["item_id"], ["meeting_item.id"], name=op.f("fk_reception_entry_item_id_meeting_item")),
        sa.ForeignKeyConstraint(["meeting_id"], ["meeting.id"], name=op.f("fk_reception_entry_meeting_id_meeting")),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_reception_entry_ticket_id_ticket")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_reception_entry_unit_id_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reception_entry")),
        sa.UniqueConstraint("meeting_id", "number", name=op.f("uq_reception_entry_meeting_id_number")),
    )
