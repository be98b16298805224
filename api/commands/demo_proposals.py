"""Proposals that the demonstration begins with: one of each age, from draft to settled; with a roll and a fund."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy.orm import Session

from alerts import incident
from alerts.severity import Severity
from alerts.ticket_stages import Stage, TicketKind
from api.commands.demo_faults import DAY_MS, add_demo_faults, look_back, watch
from api.commands.demo_vote import add_finished_vote
from api.proposal_desk import gathered_ahead, make_step, publish
from api.translations import Translator, msgid
from governance import ballot, evidence_desk, execution, fund, procedure
from governance.ballot import NewBallot
from governance.ballot_box import cast_ballot
from governance.evidence_entries import CoverKind, OptionKind
from governance.notice_rules import NoticeKind
from governance.owners_roll import replace_roll
from governance.procedure import Brought, Draft
from governance.proposal import Proposal, RemarkKind, get_proposal, list_proposals
from governance.proposal_needs import VoteDates
from governance.proposal_stages import Procedure, ProposalStage, UrgentCause
from governance.roll_file import RollRow
from governance.roll_link import link_person
from governance.ruleset import Matter
from governance.statutory_days import Meeting, day_of
from governance.tally import Channel, Choice
from governance.vote import get_vote
from registry.database import Database
from registry.person import find_person
from registry.role import Actor, Party
from registry.site import Site, get_site
from registry.unit import Unit, list_units

LIFTS_TO_OVERHAUL = 41
OVERHAULED = 12
FLATS_A_BUILDING = 16
BALLOTS = 24
FUND_FEN = 3_600_000_000
WAN_FEN = 1_000_000
POSTED_DAYS_AGO, VOTE_DAYS = 18, 20
HOUR_MS = 3_600_000

People = Mapping[str, Actor]


def add_demo_proposals(database: Database, site_key: str, *, people: Sequence[str], _: Translator, now_ms: int) -> None:
    """Only into a compound that has none yet and has as many lifts as the story needs.

    In several transactions, so that whoever writes beside it need not wait for the whole story.
    """
    with database.writing() as session:
        site = get_site(session, site_key)
        lifts = [unit for unit in list_units(session, site=site.key, limit=500) if unit.kind == "elevator"]
        if list_proposals(session, limit=1) or len(lifts) < LIFTS_TO_OVERHAUL + OVERHAULED:
            return
        found = [person.as_actor() for name in people if (person := find_person(session, name)) is not None]
        cast = {actor.name: actor for actor in found}
        bad, rest = lifts[:LIFTS_TO_OVERHAUL], lifts[LIFTS_TO_OVERHAUL:]
        add_demo_faults(
            session, site, bad=bad, overhauled=rest[:OVERHAULED], good=rest[OVERHAULED:], _=_, now_ms=now_ms
        )
    watch(database, lifts, now_ms=now_ms)
    look_back(database, now_ms=now_ms)
    with database.writing() as session:
        site = get_site(session, site_key)
        _roll(session, site, lifts, cast, now_ms)
        fund.open_account(
            session,
            site,
            initial_fen=FUND_FEN,
            opened_on=day_of(now_ms, site.timezone) - timedelta(days=3650),
            actor=cast["committee"],
            now_ms=now_ms - 400 * DAY_MS,
        )
        _drainage_settled(session, site, cast, _, now_ms)
    add_finished_vote(database, site_key, cast=cast, _=_, now_ms=now_ms)
    with database.writing() as session:
        proposal_id = _overhaul_reviewed(session, get_site(session, site_key), bad, cast, _, now_ms)
    posted_ms = now_ms - POSTED_DAYS_AGO * DAY_MS
    opens_on = day_of(posted_ms, site.timezone) + timedelta(days=16)
    dates = VoteDates(Meeting.ORDINARY, opens_on, opens_on + timedelta(days=VOTE_DAYS))
    brought = gathered_ahead(
        database,
        proposal_id,
        ProposalStage.POSTED,
        Brought(vote_dates=dates),
        actor=cast["committee"],
        now_ms=posted_ms,
    )
    with database.writing() as session:
        _overhaul_in_voting(session, get_proposal(session, proposal_id), brought, cast, _, now_ms)
    with database.writing() as session:
        _facade_drafted(session, get_site(session, site_key), cast, _, now_ms)


def _roll(session: Session, site: Site, lifts: Sequence[Unit], cast: People, now_ms: int) -> None:
    """Flats of 62 to 139 m²; every ninth owner has the flat next door too."""
    buildings = list(dict.fromkeys(unit.building for unit in lifts if unit.building))
    rows, number = [], 0
    for building in buildings:
        for flat in range(FLATS_A_BUILDING):
            if flat % 9 != 8:
                number += 1
            area_mm2 = (62_000_000 + (number * 7_310_000) % 77_000_000) // 10_000 * 10_000
            part = f"{building}-{1 + flat // 2}{1 + flat % 2:02d}"
            rows.append(RollRow(f"Y{number:04d}", part, area_mm2, building=building))
    replace_roll(session, site, rows, reason="", actor=cast["community"], now_ms=now_ms - 60 * DAY_MS)
    owner = cast.get("owner")
    if owner is not None:
        link_person(session, site, "Y0007", owner.person_id, actor=cast["community"], now_ms=now_ms - 60 * DAY_MS)


def _step(
    session: Session,
    proposal: Proposal,
    to: ProposalStage,
    actor: Actor,
    at_ms: int,
    _: Translator,
    *,
    note: str = "",
) -> None:
    make_step(session, proposal.id, to, actor=actor, note=note, _=_, now_ms=at_ms)


def _sign_all(session: Session, proposal: Proposal, cast: People, at_ms: int) -> None:
    for place, (party, name) in enumerate(
        ((Party.COMMITTEE, "committee"), (Party.PROPERTY, "manager"), (Party.COMMUNITY, "community"))
    ):
        procedure.sign(session, proposal.id, party, actor=cast[name], now_ms=at_ms + place * HOUR_MS)


def _overhaul_reviewed(
    session: Session, site: Site, lifts: Sequence[Unit], cast: People, _: Translator, now_ms: int
) -> int:
    committee, community = cast["committee"], cast["community"]
    began_ms = now_ms - (POSTED_DAYS_AGO + 14) * DAY_MS
    draft = Draft(
        title=_(msgid("Overhaul of 41 lifts")),
        matter=Matter.USE,
        amount_fen=405 * WAN_FEN,
        reason=_(
            msgid(
                "In the last months these lifts failed again and again, and people were trapped. They are over fifteen "
                "years old; what is repaired today fails elsewhere tomorrow."
            )
        ),
        plan=_(
            msgid(
                "New controllers, door operators and brakes in 41 lifts, house by house, each out of use for ten days. "
                "Ropes and guide rails are kept where the safety assessment allows."
            )
        ),
        unit_ids=[unit.id for unit in lifts],
    )
    proposal = procedure.draft_proposal(session, site, draft, actor=committee, now_ms=began_ms)
    quoted_on = day_of(began_ms, site.timezone)
    for kind, title, wan, chosen in (
        (OptionKind.REPAIR, msgid("Go on repairing as faults come"), 18, False),
        (OptionKind.OVERHAUL, msgid("Overhaul of controllers, doors and brakes"), 405, True),
        (OptionKind.REPLACE, msgid("Replacement of the whole machines"), 1_230, False),
    ):
        evidence_desk.add_option(
            session,
            proposal.id,
            kind=kind,
            title=_(title),
            quoted_fen=wan * WAN_FEN,
            company=_(msgid("Antin Lift Service")) if chosen else "",
            quoted_on=quoted_on,
            is_chosen=chosen,
            actor=committee,
            now_ms=began_ms,
        )
    evidence_desk.add_cover(
        session,
        proposal.id,
        kind=CoverKind.MAINTENANCE_CONTRACT,
        what=_(msgid("Half-monthly maintenance and small parts up to 500 yuan; no renewal of controllers or doors")),
        actor=cast["manager"],
        now_ms=began_ms,
    )
    _step(session, proposal, ProposalStage.PROPOSED, committee, began_ms + DAY_MS, _)
    _sign_all(session, proposal, cast, began_ms + 4 * DAY_MS)
    _step(session, proposal, ProposalStage.TABLED, committee, began_ms + 5 * DAY_MS, _)
    opinion = _(msgid("The need is shown, three quotes were compared, and the fund suffices. To be put to the owners."))
    _step(session, proposal, ProposalStage.PRE_REVIEWED, community, began_ms + 10 * DAY_MS, _, note=opinion)
    return proposal.id


def _overhaul_in_voting(
    session: Session, proposal: Proposal, brought: Brought, cast: People, _: Translator, now_ms: int
) -> None:
    committee, posted_ms = cast["committee"], now_ms - POSTED_DAYS_AGO * DAY_MS
    make_step(session, proposal.id, ProposalStage.POSTED, actor=committee, brought=brought, _=_, now_ms=posted_ms)
    said = procedure.remark(
        session,
        proposal.id,
        RemarkKind.OBJECTION,
        _(msgid("I live on the first floor and never use the lift. Why should I pay?")),
        actor=cast.get("owner", committee),
        now_ms=posted_ms + 2 * DAY_MS,
    )
    procedure.remark(
        session,
        proposal.id,
        RemarkKind.ANSWER,
        _(
            msgid(
                "Lifts are common parts of the whole building; the law divides by area. Your share is in the evidence."
            )
        ),
        answers_id=said.id,
        actor=committee,
        now_ms=posted_ms + 3 * DAY_MS,
    )
    _step(session, proposal, ProposalStage.VOTING, committee, now_ms - DAY_MS, _)
    vote = get_vote(session, proposal.id)
    for number in range(1, 2 * BALLOTS, 2):
        choice = Choice.OBJECT if number % 7 == 0 else Choice.ABSTAIN if number % 23 == 0 else Choice.CONSENT
        voter = ballot.find_by_key(session, vote, f"Y{number:04d}")
        if number != 7:
            cast_ballot(
                session,
                vote.id,
                voter.id,
                NewBallot(choice=choice, channel=Channel.ELECTRONIC),
                receipt=f"demo-{number}",
                now_ms=now_ms,
            )


def _drainage_settled(session: Session, site: Site, cast: People, _: Translator, now_ms: int) -> None:
    """Urgent use, from the ticket to the filing: settled, audited by waiver, published."""
    manager, committee = cast["manager"], cast["committee"]
    began_ms = now_ms - 70 * DAY_MS
    ticket = incident.open_ticket_by_hand(
        session,
        site=site,
        unit=None,
        kind=TicketKind.HAZARD,
        title=_(msgid("The drain of building 5 is broken, sewage stands in the basement")),
        severity=Severity.MAJOR,
        description="",
        actor=manager,
        now_ms=began_ms,
    )
    for stage in (Stage.TRIAGED, Stage.DISPATCHED, Stage.ACCEPTED, Stage.ARRIVED, Stage.IN_PROGRESS, Stage.RESTORED):
        incident.move_ticket(session, ticket.id, stage, actor=manager, now_ms=began_ms + HOUR_MS)
    for stage in (Stage.VERIFIED, Stage.CLOSED):
        incident.move_ticket(session, ticket.id, stage, actor=committee, now_ms=began_ms + 2 * HOUR_MS)
    draft = Draft(
        title=_(msgid("Broken drain of building 5: urgent repair")),
        matter=Matter.USE,
        amount_fen=286 * 10_000,
        reason=_(msgid("Sewage rises into the basement with every rain.")),
        plan=_(msgid("Thirty metres of pipe and one shaft are renewed.")),
        procedure=Procedure.URGENT,
        urgent_cause=UrgentCause.DRAINAGE,
        ticket_id=ticket.id,
    )
    proposal = procedure.draft_proposal(session, site, draft, actor=manager, now_ms=began_ms + DAY_MS)
    for day, to, name, note in (
        (1, ProposalStage.PROPOSED, "manager", ""),
        (2, ProposalStage.TABLED, "committee", msgid("The plan was looked at on site; it is what is needed.")),
        (3, ProposalStage.PRE_REVIEWED, "district", msgid("Seen on site, confirmed.")),
        (4, ProposalStage.EXECUTING, "manager", "2026-0117"),
    ):
        told = _(note) if day < 4 and note else note
        _step(session, proposal, to, cast[name], began_ms + day * DAY_MS, _, note=told)
    proposal = get_proposal(session, proposal.id)
    starts_on = day_of(began_ms, site.timezone)
    execution.record_contract(
        session,
        proposal,
        company=_(msgid("Xiaohe Municipal Works")),
        amount_fen=286 * 10_000,
        signed_on=starts_on + timedelta(days=4),
        starts_on=starts_on + timedelta(days=5),
        ends_on=starts_on + timedelta(days=12),
        actor=manager,
        now_ms=began_ms + 5 * DAY_MS,
    )
    execution.record_settlement(session, proposal, final_fen=2_793_000, actor=manager, now_ms=began_ms + 20 * DAY_MS)
    _sign_all(session, proposal, cast, began_ms + 21 * DAY_MS)
    fund.pay(
        session,
        proposal,
        2_793_000,
        on=starts_on + timedelta(days=22),
        actor=committee,
        now_ms=began_ms + 22 * DAY_MS,
    )
    execution.record_filing(
        session,
        proposal,
        authority=_(msgid("District housing bureau")),
        reference="2026-B-31",
        filed_on=starts_on + timedelta(days=24),
        actor=manager,
        now_ms=began_ms + 24 * DAY_MS,
    )
    publish(session, proposal.id, NoticeKind.COSTS, actor=committee, _=_, now_ms=now_ms - 10 * DAY_MS)
    _step(session, proposal, ProposalStage.SETTLED, committee, now_ms - 9 * DAY_MS, _)


def _facade_drafted(session: Session, site: Site, cast: People, _: Translator, now_ms: int) -> None:
    draft = Draft(
        title=_(msgid("Hollow facade tiles of building 3")),
        matter=Matter.USE,
        amount_fen=38 * WAN_FEN,
        reason=_(msgid("Tiles come loose above the entrance; the place is fenced off.")),
        building="3幢",
    )
    procedure.draft_proposal(session, site, draft, actor=cast["committee"], now_ms=now_ms - 2 * DAY_MS)
