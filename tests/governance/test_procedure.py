"""The steps of a proposal: who may make which, what each needs, and what the law's days allow."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest

from alerts import incident
from alerts.severity import Severity
from alerts.ticket import open_ticket
from alerts.ticket_stages import Stage, TicketKind
from governance import notice, procedure, proposal_needs
from governance.errors import (
    InvalidProposal,
    SignedForAnother,
    StepLacks,
    StepNotPermitted,
    StepNotPossible,
    SteppedMeanwhile,
)
from governance.evidence import Gathered, frozen_packs
from governance.notice import NoticeText
from governance.proposal import Proposal, RemarkKind, get_proposal, moves_of
from governance.proposal_needs import CHECKS
from governance.proposal_stages import AUTHORISED, FINAL_STAGES, MOVES, Need, Procedure, ProposalStage, UrgentCause
from governance.ruleset import Matter
from governance.statutory_days import Meeting, end_of
from governance.vote_result import CountedVote
from models.equipment import Kind
from registry import activity
from registry.database import Database
from registry.role import Party, Role
from registry.site import get_site
from registry.unit import add_unit
from tests.governance.council import BOTH, GUO, HERE, LIN, MEI, OWNER, ROOT, SHEN, SIGNERS, TODAY, ZONE, Council

S = ProposalStage
YES, NO = CountedVote(True, {"approved": True}), CountedVote(False, {"approved": False})


@pytest.fixture
def council(database: Database) -> Council:
    return Council(database)


def count_says(monkeypatch: pytest.MonkeyPatch, counted: CountedVote | None) -> None:
    for module in (procedure, proposal_needs):
        monkeypatch.setattr(module, "vote_result", lambda *_, **__: counted)
    monkeypatch.setattr(procedure, "open_vote", lambda *_, **__: None)


# The table


def test_every_stage_of_both_procedures_stands_in_the_table_and_every_move_leads_to_a_stage() -> None:
    assert set(MOVES) == set(Procedure)
    for moves in MOVES.values():
        assert set(moves) == set(S)
        for stage, row in moves.items():
            assert set(row) <= set(S)
            assert all(move.roles and Role.ADMIN not in move.roles for move in row.values())
            if stage in FINAL_STAGES:
                assert not row


def test_every_need_is_checked() -> None:
    assert set(CHECKS) == set(Need)


def test_every_stage_is_reached_or_belongs_to_the_other_procedure() -> None:
    def reached(kind: Procedure) -> set[ProposalStage]:
        found, waiting = set(), [S.DRAFTED]
        while waiting:
            stage = waiting.pop()
            if stage not in found:
                found.add(stage)
                waiting += MOVES[kind][stage]
        return found

    assert reached(Procedure.ORDINARY) == set(S)
    assert set(S) - reached(Procedure.URGENT) == {S.POSTED, S.VOTING, S.APPROVED, S.REJECTED}


def test_nothing_but_a_resolution_or_the_street_office_opens_execution() -> None:
    into = [(kind, stage) for kind, moves in MOVES.items() for stage, row in moves.items() if S.EXECUTING in row]
    assert into == [(Procedure.ORDINARY, S.APPROVED), (Procedure.URGENT, S.PRE_REVIEWED)]
    to_approved = [
        (stage, move)
        for stage, row in MOVES[Procedure.ORDINARY].items()
        for to, move in row.items()
        if to is S.APPROVED
    ]
    assert [stage for stage, _ in to_approved] == [S.VOTING]
    assert all(Need.RESULT in move.needs for _, move in to_approved)
    street = MOVES[Procedure.URGENT][S.TABLED][S.PRE_REVIEWED]
    assert street.roles == {Role.DISTRICT_OFFICER}
    assert {S.APPROVED, S.EXECUTING, S.SETTLED} == AUTHORISED


def test_one_function_alone_sets_a_stage() -> None:
    sources = {path: path.read_text() for path in Path("governance").glob("*.py")}
    setting = [path.name for path, text in sources.items() if re.search(r"proposal\.stage\s*=[^=]", text)]
    assert setting == ["procedure.py"]
    assert len(re.findall(r"proposal\.stage\s*=[^=]", sources[Path("governance/procedure.py")])) == 1


# The four steps


def test_a_proposal_goes_the_four_steps_and_each_stands_in_the_history_and_in_the_log(
    council: Council, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal_id = council.pre_review()
    council.post(proposal_id)
    count_says(monkeypatch, YES)
    council.pass_days(16)
    council.move(proposal_id, S.VOTING, GUO)
    council.pass_days(11)
    council.move(proposal_id, S.APPROVED, LIN)
    with council.database.reading() as session:
        proposal = get_proposal(session, proposal_id)
        made = moves_of(session, proposal_id)
        assert not list(activity.verify_chain(session))
        verbs = [row.verb for row in activity.of_subject(session, f"proposal:{proposal_id}")]
        assert [each.to_stage for each in made] == [
            *("drafted", "proposed", "tabled", "pre_reviewed", "posted", "voting", "approved")
        ]
        assert [each.party for each in made[1:]] == [
            *("committee", "committee", "community", "committee", "committee", "community")
        ]
        assert made[1].name == "Guo"
        assert verbs.count("proposal.moved") == 6
        assert proposal.result == {"approved": True}
        assert proposal.ruleset == "civil-code-2021"
        assert proposal.decided_on == TODAY + timedelta(days=26)
        assert proposal.dates["publish_by"] == (TODAY + timedelta(days=29)).isoformat()


def test_a_step_out_of_order_is_refused_with_those_that_are_possible(council: Council) -> None:
    proposal_id = council.draft()
    with pytest.raises(StepNotPossible) as refused:
        council.move(proposal_id, S.APPROVED, GUO)
    assert refused.value.allowed == ("proposed", "withdrawn")
    assert council.stage(proposal_id) == "drafted"


@pytest.mark.parametrize("actor", [MEI, LIN, SHEN, OWNER, ROOT])
def test_nobody_but_the_committee_proposes(council: Council, actor: object) -> None:
    proposal_id = council.draft()
    with pytest.raises(StepNotPermitted) as refused:
        council.move(proposal_id, S.PROPOSED, actor)  # type: ignore[arg-type]
    assert refused.value.roles == ("committee_member",)


def test_an_empty_draft_is_not_proposed_and_all_that_lacks_is_told(council: Council) -> None:
    proposal_id = council.draft()
    with council.database.writing() as session:
        proposal = get_proposal(session, proposal_id)
        proposal.reason = proposal.plan = " "
    with pytest.raises(StepLacks) as refused:
        council.move(proposal_id, S.PROPOSED, GUO)
    assert [each.message for each in refused.value.reasons] == [proposal_needs.NO_REASON, proposal_needs.NO_PLAN]


def test_all_three_parties_sign_before_it_is_tabled(council: Council) -> None:
    proposal_id = council.propose()
    council.sign(proposal_id, *SIGNERS[:2])
    with pytest.raises(StepLacks, match="The community has not signed"):
        council.move(proposal_id, S.TABLED, GUO)
    council.sign(proposal_id, SIGNERS[2])
    council.move(proposal_id, S.TABLED, GUO)


def test_nobody_signs_for_two_parties_whatever_they_hold(council: Council) -> None:
    proposal_id = council.propose()
    council.sign(proposal_id, (Party.COMMITTEE, BOTH))
    with pytest.raises(SignedForAnother) as refused:
        council.sign(proposal_id, (Party.PROPERTY, BOTH))
    assert refused.value.party == "committee"
    with pytest.raises(InvalidProposal, match="signed already"):
        council.sign(proposal_id, (Party.COMMITTEE, GUO))
    with pytest.raises(StepNotPermitted):
        council.sign(proposal_id, (Party.COMMUNITY, BOTH))
    with pytest.raises(StepNotPermitted):
        council.sign(proposal_id, (Party.PROPERTY, ROOT))


def test_whoever_proposed_for_the_committee_does_not_sign_for_the_property_company(council: Council) -> None:
    proposal_id = council.draft()
    council.move(proposal_id, S.PROPOSED, BOTH)
    with pytest.raises(SignedForAnother):
        council.sign(proposal_id, (Party.PROPERTY, BOTH))


def test_what_is_returned_is_signed_anew_and_the_earlier_signatures_stay_in_the_history(council: Council) -> None:
    proposal_id = council.propose()
    council.sign(proposal_id, *SIGNERS)
    council.move(proposal_id, S.TABLED, GUO)
    with pytest.raises(StepLacks, match="note is needed"):
        council.move(proposal_id, S.DRAFTED, LIN)
    council.move(proposal_id, S.DRAFTED, LIN, "The quote of a second company lacks")
    council.move(proposal_id, S.PROPOSED, GUO)
    with pytest.raises(StepLacks, match="The owners' committee has not signed"):
        council.move(proposal_id, S.TABLED, GUO)
    council.sign(proposal_id, *SIGNERS)
    council.move(proposal_id, S.TABLED, GUO)
    with council.database.reading() as session:
        assert get_proposal(session, proposal_id).round == 2
        assert [made.note for made in moves_of(session, proposal_id) if made.note] == [
            "The quote of a second company lacks"
        ]


def test_a_draft_is_changed_and_what_is_on_its_way_is_not(council: Council) -> None:
    proposal_id = council.draft()
    changed = procedure.Draft("Other title", Matter.USE, 5)
    with council.database.writing() as session:
        procedure.change_draft(session, proposal_id, changed, expected_version=1, actor=GUO, now_ms=council.now_ms)
    with council.database.writing() as session, pytest.raises(SteppedMeanwhile):
        procedure.change_draft(session, proposal_id, changed, expected_version=1, actor=GUO, now_ms=council.now_ms)
    other = council.propose()
    with council.database.writing() as session, pytest.raises(InvalidProposal, match="Only a draft"):
        procedure.change_draft(session, other, changed, expected_version=None, actor=GUO, now_ms=council.now_ms)


def test_owners_remark_at_any_stage_and_the_words_stand_with_the_proposal(council: Council) -> None:
    proposal_id = council.draft()
    with council.database.writing() as session:
        said = procedure.remark(
            session, proposal_id, RemarkKind.OBJECTION, "Too dear", actor=OWNER, now_ms=council.now_ms
        )
        procedure.remark(
            session,
            proposal_id,
            RemarkKind.ANSWER,
            "A second quote was asked for",
            answers_id=said.id,
            actor=GUO,
            now_ms=council.now_ms,
        )
    with council.database.writing() as session:
        for kind, text, answers in (
            (RemarkKind.COMMENT, "  ", None),
            (RemarkKind.ANSWER, "to nobody", None),
            (RemarkKind.ANSWER, "to nobody", 99),
            (RemarkKind.COMMENT, "no answer", said.id),
        ):
            with pytest.raises(InvalidProposal):
                procedure.remark(
                    session, proposal_id, kind, text, answers_id=answers, actor=OWNER, now_ms=council.now_ms
                )
    with council.database.reading() as session:
        log = activity.of_subject(session, f"proposal:{proposal_id}")
        assert [row.data.get("text") for row in log if row.verb == "proposal.remarked"] == [None, None]


def test_numbers_count_the_proposals_of_a_site_in_a_year(council: Council) -> None:
    ids = [council.draft(), council.draft()]
    council.day = date(2027, 1, 1)
    ids.append(council.draft())
    with council.database.reading() as session:
        assert [get_proposal(session, each).number for each in ids] == ["2026-001", "2026-002", "2027-001"]


# The days


@pytest.mark.parametrize(
    ("meeting", "after", "is_possible"),
    [
        (Meeting.ORDINARY, 15, False),
        (Meeting.ORDINARY, 16, True),
        (Meeting.EXTRAORDINARY, 7, False),
        (Meeting.EXTRAORDINARY, 8, True),
    ],
)
def test_a_vote_opens_after_the_days_of_notice(
    council: Council, meeting: Meeting, after: int, is_possible: bool
) -> None:
    proposal_id = council.pre_review()
    council.opens_after = after
    if is_possible:
        council.post(proposal_id, council.dates(meeting))
        return
    with pytest.raises(StepLacks) as refused:
        council.post(proposal_id, council.dates(meeting))
    needed = 15 if meeting is Meeting.ORDINARY else 7
    earliest = (TODAY + timedelta(days=needed + 1)).isoformat()
    assert refused.value.lacking[0]["facts"] == {"days": needed, "earliest": earliest}
    assert earliest in str(refused.value)


@pytest.mark.parametrize(("days", "is_possible"), [(4, False), (5, True), (60, True), (61, False)])
def test_a_vote_lasts_five_to_sixty_days(council: Council, days: int, is_possible: bool) -> None:
    proposal_id = council.pre_review()
    council.votes_days = days
    if is_possible:
        council.post(proposal_id)
    else:
        with pytest.raises(StepLacks, match="may close from 2026-03-23 to 2026-05-17"):
            council.post(proposal_id)


def test_a_vote_does_not_open_before_its_day_and_not_without_its_notice(
    council: Council, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_says(monkeypatch, None)
    proposal_id = council.pre_review()
    council.move(proposal_id, S.POSTED, GUO, vote_dates=council.dates())
    council.pass_days(15)
    with pytest.raises(StepLacks, match="announced for 2026-03-18"):
        council.move(proposal_id, S.VOTING, GUO)
    council.pass_days(1)
    with pytest.raises(StepLacks, match="what is not posted is not voted on"):
        council.move(proposal_id, S.VOTING, GUO)


def test_a_notice_that_was_corrected_in_what_matters_hangs_for_all_its_days_again(
    council: Council, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_says(monkeypatch, None)
    proposal_id = council.pre_review()
    council.post(proposal_id)
    council.pass_days(2)
    with council.database.writing() as session:
        [(posted, _)] = notice.list_notices(session, subject=get_proposal(session, proposal_id).subject)
        new = NoticeText("Notice", "Another amount")
        notice.correct_notice(
            session, posted, new, reason="miscounted", restarts=True, actor=GUO, now_ms=council.now_ms
        )
    council.pass_days(15)
    with pytest.raises(StepLacks, match="may open on 2026-03-20 at the earliest"):
        council.move(proposal_id, S.VOTING, GUO)
    council.pass_days(1)
    council.move(proposal_id, S.VOTING, GUO)


def test_a_vote_that_opens_so_late_that_it_would_be_too_short_is_announced_anew(
    council: Council, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_says(monkeypatch, None)
    proposal_id = council.pre_review()
    council.post(proposal_id)
    council.pass_days(16 + 6)
    with pytest.raises(StepLacks, match="announced anew"):
        council.move(proposal_id, S.VOTING, GUO)
    council.move(proposal_id, S.DRAFTED, GUO, "It was not opened in time")
    with council.database.reading() as session:
        assert get_proposal(session, proposal_id).dates == {}


def test_a_vote_ends_at_the_end_of_its_last_day_in_the_zone_of_the_site(council: Council) -> None:
    proposal_id = council.pre_review()
    council.post(proposal_id)
    with council.database.reading() as session:
        proposal = get_proposal(session, proposal_id)
        assert proposal.closes_on is not None
        assert proposal.closes_ms == end_of(proposal.closes_on, ZONE)


# The result decides


def voted(council: Council, monkeypatch: pytest.MonkeyPatch, counted: CountedVote | None) -> int:
    proposal_id = council.pre_review()
    council.post(proposal_id)
    count_says(monkeypatch, counted)
    council.pass_days(16)
    council.move(proposal_id, S.VOTING, GUO)
    return proposal_id


@pytest.mark.parametrize(("counted", "wanted"), [(YES, S.REJECTED), (NO, S.APPROVED)])
def test_nobody_chooses_the_outcome_by_hand(
    council: Council, monkeypatch: pytest.MonkeyPatch, counted: CountedVote, wanted: ProposalStage
) -> None:
    proposal_id = voted(council, monkeypatch, counted)
    with pytest.raises(StepLacks, match="runs until the end of 2026-03-28"):
        council.move(proposal_id, wanted, GUO)
    council.pass_days(11)
    with pytest.raises(StepLacks, match="The count says"):
        council.move(proposal_id, wanted, GUO)
    with pytest.raises(StepNotPossible):
        council.move(proposal_id, S.WITHDRAWN, GUO, "We are losing")


def test_the_program_finds_the_outcome_of_a_vote_that_is_over(
    council: Council, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal_id, published = voted(council, monkeypatch, NO), list[int]()

    def settled() -> list[int]:
        def publish(_: object, proposal: Proposal) -> None:
            published.append(proposal.id)

        return procedure.settle_due_votes(council.database, publish=publish, now_ms=council.now_ms)

    assert settled() == []
    council.pass_days(11)
    with ThreadPoolExecutor(4) as workers:
        found = [each.result() for each in [workers.submit(settled) for _ in range(4)]]
    assert sorted(found) == [[], [], [], [proposal_id]]
    assert settled() == []
    assert (council.stage(proposal_id), published) == ("rejected", [proposal_id])


def test_without_a_count_nothing_is_decided(council: Council, monkeypatch: pytest.MonkeyPatch) -> None:
    proposal_id = voted(council, monkeypatch, None)
    council.pass_days(11)
    with pytest.raises(StepLacks, match="no count"):
        council.move(proposal_id, S.APPROVED, GUO)


# The evidence is frozen


def test_what_was_voted_on_stays_what_it_was(council: Council) -> None:
    proposal_id = council.pre_review()
    council.post(proposal_id)
    council.move(proposal_id, S.DRAFTED, LIN, "An owner objected")
    with council.database.writing() as session:
        changed = procedure.Draft("Other", Matter.USE, 5, reason="r", plan="p")
        procedure.change_draft(session, proposal_id, changed, expected_version=None, actor=GUO, now_ms=council.now_ms)
    council.move(proposal_id, S.PROPOSED, GUO)
    council.sign(proposal_id, *SIGNERS)
    council.move(proposal_id, S.TABLED, GUO)
    council.move(proposal_id, S.PRE_REVIEWED, LIN, "Fine")
    council.post(proposal_id)
    with council.database.reading() as session:
        second, first = frozen_packs(session, proposal_id)
        assert first.is_intact
        assert '"amount_fen":10000000' in first.content
        assert '"amount_fen":5' in second.content
        digests = [
            row.data["evidence"]
            for row in activity.of_subject(session, f"proposal:{proposal_id}")
            if "evidence" in row.data
        ]
        assert digests == [first.digest, second.digest]
        first.content = first.content.replace("10000000", "10000001")
        assert not first.is_intact
        session.expunge(first)


def test_evidence_gathered_ahead_is_frozen_only_if_nothing_changed_since(council: Council) -> None:
    for behind, is_used in ((0, True), (1, False)):
        proposal_id = council.pre_review()
        with council.database.reading() as session:
            version = get_proposal(session, proposal_id).version
        ahead = Gathered(version - behind, {"gathered": "ahead"})
        council.move(proposal_id, S.POSTED, GUO, vote_dates=council.dates(), gathered=ahead)
        with council.database.reading() as session:
            content = frozen_packs(session, proposal_id)[0].content
            assert (content == '{"gathered":"ahead"}') == is_used


def test_without_an_option_there_is_nothing_to_vote_on(council: Council) -> None:
    proposal_id = council.pre_review(has_option=False)
    with pytest.raises(StepLacks, match="no option"):
        council.post(proposal_id)


# Urgent use


def urgent_ticket(council: Council, *, opened_by: str = "system", kind: Kind = Kind.ELEVATOR) -> int:
    with council.database.writing() as session:
        site = get_site(session, HERE)
        unit = add_unit(session, site=site, kind=kind, key=f"u{kind.value}{council.day:%j}", now_ms=council.now_ms)
        return open_ticket(
            session,
            site=site,
            unit=unit,
            kind=TicketKind.INSPECTION,
            title="An anomaly that is 40 times the threshold",
            severity=Severity.CRITICAL,
            opened_by=opened_by,
            now_ms=council.now_ms,
        ).id


def urgent(council: Council, ticket_id: int | None, cause: UrgentCause = UrgentCause.LIFT) -> int:
    return council.draft(
        amount_fen=2_000_000,
        procedure_=Procedure.URGENT,
        cause=cause,
        ticket_id=ticket_id,
        has_option=False,
        actor=MEI,
    )


def confirm(council: Council, ticket_id: int, to: Stage = Stage.TRIAGED, note: str = "") -> None:
    with council.database.writing() as session:
        incident.move_ticket(session, ticket_id, to, actor=MEI, note=note, now_ms=council.now_ms)


def test_an_anomaly_score_alone_never_opens_urgent_use(council: Council) -> None:
    ticket_id = urgent_ticket(council)
    proposal_id = urgent(council, ticket_id)
    with pytest.raises(StepLacks, match="what only a machine reported opens no urgent use"):
        council.move(proposal_id, S.PROPOSED, MEI)
    confirm(council, ticket_id)
    council.move(proposal_id, S.PROPOSED, MEI)


def test_urgent_use_needs_a_ticket_of_the_same_equipment_that_was_not_cancelled(council: Council) -> None:
    without = urgent(council, None)
    with pytest.raises(StepLacks, match="needs the ticket"):
        council.move(without, S.PROPOSED, MEI)
    ticket_id = urgent_ticket(council)
    confirm(council, ticket_id)
    other = urgent(council, ticket_id, UrgentCause.DRAINAGE)
    with pytest.raises(StepLacks, match="other equipment"):
        council.move(other, S.PROPOSED, MEI)
    confirm(council, ticket_id, Stage.CANCELLED, "A mistake")
    cancelled = urgent(council, ticket_id)
    with pytest.raises(StepLacks, match="cancelled"):
        council.move(cancelled, S.PROPOSED, MEI)


def test_the_cause_is_one_of_a_closed_list() -> None:
    assert {each.value for each in UrgentCause} == {"lift", "fire", "facade", "roof", "drainage"}


def test_urgent_use_goes_its_own_way_by_three_named_people_and_no_vote(council: Council) -> None:
    ticket_id = urgent_ticket(council)
    confirm(council, ticket_id)
    proposal_id = urgent(council, ticket_id)
    council.move(proposal_id, S.PROPOSED, MEI)
    with pytest.raises(StepNotPermitted):
        council.move(proposal_id, S.TABLED, MEI, "I review my own plan")
    with pytest.raises(StepNotPossible):
        council.move(proposal_id, S.EXECUTING, MEI, "at once")
    council.move(proposal_id, S.TABLED, GUO, "The plan is sound")
    for actor in (GUO, MEI, LIN, ROOT):
        with pytest.raises(StepNotPermitted):
            council.move(proposal_id, S.PRE_REVIEWED, actor, "Confirmed")
    council.move(proposal_id, S.PRE_REVIEWED, SHEN, "Confirmed on site")
    with pytest.raises(StepLacks, match="note is needed"):
        council.move(proposal_id, S.EXECUTING, MEI)
    council.move(proposal_id, S.EXECUTING, MEI, "Application 2026-17")
    with council.database.reading() as session:
        assert len(frozen_packs(session, proposal_id)) == 1
