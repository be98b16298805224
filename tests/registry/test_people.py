"""People, what they may do where, their passwords and logins."""

from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from registry.database import Database
from registry.errors import InvalidField, NameTaken, UnknownSite
from registry.login import LIFETIME_MS, Purpose, close_login, find_login, open_login
from registry.person import (
    MAX_PASSWORD_LENGTH,
    add_person,
    authenticate,
    find_person,
    list_people,
    set_language,
)
from registry.role import PARTY_OF_ROLE, ROLE_TITLES, SYSTEM, Actor, Grant, Role
from registry.site import add_site

NOW_MS = 1_700_000_000_000
PASSWORD = "correct horse"


@pytest.fixture
def mei(database: Database) -> int:
    """The id of a technician at one site."""
    with database.writing() as session:
        add_site(session, key="xiaohe", now_ms=NOW_MS)
        person = add_person(session, name="mei", password=PASSWORD, role=Role.TECHNICIAN, site="xiaohe", now_ms=NOW_MS)
        return person.id


# Roles


def test_every_role_has_a_party_and_a_title() -> None:
    assert set(PARTY_OF_ROLE) == set(ROLE_TITLES) == set(Role)


def test_roles_are_those_of_the_contract() -> None:
    assert {role.value for role in Role} == {
        "admin",
        "property_manager",
        "committee_member",
        "community_officer",
        "district_officer",
        "technician",
        "volunteer",
        "owner",
    }


def test_a_role_at_a_site_counts_only_there() -> None:
    actor = Actor("mei", grants=(Grant(Role.TECHNICIAN, "a"), Grant(Role.OWNER, "b")))
    assert actor.roles_at("a") == {Role.TECHNICIAN}
    assert actor.roles_at("b") == {Role.OWNER}
    assert actor.roles_at("c") == frozenset()
    assert actor.roles_at(None) == frozenset()
    assert actor.roles == {Role.TECHNICIAN, Role.OWNER}
    assert actor.sites == {"a", "b"}
    assert actor.may_see("a")
    assert not actor.may_see("c")


def test_a_role_held_everywhere_counts_everywhere() -> None:
    actor = Actor("wu", grants=(Grant(Role.DISTRICT_OFFICER), Grant(Role.OWNER, "b")))
    assert actor.roles_at("anywhere") == {Role.DISTRICT_OFFICER}
    assert actor.roles_at("b") == {Role.DISTRICT_OFFICER, Role.OWNER}
    assert actor.roles_at(None) == {Role.DISTRICT_OFFICER}
    assert actor.sites is None
    assert actor.may_see("anywhere")


def test_nobody_sees_nothing() -> None:
    assert SYSTEM.sites == frozenset()
    assert not SYSTEM.may_see("")


grants = st.lists(st.builds(Grant, st.sampled_from(Role), st.sampled_from([None, "a", "b", "c"])), max_size=6)


@given(grants, st.sampled_from(["a", "b", "c", "d"]))
def test_whoever_has_a_role_at_a_site_sees_it_and_nobody_else(held: list[Grant], site: str) -> None:
    actor = Actor("x", grants=tuple(held))
    assert actor.may_see(site) == bool(actor.roles_at(site))


# People


def test_a_person_acts_with_the_roles_given(database: Database, mei: int) -> None:
    with database.reading() as session:
        person = authenticate(session, name="mei", password=PASSWORD)
        assert person is not None
        actor = person.as_actor()
    assert actor == Actor("mei", (Grant(Role.TECHNICIAN, "xiaohe"),), person_id=mei, display_name="mei")


def test_names_are_taken_once(database: Database, mei: int) -> None:
    with database.writing() as session, pytest.raises(NameTaken, match="mei"):
        add_person(session, name="mei", password=PASSWORD, role=Role.OWNER, now_ms=NOW_MS)
    with database.reading() as session:
        assert [person.name for person in list_people(session)] == ["mei"]


def test_a_name_that_is_none_is_refused(database: Database) -> None:
    with database.writing() as session:
        for name in ("", "a b", "a" * 65, "a\n", "a/b", "<b>", "a\0"):
            with pytest.raises(InvalidField, match="name"):
                add_person(session, name=name, password=PASSWORD, role=Role.OWNER, now_ms=NOW_MS)


def test_a_password_too_short_or_too_long_is_refused_and_not_told(database: Database) -> None:
    with database.writing() as session:
        for password in ("", "short-7", "x" * (MAX_PASSWORD_LENGTH + 1)):
            with pytest.raises(InvalidField, match="password") as refused:
                add_person(session, name="mei", password=password, role=Role.OWNER, now_ms=NOW_MS)
            assert not password or password not in str(refused.value)


def test_a_role_at_an_unknown_site_is_refused(database: Database) -> None:
    with database.writing() as session, pytest.raises(UnknownSite):
        add_person(session, name="mei", password=PASSWORD, role=Role.OWNER, site="nowhere", now_ms=NOW_MS)


def test_the_password_itself_is_nowhere_in_the_database(database: Database, mei: int) -> None:
    with database.reading() as session:
        [row] = session.execute(text("SELECT * FROM person")).all()
    assert PASSWORD not in str(row)
    assert "$argon2id$" in str(row)


def test_a_language_is_remembered(database: Database, mei: int) -> None:
    with database.writing() as session:
        set_language(session, mei, "en")
    with database.reading() as session:
        person = find_person(session, "mei")
        assert person is not None
        assert person.as_actor().language == "en"


# Signing in


def test_any_other_name_or_password_is_refused(database: Database, mei: int) -> None:
    tried = [
        ("mei", "Correct horse"),
        ("mei", ""),
        ("mei", PASSWORD + "x" * 2000),
        ("Mei", PASSWORD),
        ("mei ", PASSWORD),
        ("nobody", PASSWORD),
        ("nobody", "no person has this password"),
        ("", ""),
        ("mei\0", PASSWORD),
        ("mei", "\0"),
        ("mei", "\ud800"),
        ("\ud800", PASSWORD),
        ("x" * 100_000, PASSWORD),
    ]
    with database.reading() as session:
        for name, password in tried:
            assert authenticate(session, name=name, password=password) is None, (name[:10], password)


def test_a_person_who_left_cannot_sign_in_nor_use_an_old_login(database: Database, mei: int) -> None:
    with database.writing() as session:
        person = find_person(session, "mei")
        assert person is not None
        open_login(session, person, secret="s" * 32, purpose=Purpose.WEB, now_ms=NOW_MS)
        person.is_active = False
    with database.reading() as session:
        assert authenticate(session, name="mei", password=PASSWORD) is None
        assert find_login(session, "s" * 32, purpose=Purpose.WEB, now_ms=NOW_MS) is None


def test_a_wrong_name_takes_as_long_as_a_wrong_password(database: Database, mei: int) -> None:
    def fastest_s(name: str) -> float:
        times = []
        for _ in range(3):
            with database.reading() as session:
                start = perf_counter()
                authenticate(session, name=name, password="wrong password")
                times.append(perf_counter() - start)
        return min(times)

    # A refusal without the decoy would take a hundredth of it.
    assert fastest_s("nobody") > fastest_s("mei") / 3
    assert fastest_s("no such\0name") > fastest_s("mei") / 3


def test_a_login_lasts_a_shift_and_not_longer(database: Database, mei: int) -> None:
    with database.writing() as session:
        person = find_person(session, "mei")
        assert person is not None
        open_login(session, person, secret="s" * 32, purpose=Purpose.WEB, csrf_token="c", now_ms=NOW_MS)
    with database.reading() as session:
        end_ms = NOW_MS + LIFETIME_MS
        signed_in = find_login(session, "s" * 32, purpose=Purpose.WEB, now_ms=end_ms - 1)
        assert signed_in is not None
        assert (signed_in.actor.name, signed_in.csrf_token, signed_in.expires_ms) == ("mei", "c", end_ms)
        assert find_login(session, "s" * 32, purpose=Purpose.WEB, now_ms=end_ms) is None


def test_a_login_is_for_its_purpose_only(database: Database, mei: int) -> None:
    with database.writing() as session:
        person = find_person(session, "mei")
        assert person is not None
        open_login(session, person, secret="s" * 32, purpose=Purpose.API, now_ms=NOW_MS)
        assert find_login(session, "s" * 32, purpose=Purpose.WEB, now_ms=NOW_MS) is None
        assert find_login(session, "t" * 32, purpose=Purpose.API, now_ms=NOW_MS) is None
        close_login(session, "t" * 32)
        assert find_login(session, "s" * 32, purpose=Purpose.API, now_ms=NOW_MS) is not None
        close_login(session, "s" * 32)
        assert find_login(session, "s" * 32, purpose=Purpose.API, now_ms=NOW_MS) is None


def test_the_database_keeps_no_secret_and_no_login_that_has_ended(database: Database, mei: int) -> None:
    with database.writing() as session:
        person = find_person(session, "mei")
        assert person is not None
        open_login(session, person, secret="first-secret", purpose=Purpose.WEB, now_ms=NOW_MS)
        open_login(session, person, secret="later-secret", purpose=Purpose.WEB, now_ms=NOW_MS + LIFETIME_MS)
    with database.reading() as session:
        [row] = session.execute(text("SELECT * FROM login")).all()
    assert "secret" not in str(row)
