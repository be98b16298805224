"""Data quality: what came in, what could not be read, what nobody knows, and who is silent."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from api.pages.board import ingest_health
from api.pages.moments import Moment
from api.pages.rendering import reader_of, render
from api.pages.unit_cards import UnitCard, unit_card
from api.pages.values import number_text
from api.pages.wording import REASON_TITLES
from api.resources import Held
from api.security import PageActor
from ingest import quarantine, unknown_metric
from ingest.ledger import read_ledger
from registry.unit import list_offline

MESSAGES_SHOWN = 25
UNITS_SHOWN = 100
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
    is_replayed: bool


@dataclass(frozen=True, slots=True)
class StrangeMetric:
    unit: UnitCard
    metric: str
    first: Moment


@router.get("/data-quality")
def show_data_quality(request: Request, actor: PageActor, held: Held, before: int | None = None) -> HTMLResponse:
    reader = reader_of(request)
    before_id = min(before, 2**62) if before is not None else None
    with held.database.reading() as session:
        book = read_ledger(session)
        counts = quarantine.count_by_reason(session, visible=actor.sites)
        found = quarantine.newest(session, visible=actor.sites, before_id=before_id, limit=MESSAGES_SHOWN + 1)
        shown = found[:MESSAGES_SHOWN]
        heads = quarantine.heads(session, [message.id for message in shown], size_bytes=PREVIEW_BYTES)
        strange = [row for row in unknown_metric.newest(session) if actor.may_see(row.unit.site.key)]
        return render(
            request,
            "data_quality.html",
            reader,
            book=book,
            number=number_text,
            health=ingest_health(session, held, reader),
            reasons=[
                (reader._(REASON_TITLES[reason]), reason, count)
                for reason, count in sorted(counts.items(), key=lambda item: -item[1])
            ],
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
                    is_replayed=message.replayed_ms is not None,
                )
                for message in shown
            ],
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
        )


def visible_text(content: bytes) -> str:
    """Bytes as text in which nothing hides: what is not printable UTF-8 is told by its code."""
    text = content.decode("utf-8", errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
