"""The words of the three parties at work together: meetings, work lists, action teams, and their activity."""

from collections.abc import Mapping
from types import MappingProxyType

from alerts.action_team_states import TeamState
from api.pages.wording import PARTY_TITLES
from api.translations import msgid
from governance.meeting_rules import HolidayRule
from governance.meeting_stages import AgendaKind, ItemOutcome, MeetingKind, MeetingStage
from governance.work_stages import TaskSource, TaskState, WorkList
from registry.role import Party

MEETING_KIND_TITLES: Mapping[MeetingKind, str] = MappingProxyType(
    {
        MeetingKind.MONTHLY: msgid("Monthly joint meeting"),
        MeetingKind.EXTRAORDINARY: msgid("Extraordinary joint meeting"),
    }
)

MEETING_STAGE_TITLES: Mapping[MeetingStage, str] = MappingProxyType(
    {
        MeetingStage.PLANNED: msgid("Agenda in preparation"),
        MeetingStage.OPEN: msgid("In session"),
        MeetingStage.MINUTED: msgid("Minutes to be confirmed"),
        MeetingStage.CONFIRMED: msgid("Minutes confirmed"),
        MeetingStage.WITHOUT_QUORUM: msgid("Ended without a quorum"),
        MeetingStage.CANCELLED: msgid("Meeting cancelled"),
    }
)

MEETING_MOVE_TITLES: Mapping[MeetingStage, str] = MappingProxyType(
    {
        MeetingStage.OPEN: msgid("Open the meeting (the agenda is then fixed)"),
        MeetingStage.MINUTED: msgid("End the meeting"),
        MeetingStage.WITHOUT_QUORUM: msgid("End without a quorum (all items carry over)"),
        MeetingStage.CANCELLED: msgid("Cancel the meeting"),
    }
)

AGENDA_KIND_TITLES: Mapping[AgendaKind, str] = MappingProxyType(
    {
        AgendaKind.CARRIED_OVER: msgid("Carried over"),
        AgendaKind.BLOCKED: msgid("Blocked by governance"),
        AgendaKind.ON_HOLD_LONG: msgid("On hold for long"),
        AgendaKind.ESCALATED: msgid("Escalated"),
        AgendaKind.OVERDUE: msgid("Overdue"),
        AgendaKind.ACTION_TEAM: msgid("Action team"),
        AgendaKind.TASK_NOT_DONE: msgid("Task not done"),
        AgendaKind.OWNERS_MATTER: msgid("Brought by an owner"),
        AgendaKind.REPEATED_FAULTS: msgid("Repeated faults"),
        AgendaKind.FAULT_PRONE: msgid("Newly fault-prone"),
        AgendaKind.PATROL_FINDINGS: msgid("Findings of the patrols"),
        AgendaKind.OPEN_TICKETS: msgid("Other open tickets"),
        AgendaKind.ALARM_KPIS: msgid("Alarms of the month"),
        AgendaKind.BY_HAND: msgid("Added by hand"),
    }
)

OUTCOME_TITLES: Mapping[ItemOutcome, str] = MappingProxyType(
    {
        ItemOutcome.PENDING: msgid("Still to be talked about"),
        ItemOutcome.DECIDED: msgid("Decided"),
        ItemOutcome.NOTED: msgid("Taken note of"),
        ItemOutcome.CARRIED: msgid("Carries over to the next meeting"),
    }
)

HOLIDAY_RULE_TITLES: Mapping[HolidayRule, str] = MappingProxyType(
    {
        HolidayRule.NEXT_WORKING_DAY: msgid("on the next working day"),
        HolidayRule.KEEP: msgid("on that day all the same"),
    }
)

WORK_LIST_TITLES: Mapping[WorkList, str] = MappingProxyType(
    {
        WorkList.COORDINATION: msgid("Coordination"),
        WorkList.HARD_PROBLEMS: msgid("Hard problems"),
        WorkList.DUTIES: msgid("Duties and tasks"),
        WorkList.PARTY_BUILDING: msgid("Party-building"),
    }
)

TASK_STATE_TITLES: Mapping[TaskState, str] = MappingProxyType(
    {
        TaskState.OPEN: msgid("To do"),
        TaskState.UNDER_WAY: msgid("Being done"),
        TaskState.DONE: msgid("Done"),
        TaskState.DROPPED: msgid("Dropped"),
    }
)

TASK_MOVE_TITLES: Mapping[TaskState, str] = MappingProxyType(
    {
        TaskState.OPEN: msgid("Put it back to be done"),
        TaskState.UNDER_WAY: msgid("Begin"),
        TaskState.DONE: msgid("It is done"),
        TaskState.DROPPED: msgid("Drop the task"),
    }
)

TASK_SOURCE_TITLES: Mapping[TaskSource, str] = MappingProxyType(
    {
        TaskSource.MEETING: msgid("Decision of a meeting"),
        TaskSource.TICKET: msgid("From a ticket"),
        TaskSource.HAND: msgid("Entered by hand"),
    }
)

PARTY_OF_TASK: Mapping[Party, str] = PARTY_TITLES

TEAM_STATE_TITLES: Mapping[TeamState, str] = MappingProxyType(
    {
        TeamState.FORMED: msgid("Team formed"),
        TeamState.WORKING: msgid("At work"),
        TeamState.REPORTED: msgid("Report to be accepted"),
        TeamState.CLOSED: msgid("Goal reached, team closed"),
        TeamState.DISSOLVED: msgid("Team dissolved"),
    }
)

TEAM_MOVE_TITLES: Mapping[TeamState, str] = MappingProxyType(
    {
        TeamState.FORMED: msgid("Form the team"),
        TeamState.WORKING: msgid("Begin the work"),
        TeamState.REPORTED: msgid("Hand in the closing report"),
        TeamState.CLOSED: msgid("Accept the report and close"),
        TeamState.DISSOLVED: msgid("Dissolve the team"),
    }
)

JOINT_ACTIVITY_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "meeting.planned": msgid("Meeting planned"),
        "meeting.prepared": msgid("Agenda prepared"),
        "meeting.item_added": msgid("Item put on the agenda"),
        "meeting.item_removed": msgid("Item taken off the agenda"),
        "meeting.arranged": msgid("Agenda put in order"),
        "meeting.moved": msgid("Meeting moved on"),
        "meeting.attended": msgid("Attendance noted"),
        "meeting.attendance_struck": msgid("Attendance taken back"),
        "meeting.minuted": msgid("Minutes written"),
        "meeting.confirmed": msgid("Minutes confirmed by a party"),
        "meeting.addendum": msgid("Addendum to the minutes"),
        "meeting.received": msgid("Owner received"),
        "meeting.answered": msgid("Owner's matter answered"),
        "meeting.made_ticket": msgid("Owner's matter made a ticket"),
        "meeting.rules_set": msgid("Rules of procedure set"),
        "task.opened": msgid("Task given"),
        "task.moved": msgid("Task moved on"),
        "task.postponed": msgid("Task postponed"),
        "task.commented": msgid("Comment on a task"),
        "task.reminded": msgid("Reminded of a task that is overdue"),
        "team.formed": msgid("Action team formed"),
        "team.delegate_named": msgid("Delegate of an action team named"),
        "team.linked": msgid("Ticket or unit given to an action team"),
        "team.step_added": msgid("Step planned"),
        "team.step_done": msgid("Step of the plan done"),
        "team.moved": msgid("Action team moved on"),
    }
)
"""What the activity log records of it; `api.pages.history_lines` tells it beside the rest."""
