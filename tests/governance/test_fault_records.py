"""Faults kept as rows are those that the tickets and alarms tell, after whatever happens to these."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from sqlalchemy import delete, func, select

from alerts import casework, explaining, incident
from alerts.alarm import Alarm, AlarmState
from alerts.casework import Cost
from alerts.conditions import condition_table
from alerts.fault_cause import TicketCause, set_cause
from alerts.inhibition import HOLD_MS
from alerts.limits import Limits
from alerts.severity import Severity
from alerts.ticket import Ticket, TicketMove, allowed_moves, get_ticket
from alerts.ticket_record import CostKind, TicketCost
from alerts.ticket_stages import FINAL_STAGES, MOVES, Stage, TicketKind
from alerts.watch import Signal
from governance.fault_facts import exposures_of, faults_of
from governance.fault_rates import count_units, rates_by
from governance.fault_record import FaultMark, FaultRecord, roll_up_faults
from governance.fault_sources import read_faults
from governance.reliability_report import GroupBy, gather, grouped
from models.covered_minutes import MS_PER_DAY, MS_PER_H, MS_PER_MIN
from models.equipment import Kind
from models.fault_statistics import Cause, Exposure, Fault, incidents
from models.reading import UnitKey
from registry.coverage import coverage_of, first_minute_ms, hours_of, put_hours
from registry.coverage_roll_up import CoverageMonth, roll_up_coverage
from registry.database import Database
from registry.role import Actor, Grant, Role
from registry.service_record import Service, ServiceKind, ServiceRecord, put_service_records
from registry.site import add_site, get_site
from registry.unit import Unit, add_unit, get_unit
from registry.unit_life import LifeWord, pause_of, put_life

FIRST_MS = 1_693_440_000_000  # 2023-08-31, 08:00 in China
DAYS = 20
END_MS = FIRST_MS + DAYS * MS_PER_DAY
ADMIN = Actor("root", (Grant(Role.ADMIN),))
UNITS = 4
Served = tuple[str, date, int | None, int | None]
CODES = ("fault.03", "event.41", "silent", "motor_overheating", "anomaly")


@dataclass
class World:
    """Four lifts to which things happen; `rng` says which."""

    database: Database
    rng: np.random.Generator
    units: list[int] = field(default_factory=list)
    now_ms: int = FIRST_MS

    def any_unit(self) -> int:
        return int(self.rng.choice(self.units))

    def any_ticket(self) -> int | None:
        with self.database.reading() as session:
            ids = list(session.scalars(select(Ticket.id).where(Ticket.stage != Stage.CANCELLED.value)))
        return int(self.rng.choice(ids)) if ids else None

    def key(self, unit_id: int) -> str:
        return f"l{self.units.index(unit_id)}"

    # What may happen

    def alarm(self) -> None:
        unit_id, code = self.any_unit(), str(self.rng.choice(CODES))
        condition = next(each for each in condition_table(Limits())[Kind.ELEVATOR] if each.code == code)
        unit = UnitKey("xiaohe", Kind.ELEVATOR, self.key(unit_id))
        with self.database.writing() as session:
            told = [Signal(unit, condition, self.now_ms, bool(self.rng.random() < 0.6), {})]
            incident.apply_signals(session, told, units={unit: unit_id}, received_ms=self.now_ms)
            settled_ms = self.now_ms + HOLD_MS
            explaining.settle(session, {(Kind.ELEVATOR, each): condition for each in CODES}, now_ms=settled_ms)

    def late_alarm(self) -> None:
        began_ms = FIRST_MS + int(self.rng.integers(0, DAYS * MS_PER_DAY))
        with self.database.writing() as session:
            session.add(
                Alarm(
                    unit_id=self.any_unit(),
                    condition=str(self.rng.choice(["fault.04", "entrapment", "silent", "door"])),
                    severity="major",
                    state=AlarmState.NORMAL.value,
                    is_active=False,
                    raised_ms=began_ms,
                    received_ms=self.now_ms,
                    cleared_ms=began_ms + int(self.rng.integers(0, MS_PER_DAY)),
                    evidence={},
                )
            )

    def ticket(self) -> None:
        with self.database.writing() as session:
            unit_id = self.any_unit()
            ticket = incident.open_ticket_by_hand(
                session,
                site=get_site(session, "xiaohe"),
                unit=get_unit(session, f"xiaohe~{self.key(unit_id)}"),
                kind=TicketKind(str(self.rng.choice(["fault", "hazard", "resident_report"]))),
                title="It stands",
                severity=Severity(str(self.rng.choice(["critical", "major", "minor"]))),
                description="",
                actor=ADMIN,
                now_ms=self.now_ms,
            )
            ticket.case = str(self.rng.choice(["", "fault.02", "report.trapped", "event.41"]))

    def move(self) -> None:
        ticket_id = self.any_ticket()
        if ticket_id is None:
            return
        with self.database.writing() as session:
            moves = allowed_moves(get_ticket(session, ticket_id), ADMIN)
            likely = [each for each in moves if each is not Stage.CANCELLED] or moves
            if likely:
                to = likely[int(self.rng.integers(len(likely)))]
                incident.move_ticket(session, ticket_id, to, actor=ADMIN, note="so", now_ms=self.now_ms)

    def merge(self) -> None:
        with self.database.reading() as session:
            mergeable = [stage.value for stage in Stage if Stage.CANCELLED in MOVES[stage]]
            query = select(Ticket.id).where(Ticket.stage.in_(mergeable), Ticket.unit_id.is_not(None))
            ids = list(session.scalars(query))
        if len(ids) >= 2:
            first, second = self.rng.choice(ids, 2, replace=False).tolist()
            with self.database.writing() as session:
                casework.merge(session, first, second, actor=ADMIN, now_ms=self.now_ms)

    def cause(self) -> None:
        if (ticket_id := self.any_ticket()) is not None:
            with self.database.writing() as session:
                cause = list(Cause)[int(self.rng.integers(4))]
                set_cause(session, get_ticket(session, ticket_id), cause, actor=ADMIN, now_ms=self.now_ms)

    def cost(self) -> None:
        if (ticket_id := self.any_ticket()) is not None:
            with self.database.writing() as session:
                ticket = get_ticket(session, ticket_id)
                if Stage(ticket.stage) not in FINAL_STAGES:
                    cost = Cost(CostKind.PART, "Shoe", "1", Decimal(int(self.rng.integers(1, 900))))
                    casework.add_cost(session, ticket, cost, actor=ADMIN, now_ms=self.now_ms)

    def service(self) -> None:
        begin_ms = FIRST_MS + int(self.rng.integers(0, DAYS * MS_PER_DAY))
        kind = ServiceKind(str(self.rng.choice(["maintenance", "overhaul", "replacement"], p=[0.5, 0.3, 0.2])))
        has_stop = self.rng.random() < 0.7
        service = Service(
            kind=kind,
            done_on=date(2023, 8, 31) + timedelta(days=int(self.rng.integers(DAYS))),
            stop_begin_ms=begin_ms if has_stop else None,
            stop_end_ms=begin_ms + int(self.rng.integers(1, 2 * MS_PER_DAY)) if has_stop else None,
        )
        with self.database.writing() as session:
            put_service_records(session, [(self.any_unit(), service)], by="import", now_ms=self.now_ms)

    def data(self) -> None:
        """Late, as often as not."""
        first = FIRST_MS // MS_PER_MIN + int(self.rng.integers(-1000, DAYS * 1440))
        minutes = first + np.cumsum(self.rng.choice([1, 1, 1, 4, 90], int(self.rng.integers(1, 800))))
        with self.database.writing() as session:
            put_hours(session, hours_of(np.full(len(minutes), self.any_unit()), minutes), now_ms=self.now_ms)

    def another_usual_pause(self) -> None:
        pause_ms = int(self.rng.choice([20_000, 60_000, 90 * 60_000]))
        word = LifeWord(self.any_unit(), self.now_ms, self.now_ms, pause_ms, 9, 3 * pause_ms, None)
        with self.database.writing() as session:
            put_life(session, [word])

    def roll_up(self) -> None:
        for portion in (roll_up_faults, roll_up_coverage):
            for _ in range(100):
                with self.database.writing() as session:
                    if not portion(session, now_ms=self.now_ms):
                        break

    def happenings(self) -> Iterator[Callable[[], None]]:
        likely = (self.alarm, self.ticket, *[self.move] * 6, self.cause, self.cost, self.merge, self.data, self.service)
        seldom = (self.late_alarm, self.another_usual_pause, self.roll_up)
        for _ in range(90):
            self.now_ms += int(self.rng.integers(0, 2 * DAYS * MS_PER_DAY // 90))
            chosen = likely if self.rng.random() < 0.85 else seldom
            yield chosen[int(self.rng.integers(len(chosen)))]


@pytest.fixture
def units(database: Database) -> list[int]:
    with database.writing() as session:
        site = add_site(session, key="xiaohe", now_ms=0)
        created_ms = (0, 0, FIRST_MS + 5 * MS_PER_DAY, FIRST_MS + MS_PER_DAY)
        return [
            add_unit(session, site=site, kind=Kind.ELEVATOR, key=f"l{n}", now_ms=created_ms[n]).id for n in range(UNITS)
        ]


def slow_faults(database: Database, units: list[int], start_ms: int, end_ms: int) -> list[Fault]:
    """Straight from the tickets and alarms, without regard for time, memory or what was kept."""
    with database.reading() as session:
        records = [
            fault
            for fault in read_faults(session, dict.fromkeys(units, Kind.ELEVATOR))
            if fault.began_ms < end_ms
            and (fault.restored_ms is None or fault.restored_ms >= start_ms)
            and (fault.restored_ms is not None or fault.ended_ms is None or fault.ended_ms >= start_ms)
        ]
        return incidents(records)


def minutes_in_service(database: Database, unit_id: int, start_ms: int, end_ms: int) -> Exposure:
    """Every minute looked at by itself: a replacement and planned stops cut it out, data covers it."""
    with database.reading() as session:
        unit = session.get_one(Unit, unit_id)
        first_ms = first_minute_ms(session, unit_id)
        since_ms = max(start_ms, min(unit.created_ms, first_ms if first_ms is not None else unit.created_ms))
        rows = service_rows(database, unit_id)
        renewed = renewals(rows)
        since_ms = min(max([since_ms, *(each for each in renewed if each <= end_ms)]), end_ms)
        stops = [(begin, end) for _, _, begin, end in rows if begin is not None and end is not None]
        edges = sorted({min(max(at, since_ms), end_ms) for stop in stops for at in stop} | {since_ms, end_ms})
        service = covered = 0
        for begin, end in pairwise(edges):
            if any(a <= begin and end <= b for a, b in stops):
                continue
            service += end - begin
            found = coverage_of(session, unit_id, start_ms=begin, end_ms=end, pause_ms=pause_of(session, unit_id))
            covered += found.covered_ms
        return Exposure(service, covered)


def renewals(rows: Sequence[Served]) -> list[int]:
    return [end if end is not None else midnight_ms(day) for kind, day, _, end in rows if kind == "replacement"]


def service_rows(database: Database, unit_id: int) -> list[tuple[str, date, int | None, int | None]]:

    with database.reading() as session:
        query = select(
            ServiceRecord.kind, ServiceRecord.done_on, ServiceRecord.stop_begin_ms, ServiceRecord.stop_end_ms
        ).where(ServiceRecord.unit_id == unit_id)
        return [(row[0], row[1], row[2], row[3]) for row in session.execute(query)]


def midnight_ms(day: date) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000) - 8 * MS_PER_H


@pytest.mark.parametrize("seed", [10, 11])
def test_whatever_happens_the_figures_are_those_of_the_records(database: Database, units: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    world = World(database, rng, units)
    looks = 0
    for number, happen in enumerate(world.happenings()):
        happen()
        if number % 30 == 29:
            looks += compare(database, units, rng)
    world.roll_up()
    assert compare(database, units, rng) + looks > 0
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(FaultMark)) == 0
        assert session.scalar(select(func.count()).select_from(FaultRecord)) == len(
            read_faults(session, dict.fromkeys(units, Kind.ELEVATOR))
        )


def compare(database: Database, units: list[int], rng: np.random.Generator) -> int:
    """How many faults were compared."""
    total = 0
    spans = [(0, END_MS), *np.sort(rng.integers(FIRST_MS, END_MS, (1, 2)), axis=1).tolist()]
    for start_ms, end_ms in spans:
        with database.reading() as session:
            found = faults_of(session, dict.fromkeys(units, Kind.ELEVATOR), start_ms=start_ms, end_ms=end_ms)
            pairs = [(unit.id, unit.created_ms) for unit in session.scalars(select(Unit))]
            told = exposures_of(session, pairs, start_ms=start_ms, end_ms=end_ms)
        slow = slow_faults(database, units, start_ms, end_ms)
        shown = {fault.source: fault for fault in found}
        gone = [fault for fault in slow if fault.source not in shown]
        served = {unit_id: service_rows(database, unit_id) for unit_id in units}
        for fault in slow:
            rows = served[fault.unit_id]
            is_old = any(fault.began_ms < at <= end_ms for at in renewals(rows))
            assert (fault in gone) is is_old, "of a machine that was replaced"
            if is_old:
                continue
            is_planned = any(
                begin is not None and end is not None and begin <= fault.began_ms < end for _, _, begin, end in rows
            )
            mine = shown[fault.source]
            assert mine.is_planned is is_planned
            assert (mine.cause, mine.cost_fen, mine.also) == (fault.cause, fault.cost_fen, fault.also)
            assert (mine.began_ms, mine.restored_ms, mine.ended_ms) == (
                fault.began_ms,
                fault.restored_ms,
                fault.ended_ms,
            )
            assert (mine.response_ms, mine.repair_ms, mine.normal_ms) == (
                fault.response_ms,
                fault.repair_ms,
                fault.normal_ms,
            )
        assert len(found) == len(slow) - len(gone)
        for unit_id in units:
            assert told[unit_id] == minutes_in_service(database, unit_id, start_ms, end_ms)
        compare_rates(database, start_ms, end_ms)
        total += len(found)
    return total


def compare_rates(database: Database, start_ms: int, end_ms: int) -> None:
    """A district's rates are those of the statistics that look at each fault."""
    with database.reading() as session:
        facts = gather(session, kind=Kind.ELEVATOR, start_ms=start_ms, end_ms=end_ms)
        by = (GroupBy.UNIT, GroupBy.SITE)
        counts = count_units(session, kind=Kind.ELEVATOR, by=by, start_ms=start_ms, end_ms=end_ms)
    rates = {**rates_by(counts, GroupBy.UNIT), **rates_by(counts, GroupBy.SITE)}
    groups = {**grouped(facts.units, GroupBy.UNIT), **grouped(facts.units, GroupBy.SITE)}
    assert rates.keys() == groups.keys()
    for name, members in groups.items():
        told, slow = rates[name], facts.of(members)
        assert (told.units, told.exposure, told.downtime_ms) == (slow.units, slow.exposure, slow.downtime_ms)
        assert told.causes == {cause: len(records) for cause, records in slow.causes.items()}
        assert told.cautions == slow.cautions
        assert told.availability.value == slow.availability.value
        for mine, other in ((told.faults, slow.faults), (told.entrapments, slow.entrapments)):
            assert (mine.n, mine.value) == (other.n, other.value)
            assert (mine.low, mine.high) == (pytest.approx(other.low), pytest.approx(other.high))


def test_statistics_are_read_from_the_kept_rows(database: Database, units: list[int]) -> None:
    world = World(database, np.random.default_rng(1), units)
    for _ in range(6):
        world.ticket()
        world.data()
    world.now_ms = END_MS
    world.roll_up()
    with database.writing() as session:
        session.execute(delete(FaultRecord))
        session.execute(delete(CoverageMonth))
    with database.reading() as session:
        assert faults_of(session, dict.fromkeys(units, Kind.ELEVATOR), start_ms=0, end_ms=END_MS) == []
        assert read_faults(session, dict.fromkeys(units, Kind.ELEVATOR)) != []


@pytest.mark.parametrize("table", [Ticket, TicketMove, TicketCause, TicketCost, Alarm])
def test_a_change_of_any_row_that_faults_are_made_from_leaves_a_mark(
    database: Database, units: list[int], table: type
) -> None:
    world = World(database, np.random.default_rng(2), units)
    world.ticket()
    world.late_alarm()
    ticket_id = world.any_ticket()
    assert ticket_id is not None
    with database.writing() as session:
        ticket = get_ticket(session, ticket_id)
        set_cause(session, ticket, Cause.MISUSE, actor=ADMIN, now_ms=FIRST_MS)
        cost = Cost(CostKind.PART, "Shoe", "1", Decimal(5))
        casework.add_cost(session, ticket, cost, actor=ADMIN, now_ms=FIRST_MS)
    world.roll_up()
    changed = {
        Ticket: ("severity", "minor"),
        TicketMove: ("at_ms", FIRST_MS + 5),
        TicketCause: ("cause", "power"),
        TicketCost: ("amount_fen", 7),
        Alarm: ("cleared_ms", FIRST_MS + 9),
    }[table]
    with database.writing() as session:
        row = session.scalars(select(table).limit(1)).one()
        setattr(row, *changed)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(FaultMark)) == 1
        row = session.scalars(select(table).limit(1)).one()
        unit_id = row.unit_id if hasattr(row, "unit_id") else get_ticket(session, ticket_id).unit_id
        assert list(session.scalars(select(FaultMark.unit_id))) == [unit_id]
