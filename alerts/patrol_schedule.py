"""Rounds written ahead of time: a row for each round of each plan up to a horizon, once however often it is asked."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import JSON, BigInteger, Date, ForeignKey, Index, Integer, String, UniqueConstraint, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from alerts.patrol_errors import PatrolCancelled, UnknownPatrol
from alerts.patrol_items import Habit, PlanKind, RoundKind, round_kind
from alerts.patrol_plan import PatrolPlan, check_habit, next_day
from registry.calendar import at_minute, is_working_day
from registry.database import BigId, Table
from registry.site import Site

HORIZON_DAYS = 60
PLANS_AT_ONCE = 500
ROUNDS_AT_ONCE = 5_000
LONGEST_HOLIDAY_DAYS = 14
SOON_MS = 24 * 3_600_000


class RoundState(StrEnum):
    PLANNED = "planned"
    UNDER_WAY = "under_way"
    DONE = "done"
    MISSED = "missed"
    """Its time is over and something was not looked at."""
    DONE_LATE = "done_late"
    CANCELLED = "cancelled"


OPEN_STATES = frozenset({RoundState.PLANNED, RoundState.UNDER_WAY})
UNFINISHED_STATES = OPEN_STATES | {RoundState.MISSED}


class PatrolRound(Table):
    """One round: what the API calls a patrol. `day` is its last day; the window begins some days before."""

    __tablename__ = "patrol_round"
    __table_args__ = (
        UniqueConstraint("plan_id", "number"),
        Index("ix_patrol_round_state_ends", "state", "ends_ms"),
        Index("ix_patrol_round_site_ends", "site_id", "ends_ms"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("patrol_plan.id"))
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    number: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(24))
    day: Mapped[date] = mapped_column(Date)
    starts_ms: Mapped[int] = mapped_column(BigInteger)
    ends_ms: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(16))
    done_ms: Mapped[int | None] = mapped_column(BigInteger)
    missed_ms: Mapped[int | None] = mapped_column(BigInteger)
    """When it was found that it was missed."""
    missed_ticket_id: Mapped[int | None] = mapped_column(ForeignKey("ticket.id"), index=True)
    plan: Mapped[PatrolPlan] = relationship(lazy="joined")
    site: Mapped[Site] = relationship(lazy="joined")

    @property
    def subject(self) -> str:
        return f"patrol:{self.id}"

    @property
    def round_kind(self) -> RoundKind:
        return RoundKind(self.kind)

    @property
    def is_open(self) -> bool:
        return RoundState(self.state) in OPEN_STATES


class PatrolFocus(Table):
    """A unit that was put on a round because of what is known of it; `facts` are the figures behind the reason."""

    __tablename__ = "patrol_focus"
    __table_args__ = (UniqueConstraint("round_id", "unit_id"), Index("ix_patrol_focus_unit", "unit_id"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("patrol_round.id"))
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    reason: Mapped[str] = mapped_column(String(32))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    at_ms: Mapped[int] = mapped_column(BigInteger)


def days_of(
    *, first_day: date, interval_days: int, is_working_days: bool, last_day: date | None, until: date
) -> list[date]:
    """Days of the rounds after `last_day` (or from the first on) up to `until`."""
    return list(_days_of(first_day, interval_days, is_working_days, last_day, until))


@lru_cache(maxsize=4096)
def _days_of(
    first_day: date, interval_days: int, is_working_days: bool, last_day: date | None, until: date
) -> tuple[date, ...]:
    day = last_day
    found: list[date] = []
    while True:
        if day is None:
            day = _first_worked(first_day) if is_working_days else first_day
        else:
            day = next_day(day, interval_days=interval_days, is_working_days=is_working_days)
        if day > until:
            return tuple(found)
        found.append(day)


def _first_worked(day: date) -> date:
    days = (day + timedelta(days=ahead) for ahead in range(LONGEST_HOLIDAY_DAYS))
    return next((each for each in days if is_working_day(each)), day)


@lru_cache(maxsize=65_536)
def _instant(day: date, minute: int, timezone: str) -> int:
    return at_minute(day, minute, timezone=timezone)


def window_ms(plan: PatrolPlan, day: date) -> tuple[int, int]:
    zone = plan.site.timezone
    begins = day - timedelta(days=plan.window_days - 1)
    return _instant(begins, plan.start_min, zone), _instant(day, plan.end_min, zone)


def plan_ahead(session: Session, plans: Sequence[PatrolPlan], *, until: date) -> int:
    """Writes the rounds of these plans, held by the caller, up to that day; returns how many were new."""
    rows: list[dict[str, Any]] = []
    for plan in plans:
        if not plan.is_active:
            continue
        days = days_of(
            first_day=plan.first_day,
            interval_days=plan.interval_days,
            is_working_days=plan.is_working_days,
            last_day=plan.last_day,
            until=until,
        )
        for day in days:
            plan.last_number += 1
            plan.last_day = day
            rows.append(_row(plan, plan.last_number, day))
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    adding = insert(PatrolRound).on_conflict_do_nothing(index_elements=["plan_id", "number"])
    for first in range(0, len(rows), ROUNDS_AT_ONCE):
        session.execute(adding, rows[first : first + ROUNDS_AT_ONCE])
    session.flush()
    return len(rows)


def _row(plan: PatrolPlan, number: int, day: date) -> dict[str, Any]:
    starts_ms, ends_ms = window_ms(plan, day)
    return {
        "plan_id": plan.id,
        "site_id": plan.site_id,
        "number": number,
        "kind": round_kind(PlanKind(plan.kind), number).value,
        "day": day,
        "starts_ms": starts_ms,
        "ends_ms": ends_ms,
        "state": RoundState.PLANNED.value,
    }


def plans_behind(session: Session, *, until: date, limit: int = PLANS_AT_ONCE) -> list[PatrolPlan]:
    """Active plans whose rounds are not written so far ahead, held; those that another worker holds are left to it."""
    # The next round of a plan that is behind may still lie beyond the horizon: it is due when its interval is over.
    query = (
        select(PatrolPlan)
        .where(
            PatrolPlan.is_active,
            or_(PatrolPlan.last_day.is_(None), PatrolPlan.last_day < until),
        )
        .order_by(PatrolPlan.last_day.is_not(None), PatrolPlan.last_day, PatrolPlan.id)
        .with_for_update(of=PatrolPlan, skip_locked=True)
    )
    found = (plan for plan in session.scalars(query) if _is_behind(plan, until))
    return [plan for plan, _ in zip(found, range(limit), strict=False)]


def _is_behind(plan: PatrolPlan, until: date) -> bool:
    return bool(
        days_of(
            first_day=plan.first_day,
            interval_days=plan.interval_days,
            is_working_days=plan.is_working_days,
            last_day=plan.last_day,
            until=until,
        )
    )


def change_habit(session: Session, plan: PatrolPlan, habit: Habit, *, is_active: bool, today: date) -> None:
    """A plan that is made otherwise from now on: rounds to come that nobody began are written anew. Raises InvalidPlan.

    What stands by then up to the last round that is begun, due today or has a unit in focus is left as it is.
    """
    kept = check_habit(PlanKind(plan.kind), habit)
    of_plan = PatrolRound.plan_id == plan.id
    in_focus = select(PatrolFocus.round_id)
    stays = or_(PatrolRound.state != RoundState.PLANNED.value, PatrolRound.day <= today, PatrolRound.id.in_(in_focus))
    last = session.scalar(select(PatrolRound).where(of_plan, stays).order_by(PatrolRound.number.desc()).limit(1))
    last_number = last.number if last is not None else 0
    session.execute(delete(PatrolRound).where(of_plan, PatrolRound.number > last_number))
    plan.interval_days, plan.window_days = kept.interval_days, kept.window_days
    plan.start_min, plan.end_min, plan.is_working_days = kept.start_min, kept.end_min, kept.is_working_days
    plan.is_active, plan.last_number = is_active, last_number
    plan.last_day = last.day if last is not None else None
    if last is None:
        plan.first_day = max(plan.first_day, today)
    elif last.day + timedelta(days=kept.interval_days) < today:
        # It rested: it does not begin with all the rounds that nobody wanted meanwhile.
        plan.last_day = today - timedelta(days=1)
    session.flush()


def pull_forward(session: Session, plan: PatrolPlan, *, after_number: int, last_done: date) -> date | None:
    """A round that was made early brings those to come forward, so that the interval between them is kept.

    Returns the new day of the next round, or None when it need not move.
    """
    following = session.scalars(
        select(PatrolRound)
        .where(
            PatrolRound.plan_id == plan.id,
            PatrolRound.number > after_number,
            PatrolRound.state == RoundState.PLANNED.value,
        )
        .order_by(PatrolRound.number)
        .with_for_update(of=PatrolRound)
    )
    before, moved_to = last_done, None
    for each in following:
        latest = next_day(before, interval_days=plan.interval_days, is_working_days=plan.is_working_days)
        if each.day <= latest:
            break
        each.day = latest
        each.starts_ms, each.ends_ms = window_ms(plan, latest)
        before, moved_to = latest, moved_to or latest
        if plan.last_number == each.number:
            plan.last_day = latest
    session.flush()
    return moved_to


def cancel_round(session: Session, patrol: PatrolRound) -> None:
    """For a round that nobody has begun. Raises PatrolCancelled when it is too late or was done before."""
    if RoundState(patrol.state) is not RoundState.PLANNED:
        raise PatrolCancelled(patrol.id)
    patrol.state = RoundState.CANCELLED.value
    session.flush()


def get_round(session: Session, patrol_id: int, *, for_update: bool = False) -> PatrolRound:
    query = select(PatrolRound).where(PatrolRound.id == patrol_id)
    if for_update:
        query = query.with_for_update(of=PatrolRound).execution_options(populate_existing=True)
    found = session.scalar(query)
    if found is None:
        raise UnknownPatrol(patrol_id)
    return found


def find_rounds(
    session: Session,
    *,
    states: Collection[RoundState] | None = None,
    site: str | None = None,
    visible: Collection[str] | None = None,
    plan_id: int | None = None,
    starts_before_ms: int | None = None,
    ends_from_ms: int | None = None,
    ends_before_ms: int | None = None,
    after_id: int | None = None,
    is_newest_first: bool = False,
    limit: int = 100,
) -> list[PatrolRound]:
    """Rounds by the end of their window; by id where a cursor is given."""
    query = select(PatrolRound).join(PatrolRound.site).limit(limit)
    if states is not None:
        query = query.where(PatrolRound.state.in_([state.value for state in states]))
    if site:
        query = query.where(Site.key == site)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    if plan_id is not None:
        query = query.where(PatrolRound.plan_id == plan_id)
    if starts_before_ms is not None:
        query = query.where(PatrolRound.starts_ms < starts_before_ms)
    if ends_from_ms is not None:
        query = query.where(PatrolRound.ends_ms >= ends_from_ms)
    if ends_before_ms is not None:
        query = query.where(PatrolRound.ends_ms < ends_before_ms)
    if after_id is not None:
        query = query.where(PatrolRound.id > after_id).order_by(PatrolRound.id)
    elif is_newest_first:
        query = query.order_by(PatrolRound.ends_ms.desc(), PatrolRound.id.desc())
    else:
        query = query.order_by(PatrolRound.ends_ms, PatrolRound.id)
    return list(session.scalars(query))


def round_at(session: Session, plan_id: int, *, now_ms: int) -> PatrolRound | None:
    """The round that somebody is on who scans a code of the plan: the one that is on or begins within a day, else the
    last one missed, else the next."""
    of_plan = select(PatrolRound).where(PatrolRound.plan_id == plan_id)
    waiting = of_plan.where(PatrolRound.state.in_([state.value for state in OPEN_STATES])).order_by(PatrolRound.number)
    first = session.scalar(waiting.limit(1))
    if first is not None and first.starts_ms <= now_ms + SOON_MS:
        return first
    missed = of_plan.where(PatrolRound.state == RoundState.MISSED.value).order_by(PatrolRound.number.desc())
    return session.scalar(missed.limit(1)) or first
