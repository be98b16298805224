"""Ping'an Ju 平安居 by a virtual clock: no access control, e-bikes everywhere, a basement full of rubbish.

Found together on joint rounds and put right one by one, in four weeks that take a second.
"""

from datetime import timedelta

from alerts import incident
from alerts.patrol import Said, Scanned
from alerts.patrol_conduct import join
from alerts.patrol_items import ALL_ITEMS, Habit, PlanKind
from alerts.patrol_plan import Place
from alerts.patrol_schedule import RoundState
from alerts.ticket import Ticket
from alerts.ticket_stages import Stage
from registry.database import Database
from registry.person import find_person
from registry.role import Party
from tests.alerts.rounds import MINUTE_MS, MONDAY, Rounds, at

WAY = (
    (Stage.TRIAGED, "manager"),
    (Stage.DISPATCHED, "manager"),
    (Stage.ACCEPTED, "technician"),
    (Stage.ARRIVED, "technician"),
    (Stage.IN_PROGRESS, "technician"),
    (Stage.RESTORED, "technician"),
    (Stage.VERIFIED, "committee"),
    (Stage.CLOSED, "committee"),
)
WEEKLY = Habit(7, 1, 8 * 60, 21 * 60, is_working_days=False)
PLACES = (
    Place(place="地下室", items=("rubbish", "wiring")),
    Place(place="1 幢楼道", building="1 幢", items=("ebike_charging", "escape_route")),
    Place(place="主出入口", items=("access_control",)),
)


class PinganJu(Rounds):
    """The compound, and how its rounds are walked."""

    def put_right(self, case: str, at_ms: int) -> None:
        (ticket,) = [each for each in self.open_tickets() if each.case.endswith(case)]
        for number, (stage, name) in enumerate(WAY):
            with self.database.writing() as session:
                incident.move_ticket(
                    session, ticket.id, stage, actor=self.people[name], now_ms=at_ms + number * 30 * MINUTE_MS
                )

    def open_tickets(self) -> list[Ticket]:
        return [each for each in self.tickets() if each.stage not in (Stage.CLOSED, Stage.CANCELLED)]

    def cases(self) -> list[str]:
        return sorted(each.case.rpartition(":")[2] for each in self.open_tickets())

    def walk(self, number: int, *, by: str, failed: tuple[str, ...], stops: int = 3) -> None:
        """The three parties walk together on the round of that number; one of them enters what they find."""
        patrol = self.rounds()[number - 1]
        there_ms = at(patrol.day, 15)
        for name in ("manager", "committee", "community"):
            with self.database.writing() as session:
                person = find_person(session, name)
                assert person is not None
                join(session, patrol.id, person=person, actor=self.people[name], now_ms=there_ms)
        said: list[Said] = []
        scans = []
        for place, stop in enumerate(self.record(patrol.id).stops[:stops]):
            scans.append(Scanned(stop.checkpoint.code, there_ms + place * 5 * MINUTE_MS, f"scan-{place}"))
            said += self.all_right(patrol.id, there_ms + place * 5 * MINUTE_MS, failed=failed, stop=place)
        self.say(patrol.id, said, by=by, scans=scans, now_ms=there_ms + 30 * MINUTE_MS)


def test_hazards_that_were_found_together_are_put_right_one_by_one(database: Database) -> None:
    place = PinganJu(database, lifts=0)
    place.plan(PlanKind.COMMON_HAZARDS, places=PLACES, habit=WEEKLY, until=MONDAY + timedelta(days=28))

    place.walk(1, by="community", failed=("rubbish", "ebike_charging", "access_control"))
    first = place.rounds()[0]
    assert first.state == RoundState.DONE
    assert place.cases() == ["access_control", "ebike_charging", "rubbish"]
    assert {each.kind for each in place.open_tickets()} == {"hazard"}
    parties = {each.party for each in place.record(first.id).participants}
    assert parties == {Party.PROPERTY, Party.COMMITTEE, Party.COMMUNITY}
    for number, stop in enumerate(place.record(first.id).stops):
        assert len(stop.failed) == 1, number

    place.put_right("rubbish", at(MONDAY + timedelta(days=2), 9))
    place.run(at(MONDAY + timedelta(days=6), 22))
    assert place.cases() == ["access_control", "ebike_charging"], "what was done in time raises nothing more"

    # The week after the others are still there: they stand in the same tickets.
    place.walk(2, by="committee", failed=("ebike_charging", "access_control"))
    assert len(place.tickets()) == 3
    place.put_right("ebike_charging", at(MONDAY + timedelta(days=9), 9))
    place.put_right("access_control", at(MONDAY + timedelta(days=11), 9))
    assert place.cases() == []

    # An e-bike is back: what was closed is not opened again, it is a case of its own.
    place.walk(3, by="manager", failed=("ebike_charging",))
    assert place.cases() == ["ebike_charging"]
    assert len(place.tickets()) == 4
    place.put_right("ebike_charging", at(MONDAY + timedelta(days=16), 9))

    # The fourth round is forgotten, and that is not: the whole plan has one ticket for it.
    place.run(at(MONDAY + timedelta(days=21), 22))
    assert [each.state for each in place.rounds()[:4]] == ["done", "done", "done", "missed"]
    (ticket,) = place.open_tickets()
    assert ticket.case.startswith("missed_round:")
    titles = [each.title for each in place.tickets()]
    assert titles.count(ALL_ITEMS["ebike_charging"].failed) == 2
