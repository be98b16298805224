"""The activity log and a unit's events as lines that people read."""

from collections.abc import Iterable
from dataclasses import dataclass

from alerts.limits import Limits
from alerts.ticket_stages import Stage
from api.condition_index import find_condition
from api.pages.joint_words import JOINT_ACTIVITY_TITLES
from api.pages.moments import Moment, local_time
from api.pages.rendering import NOBODY, Reader
from api.pages.ticket_cards import actor_name
from api.pages.wording import ACTIVITY_TITLES, STAGE_TITLES
from api.security import names_people
from api.translations import msgid
from ingest.event_log import EventRecord
from models.equipment import EVENT_TITLES, Kind
from registry.activity import Activity
from registry.site import Site

_TITLES = {**ACTIVITY_TITLES, **JOINT_ACTIVITY_TITLES}


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """Something that happened. `href` leads to what it happened to; `by` and `note` only for those who may know."""

    at: Moment
    text: str
    detail: str
    href: str
    by: str
    note: str


@dataclass(frozen=True, slots=True)
class EventLine:
    at: Moment
    title: str
    code: str
    point: str
    is_on: bool


def activity_lines(
    rows: Iterable[Activity], *, site: Site, kind: Kind | None, limits: Limits, reader: Reader
) -> list[HistoryLine]:
    names = reader.actor is not None and names_people(reader.actor, site.key)
    return [
        HistoryLine(
            at=reader.moment(row.at_ms, site.timezone),
            text=reader._(title) if (title := _TITLES.get(row.verb)) else row.verb,
            detail=_detail(row, kind=kind, timezone=site.timezone, limits=limits, reader=reader),
            href=_href(row.subject),
            by=actor_name(row.actor, reader=reader) if names else "",
            note=str(row.data.get("note") or row.data.get("reason") or "") if names else "",
        )
        for row in rows
    ]


def event_lines(rows: Iterable[EventRecord], *, site: Site, kind: Kind, reader: Reader) -> list[EventLine]:
    return [
        EventLine(
            at=reader.moment(row.ts_ms, site.timezone),
            title=reader._(EVENT_TITLES[kind][row.code]) if row.code in EVENT_TITLES[kind] else row.code,
            code=row.code,
            point=row.point,
            is_on=row.is_on,
        )
        for row in rows
    ]


def _detail(row: Activity, *, kind: Kind | None, timezone: str, limits: Limits, reader: Reader) -> str:
    if row.verb == "ticket.moved" and row.data.get("to") in set(Stage):
        return reader._(STAGE_TITLES[Stage(row.data["to"])])
    if row.verb.startswith("ticket."):
        # A ticket that the system opened bears the title of its alarm: a message of ours; else a person's words.
        title = str(row.data.get("title", ""))
        return reader._(title) if row.data.get("opened_by", row.actor) in NOBODY else title
    if row.verb.startswith("proposal."):
        return f"{row.data.get('number', '')} {row.data.get('title', '')}".strip()
    if row.verb.startswith("model."):
        return _model_words(row, timezone=timezone, reader=reader)
    code = row.data.get("condition")
    if kind is not None and isinstance(code, str):
        condition = find_condition(limits, kind, code)
        title = reader._(condition.title) if condition is not None else code
        if row.data.get("in_service"):
            kept = reader._("kept without a call: the lift was inspected or in fire service")
            return f"{title} · {kept}"
        return title
    return ""


def _model_words(row: Activity, *, timezone: str, reader: Reader) -> str:
    version, rows, first_ms, last_ms = (row.data.get(name) for name in ("version", "rows", "first_ms", "last_ms"))
    if not (isinstance(first_ms, int) and isinstance(last_ms, int)):
        return ""
    first, last = (f"{local_time(at_ms, timezone):%Y-%m-%d}" for at_ms in (first_ms, last_ms))
    words = msgid("model v%(version)s, fitted on %(first)s to %(last)s, %(rows)s rows")
    return reader._(words, version=version, first=first, last=last, rows=rows)


def _href(subject: str) -> str:
    what, _, number = subject.partition(":")
    if number.isdigit() and what in ("alarm", "ticket", "proposal"):
        return f"/{what}s/{number}"
    if number.isdigit() and what == "call_out":
        return f"/call-outs/{number}"
    return ""
