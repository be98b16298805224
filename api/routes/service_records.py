"""What was done to a unit by those who keep it, and how it is entered."""

from datetime import date
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api.idempotency import IdempotencyKey, claimed
from api.instants import rfc3339
from api.resources import Held
from api.routes.case_presenting import yuan
from api.routes.parameters import DEFAULT_ITEMS, AbsentIfEmpty, Cursor, Id, Instant, Limit, Text, UnitPath
from api.routes.register import unit_seen
from api.routes.shapes import Page, Rfc3339
from api.security import ApiActor, names_people
from registry.service_record import (
    MAX_BY_LENGTH,
    MAX_NOTE_LENGTH,
    Service,
    ServiceKind,
    ServiceRecord,
    add_service_record,
    service_records,
    withdraw_service_record,
)
from registry.unit import Unit

router = APIRouter(prefix="/units/{unit}/service-records", tags=["register"])


class NewServiceRecord(BaseModel):
    kind: ServiceKind
    done_on: Annotated[date, Field(description="day at the site")]
    valid_until: date | None = Field(default=None, description="of an inspection or an assessment")
    done_by: Annotated[Text, Field(max_length=MAX_BY_LENGTH, description="company or person")] = ""
    note: Annotated[Text, Field(max_length=MAX_NOTE_LENGTH)] = ""
    cost: Annotated[Decimal, Field(ge=0, le=100_000_000, max_digits=11, decimal_places=2)] | None = Field(
        default=None, description="yuan"
    )
    stopped_from: Instant | None = Field(default=None, description="out of use on purpose from then on")
    stopped_until: Instant | None = None

    @property
    def service(self) -> Service:
        return Service(
            kind=self.kind,
            done_on=self.done_on,
            valid_until=self.valid_until,
            done_by=self.done_by,
            note=self.note,
            cost_fen=None if self.cost is None else int(self.cost * 100),
            stop_begin_ms=self.stopped_from,
            stop_end_ms=self.stopped_until,
        )


class ServiceRecordShape(BaseModel):
    id: int
    unit: str
    kind: ServiceKind
    done_on: date
    valid_until: date | None
    done_by: str
    note: str
    cost: str | None = Field(description="yuan, with two decimals")
    stopped_from: Rfc3339 | None
    stopped_until: Rfc3339 | None
    recorded_by: str | None = Field(description="null for those who are not shown names")
    recorded_at: Rfc3339


@router.get("")
def list_service_records(
    request: Request,
    actor: ApiActor,
    held: Held,
    unit: UnitPath,
    kind: Annotated[ServiceKind | None, AbsentIfEmpty] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_ITEMS,
) -> Page[ServiceRecordShape]:
    """The last entered first."""
    with held.database.reading() as session:
        found = unit_seen(request, session, actor, unit)
        is_named = names_people(actor, found.site.key)
        before_id = int(cursor) if cursor else None
        rows = service_records(session, found.id, kind=kind, before_id=before_id, limit=limit + 1)
        shown = rows[:limit]
        return Page(
            items=[_shape(found, row, is_named=is_named) for row in shown],
            next=str(shown[-1].id) if len(rows) > limit else None,
        )


@router.post("", status_code=201)
def record_service(
    request: Request,
    actor: ApiActor,
    held: Held,
    unit: UnitPath,
    new: NewServiceRecord,
    idempotency_key: IdempotencyKey = None,
) -> ServiceRecordShape:
    now_ms = held.clock()
    with held.database.writing() as session:
        found = unit_seen(request, session, actor, unit)
        asked = ["service", found.id, new.model_dump(mode="json")]
        claim = claimed(session, actor=actor, key=idempotency_key, request=asked, now_ms=now_ms)
        if claim is not None and claim.earlier is not None:
            record = _earlier(session, claim.earlier)
        else:
            record = add_service_record(session, found, new.service, actor=actor, now_ms=now_ms)
            if claim is not None:
                claim.row.result = str(record.id)
        return _shape(found, record, is_named=names_people(actor, found.site.key))


@router.post("/{record_id}/withdraw", status_code=204)
def withdraw_service(request: Request, actor: ApiActor, held: Held, unit: UnitPath, record_id: Id) -> None:
    """Takes back what was entered by mistake; the activity log keeps that it was."""
    with held.database.writing() as session:
        found = unit_seen(request, session, actor, unit)
        withdraw_service_record(session, found, record_id, actor=actor, now_ms=held.clock())


def _earlier(session: Session, record_id: str) -> ServiceRecord:
    return session.get_one(ServiceRecord, int(record_id))


def _shape(unit: Unit, record: ServiceRecord, *, is_named: bool) -> ServiceRecordShape:
    def moment(at_ms: int | None) -> str | None:
        return None if at_ms is None else rfc3339(at_ms, unit.site.timezone)

    return ServiceRecordShape(
        id=record.id,
        unit=unit.unit_key.path,
        kind=ServiceKind(record.kind),
        done_on=record.done_on,
        valid_until=record.valid_until,
        done_by=record.done_by,
        note=record.note if is_named else "",
        cost=None if record.cost_fen is None else yuan(record.cost_fen),
        stopped_from=moment(record.stop_begin_ms),
        stopped_until=moment(record.stop_end_ms),
        recorded_by=record.recorded_by if is_named else None,
        recorded_at=rfc3339(record.recorded_ms, unit.site.timezone),
    )
