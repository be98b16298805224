"""The live board: what is open now, the gravest first, and whether anything is being heard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse

from alerts.alarm import count_open_by_severity
from alerts.alarm_flood import flood_now
from alerts.presence import count_unknown
from alerts.severity import Severity
from alerts.ticket_list import count_blocked, count_by_stage, stages_of
from alerts.ticket_stages import FINAL_STAGES, Stage
from api.pages.alarm_cards import AlarmCard, open_cards_by_severity
from api.pages.moments import Moment, duration_text
from api.pages.rendering import Reader, reader_of, render
from api.pages.values import number_text
from api.pages.wording import KIND_TITLES, SEVERITY_TITLES, STAGE_TITLES
from api.resources import Held, Resources
from api.security import PageActor
from ingest import outbox
from ingest.ledger import read_ledger
from ingest.room import Room, room_left
from registry import activity
from registry.listening import deaf_since_ms
from registry.role import Actor
from registry.site import Site, list_sites, shared_timezone
from registry.unit import count_units

CARDS_PER_SEVERITY = 40
QUIET_AFTER_MS = 2 * 60_000
"""Equipment that is watched sends more often than that; longer silence is told."""

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class SeverityGroup:
    """The open alarms of one severity; `more` are open and not listed."""

    severity: Severity
    title: str
    count: int
    cards: list[AlarmCard]

    @property
    def more(self) -> int:
        return self.count - len(self.cards)


@dataclass(frozen=True, slots=True)
class StageCount:
    stage: Stage
    title: str
    count: int


@dataclass(frozen=True, slots=True)
class IngestHealth:
    """Whether anything is being heard, in words. `is_well` is false as soon as one of the sentences is a worry."""

    is_well: bool
    heard: str
    stored: str
    broker: str
    quarantined: str
    outbox: str
    """A warning when what waits for the store comes near to what may wait; else empty."""
    last: Moment | None


@dataclass(frozen=True, slots=True)
class SiteChoice:
    key: str
    name: str
    is_chosen: bool


@router.get("/")
def show_board(request: Request, actor: PageActor, held: Held, site: str = "") -> HTMLResponse:
    reader = reader_of(request)
    return render(request, "board.html", reader, **_board(actor, held, reader, site))


@router.get("/fragments/board")
def show_board_fragment(request: Request, actor: PageActor, held: Held, site: str = "") -> HTMLResponse:
    """What the script of the board puts in the place of the old."""
    reader = reader_of(request)
    return render(request, "board_fragment.html", reader, **_board(actor, held, reader, site))


def _board(actor: Actor, held: Resources, reader: Reader, site: str) -> Mapping[str, Any]:
    with held.database.reading() as session:
        sites = list_sites(session, visible=actor.sites)
        chosen = site if any(each.key == site for each in sites) else ""
        visible = frozenset({chosen}) if chosen else actor.sites
        counts = count_open_by_severity(session, visible=visible)
        cards = open_cards_by_severity(
            session, site=chosen or None, limit=CARDS_PER_SEVERITY, limits=held.limits, reader=reader
        )
        stages = count_by_stage(session, visible=visible)
        shown = {card.ticket_id for group in cards.values() for card in group if card.ticket_id is not None}
        units = count_units(session, visible=visible)
        deaf_ms = deaf_since_ms(session, now_ms=reader.now_ms)
        unknown = count_unknown(session, deaf_since_ms=deaf_ms, now_ms=reader.now_ms, visible=visible)
        return {
            "groups": [
                SeverityGroup(severity, reader._(SEVERITY_TITLES[severity]), counts[severity], cards[severity])
                for severity in Severity
            ],
            "open_alarms": sum(counts.values()),
            "critical": counts[Severity.CRITICAL],
            "stages": [
                StageCount(stage, reader._(STAGE_TITLES[stage]), stages[stage])
                for stage in Stage
                if stage not in FINAL_STAGES and stages.get(stage)
            ],
            "blocked": count_blocked(session, visible=visible),
            "stage_of_ticket": {
                ticket_id: reader._(STAGE_TITLES[stage])
                for ticket_id, stage in stages_of(session, shown).items()
                if stage not in FINAL_STAGES
            },
            "units": [
                (kind, reader._(KIND_TITLES[kind]), count, unknown.get(kind, 0))
                for kind, count in sorted(units.items())
            ],
            "health": ingest_health(session, held, reader),
            "sites": [SiteChoice(each.key, each.name, each.key == chosen) for each in sites],
            "site": chosen,
            "shows_site": len(sites) > 1,
            "flood": _flood(session, sites, chosen, reader),
            "last_activity": activity.last_id(session),
            "read_at": reader.moment(reader.now_ms, sites[0].timezone) if sites else reader.moment(reader.now_ms),
            "mqtt_url": held.mqtt_url,
        }


def _flood(session: Session, sites: Sequence[Site], chosen: str, reader: Reader) -> str:
    """A sentence while more alarms come than one who watches these compounds can bear; else empty."""
    here = [each for each in sites if chosen in ("", each.key)]
    flood = flood_now(session, [each.id for each in here], now_ms=reader.now_ms)
    if flood is None:
        return ""
    began = reader.moment(flood.began_ms, shared_timezone(here))
    return reader._(
        "Flood of alarms since %(time)s: %(n)s so far. See to the gravest first; minor ones are folded, and messages"
        " are gathered.",
        time=began.text,
        n=flood.count,
    )


def _outbox_warning(session: Session, held: Resources, reader: Reader) -> str:
    _ = reader._
    size_bytes, most_bytes = outbox.size_bytes(session), held.settings.outbox_max_bytes
    room = room_left(size_bytes, most_bytes=most_bytes)
    if room is Room.AMPLE:
        return ""
    percent = f"{100 * size_bytes / most_bytes:.0f}"
    if room is Room.NONE:
        return _("There is no room left for readings that cannot be stored: new ones wait at the broker, unjudged.")
    return _(
        "Readings cannot be stored; the room for them is %(percent)s %% full. Nothing is lost yet.", percent=percent
    )


def ingest_health(session: Session, held: Resources, reader: Reader) -> IngestHealth:
    _ = reader._
    book, is_connected = read_ledger(session), held.broker_is_connected()
    last_ms = book.last_received_ms
    if last_ms is None:
        heard = _("Nothing has been received yet.")
    elif reader.now_ms - last_ms > QUIET_AFTER_MS:
        heard = _("Nothing received for %(time)s.", time=duration_text(reader.now_ms - last_ms, _=_))
    else:
        heard = _("Readings are coming in, the last %(ago)s.", ago=reader.moment(last_ms).ago)
    stored = _("%(n)s values stored, none waiting.", n=number_text(book.values_stored))
    if book.values_pending:
        stored = _(
            "%(n)s values stored, %(pending)s safe and waiting for the store.",
            n=number_text(book.values_stored),
            pending=number_text(book.values_pending),
        )
    quarantined = ""
    if book.quarantined:
        quarantined = reader._.plural(
            "%(shown)s message could not be read and is kept.",
            "%(shown)s messages could not be read and are kept.",
            book.quarantined,
            shown=number_text(book.quarantined),
        )
    broker = _("Connected to the broker.") if is_connected else _("No connection to the broker: nothing comes in.")
    deaf_ms = deaf_since_ms(session, now_ms=reader.now_ms)
    if deaf_ms is not None:
        since = reader.moment(deaf_ms)
        broker = _(
            "Nobody listens to the equipment since %(time)s (%(ago)s): the state of all units is unknown.",
            time=since.text,
            ago=since.ago,
        )
    warning = _outbox_warning(session, held, reader)
    return IngestHealth(
        is_well=deaf_ms is None
        and not warning
        and is_connected
        and last_ms is not None
        and reader.now_ms - last_ms <= QUIET_AFTER_MS
        and book.balances,
        heard=heard,
        stored=stored if book.balances else _("The ledger does not balance: tell the operator."),
        broker=broker,
        quarantined=quarantined,
        outbox=warning,
        last=reader.moment(last_ms) if last_ms is not None else None,
    )
