import io
from collections.abc import Callable

import pytest
from PIL import Image

from alerts.ticket_stages import Stage
from api.security import CSRF_FIELD, CSRF_HEADER
from registry.channel import Channel, ChannelKind, SecretBox, add_channel, new_key
from registry.duty import holders
from registry.errors import UnknownPerson
from registry.leaving import remove_person
from registry.person import Person
from registry.role import Role
from registry.site import get_site
from tests.api.kit import ELSEWHERE, FAR_PUMP, HERE, LIFT, PUMP, World
from tests.api.pages.conftest import Browser

TO_THE_END = (
    "triaged",
    "dispatched",
    "accepted",
    "arrived",
    "in_progress",
    "restored",
    "verified",
    "closed",
)


@pytest.fixture
def ticket_id(world: World) -> int:
    return world.ticket_of(world.signal(PUMP, "dry_run"))


def test_a_ticket_is_told_with_its_alarms_evidence_and_advice(world: World, admin: Browser) -> None:
    alarm_id = world.signal(PUMP, "dry_run", evidence={"level_m": 0.12, "pump1_running": 1.0})
    page = admin.get(f"/tickets/{world.ticket_of(alarm_id)}")
    for words in (
        "Pump runs dry",
        "Sump level 0.12 m",
        "Pump 1 running running",
        "What to do: Stop the pump",
        "Stage: Reported",
    ):
        assert words in page.text
    assert {f"/alarms/{alarm_id}", f"/units/{PUMP.path}"} <= page.targets()


def test_a_ticket_goes_through_all_its_stages(admin: Browser, ticket_id: int) -> None:
    for stage in TO_THE_END:
        page = admin.get(f"/tickets/{ticket_id}")
        assert {"name": "to", "value": stage, "class": "primary"} in list(page.all("button"))
        # The alarm is active all the while: whoever signs is told.
        assert ("What was reported still holds: Pump runs dry" in page.text) == (stage in ("verified", "closed"))
        assert admin.post(f"/tickets/{ticket_id}/moves", to=stage).status == 303
    page = admin.get(f"/tickets/{ticket_id}")
    assert "Stage: Closed" in page.text
    assert not list(page.all("button", name="to"))
    assert page.html.count("step-done") == 9


def test_each_is_offered_what_their_role_may_do(browser_of: Callable[..., Browser], ticket_id: int) -> None:
    def offered(role: Role) -> set[str]:
        page = browser_of((role, HERE)).get(f"/tickets/{ticket_id}")
        return {button["value"] for button in page.all("button", name="to")}

    assert offered(Role.PROPERTY_MANAGER) == {"triaged", "cancelled"}
    assert offered(Role.TECHNICIAN) == set()
    assert offered(Role.OWNER) == set()
    text = browser_of((Role.TECHNICIAN, HERE)).get(f"/tickets/{ticket_id}").text
    assert "The next step is for somebody else." in text


def test_a_move_that_must_say_why_is_refused_without_a_note(admin: Browser, ticket_id: int) -> None:
    page = admin.post(f"/tickets/{ticket_id}/moves", to="cancelled", note="  ")
    assert page.status == 422
    assert "This step needs a note that says why." in page.text
    assert "Stage: Reported" in page.text


def test_a_note_stands_in_the_history_with_who_wrote_it(admin: Browser, ticket_id: int) -> None:
    admin.post(f"/tickets/{ticket_id}/moves", to="cancelled", note="a test of the sensor")
    text = admin.get(f"/tickets/{ticket_id}").text
    assert "Cancelled · admin-" in text
    assert "a test of the sensor" in text


def test_of_two_people_who_move_at_once_the_second_is_told(admin: Browser, ticket_id: int) -> None:
    assert admin.post(f"/tickets/{ticket_id}/moves", to="triaged").status == 303
    page = admin.post(f"/tickets/{ticket_id}/moves", to="triaged", note="my note")
    assert page.status == 409
    assert "already at the stage “Triaged”" in page.text
    assert "my note" in page.text, "what was written is not lost"


def test_a_ticket_on_hold_stands_where_it_left_the_line(admin: Browser, ticket_id: int) -> None:
    for stage in ("triaged", "dispatched", "accepted"):
        admin.post(f"/tickets/{ticket_id}/moves", to=stage)
    admin.post(f"/tickets/{ticket_id}/moves", to="on_hold", note="waiting for a part")
    page = admin.get(f"/tickets/{ticket_id}")
    assert "Stage: On hold" in page.text
    assert page.html.count("step-done") == 3
    assert 'step-current" aria-current="step"><span>Accepted' in page.html


def test_residents_see_how_far_it_is_and_not_who_wrote_what(
    admin: Browser, browser_of: Callable[..., Browser], ticket_id: int
) -> None:
    admin.post(f"/tickets/{ticket_id}/moves", to="triaged", note="flat 301 called")
    text = browser_of((Role.OWNER, HERE)).get(f"/tickets/{ticket_id}").text
    assert "Stage: Triaged" in text
    assert "flat 301" not in text
    assert "admin-" not in text


def test_a_ticket_of_another_compound_is_not_found(world: World, browser_of: Callable[..., Browser]) -> None:
    far = world.ticket_of(world.signal(FAR_PUMP, "dry_run"))
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    assert manager.get(f"/tickets/{far}").status == 404
    assert manager.post(f"/tickets/{far}/moves", to="triaged").status == 404
    assert f"/tickets/{far}" not in manager.get("/tickets?state=all").targets()


def test_the_list_shows_tickets_by_stage_and_closed_ones_on_request(
    world: World, admin: Browser, ticket_id: int
) -> None:
    moved = world.ticket_of(world.signal(LIFT, "fault.02"))
    admin.post(f"/tickets/{moved}/moves", to="cancelled", note="a test")
    open_ones = admin.get("/tickets")
    assert "Reported 1" in open_ones.text
    assert f"/tickets/{moved}" not in open_ones.targets()
    assert f"/tickets/{moved}" in admin.get("/tickets?state=all").targets()
    assert f"/tickets/{moved}" in admin.get("/tickets?stage=cancelled").targets()
    assert f"/tickets/{ticket_id}" not in admin.get(f"/tickets?site={ELSEWHERE}").targets()


def test_a_ticket_can_be_opened_by_hand(world: World, browser_of: Callable[..., Browser]) -> None:
    volunteer = browser_of((Role.VOLUNTEER, HERE))
    form = volunteer.get(f"/tickets/new?unit={LIFT.path}")
    assert {"value": LIFT.path, "selected": ""} in list(form.all("option"))
    assert not any(FAR_PUMP.path in option.get("value", "") for option in form.all("option"))
    answer = volunteer.post(
        "/tickets/new",
        where=LIFT.path,
        title="Strange noise",
        kind="fault",
        severity="minor",
        description="third floor",
    )
    assert answer.status == 303
    staff = browser_of((Role.TECHNICIAN, HERE))
    page = staff.get(
        next(target for target in staff.get("/tickets").targets() if target.removeprefix("/tickets/").isdigit())
    )
    assert "Strange noise" in page.text
    assert "third floor" in page.text


def test_a_ticket_about_no_particular_unit_is_of_its_compound(browser_of: Callable[..., Browser]) -> None:
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    assert manager.post("/tickets/new", where=HERE, title="E-bikes", kind="hazard", severity="major").status == 303
    assert "E-bikes" in manager.get("/tickets").text


@pytest.mark.parametrize("lacking", ["where", "title", "kind", "severity"])
def test_an_incomplete_ticket_is_refused_and_keeps_what_was_written(admin: Browser, lacking: str) -> None:
    fields = {"where": LIFT.path, "title": "Noise", "kind": "fault", "severity": "minor", "description": "third floor"}
    page = admin.post("/tickets/new", **{**fields, lacking: ""})
    assert page.status == 422
    assert "third floor" in page.text


def test_nobody_opens_a_ticket_in_another_compound(browser_of: Callable[..., Browser]) -> None:
    fields = {"title": "Noise", "kind": "fault", "severity": "minor"}
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    for where in (ELSEWHERE, FAR_PUMP.path, "nowhere", "no~where"):
        assert manager.post("/tickets/new", where=where, **fields).status == 404


def test_a_title_of_ours_is_translated_and_a_persons_words_are_not(world: World, admin: Browser) -> None:
    world.signal(PUMP, "dry_run")
    admin.post("/tickets/new", where=HERE, title="Pump runs dry", kind="fault", severity="minor")
    admin.headers["Accept-Language"] = "zh-CN"
    text = admin.get("/tickets").text
    assert text.count("水泵空转") == 1
    assert text.count("Pump runs dry") == 1


def test_every_stage_can_be_asked_for(admin: Browser) -> None:
    for stage in Stage:
        assert admin.get(f"/tickets?stage={stage.value}").status == 200


def test_the_repairing_party_is_told_who_verifies(browser_of: Callable[..., Browser], ticket_id: int) -> None:
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    for stage in TO_THE_END[:6]:
        assert manager.post(f"/tickets/{ticket_id}/moves", to=stage).status == 303
    page = manager.get(f"/tickets/{ticket_id}")
    assert "Your party repaired this; another one verifies it: Owners' committee, Community" in page.text
    assert not list(page.all("button", name="to", value="verified"))
    refused = manager.post(f"/tickets/{ticket_id}/moves", to="verified")
    assert refused.status == 409
    committee = browser_of((Role.COMMITTEE_MEMBER, HERE))
    assert "Whose turn it is: Owners' committee, Community" in committee.get(f"/tickets/{ticket_id}").text
    assert committee.post(f"/tickets/{ticket_id}/moves", to="verified").status == 303


def test_a_form_sent_twice_moves_once(admin: Browser, ticket_id: int) -> None:
    fields = {"to": "triaged", "version": "1", "form_key": "abc"}
    assert [admin.post(f"/tickets/{ticket_id}/moves", **fields).status for _ in range(2)] == [303, 303]
    page = admin.post(f"/tickets/{ticket_id}/moves", **{**fields, "form_key": "other"})
    assert page.status == 409
    assert "It was moved by admin-" in page.text


def test_why_a_ticket_rests_stands_wherever_the_ticket_does(admin: Browser, ticket_id: int) -> None:
    admin.post(f"/tickets/{ticket_id}/moves", to="triaged")
    admin.post(f"/tickets/{ticket_id}/moves", to="on_hold", note="since May", hold_reason="governance_no_committee")
    for path in (f"/tickets/{ticket_id}", "/tickets"):
        text = admin.get(path).text
        assert "Blocked by governance: there is no owners' committee" in text
        assert "Community, Three-party office" in text


def test_what_is_added_stands_on_the_page_and_in_one_history(admin: Browser, ticket_id: int) -> None:
    path = f"/tickets/{ticket_id}"
    assert admin.post(f"{path}/comments", text="I bring the part", form_key="k").status == 303
    assert admin.post(f"{path}/comments", text="I bring the part", form_key="k").status == 303
    assert admin.post(f"{path}/costs", what="Impeller", kind="part", quantity="1", amount="1,280.5").status == 303
    assert admin.post(f"{path}/mediation", state="under_way", reference="No. 17").status == 303
    page = admin.get(path)
    for words in ("Impeller Part 1 1280.50", "In all 1280.50", "Mediation: Under way · No. 17"):
        assert words in page.text
    # Once as a comment, and once in the history.
    assert page.text.count("I bring the part") == 2
    assert page.text.index("Cost: Impeller") < page.text.index("Reported · the system")


def test_a_photo_can_come_with_the_move(world: World, admin: Browser, ticket_id: int) -> None:
    for stage in TO_THE_END[:5]:
        demands = {"demands": "photo"} if stage == "dispatched" else {}
        assert admin.post(f"/tickets/{ticket_id}/moves", to=stage, **demands).status == 303
    refused = admin.post(f"/tickets/{ticket_id}/moves", to="restored")
    assert (refused.status, "This step still needs a photo" in refused.text) == (422, True)
    made = io.BytesIO()
    Image.new("RGB", (8, 8)).save(made, "PNG")
    form = {CSRF_FIELD: admin.headers[CSRF_HEADER], "to": "restored"}
    files = {"photo": ("x.png", made.getvalue(), "image/png")}
    answer = world.client.post(f"/tickets/{ticket_id}/moves", headers=admin.headers, data=form, files=files)
    assert answer.status_code == 303
    page = admin.get(f"/tickets/{ticket_id}")
    assert "Stage: Restored" in page.text
    assert list(page.all("img", alt="x.jpg"))


def test_a_new_ticket_may_bring_a_photo_and_a_false_one_opens_none(world: World, admin: Browser) -> None:
    made = io.BytesIO()
    Image.new("RGB", (8, 8)).save(made, "PNG")
    form = {
        CSRF_FIELD: admin.headers[CSRF_HEADER],
        "where": HERE,
        "title": "Leak",
        "kind": "flood",
        "severity": "major",
    }

    def send(content: bytes) -> int:
        files = {"photo": ("x.png", content, "image/png")}
        return world.client.post("/tickets/new", headers=admin.headers, data=form, files=files).status_code

    assert [send(b"MZ"), send(made.getvalue())] == [422, 303]
    assert list(admin.get("/tickets/1").all("img", alt="x.jpg"))
    assert admin.get("/tickets/2").status == 404


def test_other_open_tickets_of_the_unit_stand_beside(world: World, admin: Browser, ticket_id: int) -> None:
    admin.post("/tickets/new", where=PUMP.path, title="It rattles", kind="fault", severity="minor")
    assert "Also open of this unit: Ticket 2 · It rattles" in admin.get(f"/tickets/{ticket_id}").text
    admin.post("/tickets/2/merge", into=str(ticket_id))
    text = admin.get(f"/tickets/{ticket_id}").text
    assert "Also open of this unit" not in text
    assert "took over the duplicate Ticket 2" in text


REFUSED_ADDITIONS: list[tuple[str, dict[str, str], str]] = [
    ("comments", {"text": "  "}, "Nothing was written."),
    ("costs", {"what": "x", "amount": "many"}, "Give the amount in yuan"),
    ("costs", {"what": "x", "amount": "-3"}, "Give the amount in yuan"),
    ("links", {"other": "9999"}, "There is no ticket 9999."),
    ("links", {"other": "1"}, "Name another ticket than this one."),
    ("merge", {"into": "²"}, "There is no ticket 0."),
    ("attachments", {}, "Choose a file first."),
    ("mediation", {"state": "won"}, "Nothing was written."),
]


def test_what_cannot_be_added_is_told_with_its_reason(
    admin: Browser, ticket_id: int, subtests: pytest.Subtests
) -> None:
    for what, fields, told in REFUSED_ADDITIONS:
        with subtests.test(what, **fields):
            page = admin.post(f"/tickets/{ticket_id}/{what}", **fields)
            assert page.status == 422
            assert told in page.text


def test_tickets_are_found_by_what_people_call_them(world: World, admin: Browser, ticket_id: int) -> None:
    door = world.ticket_of(world.signal(LIFT, "fault.02"))
    admin.post("/tickets/new", where=HERE, title="E-bikes in the stairwell", kind="hazard", severity="major")

    def found(query: str, language: str = "en") -> set[int]:
        admin.headers["Accept-Language"] = language
        targets = admin.get(f"/tickets?{query}").targets()
        return {int(each.removeprefix("/tickets/")) for each in targets if each.removeprefix("/tickets/").isdigit()}

    assert found("q=e-BIKES+stairwell") == {door + 1}
    assert found("q=e-bikes+pump") == set()
    assert found("q=b3-l1") == {door}
    assert found(f"q=%23{door}") >= {door}
    assert found("q=水泵空转", "zh-CN") == {ticket_id}
    assert found("q=100%25") == found("q=zzzz") == set()
    assert found("kind=hazard") == {door + 1}
    assert found("severity=nonsense&kind=nonsense") == {ticket_id, door, door + 1}
    assert found("kind=hazard&severity=minor") == set()


def test_each_party_finds_what_waits_for_it(browser_of: Callable[..., Browser], admin: Browser, ticket_id: int) -> None:
    people = {
        role: browser_of((role, HERE))
        for role in (Role.PROPERTY_MANAGER, Role.COMMITTEE_MEMBER, Role.COMMUNITY_OFFICER, Role.DISTRICT_OFFICER)
    }

    def waits_for() -> set[Role]:
        path = f"/tickets/{ticket_id}"
        return {role for role, person in people.items() if path in person.get("/tickets?turn=mine").targets()}

    manager, committee, community, district = people
    assert waits_for() == {manager, community}
    people[manager].post(f"/tickets/{ticket_id}/moves", to="triaged")
    assert waits_for() == {manager}
    hold = {"to": "on_hold", "note": "since May", "hold_reason": "governance_accounts"}
    people[manager].post(f"/tickets/{ticket_id}/moves", **hold)
    assert waits_for() == {community, district}
    assert f"/tickets/{ticket_id}" in people[community].get("/tickets?blocked=1").targets()
    assert "of them blocked by governance 1" in people[community].get("/").text
    people[manager].post(f"/tickets/{ticket_id}/moves", to="in_progress")
    people[manager].post(f"/tickets/{ticket_id}/moves", to="restored")
    assert waits_for() == {committee, community}
    assert f"/tickets/{ticket_id}" not in people[community].get("/tickets?blocked=1").targets()
    people[committee].post(f"/tickets/{ticket_id}/moves", to="verified")
    assert waits_for() == {committee}


def test_histories_name_people_as_people_do_and_keep_whoever_has_left(
    world: World, admin: Browser, ticket_id: int
) -> None:
    person_id = world.person((Role.PROPERTY_MANAGER, HERE))
    with world.database.writing() as session:
        person = session.get_one(Person, person_id)
        login, person.display_name = person.name, "李梅 <b>"
    manager, headers = Browser(world, world.session_of(person_id)), world.bearer_of(person_id)
    assert manager.post(f"/tickets/{ticket_id}/moves", to="triaged").status == 303
    assert manager.post(f"/tickets/{ticket_id}/comments", text="the seal is worn").status == 303

    def is_told() -> bool:
        page = admin.get(f"/tickets/{ticket_id}")
        assert login not in page.text
        assert "李梅 <b> (Property manager)" in page.text
        return "the seal is worn" in page.text

    assert is_told()
    with world.database.writing() as session:
        channel_id = add_channel(
            session,
            person_id=person_id,
            kind=ChannelKind.CONSOLE,
            address="",
            label="",
            least_severity="minor",
            box=SecretBox(new_key()),
            now_ms=0,
        ).id
        remove_person(session, login)
        with pytest.raises(UnknownPerson):
            remove_person(session, login)
    assert is_told(), "whoever has left keeps what they did"
    assert manager.get("/tickets").status != 200
    assert world.client.get("/api/v1/me", headers=headers).status_code == 401
    with world.database.reading() as session:
        assert not session.get_one(Channel, channel_id).is_active
        site = get_site(session, HERE)
        assert person_id not in [each.id for each in holders(session, site, [Role.PROPERTY_MANAGER])]
    # What programs read and what is exported names the account, as it was written.
    detail = world.client.get(f"/api/v1/tickets/{ticket_id}", headers=world.bearer((Role.ADMIN, None))).json()
    assert [each["actor"] for each in detail["moves"]] == ["system", login]
