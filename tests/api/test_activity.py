"""The activity log as pages."""

from registry import activity
from registry.activity import Entry
from registry.role import Role
from tests.api.kit import FAR_PUMP, HERE, PUMP, World, items

STAFF = (Role.COMMITTEE_MEMBER, HERE)


def test_everything_that_happened_stands_in_its_order(world: World) -> None:
    alarm_id = world.signal(PUMP, "dry_run")
    manager = world.bearer((Role.PROPERTY_MANAGER, HERE))
    world.client.post(f"/api/v1/alarms/{alarm_id}/acknowledge", headers=manager)
    rows = items(world.client.get("/api/v1/activity", headers=manager))
    assert [row["verb"] for row in rows] == ["alarm.raised", "ticket.opened", "alarm.acknowledged"]
    assert [row["id"] for row in rows] == [1, 2, 3]
    assert (rows[0]["subject"], rows[0]["site"], rows[0]["unit"]) == (f"alarm:{alarm_id}", HERE, PUMP.path)
    assert rows[0]["at"] == "2026-11-23T12:00:00.000+08:00"
    assert [row["previous_hash"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]


def test_who_knows_a_row_gets_the_rows_after_it(world: World) -> None:
    for unit in (PUMP, FAR_PUMP, PUMP):
        for is_active in (True, False):
            world.signal(unit, "short_cycling", is_active=is_active)
    headers = world.bearer(STAFF)
    everything = items(world.client.get("/api/v1/activity", headers=headers))
    assert len(everything) > 4
    seen: list[dict[str, object]] = []
    after: object = 0
    while True:
        page = world.client.get("/api/v1/activity", params={"after": after, "limit": 2}, headers=headers).json()
        seen += page["items"]
        if page["next"] is None:
            break
        after = page["next"]
    assert seen == everything
    cursor = {"cursor": str(everything[0]["id"]), "after": 0}
    assert items(world.client.get("/api/v1/activity", params=cursor, headers=headers)) == everything[1:]


def test_what_concerns_no_site_is_for_staff_of_all_sites(world: World) -> None:
    with world.database.writing() as session:
        activity.append(session, [Entry("person.added", "person:7", data={"name": "chen"})], now_ms=world.clock())
    for grant, expected in (
        ((Role.ADMIN, None), 1),
        ((Role.DISTRICT_OFFICER, None), 1),
        ((Role.VOLUNTEER, None), 0),
        ((Role.PROPERTY_MANAGER, HERE), 0),
    ):
        assert len(items(world.client.get("/api/v1/activity", headers=world.bearer(grant)))) == expected, grant
