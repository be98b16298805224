"""Appraisals of property companies: the computed half, what people entered, objection, correction, and every version.

What is published is frozen with its hash; a correction is a new version. Runs in the caller's transaction.
"""

import hashlib
from collections.abc import Collection
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from governance.appraisal_facts import DAY_MS, scored_components
from governance.appraisal_rule import COMMUNITY, RULE, PartyItem, Scored, as_text, service_half, total
from governance.appraisal_states import (
    APPRAISERS,
    ENTERED_IN,
    FROZEN_IN,
    MOVES,
    AppraisalState,
    period_bounds_ms,
)
from registry import activity
from registry.activity import Entry
from registry.database import BigId, Table, compact_json
from registry.role import PARTY_OF_ROLE, Actor, Party, Role
from registry.site import Site

MAX_COMPANY_LENGTH = 100
MAX_NOTE_LENGTH = 2000


class AppraisalError(Exception):
    """Base of the errors of appraisals."""


class UnknownAppraisal(AppraisalError):
    def __init__(self, appraisal_id: int) -> None:
        super().__init__(f"no appraisal {appraisal_id}")
        self.appraisal_id = appraisal_id


class InvalidAppraisal(AppraisalError):
    """`reason` is a code of what cannot be."""

    def __init__(self, reason: str, told: str) -> None:
        super().__init__(told)
        self.reason = reason


class AppraisalRefused(AppraisalError):
    """A move or an entry that the state or the person's role does not allow; `allowed` are the moves there are."""

    def __init__(self, reason: str, told: str, *, allowed: Collection[str] = ()) -> None:
        super().__init__(told)
        self.reason = reason
        self.allowed = tuple(allowed)


class Appraisal(Table):
    """A company at a compound in a period. `company` is its name as the contract has it."""

    __tablename__ = "appraisal"
    __table_args__ = (
        UniqueConstraint("site_id", "company", "period"),
        Index("ix_appraisal_state", "state", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    company: Mapped[str] = mapped_column(String(MAX_COMPANY_LENGTH))
    period: Mapped[str] = mapped_column(String(8))
    start_ms: Mapped[int] = mapped_column(BigInteger)
    end_ms: Mapped[int] = mapped_column(BigInteger)
    rule: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    created_by: Mapped[str] = mapped_column(String(64))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    published_ms: Mapped[int | None] = mapped_column(BigInteger)
    objection_until_ms: Mapped[int | None] = mapped_column(BigInteger)
    site: Mapped[Site] = relationship(lazy="joined")

    @property
    def subject(self) -> str:
        return f"appraisal:{self.id}"


class AppraisalEntry(Table):
    """Points that a person gave. A later entry of the same item takes its place; all are kept."""

    __tablename__ = "appraisal_entry"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    appraisal_id: Mapped[int] = mapped_column(ForeignKey("appraisal.id"), index=True)
    item: Mapped[str] = mapped_column(String(32))
    centipoints: Mapped[int] = mapped_column(Integer)
    note: Mapped[str] = mapped_column(Text, default="")
    actor: Mapped[str] = mapped_column(String(64))
    shown_as: Mapped[str] = mapped_column(String(100))
    at_ms: Mapped[int] = mapped_column(BigInteger)


class AppraisalStep(Table):
    """A move that was made, with its words, and what was frozen by it."""

    __tablename__ = "appraisal_step"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    appraisal_id: Mapped[int] = mapped_column(ForeignKey("appraisal.id"), index=True)
    from_state: Mapped[str] = mapped_column(String(16))
    to_state: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(Text, default="")
    at_ms: Mapped[int] = mapped_column(BigInteger)
    frozen: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    sha256: Mapped[str] = mapped_column(String(64), default="")


def open_appraisal(session: Session, site: Site, *, company: str, period: str, actor: Actor, now_ms: int) -> Appraisal:
    """Raises InvalidAppraisal or AppraisalRefused."""
    _check_appraiser(site, actor)
    company = company.strip()[:MAX_COMPANY_LENGTH]
    if not company:
        raise InvalidAppraisal("company", "name the property company")
    bounds = period_bounds_ms(period, site.timezone)
    if bounds is None or bounds[0] > now_ms:
        raise InvalidAppraisal("period", "a period is a year (2026) or a quarter (2026Q3) that has begun")
    same = select(Appraisal.id).where(
        Appraisal.site_id == site.id, Appraisal.company == company, Appraisal.period == period
    )
    if session.scalar(same) is not None:
        raise InvalidAppraisal("twice", "this company has its appraisal of the period already")
    appraisal = Appraisal(
        site=site,
        company=company,
        period=period,
        start_ms=bounds[0],
        end_ms=bounds[1],
        rule=RULE.id,
        state=AppraisalState.DRAFT.value,
        created_by=actor.name,
        created_ms=now_ms,
    )
    session.add(appraisal)
    session.flush()
    _record(session, appraisal, "appraisal.opened", {}, actor, now_ms=now_ms)
    return appraisal


def enter_points(
    session: Session, appraisal_id: int, item: str, points: Decimal, *, note: str, actor: Actor, now_ms: int
) -> AppraisalEntry:
    """Points of the party-building half or of the community's assessment, in a person's name.

    Raises InvalidAppraisal or AppraisalRefused: the company's people enter nothing, and only the community its own.
    """
    appraisal = get_appraisal(session, appraisal_id, for_update=True)
    _check_appraiser(appraisal.site, actor)
    if item == COMMUNITY and Role.COMMUNITY_OFFICER not in actor.roles_at(appraisal.site.key):
        raise AppraisalRefused("community", "the community's assessment is the community's to give")
    if AppraisalState(appraisal.state) not in ENTERED_IN:
        raise AppraisalRefused("state", f"nothing is entered while it is {appraisal.state}")
    most = most_points(item)
    if not points.is_finite() or not 0 <= points <= most or points * 100 % 1:
        raise InvalidAppraisal("points", f"must be between 0 and {most}, with two decimals at most")
    entry = AppraisalEntry(
        appraisal_id=appraisal.id,
        item=item,
        centipoints=int(points * 100),
        note=note.strip()[:MAX_NOTE_LENGTH],
        actor=actor.name,
        shown_as=actor.display_name or actor.name,
        at_ms=now_ms,
    )
    session.add(entry)
    session.flush()
    data = {"item": item, "centipoints": entry.centipoints, "note": entry.note}
    _record(session, appraisal, "appraisal.entered", data, actor, now_ms=now_ms)
    return entry


def most_points(item: str) -> int:
    """Raises InvalidAppraisal for an item that there is not."""
    if item == COMMUNITY:
        return 100
    if item not in {each.value for each in PartyItem}:
        raise InvalidAppraisal("item", "there is no such item")
    return RULE.party_points[PartyItem(item)]


def move_appraisal(
    session: Session, appraisal_id: int, to: AppraisalState, *, actor: Actor, note: str = "", now_ms: int
) -> Appraisal:
    """The one setter of `state`. Raises InvalidAppraisal or AppraisalRefused; it changes nothing when it raises."""
    appraisal = get_appraisal(session, appraisal_id, for_update=True)
    current, note = AppraisalState(appraisal.state), note.strip()[:MAX_NOTE_LENGTH]
    move = MOVES[current].get(to)
    if move is None:
        allowed = [each.value for each in MOVES[current]]
        raise AppraisalRefused("state", f"it is {current}: {to} is not possible", allowed=allowed)
    if not move.roles & actor.roles_at(appraisal.site.key):
        raise AppraisalRefused("role", f"{to} is for {', '.join(sorted(move.roles))}")
    if move.roles <= APPRAISERS:
        _check_appraiser(appraisal.site, actor)
    if move.needs_note and not note:
        raise InvalidAppraisal("note", "say why")
    _check_time(appraisal, current, to, now_ms=now_ms)
    frozen = None
    if to in FROZEN_IN:
        latest = steps_of(session, appraisal.id)
        # What becomes final is what was published last: no fact of a later day slips in.
        kept = next((each.frozen for each in reversed(latest) if each.frozen is not None), None)
        frozen = kept if to is AppraisalState.FINAL else content_of(session, appraisal, now_ms=now_ms)
        if to is AppraisalState.PUBLISHED and frozen is not None and frozen["party"] is None:
            raise InvalidAppraisal("incomplete", "the party-building half is not complete")
        if to is AppraisalState.PUBLISHED and frozen is not None and frozen["community"] is None:
            raise InvalidAppraisal("incomplete", "the community has not given its assessment")
    if to is AppraisalState.PUBLISHED:
        appraisal.published_ms = now_ms
        appraisal.objection_until_ms = now_ms + RULE.objection_days * DAY_MS
    appraisal.state = to.value
    session.add(
        AppraisalStep(
            appraisal_id=appraisal.id,
            from_state=current.value,
            to_state=to.value,
            actor=actor.name,
            note=note,
            at_ms=now_ms,
            frozen=frozen,
            sha256=hash_of(frozen) if frozen is not None else "",
        )
    )
    session.flush()
    data = {"from": current.value, "to": to.value, "note": note, "sha256": hash_of(frozen) if frozen else ""}
    _record(session, appraisal, "appraisal.moved", data, actor, now_ms=now_ms)
    return appraisal


def _check_time(appraisal: Appraisal, current: AppraisalState, to: AppraisalState, *, now_ms: int) -> None:
    until_ms = appraisal.objection_until_ms or 0
    if to is AppraisalState.PUBLISHED and now_ms < appraisal.end_ms:
        raise AppraisalRefused("period", "the period is not over yet")
    if to is AppraisalState.OBJECTED and now_ms >= until_ms:
        raise AppraisalRefused("late", "the days for an objection are over", allowed=[AppraisalState.FINAL.value])
    if current is AppraisalState.PUBLISHED and to is AppraisalState.FINAL and now_ms < until_ms:
        raise AppraisalRefused("early", "the company may still object")


def _check_appraiser(site: Site, actor: Actor) -> None:
    roles = actor.roles_at(site.key)
    if not roles & APPRAISERS:
        raise AppraisalRefused("role", "only the community and the district appraise")
    if Party.PROPERTY in {PARTY_OF_ROLE[role] for role in roles}:
        raise AppraisalRefused("own_company", "whoever works for the company does not appraise it")


def content_of(session: Session, appraisal: Appraisal, *, now_ms: int) -> dict[str, Any]:
    """The whole appraisal as JSON values, computed now: points as text, exact values as fractions."""
    scored = scored_components(
        session, appraisal.site, start_ms=appraisal.start_ms, end_ms=appraisal.end_ms, now_ms=now_ms
    )
    entries = current_entries(session, appraisal.id)
    party = party_half(entries)
    community = entries.get(COMMUNITY)
    community_points = Fraction(community.centipoints, 100) if community is not None else None
    service = service_half(scored)
    return {
        "rule": appraisal.rule,
        "components": [_component_json(each) for each in scored],
        "service": as_text(service),
        "party": as_text(party),
        "community": as_text(community_points),
        "total": as_text(total(service, party, community_points)),
        "entries": [
            {
                "item": entry.item,
                "points": as_text(Fraction(entry.centipoints, 100)),
                "by": entry.shown_as,
                "at_ms": entry.at_ms,
                "note": entry.note,
            }
            for entry in entries.values()
        ],
        "computed_ms": now_ms,
    }


def _component_json(scored: Scored) -> dict[str, Any]:
    return {
        "key": scored.component.key.value,
        "points": scored.component.points,
        "facts": scored.facts,
        "value": str(scored.value) if scored.value is not None else None,
        "score": as_text(scored.score),
        "records": [[each.kind.value, each.id, each.worth] for each in scored.records],
    }


def party_half(entries: dict[str, AppraisalEntry]) -> Fraction | None:
    """The sum of what people entered; None as long as an item is missing."""
    given = [entries[item.value].centipoints for item in PartyItem if item.value in entries]
    return Fraction(sum(given), 100) if len(given) == len(PartyItem) else None


def hash_of(content: dict[str, Any]) -> str:
    """SHA-256 of the compact JSON text."""
    return hashlib.sha256(compact_json(content).encode()).hexdigest()


def get_appraisal(session: Session, appraisal_id: int, *, for_update: bool = False) -> Appraisal:
    """Raises UnknownAppraisal."""
    query = select(Appraisal).where(Appraisal.id == appraisal_id)
    if for_update:
        query = query.with_for_update(of=Appraisal).execution_options(populate_existing=True)
    found = session.scalar(query)
    if found is None:
        raise UnknownAppraisal(appraisal_id)
    return found


def list_appraisals(
    session: Session,
    *,
    visible: Collection[str] | None = None,
    site: str | None = None,
    states: Collection[AppraisalState] = (),
    limit: int = 200,
) -> list[Appraisal]:
    """The newest first."""
    query = select(Appraisal).join(Appraisal.site).order_by(Appraisal.id.desc()).limit(limit)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    if site:
        query = query.where(Site.key == site)
    if states:
        query = query.where(Appraisal.state.in_([state.value for state in states]))
    return list(session.scalars(query))


def entries_of(session: Session, appraisal_id: int) -> list[AppraisalEntry]:
    query = select(AppraisalEntry).where(AppraisalEntry.appraisal_id == appraisal_id)
    return list(session.scalars(query.order_by(AppraisalEntry.id)))


def current_entries(session: Session, appraisal_id: int) -> dict[str, AppraisalEntry]:
    """The last entry of each item."""
    return {entry.item: entry for entry in entries_of(session, appraisal_id)}


def steps_of(session: Session, appraisal_id: int) -> list[AppraisalStep]:
    query = select(AppraisalStep).where(AppraisalStep.appraisal_id == appraisal_id)
    return list(session.scalars(query.order_by(AppraisalStep.id)))


def last_frozen(session: Session, appraisal_id: int) -> AppraisalStep | None:
    """The step that froze what holds now; None for a draft."""
    return next((each for each in reversed(steps_of(session, appraisal_id)) if each.frozen is not None), None)


def _record(
    session: Session, appraisal: Appraisal, verb: str, data: dict[str, Any], actor: Actor, *, now_ms: int
) -> None:
    entry = Entry(
        verb=verb,
        subject=appraisal.subject,
        actor=actor.name,
        site=appraisal.site.key,
        data={"company": appraisal.company, "period": appraisal.period, "state": appraisal.state, **data},
    )
    activity.append(session, [entry], now_ms=now_ms)
