"""Plans of rounds: which checkpoints in which order, what is looked at there, how often and between which hours.

A checkpoint that is given up keeps its row and its last day, so that an old round still shows what it went past.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    or_,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from alerts.patrol_errors import InvalidPlan, UnknownCheckpoint, UnknownPlan
from alerts.patrol_items import (
    ALL_ITEMS,
    FOCUS_ITEMS,
    HABITS,
    ITEMS,
    LONGEST_MAINTENANCE_DAYS,
    UNIT_KIND,
    Habit,
    Item,
    PlanKind,
    RoundKind,
)
from models.equipment import Kind
from registry.calendar import MINUTES_OF_DAY, is_working_day
from registry.database import BigId, Table
from registry.role import Party
from registry.site import Site
from registry.unit import Unit

MAX_NAME_LENGTH = 200
LONGEST_INTERVAL_DAYS = 400
JOINT_PARTIES = (Party.PROPERTY, Party.COMMITTEE, Party.COMMUNITY)

Limits = Mapping[str, tuple[float | None, float | None]]


class PatrolPlan(Table):
    """`last_day` and `last_number` are of the last round that was written ahead; `parties` ought to take part."""

    __tablename__ = "patrol_plan"
    __table_args__ = (UniqueConstraint("site_id", "name"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    interval_days: Mapped[int] = mapped_column(Integer)
    window_days: Mapped[int] = mapped_column(Integer)
    start_min: Mapped[int] = mapped_column(Integer)
    end_min: Mapped[int] = mapped_column(Integer)
    is_working_days: Mapped[bool] = mapped_column(Boolean)
    parties: Mapped[str] = mapped_column(String(64), default="")
    limits: Mapped[dict[str, list[float | None]]] = mapped_column(JSON, default=dict)
    first_day: Mapped[date] = mapped_column(Date)
    last_day: Mapped[date | None] = mapped_column(Date)
    last_number: Mapped[int] = mapped_column(Integer, default=0)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    site: Mapped[Site] = relationship(lazy="joined")

    @property
    def subject(self) -> str:
        return f"patrol_plan:{self.id}"

    @property
    def wanted_parties(self) -> tuple[Party, ...]:
        return tuple(Party(name) for name in self.parties.split(",") if name)

    @property
    def own_limits(self) -> Limits:
        return {code: (pair[0], pair[1]) for code, pair in self.limits.items()}


class PatrolCheckpoint(Table):
    """A unit or a place on the way of a plan. `code` stands on its QR code or NFC tag; `item_codes` empty is all."""

    __tablename__ = "patrol_checkpoint"
    __table_args__ = (Index("ix_patrol_checkpoint_plan", "plan_id", "position"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("patrol_plan.id"))
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id"), index=True)
    place: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH), default="")
    building: Mapped[str] = mapped_column(String(100), default="")
    position: Mapped[int] = mapped_column(Integer)
    code: Mapped[str] = mapped_column(String(32), unique=True)
    item_codes: Mapped[str] = mapped_column(String(400), default="")
    from_day: Mapped[date] = mapped_column(Date)
    until_day: Mapped[date | None] = mapped_column(Date)
    """The last day on which it counts."""
    unit: Mapped[Unit | None] = relationship(lazy="joined")
    plan: Mapped[PatrolPlan] = relationship(lazy="joined")

    @property
    def name(self) -> str:
        return self.unit.name if self.unit is not None else self.place

    @property
    def where(self) -> str:
        return self.unit.building if self.unit is not None else self.building


@dataclass(frozen=True, slots=True)
class Place:
    """A checkpoint to be: a unit, or a place with its name. `items` empty is all of the plan's kind."""

    unit: Unit | None = None
    place: str = ""
    building: str = ""
    items: Sequence[str] = ()


def check_habit(kind: PlanKind, habit: Habit) -> Habit:
    """Raises InvalidPlan for what cannot be, and for a lift's interval that is longer than the law lets it be."""
    if not 1 <= habit.interval_days <= LONGEST_INTERVAL_DAYS:
        raise InvalidPlan("interval_days", "range", f"interval_days must be 1 to {LONGEST_INTERVAL_DAYS}")
    if kind is PlanKind.LIFT and habit.interval_days > LONGEST_MAINTENANCE_DAYS:
        raise InvalidPlan("interval_days", "law", "a lift is maintained at least every 15 days")
    if not 1 <= habit.window_days <= habit.interval_days:
        raise InvalidPlan("window_days", "range", "window_days must be 1 up to the interval")
    if not (0 <= habit.start_min < habit.end_min <= MINUTES_OF_DAY):
        raise InvalidPlan("hours", "order", "hours must be two times of one day, the first earlier")
    return habit


def add_plan(
    session: Session,
    *,
    site: Site,
    kind: PlanKind,
    name: str,
    first_day: date,
    habit: Habit | None = None,
    parties: Collection[Party] = (),
    limits: Limits | None = None,
    now_ms: int,
) -> PatrolPlan:
    """Raises InvalidPlan."""
    name = name.strip()[:MAX_NAME_LENGTH]
    if not name:
        raise InvalidPlan("name", "empty", "a plan needs a name")
    if session.scalar(select(PatrolPlan.id).where(PatrolPlan.site_id == site.id, PatrolPlan.name == name)):
        raise InvalidPlan("name", "taken", "the compound has a plan of that name")
    kept = check_habit(kind, habit or HABITS[kind])
    plan = PatrolPlan(
        site=site,
        kind=kind.value,
        name=name,
        interval_days=kept.interval_days,
        window_days=kept.window_days,
        start_min=kept.start_min,
        end_min=kept.end_min,
        is_working_days=kept.is_working_days,
        parties=",".join(party.value for party in JOINT_PARTIES if party in parties),
        limits=_checked_limits(limits or {}),
        first_day=first_day,
        last_number=0,
        is_active=True,
        created_ms=now_ms,
    )
    session.add(plan)
    session.flush()
    return plan


def _checked_limits(limits: Limits) -> dict[str, list[float | None]]:
    for code, (low, high) in limits.items():
        item = ALL_ITEMS.get(code)
        if item is None or any(bound is not None and not item.is_possible(bound) for bound in (low, high)):
            raise InvalidPlan("limits", "range", f"{code} cannot have these limits")
        if low is not None and high is not None and low > high:
            raise InvalidPlan("limits", "order", f"the lower limit of {code} is above the upper one")
    return {code: [low, high] for code, (low, high) in limits.items()}


def add_checkpoints(
    session: Session,
    plan: PatrolPlan,
    places: Sequence[Place],
    *,
    draw_code: Callable[[], str],
    from_day: date,
    until_day: date | None = None,
) -> list[PatrolCheckpoint]:
    """Behind those that are there. Raises InvalidPlan for a unit of another compound or kind, a nameless place, or an
    item that the plan's rounds do not have."""
    last = session.scalar(
        select(PatrolCheckpoint.position)
        .where(PatrolCheckpoint.plan_id == plan.id)
        .order_by(PatrolCheckpoint.position.desc())
        .limit(1)
    )
    kind = PlanKind(plan.kind)
    known = {item.code for round_kind, items in ITEMS.items() if round_kind.startswith(kind.value) for item in items}
    for each in places:
        unit = each.unit
        wants = UNIT_KIND[kind]
        if unit is not None and (unit.site_id != plan.site_id or (wants is not None and unit.kind != wants)):
            raise InvalidPlan("unit", "kind", f"{unit.key} is no unit for this plan")
        if unit is None and not each.place.strip():
            raise InvalidPlan("place", "empty", "a checkpoint needs a unit or the name of a place")
        if unknown := set(each.items) - known:
            raise InvalidPlan("items", "unknown", f"no items of this plan: {', '.join(sorted(unknown))}")
    added = [
        PatrolCheckpoint(
            plan=plan,
            unit=each.unit,
            place=each.place.strip()[:MAX_NAME_LENGTH],
            building=each.building.strip()[:100],
            position=(last or 0) + 1 + number,
            code=draw_code(),
            item_codes=",".join(each.items),
            from_day=from_day,
            until_day=until_day,
        )
        for number, each in enumerate(places)
    ]
    session.add_all(added)
    session.flush()
    return added


def retire_checkpoint(session: Session, checkpoint: PatrolCheckpoint, *, last_day: date) -> None:
    """From the day after on no round goes past it."""
    checkpoint.until_day = max(last_day, checkpoint.from_day - timedelta(days=1))
    session.flush()


def get_plan(session: Session, plan_id: int, *, for_update: bool = False) -> PatrolPlan:
    query = select(PatrolPlan).where(PatrolPlan.id == plan_id)
    if for_update:
        query = query.with_for_update(of=PatrolPlan).execution_options(populate_existing=True)
    plan = session.scalar(query)
    if plan is None:
        raise UnknownPlan(plan_id)
    return plan


def plans_of(session: Session, *, site: str | None = None, visible: Collection[str] | None = None) -> list[PatrolPlan]:
    query = select(PatrolPlan).join(PatrolPlan.site).order_by(Site.key, PatrolPlan.kind, PatrolPlan.id)
    if site:
        query = query.where(Site.key == site)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    return list(session.scalars(query))


def checkpoints_of(session: Session, plan_id: int, *, day: date) -> list[PatrolCheckpoint]:
    """Those that count on that day, in the order of the way."""
    query = select(PatrolCheckpoint).where(
        PatrolCheckpoint.plan_id == plan_id,
        PatrolCheckpoint.from_day <= day,
        or_(PatrolCheckpoint.until_day.is_(None), PatrolCheckpoint.until_day >= day),
    )
    return list(session.scalars(query.order_by(PatrolCheckpoint.position, PatrolCheckpoint.id)))


def find_checkpoint(session: Session, code: str) -> PatrolCheckpoint:
    checkpoint = session.scalar(select(PatrolCheckpoint).where(PatrolCheckpoint.code == code.upper()))
    if checkpoint is None:
        raise UnknownCheckpoint(code)
    return checkpoint


def get_checkpoint(session: Session, checkpoint_id: int) -> PatrolCheckpoint:
    checkpoint = session.get(PatrolCheckpoint, checkpoint_id)
    if checkpoint is None:
        raise UnknownCheckpoint(str(checkpoint_id))
    return checkpoint


def items_at(
    plan: PatrolPlan, kind: RoundKind, checkpoint: PatrolCheckpoint, *, is_in_focus: bool = False
) -> tuple[Item, ...]:
    """What is looked at there on a round of that kind, by the compound's own limits."""
    chosen = set(checkpoint.item_codes.split(",")) if checkpoint.item_codes else None
    items = tuple(item for item in ITEMS[kind] if chosen is None or item.code in chosen)
    if is_in_focus and checkpoint.unit is not None:
        items += FOCUS_ITEMS[Kind(checkpoint.unit.kind)]
    return tuple(item.with_limits(plan.own_limits) for item in items)


def next_day(before: date, *, interval_days: int, is_working_days: bool) -> date:
    """The day of the round after: never later than the interval, earlier where that day is not worked.

    Where no day in between is worked, the interval counts more than the rest.
    """
    last = before + timedelta(days=interval_days)
    if not is_working_days:
        return last
    days = (last - timedelta(days=back) for back in range(interval_days))
    return next((day for day in days if is_working_day(day)), last)
