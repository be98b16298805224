"""Residents report without an account, follow what becomes of it, and cannot be drowned out by a flood."""

import io
import re
from collections.abc import Callable

import pytest
from PIL import Image

from alerts.resident_report import REPORTS_OF_UNIT_HOUR, codes_of, find_report, reports_of
from alerts.ticket_list import list_tickets
from api.report_desk import REPORTS_OF_ADDRESS, as_number
from registry.role import Role
from registry.unit import get_unit
from tests.api.kit import FAR_PUMP, HERE, LIFT, PUMP, World
from tests.api.pages.conftest import Browser
from tests.api.pages.reading import Page

ENGLISH = {"Accept": "text/html", "Accept-Language": "en"}


class Resident:
    """Somebody with a telephone before a unit."""

    def __init__(self, world: World, code: str) -> None:
        self.world = world
        self.path = f"/report/{code}"

    def form(self) -> Page:
        return Page(self.world.client.get(self.path, headers=ENGLISH))

    def token(self) -> str:
        return str(next(self.form().all("input", name="token"))["value"])

    def send(self, *, token: str | None = None, after_s: float = 20, photo: bytes = b"", **fields: str) -> Page:
        form = {"token": token or self.token(), "matter": "noise", "text": "", "website": "", **fields}
        self.world.clock.move_s(after_s)
        files = {"photo": ("photo.jpg", photo, "image/jpeg")} if photo else None
        return Page(self.world.client.post(self.path, data=form, files=files, headers=ENGLISH))

    def number(self, **fields: str) -> str:
        sent = self.send(**fields)
        assert sent.status == 303, sent.text
        return sent.location.removeprefix("/report/status/").removesuffix("?sent=1")

    def status(self, number: str) -> Page:
        return Page(self.world.client.get(f"/report/status/{number}", headers=ENGLISH))


@pytest.fixture
def lift(world: World, admin: Browser) -> Resident:
    admin.post("/report-codes/make", site=HERE)
    with world.database.reading() as session:
        unit_id = get_unit(session, LIFT.path).id
        return Resident(world, codes_of(session, [unit_id])[unit_id].code)


def tickets(world: World) -> list[tuple[str, str, str]]:
    with world.database.reading() as session:
        return [(ticket.kind, ticket.severity, ticket.title) for ticket in list_tickets(session)]


def test_a_resident_reports_without_an_account_and_follows_it_to_the_end(
    world: World, lift: Resident, browser_of: Callable[..., Browser]
) -> None:
    number = lift.number(matter="door", text="Mrs Wang of 501 says it hits people")
    assert tickets(world) == [("resident_report", "major", "Residents report: the door does not close or open rightly")]
    assert "We have received it." in lift.status(number).text
    manager, committee = browser_of((Role.PROPERTY_MANAGER, HERE)), browser_of((Role.COMMITTEE_MEMBER, HERE))
    assert "Mrs Wang of 501" in manager.get("/tickets/1").text
    for stage in ("triaged", "dispatched", "accepted", "arrived", "in_progress", "restored"):
        assert manager.post("/tickets/1/moves", to=stage, note="Mr Li called Mrs Wang").status == 303
    assert "It works again. Another party checks it now." in lift.status(number).text
    committee.post("/tickets/1/moves", to="verified")
    committee.post("/tickets/1/moves", to="closed")
    told = lift.status(number)
    assert "It is done." in told.text
    assert not any(secret in told.html for secret in ("Wang", "Mr Li", "501", "manager-", "committee_member-"))


def test_neighbours_who_report_the_same_share_a_ticket_and_each_has_a_number(world: World, lift: Resident) -> None:
    numbers = [lift.number(matter="noise", text=f"it rattles, says {n}") for n in range(3)]
    other = lift.number(matter="trapped")
    assert len(set(numbers)) == 3
    assert [severity for _, severity, _ in tickets(world)] == ["critical", "minor"]
    assert "2 neighbours have reported the same" in lift.status(numbers[0]).text
    assert "neighbour" not in lift.status(other).text


def test_a_form_sent_twice_is_one_report(world: World, lift: Resident) -> None:
    token = lift.token()
    sent = [lift.send(token=token) for _ in range(2)]
    assert sent[0].location == sent[1].location
    with world.database.reading() as session:
        assert len(reports_of(session, 1)) == 1


def test_a_flood_of_reports_of_one_unit_is_limited_and_told(world: World, lift: Resident, admin: Browser) -> None:
    world.app.state.report_desk.reports.most = 1_000
    for _ in range(REPORTS_OF_UNIT_HOUR):
        assert lift.send(after_s=5).status == 303
    for _ in range(3):
        turned_away = lift.send(after_s=5)
        assert turned_away.status == 429
        assert "those responsible know of it" in turned_away.text
    assert len(tickets(world)) == 1
    assert "3 more reports of this unit were not kept" in admin.get("/tickets/1").text
    rows = world.client.get("/api/v1/activity?limit=500", headers=world.bearer((Role.ADMIN, None))).json()["items"]
    assert [row["verb"] for row in rows].count("report.flood") == 1
    world.clock.move_s(3_600)
    assert lift.send().status == 303


def test_one_address_cannot_report_without_end(lift: Resident) -> None:
    token = lift.token()
    for _ in range(REPORTS_OF_ADDRESS):
        lift.send(token=token, after_s=4)
    refused = lift.send(token=token, after_s=4)
    assert refused.status == 429
    assert "Too many reports came from your connection" in refused.text
    assert lift.send(token=token, after_s=600).status == 303


REFUSED_FORMS: dict[str, tuple[dict[str, str], float, str]] = {
    "too fast": ({}, 1, "That was very fast."),
    "forged": ({"token": "1.x.y"}, 20, "The form was not complete."),
    "a program": ({"website": "http://spam.example"}, 20, "Leave the last field empty"),
    "no such matter": ({"matter": "party"}, 20, "Choose what it is about."),
    "no matter": ({"matter": ""}, 20, "Choose what it is about."),
    "too old": ({}, 25 * 3600, "The form was open for a day."),
}


def test_a_form_that_no_person_sent_so_is_refused_and_keeps_what_was_written(
    world: World, lift: Resident, subtests: pytest.Subtests
) -> None:
    for name, (fields, after_s, told) in REFUSED_FORMS.items():
        with subtests.test(name):
            page = lift.send(after_s=after_s, text="third floor", **fields)
            assert (page.status, told in page.text, "third floor" in page.text) == (422, True, True)
    assert tickets(world) == []


def test_a_form_that_came_too_fast_is_taken_the_second_time(lift: Resident) -> None:
    token = lift.token()
    assert lift.send(token=token, after_s=1).status == 422
    assert lift.send(token=token, after_s=4).status == 303


def test_a_form_of_one_unit_is_none_of_another(world: World, lift: Resident) -> None:
    with world.database.reading() as session:
        pump_id = get_unit(session, PUMP.path).id
        pump = Resident(world, codes_of(session, [pump_id])[pump_id].code)
    assert "The form was not complete." in pump.send(token=lift.token()).text


def test_another_sites_page_cannot_send_the_form(world: World, lift: Resident) -> None:
    headers = {**ENGLISH, "Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    assert world.client.post(lift.path, data={"token": lift.token()}, headers=headers).status_code == 403


def test_a_photo_goes_to_staff_and_a_false_one_is_refused(world: World, lift: Resident, admin: Browser) -> None:
    made = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(made, "JPEG")
    number = lift.send(photo=made.getvalue() + b"<script>").location
    assert list(admin.get("/tickets/1").all("img", alt="photo.jpg"))
    assert "<img" not in Page(world.client.get(number, headers=ENGLISH)).html
    refused = lift.send(photo=b"MZ a program")
    assert (refused.status, "neither a picture" in refused.text) == (422, True)
    assert lift.send(photo=b"%PDF-1.7").status == 422
    assert lift.send(photo=bytes(9 * 1024 * 1024)).status == 413


def test_a_merged_report_is_followed_in_the_other_ticket(world: World, lift: Resident, admin: Browser) -> None:
    world.signal(LIFT, "fault.02")
    number = lift.number(matter="door")
    admin.post("/tickets/2/merge", into="1")
    admin.post("/tickets/1/moves", to="triaged")
    assert "has looked at it" in lift.status(number).text


def test_codes_and_numbers_that_nobody_was_given_lead_nowhere(world: World, lift: Resident) -> None:
    for path in ("/report/AAAAAAAAAAAAAAAAAAAA", "/report/²", "/report/status/AAAA-AAAA-AAAA", "/report/status/x"):
        assert world.client.get(path, headers=ENGLISH).status_code == 404
    assert world.client.post("/report/AAAAAAAAAAAAAAAAAAAA", data={}, headers=ENGLISH).status_code == 404


def test_a_number_is_found_as_people_type_it(world: World, lift: Resident) -> None:
    number = lift.number()
    typed = number.lower().replace("-", " ")
    assert as_number(typed) == number
    answer = world.client.get("/report", params={"number": typed}, headers=ENGLISH)
    assert answer.headers["location"] == f"/report/status/{number}"
    with world.database.reading() as session:
        assert find_report(session, number) is not None


def test_the_sheet_draws_a_code_for_each_unit_and_an_old_one_can_be_ended(
    world: World, lift: Resident, browser_of: Callable[..., Browser]
) -> None:
    manager = browser_of((Role.PROPERTY_MANAGER, HERE))
    sheet = manager.get(f"/report-codes?site={HERE}")
    assert sheet.html.count('class="qr"') == 3
    assert f"http://127.0.0.1{lift.path}" in sheet.text
    assert not re.search(r'style="', sheet.html)
    assert manager.post("/report-codes/renew", unit=LIFT.path).status == 303
    assert lift.form().status == 404
    assert manager.post("/report-codes/renew", unit=FAR_PUMP.path).status == 404
    assert FAR_PUMP.path not in manager.get(f"/report-codes?unit={FAR_PUMP.path}").text
    assert browser_of((Role.TECHNICIAN, HERE)).post("/report-codes/make", site=HERE).status == 403
