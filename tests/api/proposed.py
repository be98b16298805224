"""A proposal with everything that people can write into one."""

from datetime import date

from governance import evidence_desk, fund, procedure
from governance.evidence_entries import CoverKind, OptionKind
from governance.procedure import Draft
from governance.proposal import RemarkKind
from governance.ruleset import Matter
from registry.role import Actor, Grant, Role
from registry.site import get_site
from registry.unit import get_unit
from tests.api.kit import HERE, LIFT, World


def draft_proposal(world: World, words: str) -> int:
    """A draft in which `words` stand wherever people write, and an account of the fund."""
    actor = Actor("guo", (Grant(Role.COMMITTEE_MEMBER, HERE),), display_name=words)
    now_ms = world.clock()
    with world.database.writing() as session:
        site, unit = get_site(session, HERE), get_unit(session, LIFT.path)
        draft = Draft(words, Matter.USE, 350_000_000, words, words, building=words, unit_ids=[unit.id])
        made = procedure.draft_proposal(session, site, draft, actor=actor, now_ms=now_ms)
        evidence_desk.add_option(
            session,
            made.id,
            kind=OptionKind.REPAIR,
            title=words,
            quoted_fen=5_000_000,
            company=words,
            note=words,
            actor=actor,
            now_ms=now_ms,
        )
        evidence_desk.add_cover(session, made.id, kind=CoverKind.WARRANTY, what=words, actor=actor, now_ms=now_ms)
        procedure.remark(session, made.id, RemarkKind.OBJECTION, words, actor=actor, now_ms=now_ms)
        fund.open_account(
            session,
            site,
            building=words,
            initial_fen=100,
            opened_on=date(2017, 1, 1),
            actor=actor,
            now_ms=now_ms,
        )
        return made.id
