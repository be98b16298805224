"""Words of the dual-hundred appraisal."""

from collections.abc import Mapping
from types import MappingProxyType

from api.translations import msgid
from governance.appraisal_rule import COMMUNITY, ComponentKey, PartyItem
from governance.appraisal_states import AppraisalState

STATE_TITLES: Mapping[AppraisalState, str] = MappingProxyType(
    {
        AppraisalState.DRAFT: msgid("Draft"),
        AppraisalState.PUBLISHED: msgid("Published, the company may object"),
        AppraisalState.OBJECTED: msgid("The company has objected"),
        AppraisalState.CORRECTED: msgid("Corrected after an objection"),
        AppraisalState.FINAL: msgid("Final"),
    }
)
MOVE_TITLES: Mapping[AppraisalState, str] = MappingProxyType(
    {
        AppraisalState.DRAFT: msgid("Draft"),
        AppraisalState.PUBLISHED: msgid("Publish the appraisal"),
        AppraisalState.OBJECTED: msgid("Object"),
        AppraisalState.CORRECTED: msgid("Publish the corrected version"),
        AppraisalState.FINAL: msgid("Make final"),
    }
)
COMPONENT_TITLES: Mapping[ComponentKey, tuple[str, str]] = MappingProxyType(
    {
        ComponentKey.RESPONSE: (
            msgid("Taken up in time"),
            msgid("Tickets of the period that somebody took up within the compound's deadline."),
        ),
        ComponentKey.RECURRENCE: (
            msgid("Did not come again"),
            msgid("Closed cases of units that did not come again within 30 days."),
        ),
        ComponentKey.PATROLS: (
            msgid("Rounds made in time"),
            msgid("Rounds of the joint patrol whose time ended in the period, made in full and in time."),
        ),
        ComponentKey.VERIFIED: (
            msgid("Verified by another party"),
            msgid("Repaired cases that another party than the one that repaired has verified."),
        ),
        ComponentKey.RATINGS: (
            msgid("Owners' ratings"),
            msgid("Stars that residents gave when the case of their report had ended."),
        ),
    }
)
ITEM_TITLES: Mapping[str, str] = MappingProxyType(
    {
        PartyItem.MEETINGS.value: msgid("Joint meetings: attended, and what was decided there done"),
        PartyItem.CROSS_APPOINTMENT.value: msgid("Cross-appointment lived: people work in both organisations"),
        PartyItem.EMERGENCIES.value: msgid("Party members first in emergencies"),
        PartyItem.CONCERNS.value: msgid("Owners' concerns taken up and done"),
        COMMUNITY: msgid("The community's assessment of the company"),
    }
)
FAULT_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "company": msgid("Name the property company."),
        "period": msgid("The period must have begun, and be over before it is published."),
        "twice": msgid("This company has its appraisal of the period already."),
        "points": msgid("The points are not within what the item allows."),
        "item": msgid("There is no such item."),
        "note": msgid("Write down why."),
        "incomplete": msgid("Before it is published, all items and the community's assessment must be entered."),
        "community": msgid("The community's assessment is given by the community."),
        "state": msgid("That is not possible at this stage. Load the page again."),
        "role": msgid("That is not for your role here."),
        "own_company": msgid("Whoever works for the company does not appraise it."),
        "late": msgid("The days for an objection are over."),
        "early": msgid("The company may still object: it becomes final after those days."),
    }
)
APPRAISAL_ACTIVITY_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "appraisal.opened": msgid("Appraisal of a company begun"),
        "appraisal.entered": msgid("Points of an appraisal entered"),
        "appraisal.moved": msgid("Appraisal moved on"),
        "ticket.rated": msgid("A resident rated how it was handled"),
    }
)
