"""The records of a compound for the next committee: complete, without names, and only for those who may."""

import csv
import io
import zipfile

from registry.role import Role
from tests.api.kit import ELSEWHERE, HERE, LIFT, World
from tests.api.test_reliability import fault, seen

PATH = f"/api/v1/sites/{HERE}/handover.zip"


def sheet(archive: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read(name).decode("utf-8-sig"))))


def test_the_archive_holds_every_table_and_no_names(world: World) -> None:
    seen(world, LIFT.path, 100)
    ticket_id = fault(world, LIFT.path, 10)
    me = world.bearer((Role.COMMITTEE_MEMBER, HERE))
    record = {"kind": "overhaul", "done_on": "2026-11-01", "done_by": "=cmd()", "cost": "12.50", "note": "Mr Wang"}
    manager = world.bearer((Role.PROPERTY_MANAGER, HERE))
    world.client.post(f"/api/v1/units/{LIFT.path}/service-records", json=record, headers=manager)
    world.client.post(f"/api/v1/tickets/{ticket_id}/cause", json={"cause": "misuse"}, headers=manager)
    answer = world.client.get(PATH, headers=me)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert {row["unit"] for row in sheet(archive, "units.csv")} == {"b3-l1", "p1", "f1"}
    (service,) = sheet(archive, "service-records.csv")
    assert (service["cost_fen"], service["done_by"]) == ("1250", "'=cmd()")
    (ticket,) = sheet(archive, "tickets.csv")
    assert (ticket["ticket"], ticket["cause"], ticket["stage"]) == (str(ticket_id), "misuse", "restored")
    (lift,) = sheet(archive, "statistics-elevator.csv")
    assert lift["faults"] == "1"
    everything = "".join(archive.read(name).decode() for name in archive.namelist())
    for name in ("root", "Mr Wang", "property_manager-"):
        assert name not in everything


def test_only_those_who_keep_the_records_may_have_them(world: World) -> None:
    for grant in ((Role.OWNER, HERE), (Role.TECHNICIAN, HERE)):
        assert world.client.get(PATH, headers=world.bearer(grant)).status_code == 403
    stranger = world.bearer((Role.COMMITTEE_MEMBER, ELSEWHERE))
    assert world.client.get(PATH, headers=stranger).status_code == 404
