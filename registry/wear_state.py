"""What the wear detectors know of each unit, as plain arrays: two weeks of learning must survive a restart.

One row a unit, replaced as it grows. It lives in the database, so that whichever worker takes the unit up finds it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.detectors.artefact import ArtefactRefused, unpack_arrays
from models.detectors.slow_bank import DaysKnown, days_known_of
from registry.activity import Entry
from registry.database import Table
from registry.unit import Unit

OVERHAULED = b""
"""In the place of a state: it is to be learned from where the unit is now."""


class WearState(Table):
    """`arrays` is a NumPy archive without pickles; `saved_ms` is by our clock."""

    __tablename__ = "wear_state"

    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id"), primary_key=True)
    saved_ms: Mapped[int] = mapped_column(BigInteger)
    arrays: Mapped[bytes] = mapped_column(LargeBinary)


def put_wear_states(session: Session, arrays: Mapping[int, bytes], *, now_ms: int) -> None:
    """Keeps the newest state of each unit id."""
    if arrays:
        rows = [{"unit_id": unit_id, "saved_ms": now_ms, "arrays": packed} for unit_id, packed in arrays.items()]
        connection = session.connection()
        connection.execute(_PUT_ON_POSTGRESQL if connection.dialect.name == "postgresql" else _PUT_ON_SQLITE, rows)


def wear_states(session: Session, unit_ids: Iterable[int]) -> dict[int, bytes]:
    """The state kept of each of these units; those of which there is none are left out."""
    wanted = set(unit_ids)
    kept = session.execute(select(WearState.unit_id, WearState.arrays))
    return {unit_id: arrays for unit_id, arrays in kept if unit_id in wanted}


def note_overhaul(session: Session, unit: Unit, *, by: str, now_ms: int) -> Entry:
    """What the unit was like no longer counts: whoever judges its wear takes the next days as its normal."""
    put_wear_states(session, {unit.id: OVERHAULED}, now_ms=now_ms)
    return Entry("unit.overhauled", f"unit:{unit.id}", site=unit.site.key, unit_id=unit.id, actor=by, data={})


def overhauled(session: Session) -> set[int]:
    """Ids of the units whose overhaul was noted and not taken up yet."""
    return set(session.scalars(select(WearState.unit_id).where(WearState.arrays == OVERHAULED)))


def wear_known(session: Session, unit_id: int) -> DaysKnown | None:
    """How much is known of the unit's normal days, as of the last saving; None before that, or if it cannot be read."""
    kept = session.get(WearState, unit_id)
    try:
        return None if kept is None else days_known_of(unpack_arrays(kept.arrays))
    except (ArtefactRefused, KeyError):
        return None


def _upsert(insert: Any) -> Any:
    row = insert(WearState.__table__)
    changed = {"saved_ms": row.excluded.saved_ms, "arrays": row.excluded.arrays}
    return row.on_conflict_do_update(index_elements=["unit_id"], set_=changed)


_PUT_ON_POSTGRESQL, _PUT_ON_SQLITE = _upsert(postgresql.insert), _upsert(sqlite.insert)
