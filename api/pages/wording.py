"""The words for what the lower folders know by codes: tables of message keys, one per vocabulary.

Every table is total over its enum; a test proves it, and that each message has its Chinese.
"""

from collections.abc import Mapping
from types import MappingProxyType

from alerts.alarm import AlarmState
from alerts.hold import HoldReason
from alerts.severity import Severity
from alerts.ticket_record import CostKind, MediationState
from alerts.ticket_stages import Need, Stage, TicketKind
from alerts.upload import UploadFault
from api.appraisal_words import APPRAISAL_ACTIVITY_TITLES
from api.call_out_words import CALL_OUT_ACTIVITY_TITLES
from api.pages.patrol_words import PATROL_ACTIVITY_TITLES
from api.pages.proposal_activity import PROPOSAL_ACTIVITY
from api.pages.vote_words import VOTE_ACTIVITY
from api.translations import msgid
from ingest.errors import Reason
from models.equipment import Kind, Metric, ServiceMode
from registry.role import Party

KIND_TITLES: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.ELEVATOR: msgid("Lift"),
        Kind.PUMP: msgid("Sump pumps"),
        Kind.FIRE: msgid("Fire system"),
    }
)

SEVERITY_TITLES: Mapping[Severity, str] = MappingProxyType(
    {
        Severity.CRITICAL: msgid("Critical"),
        Severity.MAJOR: msgid("Major"),
        Severity.MINOR: msgid("Minor"),
        Severity.ADVISORY: msgid("Advisory"),
    }
)

ALARM_STATE_TITLES: Mapping[AlarmState, str] = MappingProxyType(
    {
        AlarmState.NORMAL: msgid("Over"),
        AlarmState.UNACKNOWLEDGED: msgid("Not acknowledged"),
        AlarmState.ACKNOWLEDGED: msgid("Acknowledged"),
        AlarmState.RETURNED_UNACKNOWLEDGED: msgid("Gone, not acknowledged"),
        AlarmState.SHELVED: msgid("Shelved"),
        AlarmState.SUPPRESSED: msgid("Suppressed by design"),
        AlarmState.OUT_OF_SERVICE: msgid("Taken out of service"),
    }
)

STAGE_TITLES: Mapping[Stage, str] = MappingProxyType(
    {
        Stage.REPORTED: msgid("Reported"),
        Stage.TRIAGED: msgid("Triaged"),
        Stage.DISPATCHED: msgid("Dispatched"),
        Stage.ACCEPTED: msgid("Accepted"),
        Stage.ARRIVED: msgid("Arrived"),
        Stage.IN_PROGRESS: msgid("In progress"),
        Stage.ON_HOLD: msgid("On hold"),
        Stage.RESTORED: msgid("Restored"),
        Stage.VERIFIED: msgid("Verified"),
        Stage.CLOSED: msgid("Closed"),
        Stage.CANCELLED: msgid("Cancelled"),
    }
)

MOVE_TITLES: Mapping[Stage, str] = MappingProxyType(
    {
        Stage.REPORTED: msgid("Report"),
        Stage.TRIAGED: msgid("Take up"),
        Stage.DISPATCHED: msgid("Dispatch"),
        Stage.ACCEPTED: msgid("Accept the job"),
        Stage.ARRIVED: msgid("I am on site"),
        Stage.IN_PROGRESS: msgid("Start work"),
        Stage.ON_HOLD: msgid("Put on hold"),
        Stage.RESTORED: msgid("Work is done, restored"),
        Stage.VERIFIED: msgid("Verify"),
        Stage.CLOSED: msgid("Close"),
        Stage.CANCELLED: msgid("Cancel the ticket"),
    }
)
"""What the button says that moves a ticket there, where `BACKWARD_MOVE_TITLES` has nothing better."""

BACKWARD_MOVE_TITLES: Mapping[tuple[Stage, Stage], str] = MappingProxyType(
    {
        (Stage.DISPATCHED, Stage.TRIAGED): msgid("Hand back"),
        (Stage.ACCEPTED, Stage.TRIAGED): msgid("Hand back"),
        (Stage.ON_HOLD, Stage.TRIAGED): msgid("Take up again"),
        (Stage.ON_HOLD, Stage.IN_PROGRESS): msgid("Resume work"),
        (Stage.RESTORED, Stage.IN_PROGRESS): msgid("Not right yet: back to work"),
        (Stage.VERIFIED, Stage.IN_PROGRESS): msgid("Not right yet: back to work"),
    }
)

TICKET_KIND_TITLES: Mapping[TicketKind, str] = MappingProxyType(
    {
        TicketKind.FAULT: msgid("Fault"),
        TicketKind.HAZARD: msgid("Hazard"),
        TicketKind.INSPECTION: msgid("Inspection"),
        TicketKind.FLOOD: msgid("Flood"),
        TicketKind.RESIDENT_REPORT: msgid("Resident report"),
    }
)

PARTY_TITLES: Mapping[Party, str] = MappingProxyType(
    {
        Party.PROPERTY: msgid("Property company"),
        Party.COMMITTEE: msgid("Owners' committee"),
        Party.COMMUNITY: msgid("Community"),
        Party.DISTRICT: msgid("Three-party office"),
        Party.OWNERS: msgid("Owners"),
        Party.OPERATOR: msgid("Operator of the system"),
    }
)

HOLD_REASON_TITLES: Mapping[HoldReason, str] = MappingProxyType(
    {
        HoldReason.PARTS: msgid("Waiting for parts"),
        HoldReason.ACCESS: msgid("Waiting for access"),
        HoldReason.CONTRACTOR: msgid("Waiting for a contractor"),
        HoldReason.WEATHER: msgid("Waiting for the weather"),
        HoldReason.GOVERNANCE_NO_COMMITTEE: msgid("Blocked by governance: there is no owners' committee"),
        HoldReason.GOVERNANCE_SEAL_WITHHELD: msgid("Blocked by governance: the seal is withheld"),
        HoldReason.GOVERNANCE_ACCOUNTS: msgid("Blocked by governance: the accounts are not handed over"),
        HoldReason.GOVERNANCE_VOTE: msgid("Blocked by governance: the owners have not voted yet"),
        HoldReason.GOVERNANCE_FUND: msgid("Blocked by governance: the maintenance fund is not released"),
        HoldReason.OTHER: msgid("Another reason"),
    }
)

NEED_TITLES: Mapping[Need, str] = MappingProxyType(
    {
        Need.NOTE: msgid("a note"),
        Need.PHOTO: msgid("a photo"),
        Need.COSTS: msgid("costs and parts"),
        Need.HOLD_REASON: msgid("the reason"),
        Need.OTHER_PARTY: msgid("the signature of another party"),
    }
)

COST_KIND_TITLES: Mapping[CostKind, str] = MappingProxyType(
    {CostKind.PART: msgid("Part"), CostKind.LABOUR: msgid("Labour"), CostKind.OTHER: msgid("Other")}
)

MEDIATION_TITLES: Mapping[MediationState, str] = MappingProxyType(
    {
        MediationState.ASKED_FOR: msgid("Asked for"),
        MediationState.UNDER_WAY: msgid("Under way"),
        MediationState.SETTLED: msgid("Settled"),
        MediationState.FAILED: msgid("Failed"),
    }
)

UPLOAD_FAULT_TITLES: Mapping[UploadFault, str] = MappingProxyType(
    {
        UploadFault.EMPTY: msgid("Choose a file first."),
        UploadFault.TOO_LARGE: msgid("The file is too large: 8 MB at most."),
        UploadFault.UNKNOWN_TYPE: msgid("The file is neither a picture (JPEG, PNG, WebP) nor a PDF."),
        UploadFault.UNREADABLE: msgid("The file is not the picture that it says it is."),
        UploadFault.TOO_MANY_PIXELS: msgid("The picture has too many pixels."),
    }
)

ADDITION_FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "empty": msgid("Nothing was written."),
        "amount": msgid("Give the amount in yuan, with two decimals at most."),
        "too_many": msgid("The ticket has too many files already."),
        "itself": msgid("Name another ticket than this one."),
        "other_site": msgid("That ticket is of another compound."),
        "ended": msgid("That ticket has ended: nothing goes on in it."),
    }
)

SERVICE_MODE_TITLES: Mapping[ServiceMode, str] = MappingProxyType(
    {
        ServiceMode.STOPPED: msgid("Stopped"),
        ServiceMode.NORMAL: msgid("Normal service"),
        ServiceMode.INSPECTION: msgid("Inspection mode"),
        ServiceMode.FIRE_RECALL: msgid("Fire recall"),
        ServiceMode.FIREFIGHTER: msgid("Firefighter operation"),
        ServiceMode.EMERGENCY_POWER: msgid("Emergency power"),
        ServiceMode.EARTHQUAKE: msgid("Earthquake"),
        ServiceMode.UNKNOWN: msgid("Unknown"),
    }
)

BOOLEAN_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "in_door_zone": (msgid("no"), msgid("yes")),
        "door_closed": (msgid("open"), msgid("closed")),
        "occupied": (msgid("nobody inside"), msgid("somebody inside")),
        "pump1_running": (msgid("stopped"), msgid("running")),
        "pump2_running": (msgid("stopped"), msgid("running")),
        "high_float": (msgid("down"), msgid("raised")),
        "lift_pit_water": (msgid("dry"), msgid("water")),
        "phase_loss": (msgid("no"), msgid("yes")),
        "pump_auto": (msgid("manual"), msgid("automatic")),
        "main_valve_open": (msgid("shut"), msgid("open")),
        "mains_ok": (msgid("lost"), msgid("present")),
    }
)
"""How a boolean metric's 0 and 1 are told."""

DERIVED_METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        metric.name: metric
        for metric in (
            Metric("level_rise_m_per_min", msgid("Level rises by"), "m/min", is_signed=True),
            Metric("overflow_in_min", msgid("Overflows in"), "min"),
            Metric("cycles_without_other", msgid("Cycles without the other pump")),
            Metric("starts_per_h", msgid("Starts per hour"), "/h"),
            Metric("rain_mm_3h", msgid("Rain in three hours"), "mm"),
            Metric("jockey_starts_per_h", msgid("Jockey pump starts per hour"), "/h"),
        )
    }
)
"""What the rules compute from readings and show as evidence."""

REASON_TITLES: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.BAD_TOPIC: msgid("The topic is none that we know"),
        Reason.UNKNOWN_KIND: msgid("Unknown kind of unit"),
        Reason.UNKNOWN_CHANNEL: msgid("Unknown channel"),
        Reason.UNKNOWN_SITE: msgid("The compound is not registered"),
        Reason.KIND_CONFLICT: msgid("The unit is registered as another kind"),
        Reason.TOO_LARGE: msgid("The message is too large"),
        Reason.TOO_MANY_READINGS: msgid("Too many readings in one message"),
        Reason.NOT_UTF8: msgid("The text is not UTF-8"),
        Reason.NOT_JSON: msgid("The text is not JSON"),
        Reason.WRONG_SHAPE: msgid("The fields are not those of a reading or event"),
        Reason.NO_VALUES: msgid("The reading holds no values"),
        Reason.BAD_METRIC_NAME: msgid("The name of a metric cannot be used"),
        Reason.NOT_FINITE: msgid("A value is not a finite number"),
        Reason.TIME_UNREADABLE: msgid("The time cannot be read"),
        Reason.TIME_TOO_EARLY: msgid("The time lies too far back"),
        Reason.TIME_IN_FUTURE: msgid("The time lies in the future"),
        Reason.TIME_TOO_OLD: msgid("The time is older than what is kept"),
        Reason.UNKNOWN_EVENT_CODE: msgid("Unknown event code"),
        Reason.NOT_PROTOBUF: msgid("The bytes are no Sparkplug B message"),
        Reason.NO_BIRTH: msgid("Sparkplug data before its birth"),
        Reason.UNKNOWN_ALIAS: msgid("A Sparkplug metric that no birth named"),
        Reason.UNMAPPED: msgid("A device that is no unit, and no rule says which"),
        Reason.RULE_NOT_MET: msgid("A mapping rule does not fit the message"),
        Reason.INTERNAL_ERROR: msgid("An error of our own: tell the operator"),
    }
)

ACTIVITY_TITLES: Mapping[str, str] = MappingProxyType(
    {
        **PROPOSAL_ACTIVITY,
        **VOTE_ACTIVITY,
        "alarm.raised": msgid("Alarm raised"),
        "alarm.raised_again": msgid("Alarm raised again"),
        "alarm.found_late": msgid("Found in data that came late"),
        "alarm.returned": msgid("Alarm condition gone"),
        "alarm.acknowledged": msgid("Alarm acknowledged"),
        "alarm.shelved": msgid("Alarm shelved"),
        "alarm.unshelved": msgid("Alarm taken off the shelf"),
        "alarm.explained": msgid("Explained by another alarm"),
        "alarm.suppressed": msgid("Suppressed by design: a window is on"),
        "alarm.unsuppressed": msgid("No longer suppressed"),
        "alarm.taken_out": msgid("Set aside: the unit is out of service"),
        "alarm.put_back": msgid("The unit is back in service"),
        "alarm.marked_false": msgid("Marked as a false alarm"),
        "alarm.mark_withdrawn": msgid("No false alarm after all"),
        "webhook.added": msgid("Webhook of another system added"),
        "webhook.tested": msgid("Webhook tried"),
        "webhook.renewed": msgid("Webhook got another secret"),
        "webhook.paused": msgid("Webhook paused"),
        "webhook.resumed": msgid("Webhook goes on"),
        "webhook.removed": msgid("Webhook removed"),
        "suppression.planned": msgid("Window without alarms planned"),
        "suppression.ended": msgid("Window without alarms ended"),
        "alarm.came_forth": msgid("Still holds though its cause is gone: a matter of its own now"),
        "ticket.opened": msgid("Ticket opened"),
        "ticket.called": msgid("Those responsible were told"),
        "ticket.reminded": msgid("Those responsible were reminded"),
        "ticket.escalated": msgid("A deadline was missed, others were told"),
        "ticket.deadline_mended": msgid("A deadline was missing and was planned anew"),
        "ticket.moved": msgid("Ticket moved"),
        "ticket.commented": msgid("Comment on a ticket"),
        "ticket.cost_added": msgid("Cost of a ticket"),
        "ticket.attached": msgid("File added to a ticket"),
        "ticket.linked": msgid("Tickets linked"),
        "ticket.merged": msgid("Duplicate ticket merged"),
        "ticket.took_over": msgid("Ticket took over a duplicate"),
        "ticket.reported_again": msgid("Reported by residents again"),
        "report.flood": msgid("Residents report it so often that further reports are not kept"),
        "report_codes.made": msgid("Codes for residents made"),
        "report_codes.renewed": msgid("Code for residents replaced"),
        "ticket.cause_set": msgid("Cause of a fault said"),
        "ticket.mediation": msgid("Mediation of a case"),
        "unit.registered": msgid("Unit heard for the first time"),
        "unit.imported": msgid("Units imported"),
        "person.added": msgid("Account added"),
        "person.removed": msgid("Account ended"),
        "site.added": msgid("Compound added"),
        "watch_list.entered": msgid("Entered the watch-list"),
        "watch_list.left": msgid("Left the watch-list"),
        "site.handed_over": msgid("Records of the compound exported for the handover"),
        "service.recorded": msgid("Work on a unit recorded"),
        "service.withdrawn": msgid("Record of work on a unit withdrawn"),
        "unit.overhauled": msgid("Overhauled: its wear is judged anew"),
        "model.fitted": msgid("Model fitted from the history"),
        "model.promoted": msgid("Model put in force"),
        "model.rolled_back": msgid("Former model put in force again"),
        "model.shadowed": msgid("Model runs in shadow beside the one in force"),
        "model.dismissed": msgid("Model in shadow dismissed"),
        "model.drift": msgid("Drift report of a model has changed"),
        "quarantine.replay_asked": msgid("Messages in quarantine asked for again"),
        "quarantine.discarded": msgid("Message in quarantine discarded"),
        "quarantine.let_go": msgid("Old messages in quarantine deleted"),
        "gateway.added": msgid("Gateway added"),
        "gateway.renewed": msgid("Gateway given a new password"),
        "gateway.revoked": msgid("Gateway revoked"),
        "backup.made": msgid("Backup made"),
        "backup.restored": msgid("Backup restored"),
        "broker.lost": msgid("Connection to the broker lost: the state of all units is unknown"),
        "broker.found": msgid("Connection to the broker is back"),
        "quarantine.replayed": msgid("Quarantined messages replayed"),
        **PATROL_ACTIVITY_TITLES,
        **CALL_OUT_ACTIVITY_TITLES,
        **APPRAISAL_ACTIVITY_TITLES,
    }
)
