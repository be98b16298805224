"""Units by key, as the ingest needs them: known ones from memory, new ones registered or refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from ingest.errors import Reason
from models.reading import UnitKey
from registry import activity
from registry.activity import Entry
from registry.database import Database
from registry.site import find_site, register_site
from registry.unit import all_units, find_unit, register_unit


@dataclass(slots=True)
class Lookup:
    """Ids of the units that may be heard, and the reason for each that may not."""

    ids: dict[UnitKey, int] = field(default_factory=dict)
    refused: dict[UnitKey, tuple[Reason, str]] = field(default_factory=dict)


class UnitDirectory:
    """Registers a unit heard for the first time as unconfirmed; its site must be known unless sites may be new too."""

    def __init__(self, database: Database, *, registers_unknown_sites: bool) -> None:
        self._database = database
        self._registers_unknown_sites = registers_unknown_sites
        self._ids: dict[UnitKey, int] = {}

    def load(self) -> dict[UnitKey, int]:
        with self._database.reading() as session:
            self._ids = {unit.unit_key: unit.id for unit in all_units(session)}
        return dict(self._ids)

    def known(self) -> Mapping[UnitKey, int]:
        """Ids of the units that were loaded or looked up so far."""
        return self._ids

    def look_up(self, keys: Iterable[UnitKey], *, now_ms: int) -> Lookup:
        found = Lookup()
        unknown = []
        for key in keys:
            unit_id = self._ids.get(key)
            if unit_id is None:
                unknown.append(key)
            else:
                found.ids[key] = unit_id
        if unknown:
            with self._database.writing() as session:
                for key in unknown:
                    self._register(session, key, found, now_ms)
            self._ids.update(found.ids)
        return found

    def _register(self, session: Session, key: UnitKey, found: Lookup, now_ms: int) -> None:
        site = find_site(session, key.site)
        if site is None:
            if not self._registers_unknown_sites:
                found.refused[key] = (Reason.UNKNOWN_SITE, key.site)
                return
            site = register_site(session, key=key.site, now_ms=now_ms)
        present = find_unit(session, site, key.unit)
        if present is None:
            present, is_added = register_unit(session, site=site, kind=key.kind, key=key.unit, now_ms=now_ms)
            if is_added:
                entry = Entry(
                    "unit.registered", f"unit:{present.id}", site=site.key, unit_id=present.id, data={"unit": key.path}
                )
                activity.append(session, [entry], now_ms=now_ms)
        if present.kind != key.kind.value:
            found.refused[key] = (Reason.KIND_CONFLICT, f"{key.site}/{key.unit} is registered as {present.kind}")
            return
        found.ids[key] = present.id
