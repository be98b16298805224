"""What a condition is: one row of the table, with what raises it, what clears it, and what it means to people.

A predicate takes the state of the units in question and answers for each of them; an unknown value (NaN) makes every
comparison false, so what is not known never raises. Columns of the state are the metrics of the kind, its event codes
as `event:{code}` (1 while on), and the derived quantities of `alerts.derived`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from alerts.severity import Severity
from alerts.ticket_stages import TicketKind
from models.equipment import EVENT_TITLES, Kind
from models.reading import Bools, Floats

ANOMALY = "anomaly"
SLOW_CHANGE = "slow_change"
"""Wear: what has crept away, over days, from how the unit was when it was learned."""
UNLIKE_SISTERS = "unlike_sisters"
VERDICTS = (ANOMALY, SLOW_CHANGE, UNLIKE_SISTERS)
"""What models say of a unit. They arrive as events that no unit sends."""
SILENT = "silent"
CONNECTION = "connection"
"""The case of all conditions that say nothing of the unit, only that it is not heard."""
CONNECTION_REUSE_S = 3600.0
"""A connection that comes and goes within an hour is one incident."""


class UnitStates(Protocol):
    """Known values of some units, by column; NaN where unknown."""

    def __getitem__(self, column: str, /) -> Floats: ...


Predicate = Callable[[UnitStates], Bools]


@dataclass(frozen=True, slots=True)
class Condition:
    """A row of the table.

    `case` joins conditions of one matter in one ticket. `on_delay_s` is how long it must hold before it is raised,
    `off_delay_s` how long it must be gone before it has returned, `reuse_s` how soon after its return a new occurrence
    still belongs to the same alarm. `is_silent_in_service`: not raised while a lift is inspected or in fire service;
    `is_kept_in_service`: kept nevertheless, as set aside. That has no delays.
    """

    code: str
    kind: Kind
    title: str
    severity: Severity
    case: str
    advice: str
    raise_when: Predicate
    clear_when: Predicate | None = None
    columns: tuple[str, ...] = ()
    event: str | None = None
    ticket_kind: TicketKind = TicketKind.FAULT
    on_delay_s: float = 0.0
    off_delay_s: float = 0.0
    reuse_s: float = 600.0
    is_silent_in_service: bool = False
    is_kept_in_service: bool = False
    may_be_shelved: bool = True

    @property
    def opens_ticket(self) -> bool:
        return self.severity is not Severity.ADVISORY

    @property
    def watches_values(self) -> bool:
        """Whether readings can change it; else only events do."""
        return bool(self.columns)


def is_on(code: str) -> Predicate:
    return lambda s: s[f"event:{code}"] == 1


def event_condition(kind: Kind, code: str, severity: Severity, case: str, advice: str, **options: object) -> Condition:
    return Condition(
        code=code,
        kind=kind,
        title=EVENT_TITLES[kind][code],
        severity=severity,
        case=case,
        advice=advice,
        raise_when=is_on(code),
        event=code,
        **options,  # type: ignore[arg-type]
    )


def offline_condition(kind: Kind, severity: Severity) -> Condition:
    return Condition(
        code="offline",
        kind=kind,
        title="Unit is offline",
        severity=severity,
        case=CONNECTION,
        advice="Its state is unknown, not healthy: check gateway, power and network, and look at the unit.",
        raise_when=lambda s: s["event:online"] == 0,
        event="online",
        on_delay_s=30.0,
        reuse_s=CONNECTION_REUSE_S,
    )


def silent_condition(
    kind: Kind,
    severity: Severity,
    *,
    raise_when: Predicate | None = None,
    code: str = SILENT,
    title: str = "Unit has gone silent",
    **options: object,
) -> Condition:
    """No readings for some of the unit's own usual pauses; judged when `alerts.silence` says so, and only then."""
    return Condition(
        code=code,
        kind=kind,
        title=title,
        severity=severity,
        case=CONNECTION,
        advice="Its state is unknown, not healthy: check gateway, power and network, and look at the unit.",
        raise_when=raise_when or is_on(SILENT),
        event=SILENT,
        reuse_s=CONNECTION_REUSE_S,
        **options,  # type: ignore[arg-type]
    )


def anomaly_condition(kind: Kind) -> Condition:
    return Condition(
        code=ANOMALY,
        kind=kind,
        title="Behaves unlike before",
        severity=Severity.MINOR,
        case=ANOMALY,
        advice="Look at the sensors that differ most, and at the machine; this is a hint, not a proof.",
        raise_when=is_on(ANOMALY),
        event=ANOMALY,
        reuse_s=3600.0,
        # A lift that is inspected runs as no passenger would have it.
        is_silent_in_service=kind is Kind.ELEVATOR,
    )


def slow_change_condition(kind: Kind) -> Condition:
    return Condition(
        code=SLOW_CHANGE,
        kind=kind,
        title="Changes slowly: wear, dirt or ageing",
        severity=Severity.MINOR,
        # Whatever is told of the same unit at the same time is one matter for whoever goes there.
        case=ANOMALY,
        advice="Put it on the next maintenance visit: look at what differs most, before it fails.",
        raise_when=is_on(SLOW_CHANGE),
        event=SLOW_CHANGE,
        reuse_s=7 * 86_400.0,
    )


def unlike_sisters_condition(kind: Kind) -> Condition:
    """Advisory: a lift may stand apart for good reasons, another load or another setting."""
    return Condition(
        code=UNLIKE_SISTERS,
        kind=kind,
        title="Unlike its sisters of the same make",
        severity=Severity.ADVISORY,
        case=UNLIKE_SISTERS,
        advice="Compare its settings and its wear with those of a sister at the next visit.",
        raise_when=is_on(UNLIKE_SISTERS),
        event=UNLIKE_SISTERS,
        reuse_s=30 * 86_400.0,
    )
