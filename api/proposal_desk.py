"""Where people act on proposals, by pages or by the API: a step with the notice it needs, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from api.translations import Translator, msgid
from governance import procedure
from governance.errors import InvalidProposal
from governance.evidence import gather_ahead
from governance.execution import contract_of, settlement_of, yuan
from governance.notice import Notice, NoticeText, post_notice
from governance.notice_rules import LONGEST_DAYS, NoticeKind
from governance.owners_share import owner_shares, owners_measure
from governance.procedure import NOTHING_MORE, Brought
from governance.proposal import Proposal, get_proposal
from governance.proposal_stages import Need, ProposalStage, UrgentCause
from governance.publication import TOPIC_KIND
from governance.statutory_days import Meeting, day_of
from registry.database import Database
from registry.role import SYSTEM, Actor

NOTHING_TO_PUBLISH = msgid("There is nothing to publish yet")
MOST_SHARES = 1_900
LARGEST_ID = 2**62
PUBLISHED = frozenset({NoticeKind.RESULT, NoticeKind.COSTS})
CAUSE_WORDS = {
    UrgentCause.LIFT: msgid("Serious fault of a lift"),
    UrgentCause.FIRE: msgid("Serious damage to fire equipment"),
    UrgentCause.FACADE: msgid("Facade or wall at risk of falling"),
    UrgentCause.ROOF: msgid("The roof leaks"),
    UrgentCause.DRAINAGE: msgid("Drainage is blocked or broken"),
}


def make_step(
    session: Session,
    proposal_id: int,
    to: ProposalStage,
    *,
    actor: Actor,
    note: str = "",
    brought: Brought = NOTHING_MORE,
    _: Translator,
    now_ms: int,
) -> Proposal:
    """A step; a topic that is posted hangs as a notice from the same moment, and so does a decision that was found.

    Raises what `move_proposal` raises.
    """
    proposal = procedure.move_proposal(session, proposal_id, to, actor=actor, note=note, brought=brought, now_ms=now_ms)
    if to is ProposalStage.POSTED:
        kind = TOPIC_KIND[Meeting(proposal.meeting or Meeting.ORDINARY)]
        assert proposal.closes_on is not None, "the step announces the vote"
        # It hangs until the vote is over: that is long after the days that it has to hang before.
        days = min((proposal.closes_on - day_of(now_ms, proposal.site.timezone)).days, LONGEST_DAYS)
        _post(session, proposal, kind, topic_text(session, proposal, _=_), days=days, actor=actor, now_ms=now_ms)
    if to in (ProposalStage.APPROVED, ProposalStage.REJECTED):
        post_decision(session, proposal, actor=actor, _=_, now_ms=now_ms)
    return proposal


def post_decision(session: Session, proposal: Proposal, *, actor: Actor, _: Translator, now_ms: int) -> Notice:
    """Posts what the owners decided, in the transaction that found it."""
    text = decision_text(proposal, _=_)
    assert text is not None, "the step found the result"
    return _post(session, proposal, NoticeKind.RESULT, text, actor=actor, now_ms=now_ms)


def settle_votes(database: Database, *, _: Translator, now_ms: int) -> list[int]:
    """The outcome of every vote that is over, found and posted by nobody's hand; the proposals that were decided."""

    def publish(session: Session, proposal: Proposal) -> None:
        post_decision(session, proposal, actor=SYSTEM, _=_, now_ms=now_ms)

    return procedure.settle_due_votes(database, publish=publish, now_ms=now_ms)


def gathered_ahead(
    database: Database, proposal_id: int, to: ProposalStage, brought: Brought, *, actor: Actor, now_ms: int
) -> Brought:
    """With the evidence, if this person may make the step and it freezes one: so nobody waits to write meanwhile."""
    with database.reading() as session:
        proposal = session.get(Proposal, proposal_id) if 0 < proposal_id < LARGEST_ID else None
        if proposal is None or to not in procedure.allowed_steps(proposal, actor):
            return brought
        if Need.EVIDENCE not in procedure.moves_from(proposal)[to].needs:
            return brought
        return replace(brought, gathered=gather_ahead(session, proposal, now_ms=now_ms))


def publish(
    session: Session, proposal_id: int, kind: NoticeKind, *, actor: Actor, _: Translator, now_ms: int
) -> Notice:
    """Publishes the decision, or the costs with every owner's share. Raises InvalidProposal."""
    proposal = get_proposal(session, proposal_id, for_update=True)
    text = decision_text(proposal, _=_) if kind is NoticeKind.RESULT else costs_text(session, proposal, _=_)
    if text is None or kind not in PUBLISHED:
        raise InvalidProposal("kind", NOTHING_TO_PUBLISH)
    return _post(session, proposal, kind, text, actor=actor, now_ms=now_ms)


def _post(
    session: Session,
    proposal: Proposal,
    kind: NoticeKind,
    text: NoticeText,
    *,
    days: int | None = None,
    actor: Actor,
    now_ms: int,
) -> Notice:
    return post_notice(
        session,
        proposal.site,
        kind=kind,
        text=text,
        subject=proposal.subject,
        building=proposal.building[:64],
        days=days,
        actor=actor,
        now_ms=now_ms,
    )


def topic_text(session: Session, proposal: Proposal, *, _: Translator) -> NoticeText:
    measure = owners_measure(session, proposal)
    paragraphs = [
        _(
            "The owners are asked to vote on this proposal. It was proposed by the owners' committee, tabled by the "
            "three parties and reviewed by the community."
        ),
        proposal.reason,
        proposal.plan,
        _("The evidence was frozen when this notice was posted and can be read online."),
    ]
    rows = [
        (_("Proposal number"), proposal.number),
        (_("Concerns"), proposal.building or _("The whole compound")),
        (_("Estimated amount"), _("%(amount)s yuan", amount=yuan(proposal.amount_fen))),
        (_("The vote opens on"), _day(proposal.opens_on)),
        (_("The vote closes at the end of"), _day(proposal.closes_on)),
    ]
    if measure is not None:
        rows.append((_("Owners who vote"), str(measure.owners)))
    return _text(_("Vote: %(title)s", title=proposal.title), paragraphs, rows)


def decision_text(proposal: Proposal, *, _: Translator) -> NoticeText | None:
    """None while nothing is decided."""
    if proposal.result is None or proposal.decided_on is None:
        return None
    is_approved = bool(proposal.result.get("approved"))
    said = (
        _("The owners have approved this proposal.")
        if is_approved
        else _("The owners have not approved this proposal.")
    )
    rows = [
        (_("Proposal number"), proposal.number),
        (_("Decided on"), _day(proposal.decided_on)),
        (_("Estimated amount"), _("%(amount)s yuan", amount=yuan(proposal.amount_fen))),
    ]
    return _text(
        _("Result of the vote: %(title)s", title=proposal.title), [said], [*rows, *_counted(proposal.result, _=_)]
    )


def _counted(result: Mapping[str, Any], *, _: Translator) -> list[tuple[str, str]]:
    titles = (("roll", _("On the roll")), ("participating", _("Taking part")), ("consenting", _("Consenting")))
    return [
        (title, _("%(owners)s owners with %(area)s m²", owners=result[key]["owners"], area=result[key]["area_m2"]))
        for key, title in titles
        if key in result
    ]


def costs_text(session: Session, proposal: Proposal, *, _: Translator) -> NoticeText | None:
    """The total, and the share of each owner under the key of the roll; None before the settlement."""
    settlement, contract = settlement_of(session, proposal.id), contract_of(session, proposal.id)
    if settlement is None or contract is None:
        return None
    shares = owner_shares(session, proposal, settlement.final_fen)
    paragraphs = [
        _("What was carried out has been accepted and settled. Each owner bears the share of their area."),
        _("Of %(n)s owners the first %(shown)s are listed.", n=len(shares), shown=MOST_SHARES)
        if len(shares) > MOST_SHARES
        else "",
    ]
    rows = [
        (_("Proposal number"), proposal.number),
        (_("Company"), contract.company),
        (_("Declared"), _("%(amount)s yuan", amount=yuan(proposal.amount_fen))),
        (_("Contract"), _("%(amount)s yuan", amount=yuan(contract.amount_fen))),
        (_("Settled amount"), _("%(amount)s yuan", amount=yuan(settlement.final_fen))),
        (_("Audit"), settlement.audit_report or _("waived")),
    ]
    rows += [
        (share.owner, _("%(area)s m²: %(amount)s yuan", area=share.area_m2, amount=yuan(share.share_fen)))
        for share in shares[:MOST_SHARES]
    ]
    return _text(_("Costs: %(title)s", title=proposal.title), paragraphs, rows)


def _text(title: str, paragraphs: Sequence[str], rows: Sequence[tuple[str, str]]) -> NoticeText:
    body = "\n\n".join(paragraph for paragraph in paragraphs if paragraph.strip())
    return NoticeText(title=title[:200], body=body[:20_000], table=tuple(rows))


def _day(day: object) -> str:
    return str(day) if day is not None else "–"
