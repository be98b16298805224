"""小河佳苑, 2017-2018: 94 lifts, evidence, four steps, a vote, 41 overhauls, and off the list, by a virtual clock.

Two runs of the vote: under the Property Law of 2007, where two thirds of all had to consent, and under the Civil Code,
where more than half of those taking part do. The same ballots of the second run are recounted under the old law.
"""

import json
from datetime import date, timedelta

import pytest

from governance import fund
from governance.errors import StepNotPossible
from governance.evidence import content_of, frozen_pack
from governance.notice import list_notices, versions_of
from governance.notice_rules import NoticeKind
from governance.overhaul_effect import overhaul_effect
from governance.owners_share import owner_shares
from governance.proposal import get_proposal
from governance.reliability_report import list_unit_facts
from governance.ruleset import RULESETS, Matter
from governance.tally import tally
from governance.vote import frozen_parts, get_vote
from governance.vote_proof import verify_vote
from governance.vote_result import counted_ballots
from governance.watch_list import past_watch_entries
from models.equipment import Kind
from registry import activity
from registry.database import Database
from registry.unit import list_units
from tests.governance.council import GUO, HERE
from tests.stories.xiaohe import AMOUNT_FEN, BAD, DROP, LIFTS, OWNERS, TOLD, Compound, S, choices_of


def test_the_story_under_the_old_law_from_the_list_to_off_the_list(database: Database) -> None:
    compound = Compound(database)
    compound.look()
    assert compound.is_listed(), "Xiaohe is on the list of compounds with the most lift faults"

    compound.propose()
    compound.vote(choices_of(consent=105, object_=20))
    with database.reading() as session:
        proposal = get_proposal(session, compound.proposal_id)
        assert proposal.ruleset == "property-law-2007"
        assert (proposal.stage, proposal.decided_on) == ("approved", compound.day - timedelta(days=1))
        assert proposal.result is not None
        assert proposal.result["consenting"]["owners"] == 105
        pack = frozen_pack(session, proposal)
        assert pack is not None
        assert pack.is_intact
        told = content_of(pack)
        assert not list(verify_vote(session, get_vote(session, proposal.id)))
    section = told["sections"][0]
    assert (section["concerned"]["units"], section["all_units"]) == (BAD, LIFTS)
    assert section["concerned"]["faults"]["n"] == compound.known > 41
    assert section["concerned"]["faults"]["low"] > section["others"]["faults"]["high"]
    forecast = section["forecasts"][0]
    assert forecast["low"] < forecast["mean"] < forecast["high"]
    assert "no_earlier_overhaul" in told["cannot_say"]
    assert [option["outlook"] == [] for option in told["options"]] == [False, True], "nobody knows what it will bring"
    assert told["money"]["fund"]["is_enough"]

    compound.carry_out()
    compound.day = TOLD
    with database.reading() as session:
        facts = list_unit_facts(session, kind=Kind.ELEVATOR, site=HERE)
        effect = overhaul_effect(session, facts, now_ms=compound.now_ms)
        assert effect is not None
        assert len(effect.units) == BAD
        assert effect.change.ratio is not None
        assert effect.change.high is not None
        assert effect.change.low < 1 - DROP < effect.change.high < 1, "it fell by about 80 %, surely"
    compound.look()
    assert not compound.is_listed()
    with database.reading() as session:
        assert [row.left_on for row in past_watch_entries(session) if row.unit_id is None] == [TOLD]
        proposal = get_proposal(session, compound.proposal_id)
        assert proposal.stage == "settled"
        costs, _title = list_notices(session, kind=NoticeKind.COSTS, subject=proposal.subject)[0]
        table = versions_of(session, costs.id)[0].table
        shares = owner_shares(session, proposal, AMOUNT_FEN - 1_234_567)
        assert sum(share.share_fen for share in shares) == AMOUNT_FEN - 1_234_567
        assert len(shares) == OWNERS
        assert json.dumps(table, ensure_ascii=False).count("m²") == OWNERS
        account = fund.account_for(session, proposal)
        assert account is not None
        assert fund.standing_of(session, account).balance_fen == 1_400_000_000 - AMOUNT_FEN + 1_234_567
        assert not list(activity.verify_chain(session))


def test_the_same_compound_votes_under_the_civil_code_and_the_old_law_would_have_refused(database: Database) -> None:
    compound = Compound(database, day=date(2023, 4, 3), is_watched=False)
    compound.propose()
    # Exactly two thirds take part, one more than half of them consents.
    compound.vote(choices_of(consent=51, object_=49))
    with database.reading() as session:
        proposal = get_proposal(session, compound.proposal_id)
        assert proposal.ruleset == "civil-code-2021"
        assert proposal.stage == "approved"
        vote = get_vote(session, proposal.id)
        parts, ballots = frozen_parts(session, vote), counted_ballots(session, vote)
        again = tally(parts, ballots, ruleset=RULESETS["civil-code-2021"], matter=Matter.USE)
        assert again.is_approved
        old = tally(parts, ballots, ruleset=RULESETS["property-law-2007"], matter=Matter.USE)
        assert not old.is_approved


def test_a_vote_that_too_few_take_part_in_spends_nothing(database: Database) -> None:
    compound = Compound(database, day=date(2023, 4, 3), is_watched=False)
    compound.propose()
    compound.vote(choices_of(consent=90, object_=5))
    with database.reading() as session:
        assert get_proposal(session, compound.proposal_id).stage == "rejected"
        assert len(list_units(session, site=HERE, limit=500)) == LIFTS
    with pytest.raises(StepNotPossible):
        compound.step(S.EXECUTING, GUO)
