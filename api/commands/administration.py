"""Looking after an installation: people, units, migrations, and whether everything answers."""

from itertools import islice
from pathlib import Path

from api.clock import now_ms
from api.processes import opened_database, opened_store, prepare_data_dir
from api.settings import Settings
from registry import activity
from registry.activity import Entry
from registry.database import Database
from registry.person import Person, add_person, list_people
from registry.role import Role
from registry.site import Site, add_site, confirm_site, find_site, list_sites
from registry.unit import ImportCount, import_units, read_unit_rows

FAULTS_SHOWN = 20


class Unsound(Exception):
    """A proof failed; the message tells where."""


def migrate(settings: Settings) -> list[str]:
    prepare_data_dir(settings)
    database = Database(settings.resolved_database_url)
    try:
        applied = database.migrate()
        said = f"applied {', '.join(applied)}" if applied else "is current"
        lines = [f"database {database.display_url}: {said}"]
    finally:
        database.close()
    with opened_store(settings) as store:
        lines.append(f"telemetry: {store.check()}")
    return lines


def verify(settings: Settings) -> int:
    """The number of rows in a sound chain. Raises Unsound with the breaks."""
    with opened_database(settings, migrates=False) as database, database.reading() as session:
        faults = list(islice(activity.verify_chain(session), FAULTS_SHOWN))
        if faults:
            told = "; ".join(f"row {fault.activity_id}: {fault.reason}" for fault in faults)
            raise Unsound(f"the activity log is broken: {told}")
        return activity.last_id(session)


def add_user(settings: Settings, *, name: str, password: str, role: Role, site: str | None, display_name: str) -> None:
    prepare_data_dir(settings)
    with opened_database(settings, migrates=False) as database, database.writing() as session:
        now = now_ms()
        person = add_person(
            session, name=name, password=password, role=role, site=site, display_name=display_name, now_ms=now
        )
        entry = Entry("person.added", f"person:{person.id}", data={"name": name, "role": role.value, "site": site})
        activity.append(session, [entry], now_ms=now)


def list_users(settings: Settings) -> list[Person]:
    with opened_database(settings, migrates=False) as database, database.reading() as session:
        people = list_people(session)
        session.expunge_all()
        return people


def add_compound(settings: Settings, *, key: str, name: str, timezone: str) -> None:
    """Raises InvalidField, SiteTaken."""
    prepare_data_dir(settings)
    with opened_database(settings, migrates=False) as database, database.writing() as session:
        now = now_ms()
        site = find_site(session, key)
        if site is None:
            site = add_site(session, key=key, name=name, timezone=timezone, now_ms=now)
        else:
            confirm_site(site, name=name, timezone=timezone)
        data = {"key": key, "name": site.name}
        activity.append(session, [Entry("site.added", f"site:{site.id}", site=key, data=data)], now_ms=now)


def list_compounds(settings: Settings) -> list[Site]:
    with opened_database(settings, migrates=False) as database, database.reading() as session:
        sites = list_sites(session)
        session.expunge_all()
        return sites


def import_unit_file(settings: Settings, path: Path) -> ImportCount:
    prepare_data_dir(settings)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = read_unit_rows(file)
    with opened_database(settings, migrates=False) as database, database.writing() as session:
        now = now_ms()
        count = import_units(session, rows, now_ms=now)
        data = {"added": count.added, "changed": count.changed, "sites_added": count.sites_added}
        activity.append(session, [Entry("units.imported", "units", data=data)], now_ms=now)
        return count
