"""Looking after an installation: people, units, migrations, and whether everything answers."""

import json
import zipfile
from itertools import islice
from pathlib import Path

from api.clock import now_ms
from api.processes import opened_database, opened_store, prepare_data_dir
from api.settings import Settings
from governance.tally import Tally
from governance.vote import votes_of
from governance.vote_export import NotAnExport, ReadExport, read_export
from governance.vote_proof import orphaned_choices, verify_vote
from registry import activity
from registry.activity import Entry
from registry.database import Database
from registry.leaving import remove_person
from registry.person import Person, add_person, list_people
from registry.role import Role
from registry.site import Site, add_site, confirm_site, find_site, list_sites
from registry.unit import ImportCount, import_units, read_unit_rows

FAULTS_SHOWN = 20
EXPORTED_TABLES = ("roll.csv", "ballots.csv")


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


def verify_votes(settings: Settings) -> int:
    """How many votes there are, all sound. Raises Unsound with the breaks of the first that is not."""
    with opened_database(settings, migrates=False) as database, database.reading() as session:
        votes = votes_of(session)
        for vote in votes:
            broken = list(islice(verify_vote(session, vote), FAULTS_SHOWN))
            if broken:
                told = "; ".join(f"ballot {fault.seq}: {fault.reason}" for fault in broken)
                raise Unsound(f"the vote on proposal {vote.proposal_id} is broken: {told}")
        if orphans := orphaned_choices(session):
            raise Unsound(f"{orphans} choices have no ballot")
        return len(votes)


def verify_export(path: Path, *, head: str | None) -> tuple[ReadExport, Tally]:
    """An exported vote that proves itself, and its recount. Raises Unsound with what it does not prove.

    `head` is the end of the chain as it was published: only it shows that the whole file was not written anew.
    """
    tables: dict[str, str] | None = None
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                document = json.loads(archive.read("chain.json"))
                tables = {name: archive.read(name).decode() for name in archive.namelist() if name in EXPORTED_TABLES}
        else:
            document = json.loads(path.read_text(encoding="utf-8"))
        read = read_export(document)
    except (ValueError, KeyError, zipfile.BadZipFile, NotAnExport) as error:
        raise Unsound(f"{path} is no export of a vote: {error}") from error
    if read.faults:
        told = "; ".join(f"ballot {fault.seq}: {fault.reason}" for fault in read.faults[:FAULTS_SHOWN])
        raise Unsound(f"{path} is broken: {told}")
    # They are what people recount: a file beside a sound chain may say something else.
    if tables is not None and (differing := list(islice(read.differences(tables), FAULTS_SHOWN))):
        raise Unsound(f"{path} is broken: {'; '.join(differing)}")
    if head is not None and head != read.head.hash:
        raise Unsound(f"{path} ends in {read.head.hash}, and not in what was published")
    return read, read.recount()


def add_user(settings: Settings, *, name: str, password: str, role: Role, site: str | None, display_name: str) -> None:
    prepare_data_dir(settings)
    with opened_database(settings, migrates=False) as database, database.writing() as session:
        now = now_ms()
        person = add_person(
            session, name=name, password=password, role=role, site=site, display_name=display_name, now_ms=now
        )
        entry = Entry("person.added", f"person:{person.id}", data={"name": name, "role": role.value, "site": site})
        activity.append(session, [entry], now_ms=now)


def remove_user(settings: Settings, *, name: str) -> None:
    """Raises UnknownPerson."""
    with opened_database(settings, migrates=False) as database, database.writing() as session:
        person = remove_person(session, name)
        entry = Entry("person.removed", f"person:{person.id}", data={"name": name})
        activity.append(session, [entry], now_ms=now_ms())


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
