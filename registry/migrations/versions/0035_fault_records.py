"""Faults as rows of their own, and triggers that mark the units of which they no longer hold.

Whoever builds one of these tables anew (as SQLite needs for many changes) must create its triggers again.

Revision: 0035
"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ITS_UNIT = "SELECT unit_id FROM ticket WHERE id = {row}.ticket_id AND unit_id IS NOT NULL"
OWN_UNIT = "SELECT {row}.unit_id WHERE {row}.unit_id IS NOT NULL"
BOTH_UNITS = f"{OWN_UNIT} UNION {ITS_UNIT}"
TABLES = {
    "ticket": (OWN_UNIT, ("unit_id", "kind", '"case"', "severity", "stage", "opened_ms", "closed_ms")),
    "ticket_move": (ITS_UNIT, ("ticket_id", "at_ms", "to_stage")),
    "ticket_cause": (ITS_UNIT, ("ticket_id", "cause")),
    "ticket_cost": (ITS_UNIT, ("ticket_id", "amount_fen")),
    "alarm": (BOTH_UNITS, ("unit_id", "condition", "severity", "raised_ms", "cleared_ms", "ticket_id")),
}
"""By table: the units whose faults a row is part of, and the columns that faults are made from."""


def upgrade() -> None:
    op.create_table(
        "fault_record",
        sa.Column("unit_id", BigId, sa.ForeignKey("unit.id"), primary_key=True, autoincrement=False),
        sa.Column("source", sa.String(40), primary_key=True),
        sa.Column("matter", sa.String(64), nullable=False),
        sa.Column("began_ms", sa.BigInteger(), nullable=False),
        sa.Column("restored_ms", sa.BigInteger(), nullable=True),
        sa.Column("is_entrapment", sa.Boolean(), nullable=False),
        sa.Column("stops_unit", sa.Boolean(), nullable=False),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("response_ms", sa.BigInteger(), nullable=True),
        sa.Column("arrival_ms", sa.BigInteger(), nullable=True),
        sa.Column("repair_ms", sa.BigInteger(), nullable=True),
        sa.Column("restoration_ms", sa.BigInteger(), nullable=True),
        sa.Column("normal_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("cost_fen", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_fault_record_began", "fault_record", ["began_ms"])
    op.create_table(
        "fault_mark",
        sa.Column("id", BigId, primary_key=True),
        sa.Column("unit_id", BigId, nullable=False),
    )
    op.create_index("ix_fault_mark_unit_id", "fault_mark", ["unit_id"])
    op.execute(
        "INSERT INTO fault_mark (unit_id) SELECT unit_id FROM ticket WHERE unit_id IS NOT NULL "
        "UNION SELECT unit_id FROM alarm"
    )
    write = _on_postgresql if op.get_bind().dialect.name == "postgresql" else _on_sqlite
    for table, (units, columns) in TABLES.items():
        write(table, units, columns)


def _on_sqlite(table: str, units: str, columns: tuple[str, ...]) -> None:
    for name, event, rows in (
        ("insert", "INSERT", ("NEW",)),
        ("update", f"UPDATE OF {', '.join(columns)}", ("OLD", "NEW")),
        ("delete", "DELETE", ("OLD",)),
    ):
        told = " UNION ".join(units.format(row=row) for row in rows)
        op.execute(
            f"CREATE TRIGGER fault_mark_{table}_{name} AFTER {event} ON {table} BEGIN "
            f"INSERT INTO fault_mark (unit_id) {told}; END"
        )


def _on_postgresql(table: str, units: str, columns: tuple[str, ...]) -> None:
    old, new = units.format(row="OLD"), units.format(row="NEW")
    op.execute(
        f"CREATE FUNCTION fault_mark_of_{table}() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN "
        f"IF TG_OP = 'INSERT' THEN INSERT INTO fault_mark (unit_id) {new}; "
        f"ELSIF TG_OP = 'DELETE' THEN INSERT INTO fault_mark (unit_id) {old}; "
        f"ELSE INSERT INTO fault_mark (unit_id) {old} UNION {new}; END IF; RETURN NULL; END $body$"
    )
    op.execute(
        f"CREATE TRIGGER fault_mark_{table} AFTER INSERT OR DELETE OR UPDATE OF {', '.join(columns)} ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION fault_mark_of_{table}()"
    )
