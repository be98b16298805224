"""Windows in which alarms are set aside, and units that are out of service."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from alerts import suppressing
from alerts.errors import UnknownSuppression
from alerts.suppression import (
    MAX_REASON_LENGTH,
    Phase,
    Suppression,
    SuppressionKind,
    get_suppression,
    list_suppressions,
)
from api.idempotency import IdempotencyKey, claimed
from api.instants import rfc3339
from api.resources import Held
from api.routes.parameters import DEFAULT_ITEMS, AbsentIfEmpty, Cursor, Filter, Id, Instant, Limit, Text
from api.routes.shapes import Page, Rfc3339
from api.security import ApiActor, check_site, permitted_sites
from registry.errors import UnknownSite, UnknownUnit
from registry.site import get_site
from registry.unit import get_unit

router = APIRouter(prefix="/suppressions", tags=["alarms"])


class SuppressionShape(BaseModel):
    id: int
    kind: SuppressionKind
    site: str
    building: str = Field(description="empty for the whole compound, or for one unit")
    unit: str | None
    reason: str
    starts_at: Rfc3339
    until: Rfc3339 = Field(description="for a unit out of service the day on which somebody looks again")
    phase: Phase
    created_by: str
    created_at: Rfc3339
    ended_by: str | None


class NewSuppression(BaseModel):
    kind: SuppressionKind
    site: Annotated[Text, Field(max_length=64, description="a compound; leave it out when `unit` is named")] = ""
    building: Annotated[Text, Field(max_length=100)] = ""
    unit: Annotated[Text, Field(max_length=129, description="`{site}~{unit}`")] = ""
    reason: Annotated[Text, Field(min_length=1, max_length=MAX_REASON_LENGTH)]
    starts_at: Instant | None = Field(default=None, description="now if left out")
    until: Instant


def _shape(found: Suppression, *, now_ms: int) -> SuppressionShape:
    zone = found.site.timezone
    return SuppressionShape(
        id=found.id,
        kind=SuppressionKind(found.kind),
        site=found.site.key,
        building=found.building,
        unit=found.unit.unit_key.path if found.unit is not None else None,
        reason=found.reason,
        starts_at=rfc3339(found.starts_ms, zone),
        until=rfc3339(found.until_ms, zone),
        phase=found.phase(now_ms),
        created_by=found.created_by,
        created_at=rfc3339(found.created_ms, zone),
        ended_by=found.ended_by,
    )


@router.get("")
def list_suppressions_seen(
    request: Request,
    actor: ApiActor,
    held: Held,
    phase: Annotated[Phase | None, AbsentIfEmpty] = None,
    site: Filter = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_ITEMS,
) -> Page[SuppressionShape]:
    """What is set aside by people's plan: on now, planned, or over; the newest first."""
    now_ms = held.clock()
    with held.database.reading() as session:
        found = list_suppressions(
            session,
            now_ms=now_ms,
            phases=[phase] if phase else list(Phase),
            site=site,
            visible=permitted_sites(request, actor),
            before_id=int(cursor) if cursor else None,
            limit=limit + 1,
        )
        return Page(
            items=[_shape(each, now_ms=now_ms) for each in found[:limit]],
            next=str(found[limit - 1].id) if len(found) > limit else None,
        )


@router.post("", status_code=201)
def plan(
    request: Request, actor: ApiActor, held: Held, new: NewSuppression, idempotency_key: IdempotencyKey = None
) -> SuppressionShape:
    """Sets alarms aside for a time: of a unit, a building or a compound. Fire and entrapment call all the same."""
    now_ms = held.clock()
    with held.database.writing() as session:
        unit = get_unit(session, new.unit) if new.unit else None
        site = unit.site if unit is not None else get_site(session, new.site)
        check_site(
            request, actor, site.key, unknown=UnknownUnit(new.unit) if unit is not None else UnknownSite(new.site)
        )
        asked = ["suppress", new.model_dump(mode="json")]
        claim = claimed(session, actor=actor, key=idempotency_key, request=asked, now_ms=now_ms)
        if claim is not None and claim.earlier is not None:
            return _shape(get_suppression(session, int(claim.earlier)), now_ms=now_ms)
        made = suppressing.plan_suppression(
            session,
            kind=new.kind,
            site=site,
            unit=unit,
            building=new.building,
            reason=new.reason,
            starts_ms=now_ms if new.starts_at is None else new.starts_at,
            until_ms=new.until,
            actor=actor,
            now_ms=now_ms,
        )
        if claim is not None:
            claim.row.result = str(made.id)
        return _shape(made, now_ms=now_ms)


@router.post("/{suppression_id}/end")
def end(request: Request, actor: ApiActor, held: Held, suppression_id: Id) -> SuppressionShape:
    """Ends it now, or takes back what has not begun. What still holds calls people within a second or two."""
    now_ms = held.clock()
    with held.database.writing() as session:
        site = get_suppression(session, suppression_id).site.key
        check_site(request, actor, site, unknown=UnknownSuppression(suppression_id))
        return _shape(suppressing.end_suppression(session, suppression_id, actor=actor, now_ms=now_ms), now_ms=now_ms)
