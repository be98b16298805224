"""The fitted models of units, each version kept: what it was made of, who made it, and which one is in force.

They live in the database, so that every ingest worker and every backup sees the same ones.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, ForeignKey, Index, Integer, LargeBinary, String, func, select, text
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
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"))
    number: Mapped[int] = mapped_column(Integer)
    is_active: Mapped[bool] = mapped_column(Boolean)
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
    """Keeps a version; a unit's first one is in force at once, a later one waits for a person. What to record."""
    hold_units(session, [unit.id])
    newest = session.scalar(select(func.max(ModelVersion.number)).where(ModelVersion.unit_id == unit.id)) or 0
    version = ModelVersion(
        unit=unit,
        number=newest + 1,
        is_active=newest == 0,
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
    if version.is_active:
        entries.append(_entry("model.promoted", version, by=by))
    return version, entries


def promote(session: Session, unit: Unit, number: int, *, by: str) -> list[Entry]:
    """Puts a version in force in place of the present one; nothing to record when it is already. UnknownVersion."""
    hold_units(session, [unit.id])
    wanted = _find(session, unit, number)
    if wanted.is_active:
        return []
    present = active_version(session, unit.id)
    verb = "model.promoted"
    if present is not None:
        verb = "model.rolled_back" if number < present.number else verb
        present.is_active = False
        # The index allows one at a time.
        session.flush()
    wanted.is_active = True
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


def _find(session: Session, unit: Unit, number: int) -> ModelVersion:
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
