"""The owners' roll: read strictly or not at all, corrected with its history, objected to before it counts."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from governance import objection, owners_roll, roll_file, roll_link
from governance.area import area_m2, read_area_mm2
from governance.objection import ObjectionRefused, ObjectionState
from governance.owners_roll import DraftGone, UnknownPart
from governance.roll_file import AreaSource, RollRow, read_roll_rows
from registry import activity
from registry.activity import Activity
from registry.database import Database
from registry.person import PasswordHash, add_person
from registry.role import Actor, Role
from registry.site import Site, add_site

NOW_MS = 1_795_406_400_000
KEEPER = Actor("keeper")


def rows(*lines: str, header: str = "owner,part,area_m2,building,name") -> list[tuple[int, Mapping[str, str]]]:
    names = header.split(",")
    return [(n, dict(zip(names, line.split(","), strict=False))) for n, line in enumerate(lines, start=2)]


def site_of(session: Session) -> Site:
    return add_site(session, key="xiaohe", now_ms=NOW_MS)


ROLL = [
    RollRow("A", "1-101", 100_500_000, "1", name="Wang Xiaoming"),
    RollRow("A", "1-102", 80_000_000, "1", name="Wang Xiaoming"),
    RollRow("B", "2-101", 89_530_000, "2", AreaSource.SURVEY, name="李梅", phone_end="1234"),
]


def imported(session: Session, roll: list[RollRow] = ROLL) -> Site:
    site = site_of(session)
    owners_roll.replace_roll(session, site, roll, reason="", actor=KEEPER, now_ms=NOW_MS)
    return site


@pytest.mark.parametrize(
    ("text", "area_mm2"),
    [
        ("89.53", 89530000),
        ("0.000001", 1),
        ("100", 100000000),
        ("0", None),
        ("0.000", None),
        ("-1", None),
        ("1e3", None),
        ("8,5", None),
        ("", None),
        ("1.1234567", None),
        ("1234567890", None),
        ("٣", None),
    ],
)
def test_an_area_is_a_plain_number_above_zero(text: str, area_mm2: int | None) -> None:
    assert read_area_mm2(text) == area_mm2


def test_an_area_is_written_with_two_places_or_as_many_as_it_has() -> None:
    assert [str(area_m2(read_area_mm2(text) or 0)) for text in ("100.5", "7", "0.123456")] == [
        "100.50",
        "7.00",
        "0.123456",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (",1-103,80", roll_file.NO_OWNER),
        ("C,,80", roll_file.NO_PART),
        ("C,1-103,0", roll_file.BAD_AREA),
        ("C,1-103,", roll_file.BAD_AREA),
        ("C,1-101,80", roll_file.PART_TWICE),
        ("A,1-103,80,1,Somebody Else", roll_file.OTHER_FACTS),
        ("C,1-103,80," + "x" * 65, roll_file.TOO_LONG),
    ],
)
def test_a_bad_row_is_told_with_its_line(line: str, message: str) -> None:
    _, faults = read_roll_rows(rows("A,1-101,100.5,1,Wang", line))
    assert [(fault.line, fault.message) for fault in faults] == [(3, message)]


def test_every_bad_row_is_told_not_only_the_first() -> None:
    _, faults = read_roll_rows(rows("A,1-101,0", ",1-102,80", "C,1-101,80", "D,1-104,x"))
    assert [fault.line for fault in faults] == [2, 3, 4, 5]


def test_the_developer_is_one_owner() -> None:
    header = "owner,part,area_m2,developer"
    _, faults = read_roll_rows(rows("D,1,10,是", "D,2,10,yes", "E,3,10,1", header=header))
    assert [(fault.line, fault.message) for fault in faults] == [(4, roll_file.SECOND_DEVELOPER)]


def test_only_the_last_signs_of_numbers_are_taken() -> None:
    header = "owner,part,area_m2,phone_end,certificate_end,source"
    _, faults = read_roll_rows(rows("A,1,10,13812345678,,", "B,2,10,,330102199001011234,", "C,3,10,,,x", header=header))
    assert [f.message for f in faults] == [roll_file.BAD_PHONE, roll_file.BAD_CERTIFICATE, roll_file.BAD_SOURCE]
    taken, none = read_roll_rows(rows("A,1,10,5678,123x,合同", header=header))
    assert (none, taken[0].certificate_end, taken[0].source) == ([], "123X", AreaSource.CONTRACT)


def test_a_file_without_parts_is_refused() -> None:
    assert [fault.message for fault in read_roll_rows([])[1]] == [roll_file.NOTHING]


def test_several_parts_of_one_buyer_are_one_owner(database: Database) -> None:
    with database.writing() as session:
        site = imported(session)
        count = owners_roll.count_roll(session, site)
        assert (count.owners, count.parts, count.area_mm2) == (2, 3, 270_030_000)
        assert owners_roll.count_roll(session, site, building="2").owners == 1
        assert owners_roll.buildings_of(session, site) == ["1", "2"]


def test_a_roll_read_back_is_the_roll_that_was_imported(database: Database) -> None:
    with database.writing() as session:
        site = imported(session)
        assert sorted(owners_roll.roll_rows(session, site), key=lambda row: row.part) == ROLL
        again = owners_roll.difference(session, site, ROLL)
        assert (again.added, again.changed, again.removed) == ((), (), ())


def test_a_second_import_keeps_accounts_and_tells_what_it_changed(database: Database) -> None:
    with database.writing() as session:
        site = imported(session)
        person = add_person(session, name="li", password=PasswordHash("none"), role=Role.OWNER, now_ms=NOW_MS)
        assert roll_link.link_person(session, site, "B", person.id, actor=KEEPER, now_ms=NOW_MS)
        assert not roll_link.link_person(session, site, "nobody", person.id, actor=KEEPER, now_ms=NOW_MS)
        wanted = [ROLL[0], replace(ROLL[2], area_mm2=90_000_000), RollRow("C", "3-101", 70_000_000)]
        found = owners_roll.replace_roll(session, site, wanted, reason="new survey", actor=KEEPER, now_ms=NOW_MS + 1)
        assert (found.added, found.changed, found.removed) == (("3-101",), ("2-101",), ("1-102",))
        told = {
            (change.what, change.field, change.before, change.after) for change in owners_roll.changes_of(session, site)
        }
        assert ("2-101", "area_m2", "89.53", "90.00") in told
        assert {("3-101", "added", "", ""), ("1-102", "removed", "", "")} <= told
        assert [owner.key for owner in owners_roll.owners_of_person(session, site, person.id)] == ["B"]


def test_a_correction_keeps_what_stood_before_and_why(database: Database) -> None:
    with database.writing() as session:
        site = imported(session)
        part = owners_roll.list_parts(session, site, words="2-101")[0]
        wanted = replace(ROLL[2], area_mm2=89_540_000, name="李小梅")
        fields = owners_roll.correct_part(
            session, site, part, wanted, reason="by the register", actor=KEEPER, now_ms=NOW_MS + 1
        )
        assert fields == ["area_m2", "name"]
        change = owners_roll.changes_of(session, site)[-1]
        assert (change.before, change.after, change.reason, change.by) == (
            "89.53",
            "89.54",
            "by the register",
            "keeper",
        )
        assert owners_roll.count_roll(session, site).area_mm2 == 270_040_000


def test_a_part_that_is_sold_makes_its_former_owner_leave_the_roll(database: Database) -> None:
    with database.writing() as session:
        site = imported(session)
        part = owners_roll.list_parts(session, site, words="2-101")[0]
        sold = replace(ROLL[2], owner="A", name="Wang Xiaoming", phone_end="")
        owners_roll.correct_part(session, site, part, sold, reason="sold", actor=KEEPER, now_ms=NOW_MS + 1)
        count = owners_roll.count_roll(session, site)
        assert (count.owners, count.parts) == (1, 3)
        with pytest.raises(UnknownPart):
            owners_roll.get_part(session, site, 999_999)


def test_the_activity_log_tells_no_name_and_no_number_of_an_owner(database: Database) -> None:
    with database.writing() as session:
        site = imported(session)
        part = owners_roll.list_parts(session, site, words="2-101")[0]
        wanted = replace(ROLL[2], name="李小梅", phone_end="4321")
        owners_roll.correct_part(session, site, part, wanted, reason="typing error", actor=KEEPER, now_ms=NOW_MS)
        logged = str([row.data for row in session.scalars(select(Activity))])
        assert "roll.corrected" in [row.verb for row in session.scalars(select(Activity))]
        for secret in ("李梅", "李小梅", "1234", "4321", "Wang"):
            assert secret not in logged
        assert list(activity.verify_chain(session)) == []


def test_only_the_file_that_was_looked_through_is_taken(database: Database) -> None:
    with database.writing() as session:
        site = site_of(session)
        owners_roll.keep_draft(session, site, content="one", digest="1" * 64, actor=KEEPER, now_ms=NOW_MS)
        owners_roll.keep_draft(session, site, content="two", digest="2" * 64, actor=KEEPER, now_ms=NOW_MS)
        with pytest.raises(DraftGone):
            owners_roll.take_draft(session, site, "1" * 64)
        assert owners_roll.take_draft(session, site, "2" * 64) == "two"
        with pytest.raises(DraftGone):
            owners_roll.take_draft(session, site, "2" * 64)


def test_what_is_looked_for_is_no_pattern(database: Database) -> None:
    with database.writing() as session:
        site = imported(session)
        assert owners_roll.list_parts(session, site, words="%") == []
        assert [part.part for part in owners_roll.list_parts(session, site, words="李")] == ["2-101"]
        assert [part.part for part in owners_roll.list_parts(session, site, after="1-101", limit=1)] == ["1-102"]


def test_an_objection_is_answered_once_and_stays(database: Database) -> None:
    owner = Actor("owner")
    with database.writing() as session:
        site = imported(session)
        subject = objection.roll_subject(site)
        made = objection.object_to(session, site, subject, about="2-101", text="too small", actor=owner, now_ms=NOW_MS)
        assert objection.open_objections(session, subject) == 1

        def answer(text: str) -> objection.Objection:
            return objection.answer_objection(
                session, site, made.id, upheld=True, answer=text, actor=KEEPER, now_ms=NOW_MS + 1
            )

        with pytest.raises(ObjectionRefused, match="empty"):
            answer(" ")
        assert answer("corrected by the register").state == ObjectionState.UPHELD
        with pytest.raises(ObjectionRefused, match="answered"):
            answer("again")
        assert objection.open_objections(session, subject) == 0
        assert [each.answer for each in objection.objections_to(session, subject)] == ["corrected by the register"]


def test_nobody_floods_with_objections(database: Database) -> None:
    owner = Actor("owner")
    with database.writing() as session:
        site = imported(session)
        subject = objection.roll_subject(site)
        for _ in range(objection.MOST_OPEN_OF_PERSON):
            objection.object_to(session, site, subject, about="", text="x", actor=owner, now_ms=NOW_MS)
        with pytest.raises(ObjectionRefused, match="too_many"):
            objection.object_to(session, site, subject, about="", text="x", actor=owner, now_ms=NOW_MS)
        with pytest.raises(ObjectionRefused, match="empty"):
            objection.object_to(session, site, subject, about="", text="", actor=KEEPER, now_ms=NOW_MS)


def test_the_tenth_building_comes_after_the_second(database: Database) -> None:
    with database.writing() as session:
        site = site_of(session)
        names = ("10幢-101", "2幢-1001", "2幢-201", "1幢-101")
        rows = [RollRow(f"o{n}", part, 80_000_000, part.partition("-")[0]) for n, part in enumerate(names)]
        owners_roll.replace_roll(session, site, rows, reason="", actor=KEEPER, now_ms=NOW_MS)
        parts = [part.part for part in owners_roll.list_parts(session, site)]
        assert parts == ["1幢-101", "2幢-201", "2幢-1001", "10幢-101"]
        assert owners_roll.buildings_of(session, site) == ["1幢", "2幢", "10幢"]
        pages = [part.part for part in owners_roll.list_parts(session, site, after="2幢-201", limit=1)]
        assert pages == ["2幢-1001"]
