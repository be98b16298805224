"""The fitted models of units, each version kept: what it was made of, who made it, and which one is in force.

At most one version of a unit is in force and at most one in shadow: judged beside it, seen by people, heeded by nobody.
They live in the database, so that every ingest worker and every backup sees the same ones.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, defer, mapped_column, relationship

from models.detectors.artefact import Artefact
from registry.activity import Entry
from registry.database import BigId, Table
from registry.errors import RegistryError
from registry.site import Site
from registry.unit import Unit, hold_units


class UnknownVersion(RegistryError):
    def __init__(self, unit: str, number: int | None) -> None:
        which = "no earlier model" if number is None else f"no model v{number}"
        super().__init__(f"unit {unit} has {which}")
        self.unit = unit
        self.number = number


class ModelVersion(Table):
    """`description`, `arrays` and `sha256` are the artefact; `settings` is what it was made with, code included."""

    __tablename__ = "model_version"
    __table_args__ = (
        Index("uq_model_version_number", "unit_id", "number", unique=True),
        Index(
            "uq_model_version_active",
            "unit_id",
            unique=True,
            sqlite_where=text("is_active"),
            postgresql_where=text("is_active"),
        ),
        Index(
            "uq_model_version_shadow",
            "unit_id",
            unique=True,
            sqlite_where=text("is_shadow"),
            postgresql_where=text("is_shadow"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    number: Mapped[int] = mapped_column(Integer)
    is_active: Mapped[bool] = mapped_column(Boolean)
    is_shadow: Mapped[bool] = mapped_column(Boolean, default=False)
    made_ms: Mapped[int] = mapped_column(BigInteger)
    made_by: Mapped[str] = mapped_column(String(200))
    description: Mapped[dict[str, Any]] = mapped_column(JSON)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    sha256: Mapped[str] = mapped_column(String(64))
    arrays: Mapped[bytes] = mapped_column(LargeBinary)
    unit: Mapped[Unit] = relationship(lazy="joined")

    @property
    def artefact(self) -> Artefact:
        return Artefact(self.description, self.arrays, self.sha256)


def add_version(
    session: Session, unit: Unit, artefact: Artefact, *, settings: dict[str, Any], by: str, now_ms: int
) -> tuple[ModelVersion, list[Entry]]:
    """Keeps a version; a unit's first one is in force at once, a later one runs in shadow. What to record."""
    hold_units(session, [unit.id])
    newest = session.scalar(select(func.max(ModelVersion.number)).where(ModelVersion.unit_id == unit.id)) or 0
    if newest:
        _clear_shadow(session, unit.id)
    version = ModelVersion(
        unit=unit,
        number=newest + 1,
        is_active=newest == 0,
        is_shadow=newest > 0,
        made_ms=now_ms,
        made_by=by,
        description=dict(artefact.description),
        settings=settings,
        sha256=artefact.sha256,
        arrays=artefact.arrays,
    )
    session.add(version)
    session.flush()
    entries = [_entry("model.fitted", version, by=by)]
    entries.append(_entry("model.promoted" if version.is_active else "model.shadowed", version, by=by))
    return version, entries


def promote(session: Session, unit: Unit, number: int, *, by: str) -> list[Entry]:
    """Puts a version in force in place of the present one; nothing to record when it is already. UnknownVersion."""
    hold_units(session, [unit.id])
    wanted = find_version(session, unit, number)
    if wanted.is_active:
        return []
    present = active_version(session, unit.id)
    verb = "model.promoted"
    if present is not None:
        verb = "model.rolled_back" if number < present.number else verb
        present.is_active = False
        # The index allows one at a time.
        session.flush()
    wanted.is_active, wanted.is_shadow = True, False
    session.flush()
    return [_entry(verb, wanted, by=by)]


def roll_back(session: Session, unit: Unit, *, by: str) -> list[Entry]:
    """Puts the version before the present one in force. Raises UnknownVersion when there is none."""
    hold_units(session, [unit.id])
    present = active_version(session, unit.id)
    before = select(func.max(ModelVersion.number)).where(ModelVersion.unit_id == unit.id)
    number = session.scalar(before.where(ModelVersion.number < present.number)) if present is not None else None
    if number is None:
        raise UnknownVersion(unit.unit_key.path, None)
    return promote(session, unit, number, by=by)


def dismiss(session: Session, unit: Unit, number: int, *, by: str) -> list[Entry]:
    """Ends the shadow of a version, which stays kept; nothing to record when it has none. Raises UnknownVersion."""
    hold_units(session, [unit.id])
    wanted = find_version(session, unit, number)
    if not wanted.is_shadow:
        return []
    wanted.is_shadow = False
    session.flush()
    return [_entry("model.dismissed", wanted, by=by)]


def _clear_shadow(session: Session, unit_id: int) -> None:
    where = (ModelVersion.unit_id == unit_id, ModelVersion.is_shadow)
    session.execute(update(ModelVersion).where(*where).values(is_shadow=False))
    session.flush()


def active_version(session: Session, unit_id: int) -> ModelVersion | None:
    return session.scalar(select(ModelVersion).where(ModelVersion.unit_id == unit_id, ModelVersion.is_active))


def versions_in_use(session: Session) -> dict[int, list[int]]:
    """For each unit with a version in force the ids of that one and of those before it, newest first.

    What to take up, and what to fall back to; by id, so that not all arrays are in memory at once.
    """
    in_force = session.execute(select(ModelVersion.unit_id, ModelVersion.number).where(ModelVersion.is_active))
    active: dict[int, int] = {row.unit_id: row.number for row in in_force}
    rows = session.execute(
        select(ModelVersion.unit_id, ModelVersion.number, ModelVersion.id).order_by(ModelVersion.number.desc())
    )
    found: dict[int, list[int]] = {}
    for unit_id, number, id_ in rows:
        if number <= active.get(unit_id, -1):
            found.setdefault(unit_id, []).append(id_)
    return found


@dataclass(frozen=True, slots=True)
class InUse:
    """Ids of the versions of a unit that are in force and in shadow."""

    active_id: int | None
    shadow_id: int | None


def in_use(session: Session) -> dict[int, InUse]:
    """By unit id; to be asked every minute, so without anything that is large."""
    query = select(ModelVersion.unit_id, ModelVersion.id, ModelVersion.is_active)
    found: dict[int, InUse] = {}
    for unit_id, id_, is_active in session.execute(query.where(or_(ModelVersion.is_active, ModelVersion.is_shadow))):
        before = found.get(unit_id, InUse(None, None))
        found[unit_id] = InUse(id_, before.shadow_id) if is_active else InUse(before.active_id, id_)
    return found


def get_version(session: Session, version_id: int) -> ModelVersion:
    return session.get_one(ModelVersion, version_id)


def list_versions(
    session: Session, *, site: str | None = None, unit_id: int | None = None, visible: Collection[str] | None = None
) -> Sequence[ModelVersion]:
    """Without their arrays, unit by unit, newest first; `visible` limits them to sites a person may see."""
    query = select(ModelVersion).join(ModelVersion.unit).join(Unit.site).options(defer(ModelVersion.arrays))
    if site is not None:
        query = query.where(Site.key == site)
    if unit_id is not None:
        query = query.where(ModelVersion.unit_id == unit_id)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    return list(session.scalars(query.order_by(Site.key, Unit.key, ModelVersion.number.desc())))


def page_of_versions(
    session: Session,
    *,
    site: str | None = None,
    unit_id: int | None = None,
    is_active: bool | None = None,
    is_shadow: bool | None = None,
    kind: str | None = None,
    visible: Collection[str] | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> Sequence[ModelVersion]:
    """Without their arrays, the newest first, at most `limit` older than `before_id`."""
    query = select(ModelVersion).join(ModelVersion.unit).join(Unit.site).options(defer(ModelVersion.arrays))
    for wanted, column in ((is_active, ModelVersion.is_active), (is_shadow, ModelVersion.is_shadow)):
        if wanted is not None:
            query = query.where(column if wanted else ~column)
    if site:
        query = query.where(Site.key == site)
    if unit_id is not None:
        query = query.where(ModelVersion.unit_id == unit_id)
    if kind:
        query = query.where(Unit.kind == kind)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    if before_id is not None:
        query = query.where(ModelVersion.id < before_id)
    return list(session.scalars(query.order_by(ModelVersion.id.desc()).limit(limit)))


def units_without_model(
    session: Session,
    *,
    site: str | None = None,
    kind: str | None = None,
    visible: Collection[str] | None = None,
    after_id: int = 0,
    limit: int = 100,
) -> Sequence[Unit]:
    """Units with no version in force, by their ids, at most `limit` after `after_id`."""
    has_one = select(ModelVersion.id).where(ModelVersion.unit_id == Unit.id, ModelVersion.is_active).exists()
    query = select(Unit).join(Unit.site).where(~has_one, Unit.id > after_id)
    if site:
        query = query.where(Site.key == site)
    if kind:
        query = query.where(Unit.kind == kind)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    return list(session.scalars(query.order_by(Unit.id).limit(limit)))


def find_version(session: Session, unit: Unit, number: int) -> ModelVersion:
    """Raises UnknownVersion."""
    query = select(ModelVersion).where(ModelVersion.unit_id == unit.id, ModelVersion.number == number)
    found = session.scalar(query)
    if found is None:
        raise UnknownVersion(unit.unit_key.path, number)
    return found


def _entry(verb: str, version: ModelVersion, *, by: str) -> Entry:
    told = version.description
    data = {"version": version.number, "sha256": version.sha256}
    data |= {name: told[name] for name in ("rows", "first_ms", "last_ms") if name in told}
    return Entry(verb, f"model:{version.id}", actor=by, site=version.unit.site.key, unit_id=version.unit_id, data=data)
