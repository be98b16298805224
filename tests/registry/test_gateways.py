"""Gateways in the register: one account each, and never more than their own site."""

import pytest

from registry.database import Database
from registry.errors import InvalidField, UnknownSite
from registry.gateway import (
    GatewayTaken,
    UnknownGateway,
    add_gateway,
    check_topic_filter,
    get_gateway,
    list_gateways,
    renew_gateway,
    revoke_gateway,
)
from registry.site import add_site

NOW_MS = 1_700_000_000_000
HASHED = "$7$5000$c2FsdA==$aGFzaA=="


@pytest.fixture
def homes(database: Database) -> Database:
    with database.writing() as session:
        for key in ("my-home", "their-home"):
            add_site(session, key=key, now_ms=NOW_MS)
    return database


def test_a_gateway_has_an_account_that_no_other_site_can_have(homes: Database) -> None:
    with homes.writing() as session:
        for site in ("my-home", "their-home"):
            add_gateway(session, site=site, name="roof", hashed=HASHED, now_ms=NOW_MS)
    with homes.reading() as session:
        assert [row.account for row in list_gateways(session)] == ["my-home.roof", "their-home.roof"]


def test_a_gateway_is_added_once(homes: Database) -> None:
    with homes.writing() as session:
        add_gateway(session, site="my-home", name="roof", hashed=HASHED, now_ms=NOW_MS)
    with pytest.raises(GatewayTaken), homes.writing() as session:
        add_gateway(session, site="my-home", name="roof", hashed=HASHED, now_ms=NOW_MS)


def test_a_revoked_gateway_is_gone_until_it_is_added_again(homes: Database) -> None:
    with homes.writing() as session:
        add_gateway(session, site="my-home", name="roof", hashed=HASHED, more_topics=("tele/#",), now_ms=NOW_MS)
        revoke_gateway(session, site="my-home", name="roof", now_ms=NOW_MS + 1)
        assert list_gateways(session) == []
        assert [row.revoked_ms for row in list_gateways(session, is_with_revoked=True)] == [NOW_MS + 1]
        with pytest.raises(UnknownGateway):
            renew_gateway(session, site="my-home", name="roof", hashed=HASHED)
        with pytest.raises(UnknownGateway):
            revoke_gateway(session, site="my-home", name="roof", now_ms=NOW_MS)
        again = add_gateway(session, site="my-home", name="roof", hashed=f"{HASHED}2", now_ms=NOW_MS + 2)
        assert (again.hashed, again.more_topics, again.created_ms) == (f"{HASHED}2", [], NOW_MS)
        assert get_gateway(session, site="my-home", name="roof") is again


@pytest.mark.parametrize(("site", "name"), [("nowhere", "roof"), ("my-home", "no-such")])
def test_what_is_not_there_is_told(homes: Database, site: str, name: str) -> None:
    with pytest.raises((UnknownSite, UnknownGateway)), homes.reading() as session:
        get_gateway(session, site=site, name=name)


@pytest.mark.parametrize("name", ["", "Roof", "a.b", "a/b", "a b", "dach\n", "ä"])
def test_a_name_that_could_be_taken_for_another_is_refused(homes: Database, name: str) -> None:
    with pytest.raises(InvalidField), homes.writing() as session:
        add_gateway(session, site="my-home", name=name, hashed=HASHED, now_ms=NOW_MS)


@pytest.mark.parametrize("topic", ["tele/roof", "tele/#", "tele/+/x", "a"])
def test_a_topic_of_its_own_is_taken(topic: str) -> None:
    assert check_topic_filter(topic) == topic


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "#",
        "+/v1/their-home/#",
        "liandong/v1/their-home/#",
        "spBv1.0/their-home/#",
        "homeassistant/#",
        "$SYS/#",
        "/x",
        "a/#/b",
        "a/b#",
        "a\nuser x",
        " a",
        "a" * 201,
    ],
)
def test_a_topic_that_may_be_anothers_is_refused(topic: str) -> None:
    with pytest.raises(InvalidField):
        check_topic_filter(topic)
