"""The models of units: their versions, how those in shadow do, how far units have moved, and which one is in force."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api.instants import rfc3339
from api.model_figures import Advice, TrialFigures, trial_figures
from api.resources import Held
from api.routes.parameters import DEFAULT_ITEMS, AbsentIfEmpty, Cursor, Filter, Limit, UnitPath
from api.routes.register import unit_seen
from api.routes.shapes import Page, Rfc3339
from api.security import ApiActor, permitted_sites
from models.detectors.drift import Movement
from registry import activity
from registry.model_trial import ModelDrift, drifts_of
from registry.model_version import (
    ModelVersion,
    dismiss,
    find_version,
    page_of_versions,
    promote,
    roll_back,
)

router = APIRouter(prefix="/models", tags=["models"])

VersionNumber = Annotated[int, Path(ge=1, le=2**31 - 1)]


class VersionState(StrEnum):
    IN_FORCE = "in_force"
    IN_SHADOW = "in_shadow"
    KEPT = "kept"


class TrialShape(BaseModel):
    """A version's time in shadow, beside the version in force."""

    first_at: Rfc3339
    last_at: Rfc3339
    rows: int = Field(description="readings judged")
    would_be_alarms: int
    would_be_share: float = Field(description="share of the time in would-be alarm")
    alarms_in_force: int
    share_in_force: float
    found_too: int = Field(description="of the alarms in force those that would have been raised too")
    marked_false: int = Field(description="of the alarms in force those that people marked as false")
    spared: int = Field(description="of these those that would not have been raised")
    advice: Advice


class DriftShape(BaseModel):
    made_at: Rfc3339
    movement: Movement
    report: dict[str, Any]


class ModelShape(BaseModel):
    unit: str
    version: int
    state: VersionState
    made_at: Rfc3339
    made_by: str
    fitted_from: Rfc3339
    fitted_to: Rfc3339
    rows: int
    channels: list[str]
    constant: list[str]
    missing: list[str]
    settings: dict[str, Any]
    sha256: str
    trial: TrialShape | None
    drift: DriftShape | None


@router.get("")
def list_models(
    request: Request,
    actor: ApiActor,
    held: Held,
    site: Filter = None,
    unit: Filter = None,
    state: Annotated[VersionState | None, AbsentIfEmpty] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_ITEMS,
) -> Page[ModelShape]:
    """Versions, the newest first."""
    with held.database.reading() as session:
        unit_id = unit_seen(request, session, actor, unit).id if unit else None
        rows = page_of_versions(
            session,
            site=site or None,
            unit_id=unit_id,
            is_active=None if state is None else state is VersionState.IN_FORCE,
            is_shadow=None if state is None else state is VersionState.IN_SHADOW,
            visible=permitted_sites(request, actor),
            before_id=int(cursor) if cursor else None,
            limit=limit + 1,
        )
        shown = rows[:limit]
        return Page(items=_shapes(session, shown), next=str(shown[-1].id) if len(rows) > limit else None)


@router.get("/{unit}/{version}")
def show_model(request: Request, actor: ApiActor, held: Held, unit: UnitPath, version: VersionNumber) -> ModelShape:
    with held.database.reading() as session:
        found = unit_seen(request, session, actor, unit)
        return _shapes(session, [find_version(session, found, version)])[0]


@router.post("/{unit}/{version}/promote")
def promote_model(request: Request, actor: ApiActor, held: Held, unit: UnitPath, version: VersionNumber) -> ModelShape:
    """Puts a version in force; the ingest takes it up within a minute, or when a standing anomaly has ended."""
    with held.database.writing() as session:
        found = unit_seen(request, session, actor, unit)
        activity.append(session, promote(session, found, version, by=actor.name), now_ms=held.clock())
        return _shapes(session, [find_version(session, found, version)])[0]


@router.post("/{unit}/{version}/dismiss")
def dismiss_model(request: Request, actor: ApiActor, held: Held, unit: UnitPath, version: VersionNumber) -> ModelShape:
    """Ends the shadow of a version; it stays kept."""
    with held.database.writing() as session:
        found = unit_seen(request, session, actor, unit)
        activity.append(session, dismiss(session, found, version, by=actor.name), now_ms=held.clock())
        return _shapes(session, [find_version(session, found, version)])[0]


@router.post("/{unit}/roll-back")
def roll_model_back(request: Request, actor: ApiActor, held: Held, unit: UnitPath) -> ModelShape:
    """Puts the version before the present one in force again."""
    with held.database.writing() as session:
        found = unit_seen(request, session, actor, unit)
        entries = roll_back(session, found, by=actor.name)
        activity.append(session, entries, now_ms=held.clock())
        return _shapes(session, [find_version(session, found, int(entries[0].data["version"]))])[0]


def state_of(version: ModelVersion) -> VersionState:
    if version.is_active:
        return VersionState.IN_FORCE
    return VersionState.IN_SHADOW if version.is_shadow else VersionState.KEPT


def _shapes(session: Session, versions: Sequence[ModelVersion]) -> list[ModelShape]:
    trials, drifts = trial_figures(session, versions), drifts_of(session, [each.id for each in versions])
    return [_shape(each, trials.get(each.id), drifts.get(each.id)) for each in versions]


def _shape(version: ModelVersion, trial: TrialFigures | None, drift: ModelDrift | None) -> ModelShape:
    told, zone = version.description, version.unit.site.timezone
    return ModelShape(
        unit=version.unit.unit_key.path,
        version=version.number,
        state=state_of(version),
        made_at=rfc3339(version.made_ms, zone),
        made_by=version.made_by,
        fitted_from=rfc3339(int(told["first_ms"]), zone),
        fitted_to=rfc3339(int(told["last_ms"]), zone),
        rows=int(told["rows"]),
        channels=list(told["channels"]),
        constant=list(told["constant"]),
        missing=list(told["missing"]),
        settings=version.settings,
        sha256=version.sha256,
        trial=None
        if trial is None
        else TrialShape(
            first_at=rfc3339(trial.first_ms, zone),
            last_at=rfc3339(trial.last_ms, zone),
            rows=trial.rows,
            would_be_alarms=trial.would_be,
            would_be_share=trial.would_be_share,
            alarms_in_force=trial.in_force,
            share_in_force=trial.in_force_share,
            found_too=trial.found_too,
            marked_false=trial.marked_false,
            spared=trial.spared,
            advice=trial.advice,
        ),
        drift=None
        if drift is None
        else DriftShape(made_at=rfc3339(drift.made_ms, zone), movement=Movement(drift.movement), report=drift.report),
    )
