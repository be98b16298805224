"""The models of the detectors: what runs in shadow and is to be decided, what is in force, and what is lacking."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts.false_alarm import FalseCause
from api.model_figures import REPORT_DAYS, Advice, FalseReport, TrialFigures, false_report, trial_figures
from api.pages.board import SiteChoice
from api.pages.model_words import (
    ADVICE_TITLES,
    ADVICE_WORDS,
    CONDITION_TITLES,
    MOVEMENT_TITLES,
    MOVEMENT_WORDS,
    STATE_TITLES,
)
from api.pages.moments import Moment, duration_text, local_time
from api.pages.rendering import Reader, reader_of, render
from api.pages.values import metric_title
from api.pages.wording import KIND_TITLES
from api.resources import Held
from api.routes.model_versions import VersionState, state_of
from api.security import PageActor, check_csrf, check_site, permitted_sites
from api.translations import msgid
from models.detectors.drift import MOVED_ABOVE, Movement
from models.equipment import Kind
from registry import activity
from registry.errors import UnknownUnit
from registry.model_trial import FitAttempt, ModelDrift, attempts_of, drifts_of, shadow_verdicts
from registry.model_version import (
    ModelVersion,
    dismiss,
    page_of_versions,
    promote,
    roll_back,
    units_without_model,
)
from registry.role import Actor
from registry.site import list_sites
from registry.unit import Unit, get_unit, list_units

UNITS_ON_PAGE = 50
SHADOWS_ON_PAGE = 100
VERSIONS_ON_PAGE = 30
VERDICTS_ON_PAGE = 20
CHANNELS_ON_PAGE = 12
UNITS_COUNTED = 20_000
MAX_ID = 2**62
FORM = [Depends(check_csrf)]

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class DriftCard:
    movement: Movement
    title: str
    words: str
    made: Moment
    over: str
    over_before: str
    channels: list[tuple[str, str, str, str, bool]]
    """(title, stability index, shift, share told, whether it has moved)."""


@dataclass(frozen=True, slots=True)
class TrialCard:
    advice: Advice
    title: str
    words: str
    days: str
    rows: int
    figures: TrialFigures
    share: str
    share_in_force: str


@dataclass(frozen=True, slots=True)
class VersionCard:
    number: int
    unit_path: str
    unit_name: str
    site_name: str
    kind_title: str
    state: VersionState
    state_title: str
    made: Moment
    made_by: str
    span: str
    rows: int
    channels: list[str]
    left_out: list[str]
    sha256: str
    drift: DriftCard | None
    trial: TrialCard | None


@dataclass(frozen=True, slots=True)
class UnitRow:
    path: str
    name: str
    site_name: str
    kind_title: str
    reason: str


@dataclass(frozen=True, slots=True)
class FalseRow:
    title: str
    alarms: int
    false: int
    share: str
    model: int
    limit: int
    other: int


@router.get("/models")
def show_models(
    request: Request, actor: PageActor, held: Held, site: str = "", kind: str = "", before: int = 0, after: int = 0
) -> HTMLResponse:
    reader, visible = reader_of(request), permitted_sites(request, actor)
    wanted_kind = next((each for each in Kind if each.value == kind), None)
    with held.database.reading() as session:
        scope: dict[str, Any] = {"site": site or None, "kind": wanted_kind, "visible": visible}
        units = units_without_model(session, **scope, after_id=max(0, min(after, MAX_ID)), limit=UNITS_ON_PAGE + 1)
        shown = units[:UNITS_ON_PAGE]
        shadows = page_of_versions(session, **scope, is_shadow=True, limit=SHADOWS_ON_PAGE)
        before_id = max(1, min(before, MAX_ID)) if before else None
        in_force = page_of_versions(session, **scope, is_active=True, before_id=before_id, limit=UNITS_ON_PAGE + 1)
        counted = None
        if visible is not None or site or wanted_kind:
            of_filter = list_units(session, **scope, limit=UNITS_COUNTED)
            counted = [unit.id for unit in of_filter]
        report = false_report(session, unit_ids=counted, visible=visible, now_ms=reader.now_ms)
        to_decide = _cards(session, shadows, reader)
        ready = [card for card in to_decide if card.trial is not None and card.trial.advice is Advice.AS_GOOD]
        return render(
            request,
            "models.html",
            reader,
            sites=[SiteChoice(each.key, each.name, each.key == site) for each in list_sites(session, visible=visible)],
            site=site,
            kinds=[(each.value, reader._(KIND_TITLES[each]), each is wanted_kind) for each in Kind],
            kind=wanted_kind or "",
            to_decide=to_decide,
            ready=[card for card in ready if _may_decide(reader, card.unit_path.split("~")[0])],
            in_force=_cards(session, in_force[:UNITS_ON_PAGE], reader),
            next_before=in_force[UNITS_ON_PAGE - 1].id if len(in_force) > UNITS_ON_PAGE else None,
            units=_rows(session, shown, reader),
            next_after=shown[-1].id if len(units) > UNITS_ON_PAGE else None,
            is_first=not after and not before,
            false_rows=_false_rows(report, reader),
            report_days=REPORT_DAYS,
            train_days=held.settings.train_days,
            train_every_days=held.settings.train_every_days,
        )


@router.get("/models/{unit}")
def show_models_of_unit(request: Request, actor: PageActor, held: Held, unit: str) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        found = _unit(request, session, actor, unit)
        versions = page_of_versions(session, unit_id=found.id, limit=VERSIONS_ON_PAGE)
        cards = _cards(session, versions, reader)
        active = next((card for card in cards if card.state is VersionState.IN_FORCE), None)
        shadow = next((card for card in cards if card.state is VersionState.IN_SHADOW), None)
        attempt = attempts_of(session, [found.id]).get(found.id)
        return render(
            request,
            "model.html",
            reader,
            unit_name=found.name,
            unit_path=unit,
            kind_title=reader._(KIND_TITLES[Kind(found.kind)]),
            versions=cards,
            active=active,
            shadow=shadow,
            verdicts=_verdicts(session, versions, found, reader),
            reason=_reason(attempt, reader),
            tried=reader.moment(attempt.tried_ms, found.site.timezone) if attempt is not None else None,
            false_rows=_false_rows(
                false_report(session, unit_ids=[found.id], visible=None, now_ms=reader.now_ms), reader
            ),
            report_days=REPORT_DAYS,
            may_decide=_may_decide(reader, found.site.key),
            has_earlier=active is not None and any(card.number < active.number for card in cards),
        )


@router.post("/models/promote-ready", dependencies=FORM)
def promote_ready(
    request: Request, actor: PageActor, held: Held, chosen: Annotated[list[str] | None, Form()] = None
) -> Response:
    """Puts the chosen versions in force, each `{site}~{unit}/{number}`: what changed meanwhile is left as it is."""
    with held.database.writing() as session:
        for each in (chosen or [])[:SHADOWS_ON_PAGE]:
            path, _, number = each.rpartition("/")
            unit = _unit(request, session, actor, path)
            if number.isdecimal() and len(number) < 10:
                shadows = page_of_versions(session, unit_id=unit.id, is_shadow=True, limit=1)
                if shadows and shadows[0].number == int(number):
                    entries = promote(session, unit, int(number), by=actor.name)
                    activity.append(session, entries, now_ms=held.clock())
    return RedirectResponse("/models", status_code=303)


@router.post("/models/{unit}/promote", dependencies=FORM)
def promote_model(
    request: Request, actor: PageActor, held: Held, unit: str, version: Annotated[int, Form()]
) -> Response:
    with held.database.writing() as session:
        found = _unit(request, session, actor, unit)
        entries = promote(session, found, max(0, min(version, 2**31 - 1)), by=actor.name)
        activity.append(session, entries, now_ms=held.clock())
    return RedirectResponse(f"/models/{unit}", status_code=303)


@router.post("/models/{unit}/dismiss", dependencies=FORM)
def dismiss_model(
    request: Request, actor: PageActor, held: Held, unit: str, version: Annotated[int, Form()]
) -> Response:
    with held.database.writing() as session:
        found = _unit(request, session, actor, unit)
        entries = dismiss(session, found, max(0, min(version, 2**31 - 1)), by=actor.name)
        activity.append(session, entries, now_ms=held.clock())
    return RedirectResponse(f"/models/{unit}", status_code=303)


@router.post("/models/{unit}/roll-back", dependencies=FORM)
def roll_model_back(request: Request, actor: PageActor, held: Held, unit: str) -> Response:
    with held.database.writing() as session:
        found = _unit(request, session, actor, unit)
        activity.append(session, roll_back(session, found, by=actor.name), now_ms=held.clock())
    return RedirectResponse(f"/models/{unit}", status_code=303)


def _unit(request: Request, session: Session, actor: Actor, path: str) -> Unit:
    unit = get_unit(session, path)
    check_site(request, actor, unit.site.key, unknown=UnknownUnit(path))
    return unit


def _may_decide(reader: Reader, site: str) -> bool:
    return reader.may("POST", "/models/{unit}/promote", site=site)


def _rows(session: Session, units: Sequence[Unit], reader: Reader) -> list[UnitRow]:
    attempts = attempts_of(session, [unit.id for unit in units])
    return [
        UnitRow(
            path=unit.unit_key.path,
            name=unit.name,
            site_name=unit.site.name,
            kind_title=reader._(KIND_TITLES[Kind(unit.kind)]),
            reason=_reason(attempts.get(unit.id), reader),
        )
        for unit in units
    ]


def _cards(session: Session, versions: Sequence[ModelVersion], reader: Reader) -> list[VersionCard]:
    trials, drifts = trial_figures(session, versions), drifts_of(session, [each.id for each in versions])
    return [_card(each, trials.get(each.id), drifts.get(each.id), reader) for each in versions]


def _card(version: ModelVersion, trial: TrialFigures | None, drift: ModelDrift | None, reader: Reader) -> VersionCard:
    told, unit, state = version.description, version.unit, state_of(version)
    first, last = (local_time(int(told[name]), unit.site.timezone) for name in ("first_ms", "last_ms"))
    kind = Kind(unit.kind)
    if trial is None and state is VersionState.IN_SHADOW:
        trial = TrialFigures(0, 0, 0, 0, 0.0, 0, 0.0, 0, 0, 0, Advice.NOTHING_JUDGED)
    return VersionCard(
        number=version.number,
        unit_path=unit.unit_key.path,
        unit_name=unit.name,
        site_name=unit.site.name,
        kind_title=reader._(KIND_TITLES[kind]),
        state=state,
        state_title=reader._(STATE_TITLES[state]),
        made=reader.moment(version.made_ms, unit.site.timezone),
        made_by=reader._(msgid("the schedule"))
        if version.made_by == "schedule"
        else reader.who_and_role(version.made_by),
        span=f"{first:%Y-%m-%d} – {last:%Y-%m-%d}",
        rows=int(told["rows"]),
        channels=[metric_title(kind, name, _=reader._) for name in told["channels"]],
        left_out=[metric_title(kind, name, _=reader._) for name in (*told["constant"], *told["missing"])],
        sha256=version.sha256,
        drift=_drift_card(drift, version, reader) if drift is not None else None,
        trial=_trial_card(trial, reader) if trial is not None else None,
    )


def _trial_card(trial: TrialFigures, reader: Reader) -> TrialCard:
    return TrialCard(
        advice=trial.advice,
        title=reader._(ADVICE_TITLES[trial.advice]),
        words=reader._(ADVICE_WORDS[trial.advice]),
        days=duration_text(trial.last_ms - trial.first_ms, _=reader._),
        rows=trial.rows,
        figures=trial,
        share=_percent(trial.would_be_share),
        share_in_force=_percent(trial.in_force_share),
    )


def _drift_card(drift: ModelDrift, version: ModelVersion, reader: Reader) -> DriftCard:
    movement, report = Movement(drift.movement), drift.report
    kind = Kind(version.unit.kind)
    return DriftCard(
        movement=movement,
        title=reader._(MOVEMENT_TITLES[movement]),
        words=reader._(MOVEMENT_WORDS[movement]),
        made=reader.moment(drift.made_ms, version.unit.site.timezone),
        over=_percent(report.get("over")),
        over_before=_percent(report.get("over_before")),
        channels=[
            (
                metric_title(kind, each["channel"], _=reader._),
                f"{each['index']:.2f}",
                f"{round(each['shift'], 1) + 0.0:+.1f}",
                _percent(each["told"]),
                each["index"] > MOVED_ABOVE or abs(each["told"] - each["told_before"]) > MOVED_ABOVE,
            )
            for each in report.get("channels", ())[:CHANNELS_ON_PAGE]
        ],
    )


def _percent(share: object) -> str:
    return f"{share * 100:.1f} %" if isinstance(share, int | float) else "–"


def _verdicts(
    session: Session, versions: Sequence[ModelVersion], unit: Unit, reader: Reader
) -> list[Mapping[str, object]]:
    """The newest would-be alarms of the newest version that has any."""
    number_of = {version.id: version.number for version in versions}
    zone, kind = unit.site.timezone, Kind(unit.kind)
    return [
        {
            "version": number_of[each.version_id],
            "since": reader.moment(each.since_ms, zone),
            "ended": reader.moment(each.ended_ms, zone) if each.ended_ms is not None else None,
            "start_ms": each.since_ms,
            "end_ms": each.ended_ms if each.ended_ms is not None else reader.now_ms,
            "channels": [
                f"{metric_title(kind, str(name), _=reader._)} {float(share) * 100:.0f} %"
                for name, share in each.channels[:3]
            ],
        }
        for each in shadow_verdicts(session, list(number_of), limit=VERDICTS_ON_PAGE)
    ]


def _reason(attempt: FitAttempt | None, reader: Reader) -> str:
    """Why there is no newer model, in the reader's language where it is the usual reason."""
    if attempt is None or not attempt.reason:
        return ""
    words = attempt.reason.removeprefix("not enough history: ").split()
    if attempt.reason.startswith("not enough history: ") and len(words) == 4 and words[1] == "of":
        if words[3] == "days":
            return reader._(msgid("Not enough history: %(have)s of %(need)s days"), have=words[0], need=words[2])
        return reader._(msgid("Not enough history: %(have)s of %(need)s rows"), have=words[0], need=words[2])
    return attempt.reason


def _false_rows(report: Sequence[FalseReport], reader: Reader) -> list[FalseRow]:
    return [
        FalseRow(
            title=reader._(CONDITION_TITLES[each.condition]),
            alarms=each.alarms,
            false=each.false,
            share=_percent(each.false / each.alarms) if each.alarms else "–",
            model=each.causes.get(FalseCause.MODEL.value, 0),
            limit=each.causes.get(FalseCause.LIMIT.value, 0),
            other=sum(n for cause, n in each.causes.items() if cause not in (FalseCause.MODEL, FalseCause.LIMIT)),
        )
        for each in report
    ]
