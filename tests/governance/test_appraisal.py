"""The dual-hundred appraisal: what is computed, what people enter, who may move it, and that nothing is lost."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from alerts import incident
from alerts.alarm import Alarm
from alerts.rating import NotRateable, ServiceRating, rate
from alerts.resident_report import ResidentReport
from alerts.severity import Severity
from alerts.ticket import Ticket, open_ticket
from alerts.ticket_stages import Stage, TicketKind
from governance.appraisal import (
    Appraisal,
    AppraisalRefused,
    InvalidAppraisal,
    content_of,
    enter_points,
    entries_of,
    get_appraisal,
    hash_of,
    last_frozen,
    move_appraisal,
    open_appraisal,
    steps_of,
)
from governance.appraisal_facts import DAY_MS
from governance.appraisal_rule import (
    COMMUNITY,
    RULE,
    ComponentKey,
    PartyItem,
    Record,
    RecordKind,
    as_text,
    score_component,
    service_half,
    total,
)
from governance.appraisal_states import MOVES, AppraisalState, period_bounds_ms
from models.equipment import Kind
from registry.database import Database
from registry.role import Actor, Grant, Role
from registry.site import Site, add_site
from registry.unit import add_unit

ZONE = "Asia/Shanghai"
BOUNDS = period_bounds_ms("2026Q3", ZONE)
assert BOUNDS is not None
START_MS, END_MS = BOUNDS
AFTER_MS = END_MS + 5 * DAY_MS
HERE = "xiaohe"


def person(name: str, *roles: Role) -> Actor:
    return Actor(name, tuple(Grant(role, HERE) for role in roles), display_name=name)


COMMUNITY_OFFICER = person("li", Role.COMMUNITY_OFFICER)
DISTRICT = person("zhou", Role.DISTRICT_OFFICER)
MANAGER = person("wang", Role.PROPERTY_MANAGER)
TECHNICIAN = person("chen", Role.TECHNICIAN)
COMMITTEE = person("zhao", Role.COMMITTEE_MEMBER)
WAY = (
    (Stage.TRIAGED, MANAGER),
    (Stage.DISPATCHED, MANAGER),
    (Stage.ACCEPTED, TECHNICIAN),
    (Stage.ARRIVED, TECHNICIAN),
    (Stage.IN_PROGRESS, TECHNICIAN),
    (Stage.RESTORED, TECHNICIAN),
    (Stage.VERIFIED, COMMITTEE),
    (Stage.CLOSED, MANAGER),
)


@pytest.fixture
def site_id(database: Database) -> int:
    with database.writing() as session:
        site = add_site(session, key=HERE, now_ms=0)
        add_unit(session, site=site, kind=Kind.ELEVATOR, key="l1", now_ms=0)
        return site.id


def new(database: Database, site_id: int, *, period: str = "2026Q3", now_ms: int = AFTER_MS) -> int:
    with database.writing() as session:
        site = session.get_one(Site, site_id)
        actor = COMMUNITY_OFFICER
        return open_appraisal(session, site, company="示范物业", period=period, actor=actor, now_ms=now_ms).id


def fill(database: Database, appraisal_id: int) -> None:
    with database.writing() as session:
        for item in PartyItem:
            enter_points(session, appraisal_id, item, Decimal(20), note="", actor=DISTRICT, now_ms=AFTER_MS)
        enter_points(session, appraisal_id, COMMUNITY, Decimal(70), note="", actor=COMMUNITY_OFFICER, now_ms=AFTER_MS)


def move(
    database: Database,
    appraisal_id: int,
    to: AppraisalState,
    *,
    actor: Actor = DISTRICT,
    note: str = "so",
    now_ms: int = AFTER_MS,
) -> Appraisal:
    with database.writing() as session:
        return move_appraisal(session, appraisal_id, to, actor=actor, note=note, now_ms=now_ms)


def work(database: Database, site_id: int, number: int, *, case: str = "", opened_ms: int = START_MS + DAY_MS) -> int:
    """A ticket that goes its whole way, taken up after a minute."""
    with database.writing() as session:
        site = session.get_one(Site, site_id)
        ticket = open_ticket(
            session,
            site=site,
            unit=None,
            kind=TicketKind.FAULT,
            title=f"T{number}",
            severity=Severity.MAJOR,
            case=case,
            opened_by="system",
            now_ms=opened_ms + number * 3_600_000,
        )
        for place, (stage, actor) in enumerate(WAY, start=1):
            now_ms = opened_ms + number * 3_600_000 + place * 60_000
            incident.move_ticket(session, ticket.id, stage, actor=actor, now_ms=now_ms)
        return ticket.id


# The formula


def test_the_formula_makes_two_hundreds() -> None:
    assert sum(component.points for component in RULE.components) == 100
    assert sum(RULE.party_points.values()) == 100
    assert {component.key for component in RULE.components} == set(ComponentKey)
    assert set(RULE.party_points) == set(PartyItem)


@pytest.mark.parametrize(
    ("good", "of", "text"), [(19, 20, "25.00"), (10, 20, "0.00"), (9, 20, "0.00"), (29, 40, "12.50"), (20, 20, "25.00")]
)
def test_a_component_scores_in_proportion_between_its_limits(good: int, of: int, text: str) -> None:
    response = RULE.components[0]
    records = [Record(RecordKind.TICKET, number, int(number < good)) for number in range(of)]
    assert as_text(score_component(response, records).score) == text


def test_too_few_facts_withhold_a_component_and_too_little_known_the_half() -> None:
    response = RULE.components[0]
    few = [Record(RecordKind.TICKET, number, 1) for number in range(response.least_facts - 1)]
    assert score_component(response, few).score is None
    assert service_half([score_component(component, []) for component in RULE.components]) is None


def test_a_withheld_component_counts_neither_for_nor_against() -> None:
    scored = []
    for component in RULE.components:
        worth = 5 if component.key is ComponentKey.RATINGS else 1
        records = [Record(RecordKind.TICKET, number, worth) for number in range(20)]
        scored.append(score_component(component, [] if component.key is ComponentKey.PATROLS else records))
    assert service_half(scored) == 100


@given(st.lists(st.booleans(), min_size=5, max_size=60))
def test_one_more_fact_for_the_company_never_lowers_its_score(facts: list[bool]) -> None:
    response = RULE.components[0]
    records = [Record(RecordKind.TICKET, number, int(good)) for number, good in enumerate(facts)]
    before, after = (
        score_component(response, each).score for each in (records, [*records, Record(RecordKind.TICKET, 99, 1)])
    )
    assert before is not None
    assert after is not None
    assert 0 <= before <= after <= response.points


@given(st.fractions(0, 100), st.fractions(0, 100), st.fractions(0, 100))
def test_the_total_stays_within_two_hundred(service: Fraction, party: Fraction, community: Fraction) -> None:
    assert 0 <= (total(service, party, community) or 0) <= 200
    assert total(service, None, community) is None


# The way


def test_the_table_of_states_is_total_and_ends_once() -> None:
    assert set(MOVES) == set(AppraisalState)
    assert [state for state, moves in MOVES.items() if not moves] == [AppraisalState.FINAL]


def test_an_appraisal_goes_its_way_and_every_version_is_kept(database: Database, site_id: int) -> None:
    for number in range(6):
        work(database, site_id, number)
    appraisal_id = new(database, site_id)
    fill(database, appraisal_id)
    published = move(database, appraisal_id, AppraisalState.PUBLISHED)
    assert published.objection_until_ms == AFTER_MS + 7 * DAY_MS
    move(database, appraisal_id, AppraisalState.OBJECTED, actor=MANAGER, note="Ticket 3 was ours in time")
    with database.writing() as session:
        enter_points(
            session, appraisal_id, PartyItem.MEETINGS, Decimal("24.5"), note="", actor=DISTRICT, now_ms=AFTER_MS
        )
    move(database, appraisal_id, AppraisalState.CORRECTED, note="Minutes were found")
    move(database, appraisal_id, AppraisalState.FINAL)
    with database.reading() as session:
        steps = steps_of(session, appraisal_id)
        assert [step.to_state for step in steps] == ["published", "objected", "corrected", "final"]
        assert [step.frozen["party"] if step.frozen else None for step in steps] == ["80.00", None, "84.50", "84.50"]
        assert all(step.sha256 == hash_of(step.frozen) for step in steps if step.frozen)
        assert steps[2].sha256 == steps[3].sha256
        assert len(entries_of(session, appraisal_id)) == 6
        last = last_frozen(session, appraisal_id)
        assert last is not None
        assert last.frozen is not None
        assert last.frozen["community"] == "70.00"


def test_the_service_half_is_computed_from_the_tickets_of_the_period_alone(database: Database, site_id: int) -> None:
    ids = [work(database, site_id, number) for number in range(6)]
    work(database, site_id, 0, opened_ms=START_MS - DAY_MS)
    work(database, site_id, 0, opened_ms=END_MS)
    appraisal_id = new(database, site_id)
    with database.reading() as session:
        content = content_of(session, get_appraisal(session, appraisal_id), now_ms=AFTER_MS)
    found = {each["key"]: each for each in content["components"]}
    assert [record[1] for record in found["response"]["records"]] == ids
    assert (found["response"]["score"], found["verified"]["score"]) == ("25.00", "20.00")
    assert (found["patrols"]["score"], found["ratings"]["score"]) == (None, None)
    # Of 45 known points; fewer than 50: it is withheld.
    assert content["service"] is None


def test_a_closure_signed_by_nobody_else_does_not_count_as_verified(database: Database, site_id: int) -> None:
    for number in range(4):
        ticket_id = work(database, site_id, number)
    with database.writing() as session:
        session.get_one(Ticket, ticket_id).restored_party = "committee"
    appraisal_id = new(database, site_id)
    with database.reading() as session:
        content = content_of(session, get_appraisal(session, appraisal_id), now_ms=AFTER_MS)
    assert next(each["value"] for each in content["components"] if each["key"] == "verified") == "3/4"


def test_nothing_is_published_before_the_period_is_over_or_incomplete(database: Database, site_id: int) -> None:
    appraisal_id = new(database, site_id, now_ms=END_MS - DAY_MS)
    with pytest.raises(AppraisalRefused) as told:
        move(database, appraisal_id, AppraisalState.PUBLISHED, now_ms=END_MS - 1)
    assert told.value.reason == "period"
    with pytest.raises(InvalidAppraisal) as incomplete:
        move(database, appraisal_id, AppraisalState.PUBLISHED)
    assert incomplete.value.reason == "incomplete"


def test_the_company_objects_within_its_days_and_not_after(database: Database, site_id: int) -> None:
    appraisal_id = new(database, site_id)
    fill(database, appraisal_id)
    move(database, appraisal_id, AppraisalState.PUBLISHED)
    with pytest.raises(AppraisalRefused) as early:
        move(database, appraisal_id, AppraisalState.FINAL, now_ms=AFTER_MS + 7 * DAY_MS - 1)
    assert early.value.reason == "early"
    with pytest.raises(InvalidAppraisal):
        move(database, appraisal_id, AppraisalState.OBJECTED, actor=MANAGER, note=" ")
    with pytest.raises(AppraisalRefused) as late:
        move(database, appraisal_id, AppraisalState.OBJECTED, actor=MANAGER, now_ms=AFTER_MS + 7 * DAY_MS)
    assert late.value.reason == "late"
    move(database, appraisal_id, AppraisalState.FINAL, now_ms=AFTER_MS + 7 * DAY_MS)


@pytest.mark.parametrize(
    "actor",
    [
        MANAGER,
        COMMITTEE,
        person("admin", Role.ADMIN),
        person("both", Role.COMMUNITY_OFFICER, Role.PROPERTY_MANAGER),
        Actor("elsewhere", (Grant(Role.COMMUNITY_OFFICER, "other"),)),
    ],
)
def test_nobody_but_the_appraisers_enters_points_and_none_of_the_company(
    database: Database, site_id: int, actor: Actor
) -> None:
    appraisal_id = new(database, site_id)
    with pytest.raises(AppraisalRefused), database.writing() as session:
        enter_points(session, appraisal_id, PartyItem.CONCERNS, Decimal(1), note="", actor=actor, now_ms=AFTER_MS)


def test_the_communitys_assessment_is_the_communitys(database: Database, site_id: int) -> None:
    appraisal_id = new(database, site_id)
    with pytest.raises(AppraisalRefused) as told, database.writing() as session:
        enter_points(session, appraisal_id, COMMUNITY, Decimal(70), note="", actor=DISTRICT, now_ms=AFTER_MS)
    assert told.value.reason == "community"


@pytest.mark.parametrize("points", ["-1", "25.01", "1.005", "NaN", "Infinity"])
def test_points_that_cannot_be_are_refused(database: Database, site_id: int, points: str) -> None:
    appraisal_id = new(database, site_id)
    with pytest.raises(InvalidAppraisal), database.writing() as session:
        enter_points(
            session, appraisal_id, PartyItem.MEETINGS, Decimal(points), note="", actor=DISTRICT, now_ms=AFTER_MS
        )


def test_nothing_is_entered_once_it_is_published(database: Database, site_id: int) -> None:
    appraisal_id = new(database, site_id)
    fill(database, appraisal_id)
    move(database, appraisal_id, AppraisalState.PUBLISHED)
    with pytest.raises(AppraisalRefused):
        fill(database, appraisal_id)


@pytest.mark.parametrize("period", ["2026Q5", "2026-Q3", "26", "", "2026Q3 ", "2099"])
def test_what_is_no_period_that_has_begun_is_refused(database: Database, site_id: int, period: str) -> None:
    with pytest.raises(InvalidAppraisal):
        new(database, site_id, period=period)


def test_a_company_has_one_appraisal_of_a_period(database: Database, site_id: int) -> None:
    new(database, site_id)
    with pytest.raises(InvalidAppraisal) as told:
        new(database, site_id)
    assert told.value.reason == "twice"


# Ratings


def test_a_report_is_rated_once_and_only_when_its_case_has_ended(database: Database, site_id: int) -> None:
    with database.writing() as session:
        site = session.get_one(Site, site_id)
        unit = add_unit(session, site=site, kind=Kind.PUMP, key="p1", now_ms=0)
        ticket = open_ticket(
            session,
            site=site,
            unit=unit,
            kind=TicketKind.RESIDENT_REPORT,
            title="Noise",
            severity=Severity.MINOR,
            case="report.noise",
            opened_by="resident",
            now_ms=START_MS,
        )
        report = ResidentReport(
            number="AAAA-BBBB-CCCC",
            ticket_id=ticket.id,
            unit_id=unit.id,
            at_ms=START_MS,
            matter="noise",
            text="",
            form_key="k",
        )
        session.add(report)
        session.flush()
        with pytest.raises(NotRateable) as is_open:
            rate(session, report, 5, now_ms=START_MS + 1)
        assert is_open.value.reason == "open"
        for place, (stage, actor) in enumerate(WAY):
            incident.move_ticket(session, ticket.id, stage, actor=actor, now_ms=START_MS + place)
        for stars in (0, 6):
            with pytest.raises(NotRateable):
                rate(session, report, stars, now_ms=START_MS + DAY_MS)
        rate(session, report, 4, now_ms=START_MS + DAY_MS)
        with pytest.raises(NotRateable) as twice:
            rate(session, report, 1, now_ms=START_MS + DAY_MS)
        assert twice.value.reason == "rated"
        assert list(session.scalars(select(ServiceRating.stars))) == [4]
        assert session.scalar(select(Alarm.id)) is None
