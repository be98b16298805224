"""After the resolution: contract, acceptance, settlement, overrun, publication; the fund and shares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import execution, fund, proposal_needs
from governance.errors import InvalidProposal, SignedForAnother, StepLacks
from governance.execution import AUDIT_WAIVER_FEN, is_overrun, record_filing
from governance.fund import MovementKind, account_for, find_account, paid_fen, standing_of
from governance.notice_rules import NoticeKind
from governance.owners_roll import replace_roll
from governance.owners_share import owner_shares, owners_measure
from governance.proposal import get_proposal
from governance.proposal_stages import ProposalStage
from governance.roll_file import RollRow
from governance.shares import shares_fen
from registry.database import Database
from registry.role import Party
from registry.site import get_site
from tests.governance.council import BOTH, GUO, HERE, LIN, SIGNERS, Council
from tests.governance.test_procedure import YES, count_says

S = ProposalStage
YUAN = 100


@pytest.fixture
def council(database: Database, monkeypatch: pytest.MonkeyPatch) -> Council:
    count_says(monkeypatch, YES)
    return Council(database)


def approved(council: Council, **draft: object) -> int:
    proposal_id = council.pre_review(**draft)
    council.post(proposal_id)
    council.pass_days(16)
    council.move(proposal_id, S.VOTING, GUO)
    council.pass_days(11)
    council.move(proposal_id, S.APPROVED, GUO)
    return proposal_id


def executing(council: Council, **draft: object) -> int:
    proposal_id = approved(council, **draft)
    council.publish(proposal_id, NoticeKind.RESULT)
    council.move(proposal_id, S.EXECUTING, GUO)
    return proposal_id


def lacking(council: Council, proposal_id: int) -> list[str]:
    with pytest.raises(StepLacks) as refused:
        council.move(proposal_id, S.SETTLED, GUO)
    return [reason.message for reason in refused.value.reasons]


def test_before_the_resolution_there_is_no_contract_no_settlement_and_no_payment(council: Council) -> None:
    council.open_fund(100_000_000)
    proposal_id = council.pre_review()
    for stage in ("pre_reviewed", "posted", "voting", "approved"):
        if stage == "posted":
            council.post(proposal_id)
        elif stage == "voting":
            council.pass_days(16)
            council.move(proposal_id, S.VOTING, GUO)
        elif stage == "approved":
            council.pass_days(11)
            council.move(proposal_id, S.APPROVED, GUO)
        assert council.stage(proposal_id) == stage
        with pytest.raises(InvalidProposal, match="Only what the owners approved"):
            council.contract(proposal_id, 100)
        with pytest.raises(InvalidProposal, match="Only what the owners approved"):
            council.account(proposal_id, 100)
        with council.database.writing() as session, pytest.raises(InvalidProposal, match="Only what the owners"):
            fund.pay(session, get_proposal(session, proposal_id), 1, on=council.day, actor=GUO, now_ms=council.now_ms)


def test_the_decision_is_published_before_anything_is_carried_out(council: Council) -> None:
    proposal_id = approved(council)
    with pytest.raises(StepLacks, match="is to be by 2026-03-31"):
        council.move(proposal_id, S.EXECUTING, GUO)
    council.publish(proposal_id, NoticeKind.RESULT)
    council.move(proposal_id, S.EXECUTING, GUO)


def test_a_proposal_is_settled_when_all_is_there_and_what_lacks_is_told(council: Council) -> None:
    proposal_id = executing(council)
    assert lacking(council, proposal_id) == [
        execution.NO_CONTRACT,
        *proposal_needs.NO_ACCEPTANCE.values(),
        execution.NO_SETTLEMENT,
    ]
    council.contract(proposal_id, 9_900_000)
    council.sign(proposal_id, *SIGNERS)
    council.account(proposal_id, 9_950_000)
    assert lacking(council, proposal_id) == [execution.NO_AUDIT, proposal_needs.COSTS_NOT_PUBLISHED]
    council.pass_days(1)
    council.publish(proposal_id, NoticeKind.COSTS)
    council.pass_days(1)
    council.account(proposal_id, 9_960_000, audit_report="A-17")
    # What was published was another figure.
    assert lacking(council, proposal_id) == [proposal_needs.COSTS_NOT_PUBLISHED]
    council.publish(proposal_id, NoticeKind.COSTS)
    council.move(proposal_id, S.SETTLED, GUO)


def test_nobody_accepts_the_work_for_two_parties(council: Council) -> None:
    proposal_id = executing(council)
    council.sign(proposal_id, (Party.COMMITTEE, BOTH))
    with pytest.raises(SignedForAnother):
        council.sign(proposal_id, (Party.PROPERTY, BOTH))


@pytest.mark.parametrize(("final", "needs_audit"), [(AUDIT_WAIVER_FEN, False), (AUDIT_WAIVER_FEN + 1, True)])
def test_an_audit_is_waived_up_to_30000_yuan(council: Council, final: int, needs_audit: bool) -> None:
    proposal_id = executing(council, amount_fen=AUDIT_WAIVER_FEN)
    council.contract(proposal_id, AUDIT_WAIVER_FEN)
    council.sign(proposal_id, *SIGNERS)
    council.account(proposal_id, final)
    assert (execution.NO_AUDIT in lacking(council, proposal_id)) == needs_audit


def test_a_settlement_ten_percent_above_goes_back_to_the_owners(council: Council) -> None:
    proposal_id = executing(council, amount_fen=1_000_000)
    council.contract(proposal_id, 1_099_999)
    with pytest.raises(InvalidProposal, match="goes back to the owners"):
        council.contract(proposal_id, 1_100_000)
    council.sign(proposal_id, *SIGNERS)
    council.account(proposal_id, 1_100_000)
    council.publish(proposal_id, NoticeKind.COSTS)
    assert lacking(council, proposal_id) == [execution.OVER_BUDGET]
    supplement = approved(council, amount_fen=100_000, supplements_id=proposal_id)
    council.move(proposal_id, S.SETTLED, GUO)
    council.publish(supplement, NoticeKind.RESULT)
    council.move(supplement, S.EXECUTING, GUO)
    council.move(supplement, S.SETTLED, GUO)


def test_a_supplement_that_nobody_voted_on_allows_nothing(council: Council) -> None:
    proposal_id = executing(council, amount_fen=1_000_000)
    council.contract(proposal_id, 1_000_000)
    council.sign(proposal_id, *SIGNERS)
    council.account(proposal_id, 1_200_000)
    council.publish(proposal_id, NoticeKind.COSTS)
    council.pre_review(amount_fen=200_000, supplements_id=proposal_id)
    assert lacking(council, proposal_id) == [execution.OVER_BUDGET]


@given(st.integers(1, 10**12), st.integers(1, 2 * 10**12))
def test_an_overrun_is_exactly_a_tenth_or_more(authorised: int, final: int) -> None:
    assert is_overrun(final, authorised) == (10 * final >= 11 * authorised)


def test_only_urgent_use_is_filed(council: Council) -> None:
    proposal_id = executing(council)
    with council.database.writing() as session, pytest.raises(InvalidProposal, match="Only urgent use"):
        record_filing(
            session,
            get_proposal(session, proposal_id),
            authority="Housing office",
            reference="1",
            filed_on=council.day,
            actor=GUO,
            now_ms=council.now_ms,
        )


# The fund


def test_a_balance_is_the_sum_of_its_movements_and_money_leaves_only_for_what_is_carried_out(council: Council) -> None:
    council.open_fund(1_000_000 * YUAN)
    proposal_id = executing(council, amount_fen=800_000 * YUAN)

    def pay(amount_fen: int) -> None:
        with council.database.writing() as session:
            proposal = get_proposal(session, proposal_id)
            fund.pay(session, proposal, amount_fen, on=council.day, actor=GUO, now_ms=council.now_ms)

    with pytest.raises(InvalidProposal, match="before the contract"):
        pay(1)
    council.contract(proposal_id, 800_000 * YUAN)
    pay(500_000 * YUAN)
    with pytest.raises(InvalidProposal, match=r"800,000\.01 yuan would be paid of 800,000\.00"):
        pay(300_000 * YUAN + 1)
    council.account(proposal_id, 750_000 * YUAN, audit_report="A-1")
    with pytest.raises(InvalidProposal, match=r"of 750,000\.00 yuan"):
        pay(300_000 * YUAN)
    pay(250_000 * YUAN)
    with council.database.reading() as session:
        account = account_for(session, get_proposal(session, proposal_id))
        assert account is not None
        standing = standing_of(session, account)
        assert (standing.balance_fen, standing.line_fen) == (250_000 * YUAN, 300_000 * YUAN)
        assert standing.is_below_line
        assert paid_fen(session, proposal_id) == 750_000 * YUAN


def test_more_than_there_is_cannot_be_paid(council: Council) -> None:
    council.open_fund(100)
    proposal_id = executing(council, amount_fen=200)
    council.contract(proposal_id, 200)
    with council.database.writing() as session, pytest.raises(InvalidProposal, match=r"holds 1\.00 yuan"):
        fund.pay(session, get_proposal(session, proposal_id), 101, on=council.day, actor=GUO, now_ms=council.now_ms)


@pytest.mark.parametrize(("balance", "is_below"), [(300, False), (299, True)])
def test_the_line_is_30_percent_of_the_first_amount(council: Council, balance: int, is_below: bool) -> None:
    council.open_fund(1_000)
    with council.database.writing() as session:
        account = find_account(session, get_site(session, HERE), "")
        assert account is not None
        fund.book(
            session,
            account,
            MovementKind.CORRECTION,
            balance - 1_000,
            on=council.day,
            actor=GUO,
            now_ms=council.now_ms,
        )
        assert standing_of(session, account).is_below_line == is_below
        for kind, amount in ((MovementKind.USE, 5), (MovementKind.INTEREST, -5), (MovementKind.CORRECTION, -301)):
            with pytest.raises(InvalidProposal):
                fund.book(session, account, kind, amount, on=council.day, actor=GUO, now_ms=council.now_ms)


def test_a_building_has_an_account_of_its_own_once(council: Council) -> None:
    council.open_fund(100)
    council.open_fund(50, building="3")
    with pytest.raises(InvalidProposal):
        council.open_fund(50, building="3")


# Shares


@given(
    st.integers(0, 10**13),
    st.dictionaries(st.text(min_size=1, max_size=4), st.integers(1, 10**12), min_size=1, max_size=40),
)
def test_shares_add_up_and_none_is_a_whole_fen_off(total: int, areas: dict[str, int]) -> None:
    shares = shares_fen(total, areas)
    whole = sum(areas.values())
    assert sum(shares.values()) == total
    for owner, share in shares.items():
        assert abs(share * whole - total * areas[owner]) < whole


@given(st.integers(0, 10**6), st.permutations(["a", "b", "c", "d"]))
def test_the_order_of_the_roll_changes_no_share(total: int, order: list[str]) -> None:
    areas = {owner: {"a": 3, "b": 3, "c": 5, "d": 7}[owner] for owner in order}
    assert shares_fen(total, areas) == shares_fen(total, dict(sorted(areas.items())))


@pytest.mark.parametrize(("total", "areas"), [(1, {}), (1, {"a": 0}), (-1, {"a": 1}), (1, {"a": 2, "b": -1})])
def test_there_is_no_share_of_nothing(total: int, areas: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="area above zero"):
        shares_fen(total, areas)


def test_works_on_one_building_are_borne_by_its_owners(council: Council) -> None:
    rows = [
        RollRow("a", "1-101", 80_000_000, building="1"),
        RollRow("a", "1-102", 40_000_000, building="1"),
        RollRow("b", "1-201", 60_000_000, building="1"),
        RollRow("c", "2-101", 90_000_000, building="2"),
    ]
    with council.database.writing() as session:
        site = get_site(session, HERE)
        replace_roll(session, site, rows, reason="", actor=LIN, now_ms=council.now_ms)
    proposal_id = council.draft(amount_fen=100)
    with council.database.writing() as session:
        proposal = get_proposal(session, proposal_id)
        assert [(s.owner, s.share_fen) for s in owner_shares(session, proposal, 100)] == [
            ("a", 45),
            ("b", 22),
            ("c", 33),
        ]
        proposal.building = "1"
        assert [(s.owner, s.parts, s.share_fen) for s in owner_shares(session, proposal, 100)] == [
            ("a", 2, 67),
            ("b", 1, 33),
        ]
        measure = owners_measure(session, proposal)
        assert measure is not None
        assert (measure.owners, measure.parts, measure.area_m2) == (2, 3, "180.00")
        proposal.building = "9"
        assert owners_measure(session, proposal) is None
