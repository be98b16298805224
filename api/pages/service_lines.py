"""What was done to a unit by those who keep it, as lines that people read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from api.pages.moments import local_time
from api.pages.rendering import Reader
from api.pages.ticket_cards import actor_name
from api.routes.case_presenting import yuan
from api.security import names_people
from api.translations import msgid
from registry.service_record import ServiceKind, ServiceRecord
from registry.site import Site

SERVICE_KIND_TITLES: Mapping[ServiceKind, str] = MappingProxyType(
    {
        ServiceKind.MAINTENANCE: msgid("Maintenance"),
        ServiceKind.INSPECTION: msgid("Statutory inspection"),
        ServiceKind.OVERHAUL: msgid("Overhaul"),
        ServiceKind.REPLACEMENT: msgid("Replacement by a new unit"),
        ServiceKind.SAFETY_ASSESSMENT: msgid("Safety assessment"),
    }
)


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """`valid` tells until when, `is_expired` whether that day has gone; `by` and `note` only for those who may know."""

    id: int
    kind: ServiceKind
    title: str
    done_on: str
    done_by: str
    valid_until: str
    is_expired: bool
    cost: str
    stop: str
    recorded_by: str
    note: str


def service_lines(records: Iterable[ServiceRecord], *, site: Site, reader: Reader) -> list[ServiceLine]:
    names = reader.actor is not None and names_people(reader.actor, site.key)
    today = local_time(reader.now_ms, site.timezone).date()
    lines = []
    for record in records:
        kind = ServiceKind(record.kind)
        begin_ms, end_ms = record.stop_begin_ms, record.stop_end_ms
        stop = ""
        if begin_ms is not None and end_ms is not None:
            begin, end = local_time(begin_ms, site.timezone), local_time(end_ms, site.timezone)
            stop = f"{begin:%Y-%m-%d %H:%M} – {end:%m-%d %H:%M}"
        lines.append(
            ServiceLine(
                id=record.id,
                kind=kind,
                title=reader._(SERVICE_KIND_TITLES[kind]),
                done_on=record.done_on.isoformat(),
                done_by=record.done_by,
                valid_until=record.valid_until.isoformat() if record.valid_until else "",
                is_expired=record.valid_until is not None and record.valid_until < today,
                cost="" if record.cost_fen is None else yuan(record.cost_fen),
                stop=stop,
                recorded_by=actor_name(record.recorded_by, reader=reader) if names else "",
                note=record.note if names else "",
            )
        )
    return lines
