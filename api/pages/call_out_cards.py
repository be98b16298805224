"""What pages tell about a call-out, in the reader's words."""

from collections.abc import Sequence
from dataclasses import dataclass

from alerts.call_out import CallOut, Muster, Summons
from alerts.call_out_states import Answer, Audience, CallOutState, StageRule, StageState
from api.call_out_words import (
    ANSWER_TITLES,
    AUDIENCE_TITLES,
    STAGE_STATE_TITLES,
    STATE_TITLES,
    forecast_lines,
    reason_text,
)
from api.pages.moments import Moment
from api.pages.rendering import Reader


@dataclass(frozen=True, slots=True)
class CallOutCard:
    id: int
    site: str
    site_name: str
    state: CallOutState
    state_title: str
    reason: str
    meeting_point: str
    forecast: list[str]
    opened: Moment
    called: Moment | None
    stood_down: Moment | None
    ended: Moment | None
    called_by: str
    """Empty for residents."""
    is_automatic: bool
    ticket_id: int | None
    outcome: str
    stand_down_note: str
    muster: Muster


@dataclass(frozen=True, slots=True)
class StageCard:
    number: int
    audience: str
    state: StageState
    state_title: str
    wanted: int
    wait_min: int
    asked: int
    called: Moment | None
    due: Moment | None


@dataclass(frozen=True, slots=True)
class MusterRow:
    summons_id: int
    name: str
    stage: int
    answer: str
    minutes: int | None
    answered: Moment | None
    expected: Moment | None
    arrived: Moment | None
    is_overdue: bool


def call_out_card(call_out: CallOut, muster: Muster, *, reader: Reader, is_named: bool) -> CallOutCard:
    zone, state = call_out.site.timezone, CallOutState(call_out.state)

    def at(at_ms: int | None) -> Moment | None:
        return reader.moment(at_ms, zone) if at_ms is not None else None

    by = reader.who_and_role(call_out.called_by)
    return CallOutCard(
        id=call_out.id,
        site=call_out.site.key,
        site_name=call_out.site.name,
        state=state,
        state_title=reader._(STATE_TITLES[state]),
        reason=reason_text(call_out, _=reader._),
        meeting_point=call_out.meeting_point,
        forecast=forecast_lines(call_out.facts, _=reader._),
        opened=reader.moment(call_out.opened_ms, zone),
        called=at(call_out.called_ms),
        stood_down=at(call_out.stood_down_ms),
        ended=at(call_out.ended_ms),
        called_by=by if is_named else "",
        is_automatic=call_out.is_automatic,
        ticket_id=call_out.ticket_id,
        outcome=call_out.outcome,
        stand_down_note=call_out.stand_down_note if is_named else "",
        muster=muster,
    )


def stage_cards(call_out: CallOut, *, reader: Reader) -> list[StageCard]:
    zone = call_out.site.timezone
    return [
        StageCard(
            number=stage.position + 1,
            audience=reader._(AUDIENCE_TITLES[Audience(stage.audience)]),
            state=StageState(stage.state),
            state_title=reader._(STAGE_STATE_TITLES[StageState(stage.state)]),
            wanted=stage.wanted,
            wait_min=stage.wait_min,
            asked=stage.asked,
            called=reader.moment(stage.called_ms, zone) if stage.called_ms is not None else None,
            due=reader.moment(stage.due_ms, zone)
            if stage.due_ms is not None and stage.state == StageState.WAITING
            else None,
        )
        for stage in call_out.stages
    ]


def planned_stages(rules: Sequence[StageRule], *, reader: Reader) -> list[tuple[str, int, int]]:
    return [(reader._(AUDIENCE_TITLES[rule.audience]), rule.wanted, rule.wait_min) for rule in rules]


def muster_rows(people: Sequence[Summons], call_out: CallOut, *, reader: Reader) -> list[MusterRow]:
    zone = call_out.site.timezone

    def at(at_ms: int | None) -> Moment | None:
        return reader.moment(at_ms, zone) if at_ms is not None else None

    return [
        MusterRow(
            summons_id=each.id,
            name=each.person.display_name,
            stage=each.position + 1,
            answer=reader._(ANSWER_TITLES[Answer(each.answer) if each.answer else None]),
            minutes=each.minutes,
            answered=at(each.answered_ms),
            expected=at(each.expected_ms),
            arrived=at(each.arrived_ms),
            is_overdue=each.arrived_ms is None
            and each.expected_ms is not None
            and each.expected_ms < reader.now_ms
            and call_out.state == CallOutState.CALLED,
        )
        for each in people
    ]
