"""小河佳苑 as its story finds it: 94 lifts with their faults, quiet neighbours, owners, and a clock that is moved."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from alerts.severity import Severity
from alerts.ticket import Ticket, TicketMove
from alerts.ticket_stages import Stage, TicketKind
from api.proposal_desk import make_step, publish, settle_votes
from api.translations import translator
from governance import ballot, evidence_desk, execution, fund, procedure
from governance.ballot import NewBallot
from governance.ballot_box import cast_ballot
from governance.errors import StepLacks, StepNotPossible
from governance.evidence_entries import OptionKind
from governance.notice_rules import NoticeKind
from governance.owners_roll import replace_roll
from governance.procedure import Brought, Draft
from governance.proposal import get_proposal
from governance.proposal_needs import VoteDates
from governance.proposal_stages import ProposalStage
from governance.roll_file import RollRow
from governance.ruleset import Matter
from governance.statutory_days import Meeting, start_of
from governance.tally import Choice
from governance.vote import get_vote
from governance.watch_list import judge_by_rule, look_at_rule, open_watch_entries
from models.covered_minutes import WHOLE_HOUR
from models.equipment import Kind
from registry.coverage import mark_months
from registry.database import Database
from registry.service_record import Service, ServiceKind, put_service_records
from registry.site import Site, add_site, get_site
from registry.unit import Unit, add_unit
from tests.governance.council import GUO, HERE, LIN, MEI, SIGNERS

S = ProposalStage
ZONE = "Asia/Shanghai"
DAY_MS, HOUR_MS = 86_400_000, 3_600_000
WATCHED_FROM = date(2017, 3, 1)
DRAFTED, OVERHAULED, TOLD = date(2017, 8, 1), date(2017, 11, 10), date(2018, 10, 1)
LIFTS, BAD, PEERS = 94, 41, 30
BEFORE_EACH, DROP = 5, 0.8
OWNERS = 150
AMOUNT_FEN = 410_000_000
ENGLISH = translator("en")


def noon(day: date) -> int:
    return start_of(day, ZONE) + 12 * HOUR_MS


@dataclass
class Compound:
    """Xiaohe with its lifts and their faults, thirty quiet neighbours, and a clock that is put forward."""

    database: Database
    day: date = DRAFTED
    is_watched: bool = True
    bad: list[int] = field(default_factory=list)
    title: str = "Overhaul of 41 lifts"
    reason: str = "On the list of compounds with the most lift faults; people are trapped"
    plan: str = "New controllers, door operators and brakes"
    proposal_id: int = 0
    known: int = 0
    """Faults of the bad lifts by the day of the draft."""

    def __post_init__(self) -> None:
        with self.database.writing() as session:
            site = add_site(session, key=HERE, name="小河佳苑", now_ms=0)
            lifts = [self._lift(session, site, f"l{number:02d}") for number in range(LIFTS)]
            peers = []
            for number in range(PEERS):
                place = add_site(session, key=f"quiet-{number}", now_ms=0)
                peers.append(self._lift(session, place, "l1"))
            self.bad = [unit.id for unit in lifts[:BAD]]
            if self.is_watched:
                _watch(session, WATCHED_FROM, TOLD)
            before_days, after_days = (OVERHAULED - WATCHED_FROM).days, (TOLD - OVERHAULED).days
            after_number = round(BAD * BEFORE_EACH * after_days / before_days * (1 - DROP))
            since = OVERHAULED + timedelta(days=2)
            faults = [
                *_spread(lifts[:BAD], BAD * BEFORE_EACH, WATCHED_FROM, before_days),
                *_spread(lifts[BAD:], 40, WATCHED_FROM, before_days),
                *_spread(lifts[:BAD], after_number, since, after_days - 4),
                *_spread(lifts[BAD:], 30, since, after_days - 4),
                *_spread(peers[:20], 30, WATCHED_FROM, (TOLD - WATCHED_FROM).days),
            ]
            self.known = sum(unit.id in self.bad and at_ms < noon(DRAFTED) for unit, at_ms in faults)
            _write(session, faults)
            rows = [RollRow(f"y{n:03d}", f"1-{n:03d}", 89_530_000) for n in range(OWNERS)]
            replace_roll(session, site, rows, reason="", actor=LIN, now_ms=noon(WATCHED_FROM))
            fund.open_account(
                session,
                site,
                initial_fen=1_400_000_000,
                opened_on=date(2009, 5, 20),
                actor=GUO,
                now_ms=noon(WATCHED_FROM),
            )

    def _lift(self, session: Session, site: Site, key: str) -> Unit:
        unit = add_unit(session, site=site, kind=Kind.ELEVATOR, key=key, now_ms=noon(WATCHED_FROM))
        unit.installed_on = "2009-05-20"
        return unit

    @property
    def now_ms(self) -> int:
        return noon(self.day)

    def step(self, to: ProposalStage, actor: object, note: str = "", dates: VoteDates | None = None) -> None:
        with self.database.writing() as session:
            make_step(
                session,
                self.proposal_id,
                to,
                actor=actor,  # type: ignore[arg-type]
                note=note,
                brought=Brought(vote_dates=dates),
                _=ENGLISH,
                now_ms=self.now_ms,
            )

    def look(self) -> None:
        with self.database.writing() as session:
            look_at_rule(session, judge_by_rule(session, Kind.ELEVATOR, as_of=self.day), now_ms=self.now_ms)

    def is_listed(self) -> bool:
        with self.database.reading() as session:
            return any(row.site.key == HERE and row.unit_id is None for row in open_watch_entries(session))

    # The story, one step after the other.

    def propose(self) -> None:
        with self.database.writing() as session:
            draft = Draft(
                title=self.title,
                matter=Matter.USE,
                amount_fen=AMOUNT_FEN,
                reason=self.reason,
                plan=self.plan,
                unit_ids=self.bad,
            )
            made = procedure.draft_proposal(session, get_site(session, HERE), draft, actor=GUO, now_ms=self.now_ms)
            self.proposal_id = made.id
            for kind, yuan in ((OptionKind.REPAIR, 300_000), (OptionKind.OVERHAUL, 4_100_000)):
                evidence_desk.add_option(
                    session,
                    made.id,
                    kind=kind,
                    title=kind.value,
                    quoted_fen=yuan * 100,
                    is_chosen=kind is OptionKind.OVERHAUL,
                    actor=GUO,
                    now_ms=self.now_ms,
                )
        self.step(S.PROPOSED, GUO)
        for party, actor in SIGNERS:
            with self.database.writing() as session:
                procedure.sign(session, self.proposal_id, party, actor=actor, now_ms=self.now_ms)
        self.step(S.TABLED, MEI)
        self.step(S.PRE_REVIEWED, LIN, "The need is shown")

    def vote(self, choices: Sequence[Choice | None]) -> None:
        opens_on = self.day + timedelta(days=16)
        self.step(S.POSTED, GUO, dates=VoteDates(Meeting.ORDINARY, opens_on, opens_on + timedelta(days=14)))
        with pytest.raises(StepLacks):
            self.step(S.VOTING, GUO)
        self.day = opens_on
        self.step(S.VOTING, GUO)
        with self.database.writing() as session:
            vote = get_vote(session, self.proposal_id)
            for number, choice in enumerate(choices):
                if choice is not None:
                    voter = ballot.find_by_key(session, vote, f"y{number:03d}")
                    new = NewBallot(choice=choice)
                    cast_ballot(session, vote.id, voter.id, new, receipt=f"r{number}", now_ms=self.now_ms)
        with pytest.raises(StepNotPossible):
            self.step(S.EXECUTING, GUO)
        self.day = opens_on + timedelta(days=15)
        assert settle_votes(self.database, _=ENGLISH, now_ms=self.now_ms) == [self.proposal_id]

    def carry_out(self) -> None:
        self.step(S.EXECUTING, GUO)
        with self.database.writing() as session:
            execution.record_contract(
                session,
                get_proposal(session, self.proposal_id),
                company="Hangzhou Lift Works",
                amount_fen=AMOUNT_FEN,
                signed_on=self.day,
                starts_on=self.day,
                ends_on=OVERHAULED,
                actor=GUO,
                now_ms=self.now_ms,
            )
            service = Service(kind=ServiceKind.OVERHAUL, done_on=OVERHAULED, done_by="Hangzhou Lift Works")
            put_service_records(session, [(unit_id, service) for unit_id in self.bad], by="mei", now_ms=self.now_ms)
        self.day = OVERHAULED + timedelta(days=20)
        for party, actor in SIGNERS:
            with self.database.writing() as session:
                procedure.sign(session, self.proposal_id, party, actor=actor, now_ms=self.now_ms)
        with self.database.writing() as session:
            proposal = get_proposal(session, self.proposal_id)
            execution.record_settlement(
                session,
                proposal,
                final_fen=AMOUNT_FEN - 1_234_567,
                auditor="Audit house",
                audit_report="2017-88",
                actor=GUO,
                now_ms=self.now_ms,
            )
            fund.pay(session, proposal, AMOUNT_FEN - 1_234_567, on=self.day, actor=GUO, now_ms=self.now_ms)
        with self.database.writing() as session:
            publish(session, self.proposal_id, NoticeKind.COSTS, actor=GUO, _=ENGLISH, now_ms=self.now_ms)
        self.step(S.SETTLED, GUO)


def _watch(session: Session, since: date, until: date) -> None:
    """Every minute of every lift has data; the database writes the hours itself."""
    session.execute(
        text(
            "INSERT INTO coverage (unit_id, hour, minutes) WITH RECURSIVE hours(hour) AS "
            "(SELECT CAST(:first AS INTEGER) UNION ALL SELECT hour + 1 FROM hours WHERE hour < :last) "
            "SELECT unit.id, hours.hour, :whole FROM unit CROSS JOIN hours"
        ),
        {"first": noon(since) // HOUR_MS, "last": noon(until) // HOUR_MS, "whole": WHOLE_HOUR},
    )
    mark_months(session, session.scalars(select(Unit.id)).all(), start_ms=noon(since), end_ms=noon(until))


def _spread(units: Sequence[Unit], number: int, since: date, days: int) -> Iterator[tuple[Unit, int]]:
    """So many faults, evenly over the units and the time."""
    for place in range(number):
        yield units[place % len(units)], noon(since) + (place * 7919 % number) * days * DAY_MS // number


def _write(session: Session, faults: Sequence[tuple[Unit, int]]) -> None:
    tickets = [
        {
            "id": number,
            "site_id": unit.site_id,
            "unit_id": unit.id,
            "kind": TicketKind.FAULT.value,
            "case": "entrapment" if number % 8 == 0 else "fault.02",
            "title": "It stands",
            "severity": Severity.MAJOR.value,
            "stage": Stage.CLOSED.value,
            "opened_by": "mei",
            "opened_ms": at_ms,
            "updated_ms": at_ms + HOUR_MS,
            "closed_ms": at_ms + HOUR_MS,
            "version": 2,
            "description": "",
            "demands": "",
        }
        for number, (unit, at_ms) in enumerate(faults, start=1)
    ]
    moves = [
        {
            "ticket_id": ticket["id"],
            "at_ms": ticket["closed_ms"],
            "actor": "mei",
            "to_stage": Stage.RESTORED.value,
            "note": "",
            "stands_in": False,
        }
        for ticket in tickets
    ]
    session.execute(insert(Ticket), tickets)
    session.execute(insert(TicketMove), moves)


def choices_of(consent: int, object_: int) -> list[Choice | None]:
    """The rest say nothing."""
    silent = OWNERS - consent - object_
    return [*([Choice.CONSENT] * consent), *([Choice.OBJECT] * object_), *([None] * silent)]
