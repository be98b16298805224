"""魅力城, 26 August 2017: from the first rain at six to more than 500 cars saved by noon, by a virtual clock.

The readings are those of the scenario; people do what the source tells: the staff are too few even with those drafted
from neighbouring compounds, one message brings dozens of volunteers, and the water is held outside.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from sqlalchemy import select

from alerts import call_out_moves, incident
from alerts.call_out import CallOut, Summons, alarm_ids_of, list_call_outs
from alerts.call_out_plan import settle_plan
from alerts.call_out_report import Report, report_of
from alerts.call_out_states import DEFAULT_STAGES, CallOutState
from alerts.call_out_stock import StockMove, add_item, move_stock
from alerts.notification import Notification
from alerts.severity import Severity
from alerts.ticket import get_ticket
from alerts.ticket_stages import TicketKind
from alerts.watch import Watch
from models.equipment import Kind
from models.reading import UnitKey
from registry.activity import of_subject
from registry.database import Database
from registry.site import Site
from registry.unit import add_unit, list_units
from simulators.scenario import load_scenario
from simulators.world import World
from tests.alerts.callers import HERE, MINUTE_MS, PROPOSAL, STAND_DOWN, SUMMONS, T0_MS, District, hash_of_link
from tests.alerts.told import T0_MS as TOLD_T0_MS
from tests.alerts.told import block_of

VOLUNTEERS, STAFF, HELPERS = 48, 5, 8
RAIN_UNTIL_MIN = 66


def at(hour: int, minute: int) -> int:
    """Local time of that day."""
    return T0_MS + ((hour - 6) * 60 + minute) * MINUTE_MS


@dataclass
class CharmCity:
    district: District
    watch: Watch = field(default_factory=Watch)
    bags_id: int = 0
    gates_id: int = 0

    @property
    def database(self) -> Database:
        return self.district.database

    def minutes_of_rain(self) -> Iterator[tuple[int, list[tuple[UnitKey, float, dict[str, float]]]]]:
        """What the sumps told in each minute, by the scenario."""
        scenario = load_scenario("charm-city-flood")
        assert scenario.start_ms == T0_MS
        world = World(scenario, seed=2, start_ms=T0_MS)
        rows: list[tuple[UnitKey, float, dict[str, float]]] = []
        now_ms, messages = T0_MS, world.begin(T0_MS)
        while now_ms < T0_MS + RAIN_UNTIL_MIN * MINUTE_MS:
            for message in messages:
                _, _, site, kind, unit, channel = message.topic.split("/")
                if kind == "pump" and channel == "telemetry":
                    key = UnitKey(site, Kind.PUMP, unit)
                    told = json.loads(message.payload)
                    for each in told if isinstance(told, list) else [told]:
                        values = {name: float(value) for name, value in each["values"].items()}
                        rows.append((key, (each["ts"] - TOLD_T0_MS) / 1000, values))
            if world.now_ms >= now_ms + MINUTE_MS:
                now_ms += MINUTE_MS
                yield now_ms, rows
                rows = []
            messages = world.next_interval()

    def hear(self, rows: list[tuple[UnitKey, float, dict[str, float]]], *, now_ms: int) -> None:
        if not rows:
            return
        with self.database.writing() as session:
            site = session.get_one(Site, self.district.site_id)
            known = {unit.unit_key: unit.id for unit in list_units(session, site=HERE, limit=50)}
            for key in dict.fromkeys(key for key, _, _ in rows if key not in known):
                known[key] = add_unit(session, site=site, kind=Kind.PUMP, key=key.unit, now_ms=now_ms).id
            signals = self.watch.observe([block_of(Kind.PUMP, rows)], received_ms=now_ms)
            incident.apply_signals(session, signals, units=known, received_ms=now_ms)

    def call_outs(self) -> list[CallOut]:
        with self.database.reading() as session:
            found = list_call_outs(session, site=HERE)
            session.expunge_all()
            return found

    def takes(self, item_id: int, number: int, *, call_out_id: int, now_ms: int, move: StockMove) -> None:
        actor = self.district.actor()
        with self.database.writing() as session:
            move_stock(session, item_id, move, number, call_out_id=call_out_id, actor=actor, now_ms=now_ms)

    def report(self, *, now_ms: int) -> Report:
        with self.database.reading() as session:
            report = report_of(session, list_call_outs(session, site=HERE)[0], now_ms=now_ms)
            session.expunge_all()
            return report


@pytest.fixture
def charm_city(database: Database) -> CharmCity:
    district = District(database, staff=STAFF, helpers=HELPERS, volunteers=VOLUNTEERS)
    city, actor = CharmCity(district), district.actor()
    with database.writing() as session:
        site = session.get_one(Site, district.site_id)
        made = [
            add_item(session, site, name=name, measure="个", place="车库", amount=n, actor=actor, now_ms=T0_MS)
            for name, n in (("沙袋", 600), ("挡水板", 4))
        ]
        city.bags_id, city.gates_id = made[0].id, made[1].id
    return city


def test_from_the_first_rain_to_more_than_five_hundred_cars_saved(charm_city: CharmCity) -> None:
    city, district = charm_city, charm_city.district

    # 06:00-07:00: it rains; an alarm says that the pumps do not keep up, and a call-out is proposed once.
    proposed_ms = 0
    for now_ms, rows in city.minutes_of_rain():
        city.hear(rows, now_ms=now_ms)
        district.run(now_ms)
        if not proposed_ms and city.call_outs():
            proposed_ms = now_ms
            (proposed,) = city.call_outs()
            assert proposed.state == CallOutState.PROPOSED
            assert 0 < proposed.facts["overflow_in_min"] < 60 or "floor_water_cm" in proposed.facts
            assert district.told(PROPOSAL) == {"manager": 1}
            assert district.asked(proposed.id) == set()
            # One person confirms it, a minute later.
            district.move(proposed.id, CallOutState.CALLED, note="", now_ms=now_ms)
            for place in range(1, STAFF):
                district.answer(proposed.id, f"staff-{place}", 5, now_ms=now_ms + place * 10_000)
    assert at(6, 5) < proposed_ms < at(6, 50)
    (call_out,) = city.call_outs()
    with city.database.reading() as session:
        assert len(alarm_ids_of(session, call_out.id)) > 1
        assert call_out.ticket_id is not None
        assert get_ticket(session, call_out.ticket_id).kind == TicketKind.FLOOD

    # The staff are too few, and so are they with those from next door: the stages follow by themselves.
    stages = {stage.audience: stage for stage in district.call_out(call_out.id).stages}
    assert stages["neighbours"].called_ms == proposed_ms + 5 * MINUTE_MS
    for place in range(HELPERS - 2):
        district.answer(call_out.id, f"helper-{place}", 15, now_ms=proposed_ms + 7 * MINUTE_MS)
    assert stages["volunteers"].called_ms == proposed_ms + 15 * MINUTE_MS
    assert len(district.asked(call_out.id)) == STAFF + HELPERS + VOLUNTEERS

    # One message brings dozens of volunteers.
    asked_ms = stages["volunteers"].called_ms or 0
    for place in range(VOLUNTEERS):
        minutes = None if place % 8 == 7 else (5, 15, 30)[place % 3]
        district.answer(call_out.id, f"volunteer-{place}", minutes, now_ms=asked_ms + place * 7_000)
        if minutes is not None:
            district.arrive(call_out.id, f"volunteer-{place}", now_ms=asked_ms + (minutes + place % 5) * MINUTE_MS)
    for place in range(1, STAFF):
        district.arrive(call_out.id, f"staff-{place}", by="manager", now_ms=proposed_ms + 6 * MINUTE_MS)

    # Barriers are placed, and the water is held outside.
    city.takes(city.gates_id, 4, call_out_id=call_out.id, now_ms=at(6, 40), move=StockMove.TAKEN)
    city.takes(city.bags_id, 550, call_out_id=call_out.id, now_ms=at(7, 20), move=StockMove.TAKEN)

    # By noon everybody is sent home, and the report says what was saved.
    district.move(call_out.id, CallOutState.STOOD_DOWN, note="水已挡在外面", now_ms=at(11, 50))
    city.takes(city.bags_id, 80, call_out_id=call_out.id, now_ms=at(12, 30), move=StockMove.USED_UP)
    city.takes(city.bags_id, 470, call_out_id=call_out.id, now_ms=at(12, 30), move=StockMove.RETURNED)
    city.takes(city.gates_id, 4, call_out_id=call_out.id, now_ms=at(12, 30), move=StockMove.RETURNED)
    district.move(call_out.id, CallOutState.CLOSED, note="保住车辆500余辆", now_ms=at(15, 0))

    report = city.report(now_ms=at(16, 0))
    (ended,) = city.call_outs()
    assert (ended.state, ended.outcome) == (CallOutState.CLOSED, "保住车辆500余辆")
    assert report.muster.arrived == STAFF - 1 + VOLUNTEERS - VOLUNTEERS // 8
    times = {each.number: each.arrived_ms for each in report.times}
    assert times[20] is not None
    assert times[20] < 45 * MINUTE_MS
    assert {use.item.name: (use.taken, use.still_out) for use in report.stock} == {"沙袋": (550, 0), "挡水板": (4, 0)}
    assert len(report.alarm_ids) > 1
    # Nobody was asked twice, and everybody who was asked was sent home.
    assert set(district.told(SUMMONS).values()) == {1}
    assert district.told(STAND_DOWN) == district.told(SUMMONS)
    with city.database.reading() as session:
        assert session.scalar(select(Summons.id).where(Summons.call_out_id == call_out.id).limit(1))
        verbs = [row.verb for row in of_subject(session, f"call_out:{call_out.id}")]
        assert session.scalar(select(Notification.id).limit(1))
    assert verbs[0] == "call_out.proposed"
    assert verbs[-1] == "call_out.closed"
    assert verbs.count("call_out.stage_called") == 3


def test_with_nobody_at_the_desk_the_compound_may_let_the_alarm_call(charm_city: CharmCity) -> None:
    """The same hour where the compound has set that critical alarms call by themselves."""
    city, district = charm_city, charm_city.district
    with city.database.writing() as session:
        settle_plan(
            session,
            session.get_one(Site, district.site_id),
            stages=DEFAULT_STAGES,
            meeting_point="2号口",
            automatic_from=Severity.CRITICAL,
            actor=district.actor(),
            now_ms=T0_MS,
        )
    called = None
    for now_ms, rows in city.minutes_of_rain():
        city.hear(rows, now_ms=now_ms)
        with city.database.writing() as session:
            call_out_moves.run_due_call_outs(session, hash_of_link=hash_of_link, now_ms=now_ms)
        called = next((each for each in city.call_outs() if each.called_ms is not None), None)
        if called is not None:
            break
    assert called is not None
    assert (called.called_by, called.is_automatic, called.meeting_point) == ("system", True, "2号口")
    assert len(district.asked(called.id)) == STAFF
