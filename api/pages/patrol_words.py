"""The words for patrols: kinds of plans and rounds, states, what is doubtful, why something was not taken."""

from collections.abc import Mapping
from types import MappingProxyType

from alerts.patrol import Refusal
from alerts.patrol_focus import FocusReason
from alerts.patrol_items import PlanKind, RoundKind
from alerts.patrol_record import Flag, Outcome
from alerts.patrol_schedule import RoundState
from alerts.patrol_statutory import Duty
from api.translations import msgid

PLAN_KIND_TITLES: Mapping[PlanKind, str] = MappingProxyType(
    {
        PlanKind.LIFT: msgid("Lift maintenance"),
        PlanKind.PUMP_ROOM: msgid("Pump rooms"),
        PlanKind.FIRE_POINTS: msgid("Fire points"),
        PlanKind.COMMON_HAZARDS: msgid("Common hazards"),
    }
)

ROUND_KIND_TITLES: Mapping[RoundKind, str] = MappingProxyType(
    {
        RoundKind.LIFT_HALF_MONTHLY: msgid("Half-monthly lift maintenance"),
        RoundKind.LIFT_QUARTERLY: msgid("Quarterly lift maintenance"),
        RoundKind.LIFT_HALF_YEARLY: msgid("Half-yearly lift maintenance"),
        RoundKind.LIFT_YEARLY: msgid("Yearly lift maintenance"),
        RoundKind.PUMP_ROOM: msgid("Round of the pump rooms"),
        RoundKind.FIRE_POINTS: msgid("Round of the fire points"),
        RoundKind.COMMON_HAZARDS: msgid("Joint round of common hazards"),
    }
)

ROUND_STATE_TITLES: Mapping[RoundState, str] = MappingProxyType(
    {
        RoundState.PLANNED: msgid("Still to be made"),
        RoundState.UNDER_WAY: msgid("Being made"),
        RoundState.DONE: msgid("Done"),
        RoundState.MISSED: msgid("Missed"),
        RoundState.DONE_LATE: msgid("Done late"),
        RoundState.CANCELLED: msgid("Called off"),
    }
)

OUTCOME_TITLES: Mapping[Outcome, str] = MappingProxyType(
    {
        Outcome.OK: msgid("In order"),
        Outcome.FAILED: msgid("Not in order"),
        Outcome.SKIPPED: msgid("Could not be looked at"),
    }
)

FLAG_TITLES: Mapping[Flag, str] = MappingProxyType(
    {
        Flag.LATE: msgid("sent a day or more later"),
        Flag.OUTSIDE_WINDOW: msgid("outside the hours of the round"),
        Flag.TOO_FAST: msgid("scanned sooner than anybody walks"),
        Flag.CLOCK_AHEAD: msgid("the phone's clock was ahead"),
        Flag.NOT_SCANNED: msgid("code not scanned"),
        Flag.PHOTO_MISSING: msgid("photo missing"),
    }
)

REFUSAL_TITLES: Mapping[Refusal, str] = MappingProxyType(
    {
        Refusal.UNKNOWN_CHECKPOINT: msgid("This checkpoint is not on the round."),
        Refusal.UNKNOWN_ITEM: msgid("This item is not asked for here."),
        Refusal.VALUE_MISSING: msgid("The measured value is missing."),
        Refusal.IMPOSSIBLE_VALUE: msgid("Such a value cannot be: look at the instrument and its unit again."),
        Refusal.ANSWER_MISSING: msgid("Say whether it is in order."),
        Refusal.NOTE_MISSING: msgid("Say why it could not be looked at."),
        Refusal.UNREADABLE_TIME: msgid("The time of the answer cannot be read."),
    }
)

FOCUS_TITLES: Mapping[FocusReason, str] = MappingProxyType(
    {
        FocusReason.FAULT_PRONE: msgid("More faults than the worst tenth of its peers"),
        FocusReason.LIKELY_FAULT: msgid("A fault is likelier than at its peers"),
        FocusReason.REPEATED_FAULT: msgid("The same fault came again"),
        FocusReason.BY_HAND: msgid("Put on the round by hand"),
    }
)

DUTY_TITLES: Mapping[Duty, str] = MappingProxyType(
    {
        Duty.MAINTENANCE: msgid("Maintenance every 15 days"),
        Duty.INSPECTION_APPLICATION: msgid("Apply for the inspection"),
        Duty.INSPECTION: msgid("Inspection expires"),
    }
)

PATROL_ACTIVITY_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "ticket.found_again": msgid("Found not in order again on a round"),
        "patrol_plan.made": msgid("Plan of rounds made"),
        "patrol_plan.changed": msgid("Plan of rounds changed"),
        "patrol.planned_ahead": msgid("Rounds planned ahead"),
        "patrol.results": msgid("Results of a round"),
        "patrol.photo_added": msgid("Photo of a round"),
        "patrol.joined": msgid("Somebody takes part in a round"),
        "patrol.done": msgid("Round done"),
        "patrol.missed": msgid("Round missed"),
        "patrol.cancelled": msgid("Round called off"),
        "patrol.moved_forward": msgid("Round brought forward, so that the interval is kept"),
        "patrol.unit_added": msgid("Unit put on the next round"),
        "statutory.overdue": msgid("A date set by law was not kept, others were told"),
        "statutory.applied": msgid("Inspection applied for"),
    }
)
