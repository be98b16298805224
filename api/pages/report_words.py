"""The words of the residents' pages: tables of message keys, in plain language."""

from collections.abc import Mapping
from types import MappingProxyType

from alerts.resident_report import Matter
from alerts.ticket_stages import Stage
from api.report_desk import FormFault
from api.translations import msgid

MATTER_TITLES: Mapping[Matter, str] = MappingProxyType(
    {
        Matter.TRAPPED: msgid("Somebody is trapped"),
        Matter.SMOKE: msgid("Smoke or a burning smell"),
        Matter.WATER: msgid("Water where it should not be"),
        Matter.NOT_WORKING: msgid("It does not work"),
        Matter.DOOR: msgid("The door does not close or open rightly"),
        Matter.NOISE: msgid("Unusual noise or shaking"),
        Matter.DAMAGE: msgid("Damage or dirt"),
        Matter.OTHER: msgid("Something else"),
    }
)

PLAIN_STAGES: Mapping[Stage, str] = MappingProxyType(
    {
        Stage.REPORTED: msgid("We have received it. Nobody has looked at it yet."),
        Stage.TRIAGED: msgid("The property company or the community has looked at it."),
        Stage.DISPATCHED: msgid("Somebody has been asked to see to it."),
        Stage.ACCEPTED: msgid("Somebody has taken the job and is coming."),
        Stage.ARRIVED: msgid("Somebody is on the spot."),
        Stage.IN_PROGRESS: msgid("It is being worked on."),
        Stage.ON_HOLD: msgid("The work has to wait."),
        Stage.RESTORED: msgid("It works again. Another party checks it now."),
        Stage.VERIFIED: msgid("Another party has checked that it works."),
        Stage.CLOSED: msgid("It is done."),
        Stage.CANCELLED: msgid("It ended without work on the spot."),
    }
)

FORM_FAULTS: Mapping[FormFault, str] = MappingProxyType(
    {
        FormFault.FORGED: msgid("The form was not complete. What you wrote is still here: send it again."),
        FormFault.TOO_FAST: msgid("That was very fast. What you wrote is still here: send it again."),
        FormFault.TOO_OLD: msgid("The form was open for a day. What you wrote is still here: send it again."),
    }
)
