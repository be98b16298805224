"""When a person is not to be disturbed by minor things; beside the quiet hours of the compound."""

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import ForeignKey, Integer, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from registry.calendar import MINUTES_OF_DAY, Hours
from registry.database import BigId, Table, portions
from registry.errors import InvalidField

LONGEST_MIN = 14 * 60
"""[P] Whoever wants less than ten hours of messages a day wants none, and has their channels taken away."""
ROUNDS = 4
"""One quiet time may begin where the other ends."""


class QuietHours(Table):
    """Minutes after midnight, at the compound that a message is about; they may go over midnight."""

    __tablename__ = "quiet_hours"

    person_id: Mapped[int] = mapped_column(BigId, ForeignKey("person.id"), primary_key=True, autoincrement=False)
    start_min: Mapped[int] = mapped_column(Integer)
    end_min: Mapped[int] = mapped_column(Integer)


def set_quiet_hours(session: Session, person_id: int, *, start_min: int, end_min: int) -> QuietHours:
    """Raises InvalidField for what is no time of the day, and for a span of nothing or of too much."""
    for name, minute in (("start", start_min), ("end", end_min)):
        if not 0 <= minute < MINUTES_OF_DAY:
            raise InvalidField(name, "must be a time of the day")
    if not 0 < (end_min - start_min) % MINUTES_OF_DAY <= LONGEST_MIN:
        raise InvalidField("end", f"must be later than the start, by at most {LONGEST_MIN // 60} hours")
    kept = session.get(QuietHours, person_id)
    if kept is None:
        kept = QuietHours(person_id=person_id, start_min=start_min, end_min=end_min)
        session.add(kept)
    kept.start_min, kept.end_min = start_min, end_min
    session.flush()
    return kept


def clear_quiet_hours(session: Session, person_id: int) -> None:
    session.execute(delete(QuietHours).where(QuietHours.person_id == person_id))


def quiet_hours_of(session: Session, person_ids: Collection[int]) -> dict[int, QuietHours]:
    """Of those who set some."""
    found: dict[int, QuietHours] = {}
    for some in portions(person_ids):
        kept = session.scalars(select(QuietHours).where(QuietHours.person_id.in_(some)))
        found |= {each.person_id: each for each in kept}
    return found


def quiet_until(at_ms: int, hours: Hours, own: QuietHours | None) -> int:
    """When neither the compound's nor the person's quiet hours hold any more; the same instant outside them."""
    if own is None:
        return hours.quiet_until(at_ms)
    persons = replace(hours, quiet_start_min=own.start_min, quiet_end_min=own.end_min)
    for _ in range(ROUNDS):
        later_ms = persons.quiet_until(hours.quiet_until(at_ms))
        if later_ms == at_ms:
            break
        at_ms = later_ms
    return at_ms
