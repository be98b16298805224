"""Votes, their frozen rolls, chained ballots and paper ballots.

Revision: 0028
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "refused_ballots",
        sa.Column("vote_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("vote_id", "reason", name=op.f("pk_refused_ballots")),
    )
    op.create_table(
        "site_vote_rules",
        sa.Column("site_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("is_secret", sa.Boolean(), nullable=False),
        sa.Column("may_change", sa.Boolean(), nullable=False),
        sa.Column("most_proxies", sa.Integer(), nullable=False),
        sa.Column("identity", sa.String(length=16), nullable=False),
        sa.Column("own_limits", sa.JSON(), nullable=False),
        sa.Column("alias_secret", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_site_vote_rules_site_id_site")),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_site_vote_rules")),
    )
    op.create_table(
        "vote",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("proposal_id", BIG_ID, nullable=False),
        sa.Column("site_id", BIG_ID, nullable=False),
        sa.Column("building", sa.String(length=100), nullable=False),
        sa.Column("is_secret", sa.Boolean(), nullable=False),
        sa.Column("may_change", sa.Boolean(), nullable=False),
        sa.Column("most_proxies", sa.Integer(), nullable=False),
        sa.Column("identity", sa.String(length=16), nullable=False),
        sa.Column("opens_ms", sa.BigInteger(), nullable=False),
        sa.Column("closes_ms", sa.BigInteger(), nullable=False),
        sa.Column("terms", sa.JSON(), nullable=False),
        sa.Column("genesis", sa.String(length=64), nullable=False),
        sa.Column("owners", sa.Integer(), nullable=False),
        sa.Column("area_mm2", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.Column("last_hash", sa.String(length=64), nullable=False),
        sa.Column("voted_owners", sa.Integer(), nullable=False),
        sa.Column("voted_area_mm2", sa.BigInteger(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["proposal_id"], ["proposal.id"], name=op.f("fk_vote_proposal_id_proposal")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_vote_site_id_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vote")),
        sa.UniqueConstraint("proposal_id", name=op.f("uq_vote_proposal_id")),
    )
    op.create_index(op.f("ix_vote_site_id"), "vote", ["site_id"], unique=False)
    op.create_table(
        "ballot",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("vote_id", BIG_ID, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("is_proxy", sa.Boolean(), nullable=False),
        sa.Column("replaces", sa.Integer(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("commitment", sa.String(length=64), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["vote_id"], ["vote.id"], name=op.f("fk_ballot_vote_id_vote")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ballot")),
        sa.UniqueConstraint("vote_id", "seq", name=op.f("uq_ballot_vote_id_seq")),
    )
    op.create_table(
        "voter",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("vote_id", BIG_ID, nullable=False),
        sa.Column("alias", sa.String(length=64), nullable=False),
        sa.Column("owner_key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("representative", sa.String(length=100), nullable=False),
        sa.Column("phone_end", sa.String(length=4), nullable=False),
        sa.Column("certificate_end", sa.String(length=4), nullable=False),
        sa.Column("area_mm2", sa.BigInteger(), nullable=False),
        sa.Column("link_hash", sa.String(length=64), nullable=True),
        sa.Column("identity_failures", sa.Integer(), nullable=False),
        sa.Column("ballot_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["vote_id"], ["vote.id"], name=op.f("fk_voter_vote_id_vote")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voter")),
        sa.UniqueConstraint("link_hash", name=op.f("uq_voter_link_hash")),
        sa.UniqueConstraint("vote_id", "alias", name=op.f("uq_voter_vote_id_alias")),
    )
    op.create_index("ix_voter_owner_key", "voter", ["vote_id", "owner_key"], unique=False)
    op.create_table(
        "ballot_choice",
        sa.Column("ballot_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("choice", sa.String(length=16), nullable=False),
        sa.Column("receipt", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["ballot_id"], ["ballot.id"], name=op.f("fk_ballot_choice_ballot_id_ballot")),
        sa.PrimaryKeyConstraint("ballot_id", name=op.f("pk_ballot_choice")),
        sa.UniqueConstraint("receipt", name=op.f("uq_ballot_choice_receipt")),
    )
    op.create_table(
        "ballot_proxy",
        sa.Column("ballot_id", BIG_ID, autoincrement=False, nullable=False),
        sa.Column("vote_id", BIG_ID, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("phone_end", sa.String(length=4), nullable=False),
        sa.Column("authorisation", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["ballot_id"], ["ballot.id"], name=op.f("fk_ballot_proxy_ballot_id_ballot")),
        sa.ForeignKeyConstraint(["vote_id"], ["vote.id"], name=op.f("fk_ballot_proxy_vote_id_vote")),
        sa.PrimaryKeyConstraint("ballot_id", name=op.f("pk_ballot_proxy")),
    )
    op.create_index(op.f("ix_ballot_proxy_vote_id"), "ballot_proxy", ["vote_id"], unique=False)
    op.create_table(
        "paper_ballot",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("vote_id", BIG_ID, nullable=False),
        sa.Column("voter_id", BIG_ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("first_choice", sa.String(length=16), nullable=False),
        sa.Column("first_by", sa.String(length=64), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("second_choice", sa.String(length=16), nullable=False),
        sa.Column("second_by", sa.String(length=64), nullable=False),
        sa.Column("second_ms", sa.BigInteger(), nullable=True),
        sa.Column("third_choice", sa.String(length=16), nullable=False),
        sa.Column("third_by", sa.String(length=64), nullable=False),
        sa.Column("third_ms", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("proxy_name", sa.String(length=100), nullable=False),
        sa.Column("proxy_phone_end", sa.String(length=4), nullable=False),
        sa.Column("proxy_authorisation", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["vote_id"], ["vote.id"], name=op.f("fk_paper_ballot_vote_id_vote")),
        sa.ForeignKeyConstraint(["voter_id"], ["voter.id"], name=op.f("fk_paper_ballot_voter_id_voter")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_paper_ballot")),
    )
    op.create_index("ix_paper_ballot_vote_state", "paper_ballot", ["vote_id", "state"], unique=False)
    op.create_index(op.f("ix_paper_ballot_voter_id"), "paper_ballot", ["voter_id"], unique=False)
    op.create_table(
        "voter_part",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("vote_id", BIG_ID, nullable=False),
        sa.Column("voter_id", BIG_ID, nullable=False),
        sa.Column("part", sa.String(length=64), nullable=False),
        sa.Column("building", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("area_mm2", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["vote_id"], ["vote.id"], name=op.f("fk_voter_part_vote_id_vote")),
        sa.ForeignKeyConstraint(["voter_id"], ["voter.id"], name=op.f("fk_voter_part_voter_id_voter")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voter_part")),
        sa.UniqueConstraint("vote_id", "label", name=op.f("uq_voter_part_vote_id_label")),
    )
    op.create_index(op.f("ix_voter_part_voter_id"), "voter_part", ["voter_id"], unique=False)
