"""A vote: who may, once, until the end and no longer; how many did is known at once, and how only afterwards."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text

from governance import ballot, owners_roll, paper, vote, vote_result
from governance.ballot import NewBallot, Proxy
from governance.identity import CHECKS, MOST_FAILURES
from governance.proposal import get_proposal
from governance.roll_file import RollRow
from governance.ruleset import RULESETS, Base, Limit, Matter
from governance.tally import Channel, Choice
from governance.vote import Voter
from governance.vote_errors import BallotRefused, EmptyRoll, Refusal, ResultNotYet
from governance.vote_rules import Identity, LaxerThanLaw, VoteRules, is_stricter, limit_of, with_own_rules, words_of
from registry import activity
from registry.activity import Activity
from registry.database import Database
from registry.role import SYSTEM, Actor
from tests.governance.polling import DAY_MS, KEEPER, NOW_MS, Polling, opened, proposal_of, roll_of

AFTER_MS = NOW_MS + 10 * DAY_MS


def refusal(polling: Polling, owner: str, *, now_ms: int = NOW_MS + 1) -> Refusal:
    with pytest.raises(BallotRefused) as refused:
        polling.cast(owner, now_ms=now_ms)
    return refused.value.reason


def chain_row(polling: Polling, seq: int) -> ballot.Ballot:
    with polling.database.reading() as session:
        row = session.scalars(select(ballot.Ballot).where(ballot.Ballot.seq == seq)).one()
        session.expunge(row)
        return row


def test_an_empty_roll_opens_no_vote(database: Database) -> None:
    with pytest.raises(EmptyRoll):
        opened(database, roll=[])
    with pytest.raises(EmptyRoll):
        opened(database, roll=roll_of(3), building="9")


def test_the_roll_is_frozen_when_the_vote_opens(database: Database) -> None:
    polling = opened(database)
    with database.writing() as session:
        found = vote.get_vote(session, polling.proposal_id)
        changed = [replace(row, area_mm2=1_000_000) for row in roll_of(4)]
        owners_roll.replace_roll(session, found.site, changed, reason="", actor=KEEPER, now_ms=NOW_MS + 1)
        assert (found.owners, found.area_mm2) == (5, 400_000_000)
        assert {part.area_m2 for part in vote.frozen_parts(session, found)} == {Decimal("80.00")}


def test_works_on_one_building_are_voted_on_by_its_owners(database: Database) -> None:
    roll = [*roll_of(3, building="1"), RollRow("X", "2-1", 50_000_000, "2")]
    polling = opened(database, roll=roll, building="2")
    polling.cast("X")
    assert refusal(polling, "O1") is Refusal.STRANGER
    with database.reading() as session:
        counted = vote_result.result(session, vote.get_vote(session, polling.proposal_id), now_ms=AFTER_MS)
    assert (counted.roll.owners, counted.is_approved) == (1, True)


def test_a_stranger_has_no_ballot(database: Database) -> None:
    assert refusal(opened(database), "nobody") is Refusal.STRANGER


def test_a_ballot_outside_the_time_of_the_vote_is_refused(database: Database) -> None:
    polling = opened(database)
    assert refusal(polling, "O1", now_ms=NOW_MS - 1) is Refusal.NOT_OPEN
    assert refusal(polling, "O1", now_ms=AFTER_MS) is Refusal.OVER
    assert refusal(polling, "O1", now_ms=AFTER_MS + 1) is Refusal.OVER


def test_the_last_millisecond_counts(database: Database) -> None:
    assert opened(database).cast("O1", now_ms=AFTER_MS - 1).seq == 1


def test_a_clock_that_is_put_back_opens_nothing_again(database: Database) -> None:
    polling = opened(database)
    with database.writing() as session:
        found = vote.get_vote(session, polling.proposal_id)
        vote.log_vote(session, found, "vote.looked_at", {}, SYSTEM, now_ms=AFTER_MS)
    assert refusal(polling, "O1", now_ms=NOW_MS + 1) is Refusal.OVER


def test_a_vote_that_was_shut_stays_shut(database: Database) -> None:
    polling = opened(database)
    polling.cast("O1")
    with database.writing() as session:
        found = vote.get_vote(session, polling.proposal_id)
        assert not vote_result.close_vote(session, found, now_ms=AFTER_MS - 1)
        assert vote_result.close_vote(session, found, now_ms=AFTER_MS)
        assert not vote_result.close_vote(session, found, now_ms=AFTER_MS + 1)
        shut = activity.of_subject(session, found.subject)[-1]
        assert (shut.verb, shut.data["hash"]) == ("vote.closed", found.last_hash)
    assert refusal(polling, "O2", now_ms=NOW_MS + 2) is Refusal.OVER


def test_an_end_that_somebody_moves_in_the_database_moves_nothing(database: Database) -> None:
    polling = opened(database)
    with database.engine.begin() as connection:
        connection.execute(text(f"UPDATE vote SET closes_ms = {AFTER_MS + DAY_MS}"))
    assert refusal(polling, "O1", now_ms=AFTER_MS) is Refusal.OVER


def test_a_ballot_may_be_changed_until_the_end_where_the_rules_allow_it(database: Database) -> None:
    polling = opened(database)
    first, second = polling.cast("O1", Choice.CONSENT), polling.cast("O1", Choice.OBJECT, now_ms=NOW_MS + 2)
    assert (first.replaces, second.replaces) == (0, 1)
    with database.reading() as session:
        found = vote.get_vote(session, polling.proposal_id)
        assert found.voted_owners == 1
        assert [each.choice for each in vote_result.counted_ballots(session, found)] == [Choice.OBJECT]


def test_a_second_ballot_is_refused_where_the_rules_allow_no_change(database: Database) -> None:
    polling = opened(database, rules=VoteRules(may_change=False))
    polling.cast("O1")
    assert refusal(polling, "O1") is Refusal.VOTED_ALREADY


def test_before_the_end_there_is_a_turnout_and_no_result(database: Database) -> None:
    polling = opened(database)
    polling.cast("O1")
    with database.reading() as session:
        found = vote.get_vote(session, polling.proposal_id)
        with pytest.raises(ResultNotYet) as refused:
            vote_result.result(session, found, now_ms=AFTER_MS - 1)
        assert vote_result.vote_result(session, get_proposal(session, polling.proposal_id), now_ms=AFTER_MS - 1) is None
    assert refused.value.participating == {"owners": 1, "area_m2": "80.00"}
    assert refused.value.roll == {"owners": 5, "area_m2": "400.00"}
    assert not refused.value.is_over


def test_after_the_end_the_count_is_exact(database: Database) -> None:
    polling = opened(database)
    for owner, choice in (
        ("O1", Choice.CONSENT),
        ("O2", Choice.CONSENT),
        ("O3", Choice.CONSENT),
        ("O4", Choice.OBJECT),
    ):
        polling.cast(owner, choice)
    with database.reading() as session:
        counted = vote_result.vote_result(session, get_proposal(session, polling.proposal_id), now_ms=AFTER_MS)
    assert counted is not None
    assert counted.is_approved
    assert counted.shown["consenting"] == {"owners": 3, "area_m2": "240.00"}


def test_nothing_that_is_logged_tells_how_or_who(database: Database) -> None:
    """Two votes that differ in every choice leave the same words in the log, up to hashes."""
    polling = opened(database)
    for owner, choice in (("O1", Choice.CONSENT), ("O2", Choice.OBJECT), ("O3", Choice.ABSTAIN)):
        polling.cast(owner, choice)
    with database.reading() as session:
        rows = [row for row in session.scalars(select(Activity)) if row.verb == "vote.ballot"]
        assert [set(row.data) for row in rows] == [{"proposal_id", "seq", "hash", "voted_owners"}] * 3
        logged = str([(row.actor, row.data) for row in rows])
    for word in ("O1", "O2", "consent", "object", "abstain", "RECEIPT", "electronic"):
        assert word not in logged


def test_the_chain_itself_holds_no_choice(database: Database) -> None:
    polling = opened(database)
    for owner in ("O1", "O2"):
        polling.cast(owner, Choice.CONSENT)
    cells = {column.name for column in ballot.Ballot.__table__.c}
    assert not cells & {"choice", "receipt"}
    with database.reading() as session:
        assert len(set(session.scalars(select(ballot.Ballot.commitment)))) == 2


def test_a_receipt_shows_its_owner_that_the_ballot_counts_as_cast(database: Database) -> None:
    polling = opened(database)
    polling.cast("O1", Choice.OBJECT)
    polling.cast("O1", Choice.CONSENT)
    with database.reading() as session:
        first, second = (ballot.find_receipt(session, f"RECEIPT-000{n}") for n in (1, 2))
        assert first is not None
        assert second is not None
        assert (first.choice, first.counts, first.is_sound) == (Choice.OBJECT, False, True)
        assert (second.choice, second.counts, second.is_sound) == (Choice.CONSENT, True, True)
        assert ballot.find_receipt(session, "RECEIPT-9999") is None
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE ballot_choice SET choice = 'abstain' WHERE receipt = 'RECEIPT-0002'"))
    with database.reading() as session:
        changed = ballot.find_receipt(session, "RECEIPT-0002")
        assert changed is not None
        assert not changed.is_sound


# Links and identity


def test_a_link_leads_to_its_owner_and_a_forged_or_replaced_one_nowhere(database: Database) -> None:
    polling = opened(database)
    with database.writing() as session:
        found = vote.get_vote(session, polling.proposal_id)
        voter = ballot.find_by_key(session, found, "O2")
        ballot.draw_links(session, found, {voter.id: "first"}, actor=KEEPER, now_ms=NOW_MS)
        assert ballot.find_by_link(session, "first")[1].owner_key == "O2"
        ballot.draw_links(session, found, {voter.id: "second"}, actor=KEEPER, now_ms=NOW_MS)
        for token in ("first", "forged", ""):
            with pytest.raises(BallotRefused) as refused:
                ballot.find_by_link(session, token)
            assert refused.value.reason is Refusal.FORGED_LINK
        assert ballot.find_by_link(session, "second")[1].owner_key == "O2"
        assert "second" not in str([row.data for row in session.scalars(select(Activity))])
        assert session.scalars(select(Voter.link_hash).where(Voter.owner_key == "O2")).one() != "second"


def test_wrong_answers_lock_a_link_until_a_new_one_is_drawn(database: Database) -> None:
    polling = opened(database)
    with database.writing() as session:
        found = vote.get_vote(session, polling.proposal_id)
        voter = ballot.find_by_key(session, found, "O2")
        assert ballot.check_identity(session, found, voter, " 0002 ")
        for _ in range(MOST_FAILURES):
            assert not ballot.check_identity(session, found, voter, "0003")
            session.refresh(voter)
        with pytest.raises(BallotRefused) as refused:
            ballot.check_identity(session, found, voter, "0002")
        assert refused.value.reason is Refusal.LOCKED
        ballot.draw_links(session, found, {voter.id: "new"}, actor=KEEPER, now_ms=NOW_MS)
        assert ballot.check_identity(session, found, voter, "0002")


@pytest.mark.parametrize(
    ("identity", "voter", "answer", "is_right"),
    [
        (Identity.NONE, RollRow("A", "1", 1), "", True),
        (Identity.PHONE, RollRow("A", "1", 1, phone_end="1234"), "1234", True),
        (Identity.PHONE, RollRow("A", "1", 1, phone_end="1234"), "", False),
        (Identity.PHONE, RollRow("A", "1", 1), "", True),
        (Identity.CERTIFICATE, RollRow("A", "1", 1, certificate_end="123X"), "123x", True),
        (Identity.CERTIFICATE, RollRow("A", "1", 1, certificate_end="123X", phone_end="1234"), "1234", False),
    ],
)
def test_what_is_asked_for_beside_the_link(identity: Identity, voter: RollRow, answer: str, is_right: bool) -> None:
    check = CHECKS[identity]
    assert (not check.is_asked(voter) or check.is_met(voter, answer)) is is_right
    assert set(CHECKS) == set(Identity)


def test_refused_ballots_are_counted_by_their_reason(database: Database) -> None:
    polling = opened(database)
    for _ in range(2):
        with database.writing() as session:
            ballot.count_refusal(session, BallotRefused(Refusal.OVER, vote_id=polling.vote_id))
    with database.writing() as session:
        ballot.count_refusal(session, BallotRefused(Refusal.FORGED_LINK))
        assert ballot.refusals_of(session, vote.get_vote(session, polling.proposal_id)) == {Refusal.OVER: 2}


# Paper and proxies


def enter(
    polling: Polling,
    owner: str,
    choice: Choice,
    by: str,
    *,
    proxy: Proxy | None = None,
    now_ms: int = NOW_MS + 1,
) -> paper.Entered:
    with polling.database.writing() as session:
        found = vote.get_vote(session, polling.proposal_id)
        voter = ballot.find_by_key(session, found, owner)
        return paper.enter_paper(
            session,
            found.id,
            voter,
            choice,
            proxy=proxy,
            actor=Actor(by),
            receipt=polling.receipt(),
            now_ms=now_ms,
        )


def settle(polling: Polling, paper_id: int, choice: Choice | None, by: str, note: str = "") -> paper.Entered:
    with polling.database.writing() as session:
        return paper.settle_paper(
            session,
            polling.vote_id,
            paper_id,
            choice,
            note=note,
            actor=Actor(by),
            receipt=polling.receipt(),
            now_ms=NOW_MS + 5,
        )


def test_a_paper_ballot_counts_once_two_people_read_the_same(database: Database) -> None:
    polling = opened(database)
    assert enter(polling, "O1", Choice.CONSENT, "first").ballot is None
    with pytest.raises(BallotRefused) as refused:
        enter(polling, "O1", Choice.CONSENT, "first")
    assert refused.value.reason is Refusal.SAME_PERSON
    taken = enter(polling, "O1", Choice.CONSENT, "second").ballot
    assert taken is not None
    assert chain_row(polling, taken.seq).channel == Channel.PAPER


def test_a_difference_is_settled_by_a_third_person(database: Database) -> None:
    polling = opened(database)
    enter(polling, "O1", Choice.CONSENT, "first")
    entered = enter(polling, "O1", Choice.OBJECT, "second")
    assert (entered.state, entered.ballot) == (paper.PaperState.DIFFERS, None)
    for by in ("first", "second"):
        with pytest.raises(BallotRefused) as refused:
            settle(polling, entered.paper.id, Choice.OBJECT, by)
        assert refused.value.reason is Refusal.SAME_PERSON
    assert settle(polling, entered.paper.id, Choice.OBJECT, "third").ballot is not None
    with pytest.raises(BallotRefused):
        settle(polling, entered.paper.id, Choice.CONSENT, "fourth")


def test_a_sheet_that_cannot_be_read_is_set_aside_with_a_note(database: Database) -> None:
    polling = opened(database)
    sheet = enter(polling, "O1", Choice.CONSENT, "first").paper
    with pytest.raises(BallotRefused):
        settle(polling, sheet.id, None, "second", note="")
    assert settle(polling, sheet.id, None, "second", note="two crosses").state is paper.PaperState.SET_ASIDE


def test_the_result_waits_for_the_second_entry_of_a_paper_ballot(database: Database) -> None:
    polling = opened(database)
    enter(polling, "O1", Choice.CONSENT, "first", now_ms=AFTER_MS - 1)
    with database.reading() as session:
        found = vote.get_vote(session, polling.proposal_id)
        with pytest.raises(ResultNotYet) as refused:
            vote_result.result(session, found, now_ms=AFTER_MS)
    assert (refused.value.is_over, refused.value.papers_waiting) == (True, 1)
    with pytest.raises(BallotRefused):
        enter(polling, "O2", Choice.CONSENT, "first", now_ms=AFTER_MS)
    taken = enter(polling, "O1", Choice.CONSENT, "second", now_ms=AFTER_MS + 1).ballot
    assert taken is not None
    row = chain_row(polling, taken.seq)
    assert (row.received_ms, row.at_ms) == (AFTER_MS - 1, AFTER_MS + 1)
    with database.reading() as session:
        assert vote_result.result(session, vote.get_vote(session, polling.proposal_id), now_ms=AFTER_MS).participating


def test_who_votes_electronically_after_handing_paper_in_is_counted_by_the_later_one(database: Database) -> None:
    polling = opened(database)
    enter(polling, "O1", Choice.CONSENT, "first", now_ms=NOW_MS + 1)
    polling.cast("O1", Choice.OBJECT, now_ms=NOW_MS + 2)
    entered = enter(polling, "O1", Choice.CONSENT, "second", now_ms=NOW_MS + 3)
    assert (entered.state, entered.ballot) == (paper.PaperState.SET_ASIDE, None)
    with database.reading() as session:
        found = vote.get_vote(session, polling.proposal_id)
        assert [each.choice for each in vote_result.counted_ballots(session, found)] == [Choice.OBJECT]


def test_one_person_votes_for_so_many_owners_and_no_more(database: Database) -> None:
    polling = opened(database, rules=VoteRules(most_proxies=2))
    for number in (1, 2):
        proxy = Proxy(" Li Mei ", "1234", "letter 7")
        enter(polling, f"O{number}", Choice.CONSENT, "first", proxy=proxy)
        taken = enter(polling, f"O{number}", Choice.CONSENT, "second").ballot
        assert taken is not None
        assert chain_row(polling, taken.seq).is_proxy
    enter(polling, "O3", Choice.CONSENT, "first", proxy=Proxy("Li Mei", "1234", "letter 9"))
    with pytest.raises(BallotRefused) as refused:
        enter(polling, "O3", Choice.CONSENT, "second")
    assert refused.value.reason is Refusal.TOO_MANY_PROXIES


# A compound's own rules

HALF = Limit(Fraction(1, 2), Base.PARTICIPATING, is_exceeded=True)


def test_a_compound_may_ask_for_more_than_the_law_and_not_for_less(database: Database) -> None:
    stricter = VoteRules(own_consent={Matter.USE: Limit(Fraction(2, 3), Base.PARTICIPATING)})
    polling = opened(database, rules=stricter)
    for number, choice in enumerate([Choice.CONSENT, Choice.CONSENT, Choice.CONSENT, Choice.OBJECT, Choice.OBJECT]):
        polling.cast(f"O{number + 1}", choice)
    with database.reading() as session:
        counted = vote_result.result(session, vote.get_vote(session, polling.proposal_id), now_ms=AFTER_MS)
    assert (counted.is_quorum_met, counted.is_approved) == (True, False)
    laxer = VoteRules(own_consent={Matter.RAISE: HALF})
    with pytest.raises(LaxerThanLaw):
        opened(database, rules=laxer)


limits = st.builds(
    Limit,
    st.fractions(min_value=Fraction(1, 10), max_value=1, max_denominator=12),
    st.sampled_from(Base),
    st.booleans(),
)


@given(limits, limits, st.integers(1, 60), st.data())
def test_whatever_meets_a_stricter_limit_meets_the_law(
    own: Limit, law: Limit, everybody: int, data: st.DataObject
) -> None:
    taking_part = data.draw(st.integers(1, everybody))
    consenting = data.draw(st.integers(0, taking_part))
    of = {Base.ALL: Fraction(everybody), Base.PARTICIPATING: Fraction(taking_part)}
    if is_stricter(own, law) and own.is_met(Fraction(consenting), of[own.base]):
        assert law.is_met(Fraction(consenting), of[law.base])


@given(limits)
def test_a_limit_is_read_from_its_words(limit: Limit) -> None:
    assert limit_of(words_of(limit)) == limit


def test_every_law_is_as_strict_as_itself() -> None:
    for law in RULESETS.values():
        same = VoteRules(own_quorum=law.quorum, own_consent=law.consent)
        assert with_own_rules(law, same) == replace(law, consent=dict(law.consent))


# Secrecy


def test_a_secret_vote_is_counted_and_exported_under_pseudonyms(database: Database) -> None:
    polling = opened(database, rules=VoteRules(is_secret=True))
    polling.cast("O1")
    with database.reading() as session:
        found = vote.get_vote(session, polling.proposal_id)
        told = str([(part.owner, part.part) for part in vote.frozen_parts(session, found)])
        told += str(vote_result.counted_ballots(session, found))
    assert "O1" not in told
    assert "1-1" not in told


def test_pseudonyms_differ_from_vote_to_vote(database: Database) -> None:
    polling = opened(database, rules=VoteRules(is_secret=True))
    with database.writing() as session:
        first = vote.get_vote(session, polling.proposal_id)
        second = vote.open_vote(session, proposal_of(session, first.site, building="1"), actor=KEEPER, now_ms=NOW_MS)
        names = [{part.owner for part in vote.frozen_parts(session, each)} for each in (first, second)]
    assert not names[0] & names[1]


def test_two_people_with_one_link_at_once_make_a_chain_and_not_a_fork(database: Database) -> None:
    polling = opened(database, roll=roll_of(24))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: polling.cast(f"O{n % 24 + 1}"), range(36)))
    with database.reading() as session:
        found = vote.get_vote(session, polling.proposal_id)
        assert (found.last_seq, found.voted_owners) == (36, 24)
        assert NewBallot(Choice.CONSENT).channel is Channel.ELECTRONIC
