"""Model versions in shadow, their drift, and attempts at a fit.

Revision: 0025
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    big_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("model_version", sa.Column("is_shadow", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(
        "uq_model_version_shadow",
        "model_version",
        ["unit_id"],
        unique=True,
        sqlite_where=sa.text("is_shadow"),
        postgresql_where=sa.text("is_shadow"),
    )
    op.create_table(
        "model_trial",
        sa.Column("version_id", big_id, nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["model_version.id"], name=op.f("fk_model_trial_version_id_model_version")
        ),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_model_trial")),
    )
    op.create_table(
        "shadow_verdict",
        sa.Column("id", big_id, nullable=False),
        sa.Column("version_id", big_id, nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("raised_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("anomaly_score", sa.Float(), nullable=False),
        sa.Column("channels", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["model_version.id"], name=op.f("fk_shadow_verdict_version_id_model_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadow_verdict")),
    )
    op.create_index("ix_shadow_verdict_version", "shadow_verdict", ["version_id", "id"])
    op.create_table(
        "model_drift",
        sa.Column("version_id", big_id, nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("movement", sa.String(length=16), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["model_version.id"], name=op.f("fk_model_drift_version_id_model_version")
        ),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_model_drift")),
    )
    op.create_table(
        "fit_attempt",
        sa.Column("unit_id", big_id, nullable=False),
        sa.Column("tried_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_fit_attempt_unit_id_unit")),
        sa.PrimaryKeyConstraint("unit_id", name=op.f("pk_fit_attempt")),
    )


def downgrade() -> None:
    op.drop_table("fit_attempt")
    op.drop_table("model_drift")
    op.drop_index("ix_shadow_verdict_version", "shadow_verdict")
    op.drop_table("shadow_verdict")
    op.drop_table("model_trial")
    op.drop_index("uq_model_version_shadow", "model_version")
    with op.batch_alter_table("model_version") as table:
        table.drop_column("is_shadow")
