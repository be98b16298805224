"""Sites and units: their names, and how a list of them is taken from a file."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.wire import read_topic
from models.equipment import Kind
from models.reading import UnitKey
from registry.database import Database
from registry.errors import InvalidField, UnknownSite, UnknownUnit
from registry.site import add_site, check_slug, get_site, list_sites
from registry.unit import (
    BadRow,
    ImportCount,
    ImportRefused,
    add_unit,
    all_units,
    connection_states,
    count_units,
    get_unit,
    get_unit_by_id,
    import_units,
    list_units,
    read_unit_rows,
    register_units,
    set_status,
)

NOW_MS = 1_700_000_000_000
HEADER = "site,kind,unit,name,building,make,installed_on,maintainer\n"


def import_text(database: Database, text: str) -> ImportCount:
    with database.writing() as session:
        return import_units(session, read_unit_rows(io.StringIO(text)), now_ms=NOW_MS)


def refusal(database: Database, text: str) -> list[BadRow]:
    with pytest.raises(ImportRefused) as refused:
        import_text(database, text)
    return refused.value.bad_rows


def unit_keys(database: Database) -> list[str]:
    with database.reading() as session:
        return [unit.unit_key.path for unit in all_units(session)]


# Names


@pytest.mark.parametrize("name", ["a", "7", "xiaohe", "lift-1", "a" * 64, "0-", "a--b"])
def test_small_letters_digits_and_hyphens_are_a_name(name: str) -> None:
    assert check_slug("unit", name) == name


@pytest.mark.parametrize(
    "name", ["", "-a", "A", "a" * 65, "a b", "a/b", "a+b", "a#", "a\n", "小河", "a_b", "a.b", "ａ", "a~b", "a\0"]
)
def test_anything_else_is_no_name(name: str) -> None:
    with pytest.raises(InvalidField, match="unit"):
        check_slug("unit", name)


@given(st.text(max_size=70))
def test_a_name_is_fit_for_a_topic_exactly_when_it_is_fit_for_the_register(name: str) -> None:
    def taken(check: object) -> bool:
        try:
            check()  # type: ignore[operator]
        except Exception:
            return False
        return True

    assert taken(lambda: check_slug("unit", name)) == taken(lambda: read_topic(f"liandong/v1/s/pump/{name}/telemetry"))


def test_a_site_needs_a_time_zone_that_exists(database: Database) -> None:
    with database.writing() as session:
        for timezone in ("Mars/Olympus", "", "../etc/passwd", "Asia"):
            with pytest.raises(InvalidField, match="timezone"):
                add_site(session, key="s", timezone=timezone, now_ms=NOW_MS)
        assert add_site(session, key="s", now_ms=NOW_MS).timezone == "Asia/Shanghai"


def test_what_does_not_exist_is_named_in_the_error(database: Database) -> None:
    with database.reading() as session:
        with pytest.raises(UnknownSite, match="nowhere"):
            get_site(session, "nowhere")
        for path in ("nowhere~lift-1", "nowhere", "~", "a~b~c"):
            with pytest.raises(UnknownUnit, match=path):
                get_unit(session, path)
        with pytest.raises(UnknownUnit, match="4711"):
            get_unit_by_id(session, 4711)


def test_sites_of_others_are_not_listed(database: Database) -> None:
    with database.writing() as session:
        for key in ("b", "a", "c"):
            site = add_site(session, key=key, now_ms=NOW_MS)
            add_unit(session, site=site, kind=Kind.PUMP, key="p", now_ms=NOW_MS)
    with database.reading() as session:
        assert [site.key for site in list_sites(session)] == ["a", "b", "c"]
        assert [site.key for site in list_sites(session, visible={"c", "a"})] == ["a", "c"]
        assert list_sites(session, visible=frozenset()) == []
        assert [unit.site.key for unit in list_units(session, visible={"c"})] == ["c"]
        assert count_units(session, visible={"a", "b"}) == {Kind.PUMP: 2}
        assert list_units(session, visible=frozenset()) == []


# The list of units


def test_units_are_listed_page_by_page_without_gap_or_repetition(database: Database) -> None:
    with database.writing() as session:
        site = add_site(session, key="s", now_ms=NOW_MS)
        for number in range(25):
            add_unit(session, site=site, kind=Kind.ELEVATOR, key=f"l{number}", now_ms=NOW_MS)
    seen: list[str] = []
    with database.reading() as session:
        after_id = 0
        while page := list_units(session, after_id=after_id, limit=10):
            seen += [unit.key for unit in page]
            after_id = page[-1].id
    assert seen == [f"l{number}" for number in range(25)]


def test_search_finds_every_word_in_what_names_a_unit(database: Database) -> None:
    import_text(
        database,
        HEADER
        + "xiaohe,elevator,lift-1,North,1,ACME,,M\n"
        + "xiaohe,elevator,lift-2,,东楼,Other,,M\n"
        + "xiaohe,pump,pump-1,Sump,1,Acme,,M\n",
    )
    wanted: dict[str, list[str]] = {
        "": ["lift-1", "lift-2", "pump-1"],
        "lift": ["lift-1", "lift-2"],
        "LIFT-2": ["lift-2"],
        "north acme": ["lift-1"],
        "acme": ["lift-1", "pump-1"],
        "东楼": ["lift-2"],
        "100%": [],
        "%": [],
        "_": [],
        "xiaohe pump": ["pump-1"],
    }
    with database.reading() as session:
        found = {search: [unit.key for unit in list_units(session, search=search)] for search in wanted}
    assert found == wanted


def test_workers_that_meet_new_units_at_once_register_each_once(database: Database) -> None:
    with database.writing() as session:
        add_site(session, key="s", now_ms=NOW_MS)

    kinds = {f"p{number}": Kind.PUMP for number in range(50)}

    def register(_number: int) -> tuple[dict[str, int], frozenset[str]]:
        with database.writing() as session:
            units, added = register_units(session, site=get_site(session, "s"), kinds=kinds, now_ms=NOW_MS)
            return {key: unit.id for key, unit in units.items()}, added

    with ThreadPoolExecutor(8) as pool:
        registered = list(pool.map(register, range(8)))
    assert all(ids == registered[0][0] for ids, _ in registered)
    assert sorted(key for _, added in registered for key in added) == sorted(kinds)
    with database.reading() as session:
        assert not get_unit(session, "s~p7").is_confirmed


def test_only_a_newer_word_changes_what_is_known_of_a_connection(database: Database) -> None:
    with database.writing() as session:
        unit = add_unit(session, site=add_site(session, key="s", now_ms=NOW_MS), kind=Kind.FIRE, key="f", now_ms=NOW_MS)
        add_unit(session, site=unit.site, kind=Kind.FIRE, key="silent", now_ms=NOW_MS)
        assert set_status(session, unit.id, is_online=True, ts_ms=10)
        assert not set_status(session, unit.id, is_online=False, ts_ms=9)
        assert not set_status(session, unit.id, is_online=False, ts_ms=10)
        assert set_status(session, unit.id, is_online=False, ts_ms=11)
    with database.reading() as session:
        [state] = connection_states(session)
        assert (state.unit, state.is_online, state.status_ms) == (UnitKey("s", Kind.FIRE, "f"), False, 11)


# Import


def test_an_import_adds_units_and_their_sites_and_a_second_one_changes_them(database: Database) -> None:
    text = HEADER + "xiaohe,elevator,lift-1,Lift 1,7,Acme,2009-04-01,Care Ltd\nxiaohe,pump,p1,,,,,\n"
    assert import_text(database, text) == ImportCount(added=2, changed=0, sites_added=1)
    assert import_text(database, text.replace("Acme", "Other")) == ImportCount(added=0, changed=2, sites_added=0)
    with database.reading() as session:
        unit = get_unit(session, "xiaohe~lift-1")
        assert (unit.name, unit.building, unit.make, unit.installed_on, unit.maintainer) == (
            "Lift 1",
            "7",
            "Other",
            "2009-04-01",
            "Care Ltd",
        )
        bare = get_unit(session, "xiaohe~p1")
        assert (bare.name, bare.installed_on, bare.make) == ("p1", None, "")


def test_an_import_confirms_what_was_only_heard(database: Database) -> None:
    with database.writing() as session:
        site = add_site(session, key="xiaohe", is_confirmed=False, now_ms=NOW_MS)
        register_units(session, site=site, kinds={"p1": Kind.PUMP}, now_ms=NOW_MS)
    assert import_text(database, HEADER + "xiaohe,pump,p1,Sump,,,,\n").changed == 1
    with database.reading() as session:
        unit = get_unit(session, "xiaohe~p1")
        assert unit.is_confirmed
        assert unit.site.is_confirmed


def test_columns_may_stand_in_any_order_among_others(database: Database) -> None:
    assert import_text(database, "remark, unit ,kind,site\nx,p1,pump,s\n").added == 1
    assert unit_keys(database) == ["s~p1"]


def test_every_bad_row_is_told_with_its_line_and_nothing_is_imported(database: Database) -> None:
    import_text(database, HEADER + "s,pump,known,,,,,\n")
    bad = refusal(
        database,
        HEADER
        + "s,pump,good,,,,,\n"  # 2
        + "S,pump,p1,,,,,\n"  # 3: site
        + "s,toaster,p2,,,,,\n"  # 4: kind
        + "s,pump,-p3,,,,,\n"  # 5: unit
        + f"s,pump,p4,{'n' * 201},,,,\n"  # 6: name
        + "s,pump,p5,,,,31.05.2012,\n"  # 7: date
        + "s,pump,good,,,,,\n"  # 8: stands at line 2 already
        + "s,elevator,known,,,,,\n"  # 9: registered as a pump
        + "s,pump,later,,,,,\n"  # 10
        + "s,pump,later,,,,,\n"  # 11: stands at line 10 already
        + 's,pump,"p\0",,,,,\n'  # 12
        + "s,pump,p6,one,two,three,2012-05-31,four,five\n"  # 13: a cell too many
        + "s,pump\n"  # 14: no unit
        + "s,pump,p7,Bad\0name,,,,\n",  # 15
    )
    told = {row.line: row.reason for row in bad}
    assert sorted(told) == [3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15]
    assert "line 2" in told[8]
    assert "line 10" in told[11]
    assert "registered as pump" in told[9]
    assert "31.05.2012" in told[7]
    assert "toaster" in told[4]
    assert unit_keys(database) == ["s~known"]


def test_a_row_with_several_faults_tells_them_all(database: Database) -> None:
    bad = refusal(database, HEADER + "S,toaster,U,,,,yesterday,\n")
    assert len(bad) == 4
    assert {row.line for row in bad} == {2}


def test_a_file_without_the_needed_columns_is_refused_at_its_header(database: Database) -> None:
    assert refusal(database, "site;kind;unit\ns;pump;p\n") == [BadRow(1, "the header has no column site, kind, unit")]
    assert refusal(database, "") == [BadRow(1, "the header has no column site, kind, unit")]
    assert refusal(database, "site,unit\ns,p\n") == [BadRow(1, "the header has no column kind")]


def test_a_file_that_is_no_table_is_refused_with_its_line(database: Database) -> None:
    [bad] = refusal(database, HEADER + "s,pump,p1,,,,,\n" + f's,pump,p2,"{"x" * 200_000}",,,,\n')
    assert bad.line == 3
    assert unit_keys(database) == []


def test_lines_are_those_of_the_file_even_after_a_cell_with_line_breaks(database: Database) -> None:
    bad = refusal(database, HEADER + 's,pump,p1,"two\nlines",,,,\n\ns,toaster,p2,,,,,\n')
    assert bad[-1].line == 5


def test_a_date_is_kept_in_one_form(database: Database) -> None:
    import_text(database, HEADER + "s,pump,p1,,,,20120531,\n")
    with database.reading() as session:
        assert get_unit(session, "s~p1").installed_on == "2012-05-31"
