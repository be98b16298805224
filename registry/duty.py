"""Who of which party is on duty at a compound, and who stands in for those who are away."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, delete, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from registry.calendar import MINUTES_OF_DAY, is_working_day
from registry.database import BigId, Table
from registry.errors import InvalidField
from registry.person import Person, RoleGrant
from registry.role import PARTY_OF_ROLE, Party, Role
from registry.site import Site


class Days(StrEnum):
    EVERY = "every"
    WORKING = "working"
    """Make-up working days at weekends included."""
    OFF = "off"
    """Weekends and public holidays."""


class DutyShift(Table):
    """A person is on duty for a party at a site, on such days between two times of the day; it may go over midnight."""

    __tablename__ = "duty_shift"
    __table_args__ = (Index("ix_duty_shift_site_party", "site_id", "party"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    party: Mapped[str] = mapped_column(String(16))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    days: Mapped[str] = mapped_column(String(8))
    start_min: Mapped[int] = mapped_column(Integer)
    end_min: Mapped[int] = mapped_column(Integer)
    from_day: Mapped[str] = mapped_column(String(10))
    until_day: Mapped[str | None] = mapped_column(String(10))
    """The last day, as YYYY-MM-DD; none for until further notice."""
    person: Mapped[Person] = relationship(lazy="joined")


class Absence(Table):
    """A person is away; `substitute` stands in for them wherever they are on duty meanwhile."""

    __tablename__ = "absence"
    __table_args__ = (Index("ix_absence_person", "person_id", "ends_ms"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    substitute_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    starts_ms: Mapped[int] = mapped_column(BigInteger)
    ends_ms: Mapped[int] = mapped_column(BigInteger)
    person: Mapped[Person] = relationship(foreign_keys=[person_id], lazy="joined")
    substitute: Mapped[Person | None] = relationship(foreign_keys=[substitute_id], lazy="joined")


@dataclass(frozen=True, slots=True)
class OnDuty:
    """`stands_in_for` names whom a substitute stands in for."""

    person: Person
    party: Party
    stands_in_for: Person | None = None


def add_shift(
    session: Session,
    *,
    site: Site,
    person: Person,
    party: Party,
    days: Days,
    start_min: int,
    end_min: int,
    from_day: date,
    until_day: date | None = None,
) -> DutyShift:
    """Raises InvalidField for a person who holds no role of that party there, or times that cannot be."""
    if party not in parties_at(person, site):
        raise InvalidField("person", f"{person.name} holds no role of that party at {site.key}")
    if not (0 <= start_min < MINUTES_OF_DAY and 0 < end_min <= MINUTES_OF_DAY) or start_min == end_min:
        raise InvalidField("hours", "must be two different times of the day")
    if until_day is not None and until_day < from_day:
        raise InvalidField("until", "must not be before the first day")
    shift = DutyShift(
        site_id=site.id,
        party=party.value,
        person=person,
        days=days.value,
        start_min=start_min,
        end_min=end_min,
        from_day=from_day.isoformat(),
        until_day=until_day.isoformat() if until_day else None,
    )
    session.add(shift)
    session.flush()
    return shift


def add_absence(
    session: Session, *, person: Person, substitute: Person | None, starts_ms: int, ends_ms: int
) -> Absence:
    """Raises InvalidField for a span that ends before it starts, or for one who stands in for themselves."""
    if ends_ms <= starts_ms:
        raise InvalidField("until", "must be later than the start")
    if substitute is not None and substitute.id == person.id:
        raise InvalidField("substitute", "must be somebody else")
    absence = Absence(person=person, substitute=substitute, starts_ms=starts_ms, ends_ms=ends_ms)
    session.add(absence)
    session.flush()
    return absence


def parties_at(person: Person, site: Site) -> frozenset[Party]:
    return frozenset(PARTY_OF_ROLE[role] for role in person.as_actor().roles_at(site.key))


def covers(shift: DutyShift, local: datetime) -> bool:
    """Whether the shift is on at that local time; what goes over midnight belongs to the day on which it began."""
    minute = local.hour * 60 + local.minute
    if shift.start_min < shift.end_min:
        return shift.start_min <= minute < shift.end_min and _is_day(shift, local.date())
    if minute >= shift.start_min:
        return _is_day(shift, local.date())
    return minute < shift.end_min and _is_day(shift, local.date() - timedelta(days=1))


def _is_day(shift: DutyShift, day: date) -> bool:
    text = day.isoformat()
    if text < shift.from_day or (shift.until_day is not None and text > shift.until_day):
        return False
    return shift.days == Days.EVERY or is_working_day(day) == (shift.days == Days.WORKING)


def shifts_of(session: Session, site_id: int, *, party: Party | None = None) -> list[DutyShift]:
    query = select(DutyShift).where(DutyShift.site_id == site_id).order_by(DutyShift.party, DutyShift.id)
    if party is not None:
        query = query.where(DutyShift.party == party.value)
    return list(session.scalars(query))


def absences_at(session: Session, person_ids: Collection[int], *, at_ms: int) -> dict[int, Absence]:
    query = select(Absence).where(
        Absence.person_id.in_(person_ids), Absence.starts_ms <= at_ms, Absence.ends_ms > at_ms
    )
    return {absence.person_id: absence for absence in session.scalars(query.order_by(Absence.id))}


def absences_from(session: Session, person_ids: Collection[int], *, now_ms: int) -> list[Absence]:
    """Those that are not over yet."""
    query = select(Absence).where(Absence.person_id.in_(person_ids), Absence.ends_ms > now_ms)
    return list(session.scalars(query.order_by(Absence.starts_ms)))


def on_duty(session: Session, site: Site, party: Party, *, at_ms: int) -> list[OnDuty]:
    """Who is responsible for a party at a moment, each once; whoever is away is replaced by their substitute."""
    return on_duty_of(session, shifts_of(session, site.id, party=party), site, party, at_ms=at_ms)


def on_duty_of(
    session: Session, roster: Collection[DutyShift], site: Site, party: Party, *, at_ms: int
) -> list[OnDuty]:
    """The same by a roster that was read already: all shifts of the party at the site."""
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(site.timezone))
    people = [shift.person for shift in roster if covers(shift, local)]
    people = [person for person in people if person.is_active and party in parties_at(person, site)]
    away = absences_at(session, [person.id for person in people], at_ms=at_ms) if people else {}
    found: dict[int, OnDuty] = {}
    for person in people:
        absence = away.get(person.id)
        if absence is None:
            found[person.id] = OnDuty(person, party)
            continue
        stand_in = absence.substitute
        if stand_in is None or not stand_in.is_active or absences_at(session, [stand_in.id], at_ms=at_ms):
            continue
        found.setdefault(stand_in.id, OnDuty(stand_in, party, stands_in_for=person))
    return list(found.values())


def holders(
    session: Session, site: Site, roles: Collection[Role], *, is_everywhere: bool | None = None
) -> list[Person]:
    """Active people who hold one of the roles at a site: by a role for this site, for all sites, or (None) either."""
    places = []
    if is_everywhere is not True:
        places.append(RoleGrant.site_id == site.id)
    if is_everywhere is not False:
        places.append(RoleGrant.site_id.is_(None))
    query = (
        select(Person)
        .where(
            Person.is_active,
            Person.id.in_(
                select(RoleGrant.person_id).where(RoleGrant.role.in_([role.value for role in roles]), or_(*places))
            ),
        )
        .order_by(Person.id)
    )
    return list(session.scalars(query))


def drop_shift(session: Session, shift_id: int, *, site: Site) -> None:
    """Takes a duty of this site off the roster; one that is not there is no fault."""
    session.execute(delete(DutyShift).where(DutyShift.id == shift_id, DutyShift.site_id == site.id))
