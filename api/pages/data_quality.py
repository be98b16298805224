"""Data quality: what came in, what could not be read, what nobody knows, and who is silent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts.presence import StaleBecause, list_silent
from api.errors import UnknownMessage
from api.pages.board import ingest_health
from api.pages.moments import Moment, duration_text
from api.pages.rendering import Reader, reader_of, render
from api.pages.sender_words import skew_text
from api.pages.unit_cards import UnitCard, unit_card
from api.pages.values import number_text
from api.pages.wording import REASON_TITLES
from api.resources import Held, Resources
from api.security import PageActor, check_csrf
from ingest import quarantine, refused, unknown_metric
from ingest.errors import Reason
from ingest.foreign import mapping_fault
from ingest.ledger import read_ledger
from ingest.traffic import NO_SITE, read_traffic
from registry.role import Actor
from registry.site import Site, list_sites
from registry.unit import list_offline
from registry.unit_life import late_units, skewed_clocks

MESSAGES_SHOWN = 25
MAX_ID = 2**62
UNITS_SHOWN = 100
SENDERS_SHOWN = 20
REFUSALS_SHOWN = 20
NAMES_SHOWN = 5
PREVIEW_BYTES = 240

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A quarantined message; `preview` is its beginning with everything unprintable made visible."""

    id: int
    at: Moment
    reason: str
    detail: str
    topic: str
    size_bytes: int
    preview: str
    is_cut: bool
    is_asked: bool
    is_replayed: bool
    discarded_because: str | None
    is_waiting: bool


@dataclass(frozen=True, slots=True)
class StrangeMetric:
    unit: UnitCard
    metric: str
    first: Moment


@dataclass(frozen=True, slots=True)
class Sender:
    """What a compound sends; `is_flood` when that is more than is expected of one."""

    name: str
    per_s: str
    messages: str
    mebibytes: str
    is_flood: bool


def senders(session: Session, held: Resources, sites: Sequence[Site], *, sees_all: bool, nameless: str) -> list[Sender]:
    """The compounds that sent the most in the last minute."""
    names = {site.key: site.name for site in sites} | ({NO_SITE: nameless} if sees_all else {})
    return [
        Sender(
            name=names[row.site],
            per_s=f"{row.messages_per_s:,.1f}",
            messages=number_text(row.messages),
            mebibytes=f"{row.size_bytes / 2**20:,.1f}",
            is_flood=row.messages_per_s > held.settings.site_messages_per_s,
        )
        for row in read_traffic(session, now_ms=held.clock())
        if row.site in names
    ][:SENDERS_SHOWN]


@dataclass(frozen=True, slots=True)
class SilentUnit:
    """Heard once, and not known now; `is_behind` when it sends, but readings of the past."""

    unit: UnitCard
    since: Moment
    is_behind: bool


@dataclass(frozen=True, slots=True)
class WrongClock:
    """Of a gateway where there is no unit."""

    unit: UnitCard | None
    name: str
    site_key: str
    skew: str


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """What one write of the telemetry store refused for one reason."""

    reason: str
    count: str
    units: str
    metrics: str
    first: Moment
    last: Moment


def refusals(session: Session, reader: Reader, *, visible: frozenset[str] | None) -> list[RefusedRow]:
    return [
        RefusedRow(
            reason=row.reason,
            count=number_text(row.value_count),
            units=_named([f"{unit.site}/{unit.unit}" for unit in row.units]),
            metrics=_named(row.metrics),
            first=reader.moment(row.first_ms),
            last=reader.moment(row.last_ms),
        )
        for row in refused.newest(session, visible=visible, limit=REFUSALS_SHOWN)
    ]


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (" …" if len(names) > NAMES_SHOWN else "")


@router.get("/data-quality")
def show_data_quality(
    request: Request, actor: PageActor, held: Held, before: int | None = None, reason: str = "", topic: str = ""
) -> HTMLResponse:
    return _page(request, actor, held, before=before, reason=reason, topic=topic)


@router.post("/data-quality/messages/{message_id}/discard", dependencies=[Depends(check_csrf)])
def discard_message(
    request: Request, actor: PageActor, held: Held, message_id: int, because: Annotated[str, Form()] = ""
) -> Response:
    if not because.strip():
        problem = reader_of(request)._("Say why nobody needs this message.")
        return _page(request, actor, held, problem=problem, status_code=422)
    with held.database.writing() as session:
        found = quarantine.find_message(session, min(message_id, MAX_ID), visible=actor.sites)
        if found is None:
            raise UnknownMessage(message_id)
        quarantine.discard(session, found, because=because.strip(), by=actor.name, now_ms=held.clock())
    return RedirectResponse("/data-quality#kept-title", status_code=303)


@router.post("/data-quality/messages/{message_id}/replay", dependencies=[Depends(check_csrf)])
def replay_message(actor: PageActor, held: Held, message_id: int) -> RedirectResponse:
    """The ingest takes it again at its next breath."""
    with held.database.writing() as session:
        found = quarantine.find_message(session, min(message_id, MAX_ID), visible=actor.sites)
        if found is None:
            raise UnknownMessage(message_id)
        quarantine.ask_replay(session, message_id=found.id, by=actor.name, now_ms=held.clock())
    return RedirectResponse("/data-quality#kept-title", status_code=303)


@router.post("/data-quality/replay", dependencies=[Depends(check_csrf)])
def replay_reason(actor: PageActor, held: Held, reason: Annotated[Reason, Form()]) -> RedirectResponse:
    """All waiting messages of one reason: the cause was one, and it was mended."""
    with held.database.writing() as session:
        quarantine.ask_replay(session, reason=reason, visible=actor.sites, by=actor.name, now_ms=held.clock())
    return RedirectResponse("/data-quality#kept-title", status_code=303)


def _page(
    request: Request,
    actor: Actor,
    held: Resources,
    *,
    before: int | None = None,
    reason: str = "",
    topic: str = "",
    problem: str = "",
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    wanted = next((each for each in Reason if each.value == reason), None)
    skew_limit_ms = round(held.limits.clock_skew_s * 1000)
    before_id = min(before, MAX_ID) if before is not None else None
    with held.database.reading() as session:
        book = read_ledger(session)
        counts = quarantine.count_by_reason(session, visible=actor.sites)
        found = quarantine.newest(
            session,
            visible=actor.sites,
            reason=wanted,
            topic_part=topic.strip(),
            before_id=before_id,
            limit=MESSAGES_SHOWN + 1,
        )
        shown = found[:MESSAGES_SHOWN]
        heads = quarantine.heads(session, [message.id for message in shown], size_bytes=PREVIEW_BYTES)
        strange = [row for row in unknown_metric.newest(session) if actor.may_see(row.unit.site.key)]
        return render(
            request,
            "data_quality.html",
            reader,
            status_code=status_code,
            problem=problem,
            wanted=wanted,
            topic=topic,
            all_reasons=[(each, reader._(title)) for each, title in REASON_TITLES.items()],
            book=book,
            number=number_text,
            health=ingest_health(session, held, reader),
            mapping_fault=mapping_fault(held.settings.mapping_file),
            reasons=[
                (reader._(REASON_TITLES[reason]), reason, count)
                for reason, count in sorted(counts.items(), key=lambda item: -item[1])
            ],
            may_decide=reader.may("POST", "/data-quality/messages/{message_id}/discard"),
            messages=[
                KeptMessage(
                    id=message.id,
                    at=reader.moment(message.received_ms),
                    reason=reader._(REASON_TITLES[message.reason]),
                    detail=message.detail,
                    topic=visible_text(message.topic.encode(errors="backslashreplace")),
                    size_bytes=message.size_bytes,
                    preview=visible_text(heads.get(message.id, b"")),
                    is_cut=message.size_bytes > PREVIEW_BYTES,
                    is_asked=message.replay_asked_ms is not None,
                    is_replayed=message.replayed_ms is not None,
                    discarded_because=message.discarded_because if message.discarded_ms is not None else None,
                    is_waiting=message.replayed_ms is None and message.discarded_ms is None,
                )
                for message in shown
            ],
            refusals=refusals(session, reader, visible=actor.sites),
            senders=senders(
                session,
                held,
                list_sites(session, visible=actor.sites),
                sees_all=actor.sites is None,
                nameless=reader._("no compound that is registered"),
            ),
            expected_per_s=f"{held.settings.site_messages_per_s:,.0f}",
            next_before=shown[-1].id if len(found) > MESSAGES_SHOWN else None,
            strange=[
                StrangeMetric(
                    unit_card(row.unit, [], reader=reader),
                    row.metric,
                    reader.moment(row.first_ms, row.unit.site.timezone),
                )
                for row in strange
            ],
            offline=[
                (unit_card(unit, [], reader=reader), reader.moment(unit.status_ms or 0, unit.site.timezone))
                for unit in list_offline(session, visible=actor.sites, limit=UNITS_SHOWN)
            ],
            silent=[
                SilentUnit(
                    unit_card(unit, [], reader=reader),
                    reader.moment(fact.since_ms or 0, unit.site.timezone),
                    fact.because is StaleBecause.BEHIND,
                )
                for unit, fact in list_silent(session, now_ms=reader.now_ms, visible=actor.sites, limit=UNITS_SHOWN)
            ],
            clocks=[
                WrongClock(
                    unit_card(clock.unit, [], reader=reader) if clock.unit is not None else None,
                    clock.name,
                    clock.site_key,
                    skew_text(clock.skew_ms, _=reader._),
                )
                for clock in skewed_clocks(session, above_ms=skew_limit_ms, visible=actor.sites, limit=UNITS_SHOWN)
            ],
            skew_limit=duration_text(skew_limit_ms, _=reader._),
            late=[
                (
                    unit_card(unit, [], reader=reader),
                    number_text(life.late_values),
                    reader.moment(life.late_ms or 0, unit.site.timezone),
                )
                for unit, life in late_units(session, visible=actor.sites)
            ],
        )


def visible_text(content: bytes) -> str:
    """Bytes as text in which nothing hides: what is not printable UTF-8 is told by its code."""
    text = content.decode("utf-8", errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
