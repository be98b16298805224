"""A signal becomes an alarm and its ticket, and people's moves on them are recorded; each within one transaction.

Functions here run in the caller's transaction and write alarm, ticket and activity together, so that none of them can
exist without the others.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from alerts import alarm as alarms
from alerts import call_out_moves
from alerts import ticket as tickets
from alerts.alarm import ASIDE, Alarm, AlarmMove, AlarmState
from alerts.annunciation import annunciate, note_acknowledged
from alerts.condition import CONNECTION
from alerts.conditions import Condition
from alerts.inhibition import HOLD_MS, is_held
from alerts.known_alarms import KnownAlarms
from alerts.severity import Severity, gravest
from alerts.suppression import Suppression, aside_facts, covering, set_aside
from alerts.ticket import NOTHING_MORE, Brought, Ticket
from alerts.ticket_stages import FINAL_STAGES, Stage, TicketKind
from alerts.watch import Signal
from models.reading import UnitKey
from registry import activity
from registry.activity import Entry
from registry.database import Database
from registry.role import SYSTEM, Actor
from registry.site import Site
from registry.unit import Unit, hold_units

EVIDENCE_LIMIT = 20
MANY_UNITS = 5
"""So many units of a site that fall silent at once share one ticket."""
JOINT_MS = 15 * 60_000
JOINT_TITLE = "Many units are not heard any more"
POWER_CUT_TITLE = "Power cut: many units without mains"
END_UNKNOWN = "is_end_unknown"
"""In the evidence of an alarm of the past that was found in late data: whether its end is still to be found."""


@dataclass(frozen=True, slots=True)
class Joint:
    """One matter of many units of a site: its ticket is the site's."""

    title: str
    case: str
    least_severity: Severity | None = None


SILENCE = Joint(JOINT_TITLE, CONNECTION)
POWER_OUT = Joint(POWER_CUT_TITLE, "power_cut", Severity.MAJOR)
JOINT_CASES = frozenset({SILENCE.case, POWER_OUT.case})


def apply_signals(
    session: Session, signals: Iterable[Signal], *, units: Mapping[UnitKey, int], received_ms: int
) -> list[Alarm]:
    """Raises and returns alarms, opens tickets, appends what happened; gives back the alarms that changed.

    The units are held until the end of the transaction: two workers with two conditions of one matter open one ticket.
    """
    signals = list(signals)
    unit_ids = {units[signal.unit] for signal in signals}
    hold_units(session, unit_ids)
    aside = covering(session, unit_ids, now_ms=received_ms)
    known = KnownAlarms(session, unit_ids, {signal.condition.code for signal in signals})
    changed: list[Alarm] = []
    entries: list[Entry] = []
    joint = _sites_gone(signals)
    known.write_new(signals, units, received_ms=received_ms)
    for signal in signals:
        unit_id = units[signal.unit]
        if signal.is_active:
            is_joint = signal.unit.site in joint and signal.condition.case == CONNECTION
            alarm = _raise(
                session, signal, unit_id, received_ms, entries, is_joint=is_joint, aside=aside.get(unit_id), known=known
            )
        else:
            alarm = _return(signal, unit_id, entries, known=known)
        if alarm is not None:
            changed.append(alarm)
    if entries:
        activity.append(session, entries, now_ms=received_ms)
    return changed


def _sites_gone(signals: Iterable[Signal]) -> set[str]:
    """Sites of which many units are not heard any more, all at once: that is one matter, a gateway's or a network's."""
    gone = {s.unit for s in signals if s.is_active and s.condition.case == CONNECTION}
    by_site = Counter(unit.site for unit in gone)
    return {site for site, count in by_site.items() if count >= MANY_UNITS}


def note_past(
    session: Session, signals: Iterable[Signal], *, units: Mapping[UnitKey, int], received_ms: int
) -> list[Alarm]:
    """Keeps what held in the past and was heard of only now: as alarms that are over, which call nobody.

    `raised_ms` is when it began and `received_ms` when we heard of it. Of one whose end is not known, `cleared_ms` is
    until when it held at least. What an alarm of that time covers is left to it.
    """
    found: list[Alarm] = []
    entries: list[Entry] = []
    for signal in signals:
        unit_id, code = units[signal.unit], signal.condition.code
        if not signal.is_active:
            past = alarms.find_last_alarm(session, unit_id, code)
            if past is not None and past.evidence.get(END_UNKNOWN) and past.raised_ms <= signal.ts_ms:
                past.cleared_ms = signal.ts_ms
                past.evidence = {**past.evidence, END_UNKNOWN: False}
            continue
        if alarms.is_covered(session, unit_id, code, ts_ms=signal.ts_ms):
            continue
        alarm = Alarm(
            unit_id=unit_id,
            condition=code,
            severity=signal.condition.severity.value,
            state=AlarmState.NORMAL.value,
            is_active=False,
            raised_ms=signal.ts_ms,
            received_ms=received_ms,
            cleared_ms=signal.ts_ms,
            occurrences=1,
            evidence={**signal.evidence, END_UNKNOWN: True},
        )
        session.add(alarm)
        session.flush()
        found.append(alarm)
        entries.append(alarm_entry(alarm, "alarm.found_late", {"ts_ms": signal.ts_ms}))
    if entries:
        activity.append(session, entries, now_ms=received_ms)
    return found


def _raise(
    session: Session,
    signal: Signal,
    unit_id: int,
    received_ms: int,
    entries: list[Entry],
    *,
    is_joint: bool,
    aside: Suppression | None,
    known: KnownAlarms,
) -> Alarm | None:
    condition = signal.condition
    alarm = known.open(unit_id, condition.code)
    if alarm is not None and alarm.is_active:
        if not alarm.is_in_service or signal.is_in_service:
            return None
        # The lift is back with passengers and it still holds: `alerts.suppressing` brings it forth.
        alarm.is_in_service = False
        return alarm
    verb = "alarm.raised_again"
    if alarm is None:
        alarm = known.recent(signal, unit_id)
    if alarm is None:
        alarm = known.new(signal, unit_id, received_ms=received_ms)
        if alarm is None:
            return None
        verb = "alarm.raised"
    else:
        alarms.move_alarm(alarm, AlarmMove.RAISE)
        alarm.is_active, alarm.cleared_ms = True, None
        alarm.acknowledged_ms = alarm.acknowledged_by = None
        alarm.occurrences += 1
        alarm.evidence = _with_occurrence(alarm.evidence, signal)
    known.keep(alarm)
    opened = None
    facts: dict[str, Any] = {}
    if condition.may_be_shelved and AlarmState(alarm.state) not in ASIDE:
        if aside is not None:
            set_aside(alarm, aside)
            facts = aside_facts(aside)
        elif signal.is_in_service:
            alarms.move_alarm(alarm, AlarmMove.SUPPRESS)
            alarm.suppression_id = alarm.forth_ms = None
            facts = {"in_service": True}
    alarm.is_in_service = signal.is_in_service and AlarmState(alarm.state) is AlarmState.SUPPRESSED
    # What is set aside calls nobody; it has its ticket when it comes back and still holds.
    if condition.opens_ticket and AlarmState(alarm.state) not in ASIDE:
        if is_held(condition.kind, condition.code) and not has_own_open_ticket(session, alarm):
            alarm.forth_ms = received_ms + HOLD_MS
        else:
            opened = attach_ticket(session, alarm, condition, received_ms, joint=SILENCE if is_joint else None)
    annunciate(session, alarm, now_ms=received_ms)
    entries.append(alarm_entry(alarm, verb, {"ts_ms": signal.ts_ms, "occurrences": alarm.occurrences, **facts}))
    if opened is not None:
        entries.append(opened_entry(opened, alarm))
    entries += call_out_moves.propose(session, alarm, now_ms=received_ms)
    return alarm


def opened_entry(ticket: Ticket, alarm: Alarm) -> Entry:
    return ticket_entry(ticket, "ticket.opened", SYSTEM, {"alarm_id": alarm.id})


def _with_occurrence(evidence: dict[str, Any], signal: Signal) -> dict[str, Any]:
    earlier = list(evidence.get("again_ms", []))[-EVIDENCE_LIMIT:]
    return {**evidence, **signal.evidence, "again_ms": [*earlier, signal.ts_ms]}


def has_own_open_ticket(session: Session, alarm: Alarm) -> bool:
    """Whether somebody works, or is to work, on this alarm itself."""
    if alarm.ticket_id is None or alarm.is_explained:
        return False
    return Stage(tickets.get_ticket(session, alarm.ticket_id).stage) not in FINAL_STAGES


def bring_back(session: Session, alarm: Alarm, *, now_ms: int) -> None:
    """An alarm that is set aside no more, holds, and has nobody who works on it is decided on as a new one is."""
    if alarm.is_active and not alarm.is_explained and not has_own_open_ticket(session, alarm):
        alarm.forth_ms = now_ms


def attach_ticket(
    session: Session, alarm: Alarm, condition: Condition, now_ms: int, *, joint: Joint | None
) -> Ticket | None:
    """Puts the alarm to the ticket of its case; returns the ticket if it had to be opened.

    `joint` is for an alarm that stands for many units of its site.
    """
    if has_own_open_ticket(session, alarm):
        return None
    unit = session.get_one(Unit, alarm.unit_id)
    case = joint.case if joint is not None else condition.case
    ticket = tickets.find_open_ticket(session, unit.id, case)
    if ticket is None and case in JOINT_CASES:
        # Some units of a gateway speak more seldom than others, and are missed later.
        ticket = tickets.find_joint_ticket(session, unit.site_id, case, since_ms=now_ms - JOINT_MS)
    severity = condition.severity
    if joint is not None and joint.least_severity is not None:
        severity = gravest(severity, joint.least_severity)
    opened = None
    if ticket is None:
        ticket = opened = tickets.open_ticket(
            session,
            site=unit.site,
            unit=None if joint is not None else unit,
            kind=TicketKind.FAULT if joint is not None else condition.ticket_kind,
            title=joint.title if joint is not None else condition.title,
            severity=severity,
            case=case,
            opened_by=SYSTEM.name,
            now_ms=now_ms,
        )
    else:
        graver = gravest(Severity(ticket.severity), severity)
        if graver.value != ticket.severity:
            # The graver alarm names the case from now on.
            tickets.make_graver(session, ticket, graver, now_ms=now_ms)
            if ticket.unit_id is not None:
                ticket.title = condition.title
        ticket.updated_ms = now_ms
    alarm.ticket_id = ticket.id
    return opened


def _return(signal: Signal, unit_id: int, entries: list[Entry], *, known: KnownAlarms) -> Alarm | None:
    alarm = known.open(unit_id, signal.condition.code)
    if alarm is None or not alarm.is_active:
        return None
    alarms.move_alarm(alarm, AlarmMove.RETURN)
    alarm.is_active, alarm.is_in_service, alarm.cleared_ms = False, False, signal.ts_ms
    entries.append(alarm_entry(alarm, "alarm.returned", {"ts_ms": signal.ts_ms}))
    return alarm


def acknowledge_alarm(session: Session, alarm_id: int, *, actor: Actor, now_ms: int) -> Alarm:
    alarm = alarms.get_alarm(session, alarm_id, for_update=True)
    if alarms.acknowledge(alarm, by=actor.name, now_ms=now_ms):
        note_acknowledged(session, alarm, by=actor.name, now_ms=now_ms)
        activity.append(session, [alarm_entry(alarm, "alarm.acknowledged", {}, actor)], now_ms=now_ms)
    return alarm


def shelve_alarm(
    session: Session, alarm_id: int, *, until_ms: int, reason: str, is_allowed: bool, actor: Actor, now_ms: int
) -> Alarm:
    alarm = alarms.get_alarm(session, alarm_id, for_update=True)
    alarms.shelve(alarm, until_ms=until_ms, reason=reason, is_allowed=is_allowed, now_ms=now_ms)
    data = {"until_ms": until_ms, "reason": alarm.shelved_reason}
    activity.append(session, [alarm_entry(alarm, "alarm.shelved", data, actor)], now_ms=now_ms)
    return alarm


def unshelve_alarm(session: Session, alarm_id: int, *, actor: Actor, now_ms: int) -> Alarm:
    alarm = alarms.get_alarm(session, alarm_id, for_update=True)
    alarms.unshelve(alarm)
    bring_back(session, alarm, now_ms=now_ms)
    activity.append(session, [alarm_entry(alarm, "alarm.unshelved", {}, actor)], now_ms=now_ms)
    return alarm


def unshelve_due(session: Session, *, now_ms: int) -> list[Alarm]:
    """Takes back from the shelf what was set aside until now."""
    due = alarms.due_for_unshelving(session, now_ms=now_ms)
    for alarm in due:
        alarms.unshelve(alarm)
        bring_back(session, alarm, now_ms=now_ms)
    if due:
        activity.append(session, [alarm_entry(alarm, "alarm.unshelved", {}) for alarm in due], now_ms=now_ms)
    return due


def any_due_for_unshelving(database: Database, *, now_ms: int) -> bool:
    with database.reading() as session:
        return alarms.is_any_due_for_unshelving(session, now_ms=now_ms)


def move_ticket(
    session: Session,
    ticket_id: int,
    to: Stage,
    *,
    actor: Actor,
    note: str = "",
    brought: Brought = NOTHING_MORE,
    now_ms: int,
) -> Ticket:
    """One person's move; the row is held, so that of two people moving at once the second meets the new stage."""
    ticket = tickets.get_ticket(session, ticket_id, for_update=True)
    made = tickets.move_ticket(session, ticket, to, actor=actor, note=note, brought=brought, now_ms=now_ms)
    data: dict[str, Any] = {"from": made.from_stage, "to": made.to_stage, "note": made.note, "party": made.party}
    if made.hold_reason:
        data["hold_reason"] = made.hold_reason
    if made.stands_in:
        data["stands_in"] = True
    activity.append(session, [ticket_entry(ticket, "ticket.moved", actor, data)], now_ms=now_ms)
    return ticket


def open_ticket_by_hand(
    session: Session,
    *,
    site: Site,
    unit: Unit | None,
    kind: TicketKind,
    title: str,
    severity: Severity,
    description: str,
    actor: Actor,
    now_ms: int,
) -> Ticket:
    ticket = tickets.open_ticket(
        session,
        site=site,
        unit=unit,
        kind=kind,
        title=title,
        severity=severity,
        description=description,
        opened_by=actor.name,
        now_ms=now_ms,
    )
    activity.append(session, [ticket_entry(ticket, "ticket.opened", actor, {})], now_ms=now_ms)
    return ticket


def alarm_entry(alarm: Alarm, verb: str, data: dict[str, Any], actor: Actor = SYSTEM) -> Entry:
    return Entry(
        verb=verb,
        subject=alarm.subject,
        actor=actor.name,
        site=alarm.unit.site.key,
        unit_id=alarm.unit_id,
        data={
            "condition": alarm.condition,
            "severity": alarm.severity,
            "state": alarm.state,
            "unit": alarm.unit.unit_key.path,
            "ticket_id": alarm.ticket_id,
            **data,
        },
    )


def ticket_entry(ticket: Ticket, verb: str, actor: Actor, data: dict[str, Any]) -> Entry:
    unit = ticket.unit
    return Entry(
        verb=verb,
        subject=ticket.subject,
        actor=actor.name,
        site=ticket.site.key,
        unit_id=ticket.unit_id,
        data={
            "title": ticket.title,
            "opened_by": ticket.opened_by,
            "severity": ticket.severity,
            "stage": ticket.stage,
            "unit": unit.unit_key.path if unit is not None else None,
            **data,
        },
    )
