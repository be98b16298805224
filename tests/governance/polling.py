"""A compound with a roll and a vote that runs, for the tests."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from governance import ballot, owners_roll, vote
from governance.ballot import NewBallot
from governance.ballot_box import TakenBallot, cast_ballot
from governance.proposal import Proposal
from governance.proposal_stages import Procedure, ProposalStage
from governance.roll_file import RollRow
from governance.ruleset import Matter
from governance.tally import Channel, Choice
from governance.vote import Vote
from governance.vote_rules import VoteRules, set_rules
from registry.database import Database
from registry.role import Actor
from registry.site import Site, add_site, find_site

NOW_MS = 1_795_406_400_000
DAY_MS = 86_400_000
KEEPER = Actor("keeper")
NEW_LAW = "civil-code-2021"


def roll_of(owners: int, *, building: str = "1") -> list[RollRow]:
    """Owners `O1` … with a flat of 80 m² each, telephones ending in 0001 …"""
    return [
        RollRow(f"O{n}", f"{building}-{n}", 80_000_000, building, name="王小明", phone_end=f"{n:04d}")
        for n in range(1, owners + 1)
    ]


def proposal_of(
    session: Session,
    site: Site,
    *,
    ruleset: str = NEW_LAW,
    building: str = "",
    days: int = 10,
    now_ms: int = NOW_MS,
) -> Proposal:
    proposal = Proposal(
        site=site,
        number=f"2026-{owners_roll.count_roll(session, site).parts:03d}{building}",
        title="41 lifts are overhauled",
        matter=Matter.USE.value,
        procedure=Procedure.ORDINARY.value,
        stage=ProposalStage.VOTING.value,
        ruleset=ruleset,
        building=building,
        amount_fen=1,
        created_by="keeper",
        created_ms=now_ms,
        updated_ms=now_ms,
        closes_ms=now_ms + days * DAY_MS,
    )
    session.add(proposal)
    session.flush()
    return proposal


@dataclass(slots=True)
class Polling:
    """A running vote; receipts are numbered."""

    database: Database
    vote_id: int
    proposal_id: int
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def receipt(self) -> str:
        return f"RECEIPT-{next(self._numbers):04d}"

    def cast(
        self,
        owner: str,
        choice: Choice = Choice.CONSENT,
        *,
        channel: Channel = Channel.ELECTRONIC,
        now_ms: int = NOW_MS + 1,
        session: Session | None = None,
    ) -> TakenBallot:
        if session is None:
            with self.database.writing() as session:
                return self.cast(owner, choice, channel=channel, now_ms=now_ms, session=session)
        found = vote.get_vote(session, self.proposal_id)
        voter = ballot.find_by_key(session, found, owner)
        return cast_ballot(
            session, found.id, voter.id, NewBallot(choice, channel), receipt=self.receipt(), now_ms=now_ms
        )


def opened(
    database: Database,
    *,
    roll: Sequence[RollRow] | None = None,
    rules: VoteRules | None = None,
    building: str = "",
    ruleset: str = NEW_LAW,
    now_ms: int = NOW_MS,
) -> Polling:
    with database.writing() as session:
        site = find_site(session, "xiaohe") or add_site(session, key="xiaohe", now_ms=now_ms)
        rows = roll_of(5) if roll is None else roll
        owners_roll.replace_roll(session, site, rows, reason="", actor=KEEPER, now_ms=now_ms)
        if rules is not None:
            set_rules(session, site, rules, alias_secret="s" * 64)
        proposal = proposal_of(session, site, ruleset=ruleset, building=building, now_ms=now_ms)
        made: Vote = vote.open_vote(session, proposal, actor=KEEPER, now_ms=now_ms)
        return Polling(database, made.id, proposal.id)
