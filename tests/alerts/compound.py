"""A compound with lifts, pumps and fire panels, told what begins and ends at them; and the picture that comes of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from alerts import explaining, incident
from alerts.alarm import Alarm, list_alarms
from alerts.conditions import condition_table
from alerts.inhibition import HOLD_MS
from alerts.limits import Limits
from alerts.ticket import Ticket
from alerts.ticket_list import list_tickets
from alerts.watch import Signal
from models.equipment import Kind
from models.reading import UnitKey
from registry import activity
from registry.activity import Activity
from registry.database import Database
from registry.site import add_site
from registry.unit import add_unit

T0_MS = 1_700_000_000_000
CONDITIONS = {
    (kind, condition.code): condition
    for kind, conditions in condition_table(Limits()).items()
    for condition in conditions
}
KINDS = {"lift": Kind.ELEVATOR, "pump": Kind.PUMP, "fire": Kind.FIRE}
Said = tuple[str, str, float]
"""(unit, condition, second it begins); the condition with a minus in front ends."""


@dataclass
class Compound:
    database: Database
    site: str = "xiaohe"
    lifts: int = 4
    ids: dict[UnitKey, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [*(f"lift-{number}" for number in range(1, self.lifts + 1)), "pump-1", "fire-1", "fire-2"]
        with self.database.writing() as session:
            site = add_site(session, key=self.site, now_ms=T0_MS)
            for name in names:
                unit = add_unit(session, site=site, kind=KINDS[name.split("-")[0]], key=name, now_ms=T0_MS)
                self.ids[unit.unit_key] = unit.id

    def hear(self, *said: Said, at: float | None = None) -> None:
        """One batch, heard at second `at`, or when the last of it began."""
        signals = []
        for name, code, second in said:
            unit = UnitKey(self.site, KINDS[name.split("-")[0]], name)
            condition = CONDITIONS[unit.kind, code.removeprefix("-")]
            signals.append(Signal(unit, condition, at_ms(second), not code.startswith("-")))
        received_ms = at_ms(max(second for _, _, second in said) if at is None else at)
        with self.database.writing() as session:
            incident.apply_signals(session, signals, units=self.ids, received_ms=received_ms)

    def settle(self, second: float) -> None:
        explaining.settle_due(self.database, CONDITIONS, now_ms=at_ms(second))

    def happen(self, *said: Said) -> None:
        """Heard, and decided on after the holding time."""
        self.hear(*said)
        self.settle(max(second for _, _, second in said) + HOLD_MS / 1000)

    def alarms(self) -> list[Alarm]:
        with self.database.reading() as session:
            found = list_alarms(session, site=self.site, limit=5000)[::-1]
            session.expunge_all()
            return found

    def alarm(self, name: str, code: str) -> Alarm:
        return [alarm for alarm in self.alarms() if (alarm.unit.key, alarm.condition) == (name, code)][-1]

    def tickets(self) -> list[Ticket]:
        with self.database.reading() as session:
            found: list[Ticket] = list_tickets(session, site=self.site, limit=5000)[::-1]
            session.expunge_all()
            return found

    def titles(self) -> list[str]:
        return sorted(ticket.title for ticket in self.tickets())

    def causes(self) -> dict[str, str]:
        """Which alarm explains which, as `unit condition`."""
        named = {alarm.id: f"{alarm.unit.key} {alarm.condition}" for alarm in self.alarms()}
        return {named[a.id]: named[a.cause_id] for a in self.alarms() if a.is_explained and a.cause_id is not None}

    def log(self, verb: str) -> list[Activity]:
        with self.database.reading() as session:
            found = [each for each in activity.after(session, 0, limit=5000) if each.verb == verb]
            session.expunge_all()
            return found


def at_ms(second: float) -> int:
    return T0_MS + round(second * 1000)


def mains_off(names: Iterable[str], second: float = 0) -> Sequence[Said]:
    return [(name, "event.41", second) for name in names]
