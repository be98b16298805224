"""An item of an agenda as people read it: its title, what is known of it, and where its facts are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from alerts.action_team_states import TeamState
from alerts.ticket_stages import Stage
from api.pages.joint_words import (
    AGENDA_KIND_TITLES,
    OUTCOME_TITLES,
    TASK_STATE_TITLES,
    TEAM_STATE_TITLES,
)
from api.pages.moments import duration_text
from api.pages.rendering import NOBODY, Reader
from api.pages.ticket_cards import hold_title
from api.pages.wording import PARTY_TITLES, STAGE_TITLES
from api.translations import msgid
from governance.meeting import AgendaItem
from governance.meeting_stages import AgendaKind, ItemOutcome
from registry.role import Party


@dataclass(frozen=True, slots=True)
class DecidedTask:
    id: int
    title: str
    who: str
    due_on: str


@dataclass(frozen=True, slots=True)
class ItemCard:
    """`href` leads to what it is about; `rows` are figures of now and before."""

    id: int
    number: int
    kind: AgendaKind
    kind_title: str
    title: str
    href: str
    lines: Sequence[str]
    records: Sequence[tuple[str, str]]
    rows: Sequence[tuple[str, str, str]]
    outcome: ItemOutcome
    outcome_title: str
    discussion: str
    decision: str
    tasks: Sequence[DecidedTask]
    version: int
    changed_by: str


@dataclass(slots=True)
class _Told:
    """What a kind of item has to say."""

    title: str
    href: str = ""
    lines: list[str] = field(default_factory=list)
    records: list[tuple[str, str]] = field(default_factory=list)
    rows: list[tuple[str, str, str]] = field(default_factory=list)


_KPI_ROWS: Mapping[str, str] = MappingProxyType(
    {
        "alarms": msgid("Alarms"),
        "per_day": msgid("Alarms a day"),
        "critical": msgid("of these critical"),
        "peak": msgid("Most alarms within ten minutes"),
        "stale": msgid("Standing for a day or longer"),
        "median_acknowledged_ms": msgid("Acknowledged after (median)"),
    }
)


def item_card(item: AgendaItem, number: int, *, site: str, reader: Reader) -> ItemCard:
    kind, _ = AgendaKind(item.kind), reader._
    told = _told(kind, item, site=site, reader=reader)
    return ItemCard(
        id=item.id,
        number=number,
        kind=kind,
        kind_title=_(AGENDA_KIND_TITLES[kind]),
        title=told.title,
        href=told.href,
        lines=told.lines,
        records=told.records,
        rows=told.rows,
        outcome=ItemOutcome(item.outcome),
        outcome_title=_(OUTCOME_TITLES[ItemOutcome(item.outcome)]),
        discussion=item.discussion,
        decision=item.decision,
        tasks=[
            DecidedTask(
                id=int(task["task_id"]),
                title=str(task["title"]),
                who=_who(task, reader=reader),
                due_on=str(task["due_on"] or ""),
            )
            for task in item.tasks
        ],
        version=item.version,
        changed_by=reader.who(item.changed_by),
    )


def _told(kind: AgendaKind, item: AgendaItem, *, site: str, reader: Reader) -> _Told:
    facts, _ = item.facts, reader._
    if kind is AgendaKind.CARRIED_OVER:
        told = _told(AgendaKind(facts["was"]), item, site=site, reader=reader)
        told.lines.insert(0, _("Carried over since the meeting of %(day)s.", day=facts["since"]))
        return told
    if kind in (AgendaKind.BLOCKED, AgendaKind.ON_HOLD_LONG, AgendaKind.ESCALATED, AgendaKind.OVERDUE):
        return _ticket(facts, reader=reader)
    if kind is AgendaKind.ACTION_TEAM:
        state = _(TEAM_STATE_TITLES[TeamState(facts["state"])])
        steps = _("%(done)s of %(steps)s steps done", done=facts["steps_done"], steps=facts["steps"])
        due = _("due on %(day)s", day=facts["due_on"])
        return _Told(str(facts["goal"]), f"/action-teams/{facts['team_id']}", [f"{state} · {steps} · {due}"])
    if kind is AgendaKind.TASK_NOT_DONE:
        state = TASK_STATE_TITLES[facts["state"]]
        parts = [_who(facts, reader=reader), _(state)]
        if facts["due_on"]:
            parts.append(_("due on %(day)s", day=facts["due_on"]))
        return _Told(str(facts["title"]), f"/tasks/{facts['task_id']}", [" · ".join(parts)])
    if kind is AgendaKind.OWNERS_MATTER:
        number = _("No. %(n)s of the reception", n=facts["number"])
        return _Told(item.title, "", [" · ".join(filter(None, (number, str(facts["place"]))))])
    if kind in (AgendaKind.REPEATED_FAULTS, AgendaKind.FAULT_PRONE):
        return _unit(kind, facts, reader=reader)
    if kind is AgendaKind.PATROL_FINDINGS:
        line = _(
            "%(rounds)s rounds, %(missed)s of them missed or late; %(findings)s findings.",
            rounds=facts["rounds"],
            missed=facts["missed"],
            findings=facts["findings"],
        )
        records = _records(facts["sources"], reader=reader)
        return _Told(_("Joint patrols of the last 30 days"), f"/patrols?site={quote(site)}", [line], records)
    if kind is AgendaKind.OPEN_TICKETS:
        told_title = _.plural("%(n)s other open ticket", "%(n)s other open tickets", int(facts["others"]))
        return _Told(told_title, f"/tickets?site={quote(site)}")
    if kind is AgendaKind.ALARM_KPIS:
        rows = [
            (_(title), _kpi(name, facts["now"], reader=reader), _kpi(name, facts["before"], reader=reader))
            for name, title in _KPI_ROWS.items()
        ]
        title = _("Alarms of the last 30 days beside those of the 30 before")
        return _Told(title, f"/alarms?state=all&site={quote(site)}", rows=rows)
    return _Told(item.title)


def _ticket(facts: Mapping[str, Any], *, reader: Reader) -> _Told:
    _ = reader._
    title = _(str(facts["title"])) if facts["opened_by"] in NOBODY else str(facts["title"])
    parts = [_("Ticket %(id)s", id=facts["ticket_id"]), _(STAGE_TITLES[Stage(facts["stage"])])]
    if facts["hold_reason"]:
        parts.append(hold_title(str(facts["hold_reason"]), reader=reader))
    if facts["hold_days"] is not None:
        parts.append(_("on hold for %(n)s days", n=facts["hold_days"]))
    parts.append(_("open for %(n)s days", n=facts["open_days"]))
    if facts["unit"]:
        parts.insert(1, str(facts["unit"]))
    return _Told(title, f"/tickets/{facts['ticket_id']}", [" · ".join(parts)])


def _unit(kind: AgendaKind, facts: Mapping[str, Any], *, reader: Reader) -> _Told:
    _ = reader._
    title = " · ".join(filter(None, (str(facts["name"]), str(facts["building"]))))
    if kind is AgendaKind.FAULT_PRONE:
        line = _(
            "%(faults)s faults in a year. Its rate is with 90 %% certainty above %(low)s a year; the highest tenth of "
            "its peers begins at %(quantile)s.",
            faults=facts["faults"],
            low=facts["rate_low"],
            quantile=facts["quantile"],
        )
        return _Told(title, f"/statistics?unit={quote(str(facts['unit']))}", [line])
    line = _(
        "%(faults)s faults in a year; repaired and failed of the same again: %(repeats)s times in the last 60 days.",
        faults=facts["faults"],
        repeats=facts["repeats"],
    )
    records = _records(facts["sources"], reader=reader)
    return _Told(title, f"/units/{facts['unit']}", [line], records)


def _records(sources: Sequence[str], *, reader: Reader) -> list[tuple[str, str]]:
    """Those that are tickets, as (words, address)."""
    ids = [source.removeprefix("ticket:") for source in map(str, sources) if source.startswith("ticket:")]
    return [(reader._("Ticket %(id)s", id=each), f"/tickets/{each}") for each in ids]


def _kpi(name: str, facts: Mapping[str, Any], *, reader: Reader) -> str:
    value = facts[name]
    if value is None:
        return "–"
    return duration_text(int(value), _=reader._) if name.endswith("_ms") else str(value)


def _who(facts: Mapping[str, Any], *, reader: Reader) -> str:
    party = reader._(PARTY_TITLES[Party(facts["party"])])
    return f"{party} · {facts['owner']}" if facts["owner"] else party
