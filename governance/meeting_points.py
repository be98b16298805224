"""What the program puts before a meeting: hard cases first, then what came again, and the figures of the month.

Facts are JSON values of the moment; the pages put them into words. Nothing here writes.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session

from alerts.action_team import find_teams, steps_of
from alerts.alarm_kpis import AlarmKpis, alarm_kpis
from alerts.hard_case import HardCase, Hardness, hard_cases
from alerts.patrol_findings import patrol_findings
from governance.meeting import Meeting, meeting_before
from governance.meeting_agenda import AgendaPoint
from governance.meeting_stages import AgendaKind
from governance.reliability_report import UnitFacts
from governance.repeated_faults import newly_prone, repeaters, yearly_facts
from governance.work_list import TaskFilter, find_tasks
from governance.work_stages import TaskSource
from models.equipment import Kind

DAY_MS = 86_400_000
MONTH_MS = 30 * DAY_MS
MOST_OF_A_KIND = 10
MOST_UNITS = 5
MOST_TASKS = 30
KIND_OF_HARDNESS = {
    Hardness.BLOCKED: AgendaKind.BLOCKED,
    Hardness.ON_HOLD_LONG: AgendaKind.ON_HOLD_LONG,
    Hardness.ESCALATED: AgendaKind.ESCALATED,
    Hardness.OVERDUE: AgendaKind.OVERDUE,
}


def points_for(session: Session, meeting: Meeting, *, now_ms: int) -> list[AgendaPoint]:
    """In the order of the kinds; the sources are unique."""
    return [
        *_cases(session, meeting, now_ms=now_ms),
        *_teams(session, meeting),
        *_tasks(session, meeting),
        *_units(session, meeting, now_ms=now_ms),
        *_patrols(session, meeting, now_ms=now_ms),
        _kpis(session, meeting, now_ms=now_ms),
    ]


def _cases(session: Session, meeting: Meeting, *, now_ms: int) -> Iterator[AgendaPoint]:
    cases, in_all = hard_cases(session, meeting.site_id, now_ms=now_ms)
    shown = 0
    for hardness in Hardness:
        for case in [each for each in cases if each.hardness is hardness][:MOST_OF_A_KIND]:
            shown += 1
            yield AgendaPoint(KIND_OF_HARDNESS[hardness], case.ticket.subject, _case_facts(case))
    if in_all > shown:
        yield AgendaPoint(AgendaKind.OPEN_TICKETS, "tickets:open", {"others": in_all - shown, "in_all": in_all})


def _case_facts(case: HardCase) -> dict[str, Any]:
    ticket = case.ticket
    return {
        "ticket_id": ticket.id,
        "title": ticket.title,
        "opened_by": ticket.opened_by,
        "severity": ticket.severity,
        "stage": ticket.stage,
        "hold_reason": ticket.hold_reason,
        "open_days": case.open_days,
        "hold_days": case.hold_days,
        "rung": case.rung,
        "unit": ticket.unit.name if ticket.unit is not None else "",
    }


def _teams(session: Session, meeting: Meeting) -> Iterator[AgendaPoint]:
    for team in find_teams(session, site=meeting.site.key, is_open=True, limit=MOST_OF_A_KIND):
        steps = steps_of(session, team.id)
        yield AgendaPoint(
            AgendaKind.ACTION_TEAM,
            team.subject,
            {
                "team_id": team.id,
                "goal": team.goal,
                "state": team.state,
                "due_on": team.due_on.isoformat(),
                "steps": len(steps),
                "steps_done": sum(step.done_ms is not None for step in steps),
            },
        )


def _tasks(session: Session, meeting: Meeting) -> Iterator[AgendaPoint]:
    """What earlier meetings decided and nobody has done yet, overdue first."""
    wanted = TaskFilter(site=meeting.site.key, is_open=True)
    tasks = [task for task in find_tasks(session, wanted, limit=500) if task.source == TaskSource.MEETING]
    tasks.sort(key=lambda task: (task.due_on is None, task.due_on or meeting.held_on, task.id))
    for task in tasks[:MOST_TASKS]:
        yield AgendaPoint(
            AgendaKind.TASK_NOT_DONE,
            task.subject,
            {
                "task_id": task.id,
                "title": task.title,
                "state": task.state,
                "party": task.party,
                "owner": task.owner.display_name if task.owner is not None else "",
                "due_on": task.due_on.isoformat() if task.due_on else None,
                "is_overdue": task.is_overdue(meeting.held_on),
            },
        )


def _units(session: Session, meeting: Meeting, *, now_ms: int) -> list[AgendaPoint]:
    before = meeting_before(session, meeting)
    since_ms = before.starts_ms if before is not None else now_ms - MONTH_MS
    again: list[AgendaPoint] = []
    prone: list[AgendaPoint] = []
    for kind in Kind:
        now = yearly_facts(session, kind=kind, site=meeting.site.key, now_ms=now_ms)
        if not any(now.begun_within(unit.id) for unit in now.units):
            continue
        for each in repeaters(now)[:MOST_UNITS]:
            facts = {"faults": each.faults, "repeats": each.repeats, "sources": list(each.sources[:MOST_OF_A_KIND])}
            again.append(_unit_point(AgendaKind.REPEATED_FAULTS, "repeats", each.unit, facts))
        then = yearly_facts(session, kind=kind, site=meeting.site.key, now_ms=min(since_ms, now_ms))
        for new in newly_prone(then, now)[:MOST_UNITS]:
            facts = {
                "faults": new.faults,
                "rate_low": round(new.rate_low, 2),
                "quantile": round(new.quantile_per_year, 2),
            }
            prone.append(_unit_point(AgendaKind.FAULT_PRONE, "prone", new.unit, facts))
    return again + prone


def _unit_point(kind: AgendaKind, word: str, unit: UnitFacts, facts: dict[str, Any]) -> AgendaPoint:
    named = {"unit": unit.path, "name": unit.name, "building": unit.building, "kind": unit.kind.value}
    return AgendaPoint(kind, f"{word}:{unit.id}", named | facts)


def _patrols(session: Session, meeting: Meeting, *, now_ms: int) -> Iterator[AgendaPoint]:
    found = patrol_findings(session, meeting.site_id, start_ms=now_ms - MONTH_MS, end_ms=now_ms)
    if found.rounds or found.findings:
        facts = {"rounds": found.rounds, "missed": found.missed, "findings": found.findings}
        sources = [f"ticket:{ticket_id}" for ticket_id in found.ticket_ids]
        yield AgendaPoint(AgendaKind.PATROL_FINDINGS, "patrols:month", {**facts, "sources": sources})


def _kpis(session: Session, meeting: Meeting, *, now_ms: int) -> AgendaPoint:
    spans = ((now_ms - MONTH_MS, now_ms), (now_ms - 2 * MONTH_MS, now_ms - MONTH_MS))
    now, before = (alarm_kpis(session, meeting.site_id, start_ms=start, end_ms=end) for start, end in spans)
    return AgendaPoint(AgendaKind.ALARM_KPIS, "alarms:month", {"now": _kpi_facts(now), "before": _kpi_facts(before)})


def _kpi_facts(kpis: AlarmKpis) -> dict[str, Any]:
    return {
        "alarms": kpis.alarms,
        "per_day": round(kpis.per_day, 1),
        "critical": kpis.critical,
        "peak": kpis.peak,
        "stale": kpis.stale,
        "acknowledged": kpis.acknowledged,
        "median_acknowledged_ms": kpis.median_acknowledged_ms,
    }
