"""Dual-hundred appraisals of property companies, and the credit file that they make."""

import csv
import io
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api.csv_text import safe_cell
from api.instants import rfc3339
from api.resources import Held
from api.routes.parameters import AbsentIfEmpty, Filter, Id, Text
from api.routes.shapes import Page, Rfc3339
from api.security import ApiActor, check_site, names_people
from governance import appraisal as appraisals
from governance.appraisal import MAX_COMPANY_LENGTH, MAX_NOTE_LENGTH, Appraisal, UnknownAppraisal
from governance.appraisal_rule import RULE
from governance.appraisal_states import AppraisalState
from registry.errors import UnknownSite
from registry.role import Actor
from registry.site import get_site

CREDIT_COLUMNS = (
    "company",
    "site",
    "period",
    "service",
    "party_building",
    "community",
    "total",
    "rule",
    "published_at",
    "sha256",
)

router = APIRouter(tags=["appraisals"])


class AppraisalShape(BaseModel):
    id: int
    site: str
    company: str
    period: str
    state: AppraisalState
    rule: str
    published_at: Rfc3339 | None
    objection_until: Rfc3339 | None
    service: str | None = Field(description="out of a hundred, computed; null: withheld, too little is known")
    party: str | None = Field(description="out of a hundred, entered by people")
    community: str | None
    total: str | None = Field(description="out of two hundred")
    sha256: str = Field(description="of the content that was frozen last; empty for a draft")


class AppraisalDetail(AppraisalShape):
    content: dict[str, Any] = Field(description="each component down to its records, each entry with who gave it")
    history: list[dict[str, Any]]


class NewAppraisal(BaseModel):
    site: Annotated[Text, Field(min_length=1, max_length=64)]
    company: Annotated[Text, Field(min_length=1, max_length=MAX_COMPANY_LENGTH)]
    period: Annotated[Text, Field(min_length=4, max_length=6, description="`2026` or `2026Q3`")]


class NewPoints(BaseModel):
    item: Annotated[Text, Field(max_length=32)]
    points: Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2)]
    note: Annotated[Text, Field(max_length=MAX_NOTE_LENGTH)] = ""


class AppraisalTransition(BaseModel):
    to: AppraisalState
    note: Annotated[Text, Field(max_length=MAX_NOTE_LENGTH)] = ""


@router.get("/appraisals")
def list_appraisals(
    actor: ApiActor,
    held: Held,
    site: Filter = None,
    state: Annotated[AppraisalState | None, AbsentIfEmpty, Query()] = None,
) -> Page[AppraisalShape]:
    """The newest first; residents see what is published."""
    with held.database.reading() as session:
        found = appraisals.list_appraisals(
            session, visible=actor.sites, site=site, states=() if state is None else (state,)
        )
        items = [_shape(session, each, now_ms=held.clock()) for each in found if may_look(each, actor)]
        return Page(items=items, next=None)


@router.get("/appraisals/rule")
def show_rule(_: ApiActor) -> dict[str, Any]:
    """The formula: from `zero_at` on a component counts, from `full_at` on in full, in proportion between."""
    return {
        "id": RULE.id,
        "is_law": False,
        "components": [
            {
                "key": each.key.value,
                "points": each.points,
                "zero_at": str(each.zero_at),
                "full_at": str(each.full_at),
                "least_facts": each.least_facts,
            }
            for each in RULE.components
        ],
        "party_points": {item.value: points for item, points in RULE.party_points.items()},
        "least_known_points": RULE.least_known_points,
        "community_weight": str(RULE.community_weight),
        "objection_days": RULE.objection_days,
        "recurrence_days": RULE.recurrence_days,
    }


@router.post("/appraisals", status_code=201)
def open_appraisal(request: Request, actor: ApiActor, held: Held, new: NewAppraisal) -> AppraisalDetail:
    check_site(request, actor, new.site, unknown=UnknownSite(new.site))
    with held.database.writing() as session:
        opened = appraisals.open_appraisal(
            session,
            get_site(session, new.site),
            company=new.company,
            period=new.period,
            actor=actor,
            now_ms=held.clock(),
        )
        return _detail(session, opened, actor=actor, now_ms=held.clock())


@router.get("/appraisals/{appraisal_id}")
def show_appraisal(request: Request, actor: ApiActor, held: Held, appraisal_id: Id) -> AppraisalDetail:
    with held.database.reading() as session:
        found = appraisal_seen(request, session, actor, appraisal_id)
        return _detail(session, found, actor=actor, now_ms=held.clock())


@router.post("/appraisals/{appraisal_id}/entries", status_code=201)
def enter_points(request: Request, actor: ApiActor, held: Held, appraisal_id: Id, new: NewPoints) -> AppraisalDetail:
    """Points in your name: an item of the party-building half, or `community`."""
    with held.database.writing() as session:
        found = appraisal_seen(request, session, actor, appraisal_id)
        appraisals.enter_points(
            session, found.id, new.item, new.points, note=new.note, actor=actor, now_ms=held.clock()
        )
        return _detail(session, found, actor=actor, now_ms=held.clock())


@router.post("/appraisals/{appraisal_id}/transitions")
def move_appraisal(
    request: Request, actor: ApiActor, held: Held, appraisal_id: Id, transition: AppraisalTransition
) -> AppraisalDetail:
    with held.database.writing() as session:
        appraisal_seen(request, session, actor, appraisal_id)
        moved = appraisals.move_appraisal(
            session, appraisal_id, transition.to, actor=actor, note=transition.note, now_ms=held.clock()
        )
        return _detail(session, moved, actor=actor, now_ms=held.clock())


@router.get("/credit-file")
def show_credit_file(actor: ApiActor, held: Held, site: Filter = None) -> Page[dict[str, str | None]]:
    """Final appraisals, for the authority's credit file of companies."""
    with held.database.reading() as session:
        return Page(items=credit_rows(session, actor, site=site), next=None)


@router.get("/credit-file.csv", response_class=Response)
def download_credit_file(actor: ApiActor, held: Held, site: Filter = None) -> Response:
    with held.database.reading() as session:
        rows = credit_rows(session, actor, site=site)
    file = io.StringIO()
    writer = csv.DictWriter(file, CREDIT_COLUMNS)
    writer.writeheader()
    writer.writerows({name: safe_cell(value) for name, value in row.items()} for row in rows)
    # With its mark, so that spreadsheets read the Chinese.
    return Response(
        "\ufeff" + file.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="credit-file.csv"'},
    )


def credit_rows(session: Session, actor: Actor, *, site: str | None) -> list[dict[str, str | None]]:
    rows: list[dict[str, str | None]] = []
    for each in appraisals.list_appraisals(
        session, visible=actor.sites, site=site, states=(AppraisalState.FINAL,), limit=5_000
    ):
        step = appraisals.last_frozen(session, each.id)
        content = step.frozen if step is not None and step.frozen is not None else {}
        rows.append(
            {
                "company": each.company,
                "site": each.site.key,
                "period": each.period,
                "service": content.get("service"),
                "party_building": content.get("party"),
                "community": content.get("community"),
                "total": content.get("total"),
                "rule": each.rule,
                "published_at": _at(each.published_ms, each.site.timezone),
                "sha256": step.sha256 if step is not None else "",
            }
        )
    return rows


def may_look(appraisal: Appraisal, actor: Actor) -> bool:
    """A draft is for those who work with it."""
    return appraisal.state != AppraisalState.DRAFT or names_people(actor, appraisal.site.key)


def appraisal_seen(request: Request, session: Session, actor: Actor, appraisal_id: int) -> Appraisal:
    """Raises UnknownAppraisal for one of a site this person may not see, and for a resident a draft."""
    found = appraisals.get_appraisal(session, appraisal_id)
    unknown = UnknownAppraisal(appraisal_id)
    check_site(request, actor, found.site.key, unknown=unknown)
    if not may_look(found, actor):
        raise unknown
    return found


def content_now(session: Session, appraisal: Appraisal, *, now_ms: int) -> tuple[dict[str, Any], str]:
    """What was frozen last with its hash; of a draft what would be, and of one under objection what would be now."""
    step = appraisals.last_frozen(session, appraisal.id)
    if step is not None and step.frozen is not None and appraisal.state != AppraisalState.OBJECTED:
        return step.frozen, step.sha256
    return appraisals.content_of(session, appraisal, now_ms=now_ms), ""


def _shape(session: Session, appraisal: Appraisal, *, now_ms: int) -> AppraisalShape:
    content, sha256 = content_now(session, appraisal, now_ms=now_ms)
    return AppraisalShape(
        id=appraisal.id,
        site=appraisal.site.key,
        company=appraisal.company,
        period=appraisal.period,
        state=AppraisalState(appraisal.state),
        rule=appraisal.rule,
        published_at=_at(appraisal.published_ms, appraisal.site.timezone),
        objection_until=_at(appraisal.objection_until_ms, appraisal.site.timezone),
        service=content["service"],
        party=content["party"],
        community=content["community"],
        total=content["total"],
        sha256=sha256,
    )


def _detail(session: Session, appraisal: Appraisal, *, actor: Actor, now_ms: int) -> AppraisalDetail:
    is_named = names_people(actor, appraisal.site.key)
    content, _ = content_now(session, appraisal, now_ms=now_ms)
    if not is_named:
        content = {**content, "entries": [{**each, "by": None, "note": ""} for each in content["entries"]]}
    return AppraisalDetail(
        **_shape(session, appraisal, now_ms=now_ms).model_dump(),
        content=content,
        history=[
            {
                "from": step.from_state,
                "to": step.to_state,
                "at": rfc3339(step.at_ms, appraisal.site.timezone),
                "by": step.actor if is_named else None,
                "note": step.note if is_named else "",
                "sha256": step.sha256,
            }
            for step in appraisals.steps_of(session, appraisal.id)
        ],
    )


def _at(at_ms: int | None, zone: str) -> str | None:
    return None if at_ms is None else rfc3339(at_ms, zone)
