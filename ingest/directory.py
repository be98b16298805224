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
from registry.unit import all_units, register_units


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
                self._register(session, unknown, found, now_ms)
            self._ids.update(found.ids)
        return found

    def _register(self, session: Session, keys: Iterable[UnitKey], found: Lookup, now_ms: int) -> None:
        by_site: dict[str, list[UnitKey]] = {}
        for key in keys:
            by_site.setdefault(key.site, []).append(key)
        entries: list[Entry] = []
        for site_key in sorted(by_site):
            site = find_site(session, site_key)
            if site is None:
                if not self._registers_unknown_sites:
                    found.refused |= dict.fromkeys(by_site[site_key], (Reason.UNKNOWN_SITE, site_key))
                    continue
                site = register_site(session, key=site_key, now_ms=now_ms)
            # Of two kinds that claim one name the first heard has it; the other is refused below.
            kinds = {key.unit: key.kind for key in reversed(by_site[site_key])}
            present, added = register_units(session, site=site, kinds=kinds, now_ms=now_ms)
            for key in by_site[site_key]:
                unit = present[key.unit]
                if unit.kind != key.kind.value:
                    reason = f"{key.site}/{key.unit} is registered as {unit.kind}"
                    found.refused[key] = (Reason.KIND_CONFLICT, reason)
                    continue
                found.ids[key] = unit.id
                if key.unit in added:
                    entries.append(
                        Entry(
                            "unit.registered",
                            f"unit:{unit.id}",
                            site=site_key,
                            unit_id=unit.id,
                            data={"unit": key.path},
                        )
                    )
        if entries:
            activity.append(session, entries, now_ms=now_ms)
