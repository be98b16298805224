"""What is known of model versions since they were made: their time in shadow, their drift, and attempts at a fit.

A version in shadow judges what comes beside the one in force. Its would-be verdicts are kept here and open nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, Integer, String, func, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from registry.activity import Entry
from registry.database import BigId, Table
from registry.model_version import ModelVersion
from registry.unit import Unit

MAX_REASON = 500


class ModelTrial(Table):
    """A version's time in shadow, by the times of the readings it judged."""

    __tablename__ = "model_trial"

    version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"), primary_key=True)
    first_ms: Mapped[int] = mapped_column(BigInteger)
    last_ms: Mapped[int] = mapped_column(BigInteger)
    rows: Mapped[int] = mapped_column(Integer)


class ShadowVerdict(Table):
    """An alarm that a version in shadow would have raised; `ended_ms` is None while it would stand."""

    __tablename__ = "shadow_verdict"
    __table_args__ = (Index("ix_shadow_verdict_version", "version_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"))
    since_ms: Mapped[int] = mapped_column(BigInteger)
    raised_ms: Mapped[int] = mapped_column(BigInteger)
    ended_ms: Mapped[int | None] = mapped_column(BigInteger)
    anomaly_score: Mapped[float] = mapped_column(Float)
    channels: Mapped[list[list[Any]]] = mapped_column(JSON)
    """[name, share], the largest first."""


class ModelDrift(Table):
    """The last drift report of a version; `movement` is its gist, a `models.detectors.drift.Movement`."""

    __tablename__ = "model_drift"

    version_id: Mapped[int] = mapped_column(ForeignKey("model_version.id"), primary_key=True)
    made_ms: Mapped[int] = mapped_column(BigInteger)
    movement: Mapped[str] = mapped_column(String(16))
    report: Mapped[dict[str, Any]] = mapped_column(JSON)


class FitAttempt(Table):
    """The last time that a model of a unit was wanted, and why there was none; `reason` is empty when there was."""

    __tablename__ = "fit_attempt"

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), primary_key=True)
    tried_ms: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(MAX_REASON))
    unit: Mapped[Unit] = relationship(lazy="joined")


@dataclass(frozen=True, slots=True)
class Heard:
    """What a version in shadow judged since the last saving."""

    first_ms: int
    last_ms: int
    rows: int


@dataclass(frozen=True, slots=True)
class WouldBe:
    """A would-be verdict that began, or ended (`is_anomalous` false)."""

    version_id: int
    ts_ms: int
    is_anomalous: bool
    since_ms: int
    anomaly_score: float
    channels: Sequence[tuple[str, float]]


def put_trials(session: Session, heard: Mapping[int, Heard], verdicts: Iterable[WouldBe]) -> None:
    """Adds what was judged, and which verdicts began and ended, in their order."""
    for version_id, told in heard.items():
        trial = session.get(ModelTrial, version_id)
        if trial is None:
            trial = ModelTrial(version_id=version_id, first_ms=told.first_ms, last_ms=told.last_ms, rows=0)
            session.add(trial)
        trial.rows += told.rows
        trial.last_ms = max(trial.last_ms, told.last_ms)
    for each in verdicts:
        if each.is_anomalous:
            session.add(
                ShadowVerdict(
                    version_id=each.version_id,
                    since_ms=each.since_ms,
                    raised_ms=each.ts_ms,
                    ended_ms=None,
                    anomaly_score=each.anomaly_score,
                    channels=[[name, share] for name, share in each.channels],
                )
            )
            session.flush()
        else:
            end_verdicts(session, [each.version_id], ts_ms=each.ts_ms)


def end_verdicts(session: Session, version_ids: Collection[int], *, ts_ms: int) -> None:
    """What would stand no longer does: the version was taken out, or taken up anew."""
    standing = (ShadowVerdict.version_id.in_(version_ids), ShadowVerdict.ended_ms.is_(None))
    session.execute(update(ShadowVerdict).where(*standing).values(ended_ms=ts_ms))


def trials_of(session: Session, version_ids: Collection[int]) -> dict[int, ModelTrial]:
    found = session.scalars(select(ModelTrial).where(ModelTrial.version_id.in_(version_ids)))
    return {trial.version_id: trial for trial in found}


def shadow_verdicts(session: Session, version_ids: Collection[int], *, limit: int = 1000) -> Sequence[ShadowVerdict]:
    """Newest first."""
    query = select(ShadowVerdict).where(ShadowVerdict.version_id.in_(version_ids))
    return list(session.scalars(query.order_by(ShadowVerdict.id.desc()).limit(limit)))


def drifts_of(session: Session, version_ids: Collection[int]) -> dict[int, ModelDrift]:
    found = session.scalars(select(ModelDrift).where(ModelDrift.version_id.in_(version_ids)))
    return {drift.version_id: drift for drift in found}


def put_drift(
    session: Session, version_id: int, *, movement: str, report: Mapping[str, Any], now_ms: int
) -> list[Entry]:
    """Keeps the newest report; recorded is only what it comes to, when that has changed."""
    drift = session.get(ModelDrift, version_id)
    before = drift.movement if drift is not None else None
    if drift is None:
        drift = ModelDrift(version_id=version_id)
        session.add(drift)
    drift.made_ms, drift.movement, drift.report = now_ms, movement, dict(report)
    session.flush()
    if movement == before:
        return []
    version = session.get_one(ModelVersion, version_id)
    data = {"version": version.number, "movement": movement}
    site = version.unit.site.key
    return [Entry("model.drift", f"model:{version.id}", site=site, unit_id=version.unit_id, data=data)]


def due_for_drift(session: Session, *, before_ms: int, limit: int) -> Sequence[tuple[int, str]]:
    """Versions in force whose report is older, or missing, with the key of their site; the oldest first."""
    made = func.coalesce(ModelDrift.made_ms, 0)
    query = (
        select(ModelVersion)
        .outerjoin(ModelDrift, ModelDrift.version_id == ModelVersion.id)
        .where(ModelVersion.is_active, made < before_ms)
        .order_by(made, ModelVersion.id)
        .limit(limit)
    )
    return [(version.id, version.unit.site.key) for version in session.scalars(query)]


def put_attempt(session: Session, unit_id: int, *, reason: str, now_ms: int) -> None:
    attempt = session.get(FitAttempt, unit_id)
    if attempt is None:
        attempt = FitAttempt(unit_id=unit_id)
        session.add(attempt)
    attempt.tried_ms, attempt.reason = now_ms, reason[:MAX_REASON]
    session.flush()


def attempts_of(session: Session, unit_ids: Collection[int]) -> dict[int, FitAttempt]:
    found = session.scalars(select(FitAttempt).where(FitAttempt.unit_id.in_(unit_ids)))
    return {attempt.unit_id: attempt for attempt in found}


def due_for_fit(
    session: Session, *, kinds: Collection[str], fitted_before_ms: int, tried_before_ms: int, limit: int
) -> Sequence[tuple[int, str]]:
    """Units whose newest version is older, and that were not tried since, with the key of their site; oldest first."""
    newest = select(func.max(ModelVersion.made_ms)).where(ModelVersion.unit_id == Unit.id).scalar_subquery()
    tried = func.coalesce(FitAttempt.tried_ms, 0)
    query = (
        select(Unit)
        .outerjoin(FitAttempt, FitAttempt.unit_id == Unit.id)
        .where(Unit.kind.in_(kinds), or_(newest.is_(None), newest < fitted_before_ms), tried < tried_before_ms)
        .order_by(tried, Unit.id)
        .limit(limit)
    )
    return [(unit.id, unit.site.key) for unit in session.scalars(query)]
