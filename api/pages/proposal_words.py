"""Proposals in words: stages, parties' steps, what lacks, and what the figures of a pack cannot say."""

from collections.abc import Mapping
from types import MappingProxyType

from api.pages.wording import PARTY_TITLES
from api.translations import Translator, msgid
from governance.errors import (
    InvalidProposal,
    SignedForAnother,
    StepLacks,
    StepNotPermitted,
    StepNotPossible,
    SteppedMeanwhile,
)
from governance.evidence import CannotSay
from governance.evidence_entries import CoverKind, OptionKind
from governance.fund import MovementKind
from governance.proposal import RemarkKind
from governance.proposal_stages import Procedure, ProposalStage
from governance.ruleset import Matter
from governance.statutory_days import Meeting
from governance.tally import Reason
from registry.role import ROLE_TITLES, Party, Role

PROPOSAL_STAGE_TITLES: Mapping[ProposalStage, str] = MappingProxyType(
    {
        ProposalStage.DRAFTED: msgid("Drafted"),
        ProposalStage.PROPOSED: msgid("Proposed by the committee"),
        ProposalStage.TABLED: msgid("Tabled by the three parties"),
        ProposalStage.PRE_REVIEWED: msgid("Reviewed by the community"),
        ProposalStage.POSTED: msgid("Posted"),
        ProposalStage.VOTING: msgid("Owners are voting"),
        ProposalStage.APPROVED: msgid("Approved by the owners"),
        ProposalStage.REJECTED: msgid("Not approved by the owners"),
        ProposalStage.EXECUTING: msgid("Being carried out"),
        ProposalStage.SETTLED: msgid("Settled and published"),
        ProposalStage.WITHDRAWN: msgid("Withdrawn"),
    }
)
URGENT_STAGE_TITLES: Mapping[ProposalStage, str] = MappingProxyType(
    {
        ProposalStage.PROPOSED: msgid("Reported by the manager"),
        ProposalStage.TABLED: msgid("Plan reviewed by the committee"),
        ProposalStage.PRE_REVIEWED: msgid("Confirmed by the street office"),
        ProposalStage.SETTLED: msgid("Settled and filed"),
    }
)
STEP_TITLES: Mapping[ProposalStage, str] = MappingProxyType(
    {
        ProposalStage.DRAFTED: msgid("Return to the draft"),
        ProposalStage.PROPOSED: msgid("Propose"),
        ProposalStage.TABLED: msgid("Table it, signed by all three parties"),
        ProposalStage.PRE_REVIEWED: msgid("Pass it with the community's opinion"),
        ProposalStage.POSTED: msgid("Freeze the evidence and post the topic"),
        ProposalStage.VOTING: msgid("Open the vote"),
        ProposalStage.APPROVED: msgid("Establish the result: approved"),
        ProposalStage.REJECTED: msgid("Establish the result: not approved"),
        ProposalStage.EXECUTING: msgid("Begin to carry it out"),
        ProposalStage.SETTLED: msgid("Close it: settled and published"),
        ProposalStage.WITHDRAWN: msgid("Withdraw"),
    }
)
URGENT_STEP_TITLES: Mapping[ProposalStage, str] = MappingProxyType(
    {
        ProposalStage.PROPOSED: msgid("Report the urgent case"),
        ProposalStage.TABLED: msgid("Pass the plan as reviewed by the committee"),
        ProposalStage.PRE_REVIEWED: msgid("Confirm for the street office"),
        ProposalStage.EXECUTING: msgid("Apply for the money and begin"),
        ProposalStage.SETTLED: msgid("Close it: settled and filed"),
    }
)
NOTE_TITLES: Mapping[ProposalStage, str] = MappingProxyType(
    {
        ProposalStage.PRE_REVIEWED: msgid("Opinion (required)"),
        ProposalStage.TABLED: msgid("Review of the plan (required)"),
        ProposalStage.EXECUTING: msgid("Number of the application (required)"),
    }
)
MATTER_TITLES: Mapping[Matter, str] = MappingProxyType(
    {
        Matter.USE: msgid("Use of the maintenance fund"),
        Matter.RAISE: msgid("Raising of the maintenance fund"),
        Matter.REBUILD: msgid("Rebuilding or change of common use"),
    }
)
PROCEDURE_TITLES: Mapping[Procedure, str] = MappingProxyType(
    {Procedure.ORDINARY: msgid("Four steps with a vote"), Procedure.URGENT: msgid("Urgent use without a vote")}
)
MEETING_TITLES: Mapping[Meeting, str] = MappingProxyType(
    {Meeting.ORDINARY: msgid("Ordinary meeting"), Meeting.EXTRAORDINARY: msgid("Extraordinary meeting")}
)
OPTION_TITLES: Mapping[OptionKind, str] = MappingProxyType(
    {
        OptionKind.REPAIR: msgid("Go on repairing"),
        OptionKind.OVERHAUL: msgid("Overhaul"),
        OptionKind.REPLACE: msgid("Replacement by a new unit"),
        OptionKind.OTHER: msgid("Of another kind"),
    }
)
COVER_TITLES: Mapping[CoverKind, str] = MappingProxyType(
    {
        CoverKind.WARRANTY: msgid("Warranty"),
        CoverKind.MAINTENANCE_CONTRACT: msgid("Maintenance contract"),
        CoverKind.INSURANCE: msgid("Insurance"),
        CoverKind.OTHER: msgid("Of another kind"),
    }
)
MOVEMENT_TITLES: Mapping[MovementKind, str] = MappingProxyType(
    {
        MovementKind.INITIAL: msgid("Initial amount"),
        MovementKind.CONTRIBUTION: msgid("Contribution"),
        MovementKind.INTEREST: msgid("Interest"),
        MovementKind.USE: msgid("Use for a proposal"),
        MovementKind.CORRECTION: msgid("Correction"),
    }
)
REMARK_TITLES: Mapping[RemarkKind, str] = MappingProxyType(
    {
        RemarkKind.COMMENT: msgid("Comment"),
        RemarkKind.OBJECTION: msgid("Objection"),
        RemarkKind.ANSWER: msgid("Answer"),
    }
)
CANNOT_SAY: Mapping[CannotSay, str] = MappingProxyType(
    {
        CannotSay.NO_UNITS: msgid("No unit is named: there are no statistics of what the proposal is about."),
        CannotSay.NO_STATISTICS: msgid("Of these units there is too little data to state a rate of faults."),
        CannotSay.POOR_COVERAGE: msgid(
            "For more than a fifth of the time there is no data; faults of that time may be missing or count too much."
        ),
        CannotSay.CAUSES_UNKNOWN: msgid(
            "Of more than half of the faults nobody recorded a cause: the split cannot carry a decision."
        ),
        CannotSay.NO_FORECAST: msgid("Too little was counted to say how many faults are to come."),
        CannotSay.NO_EARLIER_OVERHAUL: msgid(
            "No unit here was overhauled before: what an overhaul will bring is not known from here."
        ),
        CannotSay.EFFECT_UNSURE: msgid(
            "Earlier overhauls here are too few to show an effect: what another one will bring is not stated."
        ),
        CannotSay.CHOSEN_BECAUSE_BAD: msgid(
            "Units that are overhauled because they were bad improve by chance alone; part of the effect may be that."
        ),
        CannotSay.NO_COST_OF_FAULTS: msgid("What a fault costs was not written down, so no later costs are stated."),
        CannotSay.NO_ROLL: msgid("There is no owners' roll yet: the share of each owner cannot be stated."),
        CannotSay.NO_FUND: msgid("There is no account of the fund here: whether the money is there cannot be stated."),
        CannotSay.NOTHING_COVERED: msgid("Nobody entered what warranties and contracts bear already."),
        CannotSay.ONE_QUOTE: msgid("There is one quote only: whether it is dear cannot be told from it."),
        CannotSay.QUOTES_AS_ENTERED: msgid("Quotes stand as they were entered; nobody has checked them here."),
    }
)
REASONS = (
    msgid("A note is needed that says why, or what was found"),
    msgid("The reason for the proposal is not written yet"),
    msgid("What is to be done is not written yet"),
    msgid("The estimated amount is not entered yet"),
    msgid("The owners' committee has not signed"),
    msgid("The property company has not signed"),
    msgid("The community has not signed"),
    msgid("The owners' committee has not accepted the work"),
    msgid("The property company has not accepted the work"),
    msgid("The community has not accepted the work"),
    msgid("The evidence holds no option with a quote yet"),
    msgid("The kind of meeting and the first and last day of the vote are needed"),
    msgid("The topic must be posted %(days)s days before the vote: it may open on %(earliest)s at the earliest"),
    msgid("A vote that opens on %(opens)s may close from %(earliest)s to %(latest)s"),
    msgid("The notice of the topic does not hang: what is not posted is not voted on"),
    msgid("The notice has not hung for all its days yet: the vote may open on %(earliest)s at the earliest"),
    msgid("The owners' roll holds nobody whom this concerns: there is nobody to vote"),
    msgid("The vote was announced for %(earliest)s and may not open before"),
    msgid(
        "The vote was announced until %(closes)s and would last less than %(days)s days now: it is to be announced anew"
    ),
    msgid("The vote runs until the end of %(closes)s; there is no result before"),
    msgid("There is no count of the vote"),
    msgid("The count says that it is approved"),
    msgid("The count says that it is not approved"),
    msgid("The decision is not published; it is to be by %(publish_by)s"),
    msgid("The costs and each owner's share are not published yet"),
    msgid("None of the causes that the law names for urgent use is given"),
    msgid("Urgent use needs the ticket of the case"),
    msgid("The ticket is of another compound or another building"),
    msgid("The ticket was cancelled"),
    msgid("Nobody has confirmed the ticket yet: what only a machine reported opens no urgent use"),
    msgid("The ticket is about other equipment than the cause names"),
    msgid("Only what the owners approved, and what is being carried out, has a contract and a settlement"),
    msgid("The contract is not entered yet"),
    msgid("The settlement is not entered yet"),
    msgid("A settlement above %(limit)s yuan needs the report of an auditor"),
    msgid(
        "The settlement of %(final)s yuan is at least 10 %% above the %(authorised)s yuan that were declared: "
        "it goes back to the owners"
    ),
    msgid(
        "The contract of %(final)s yuan is at least 10 %% above the %(authorised)s yuan that were declared: "
        "it goes back to the owners"
    ),
    msgid("Urgent use is filed with the authority; the filing is not entered yet"),
    msgid("The proposal that it supplements is not settled yet"),
    msgid("must be above zero and below 100,000,000,000 yuan"),
    msgid("must name the company"),
    msgid("must not lie before the start"),
    msgid("Only urgent use is filed afterwards"),
    msgid("must name the authority and its number of the filing"),
    msgid("Only a draft may be changed; a proposal on its way is returned first"),
    msgid("must not be empty"),
    msgid("Urgent use needs one of the causes that the law names"),
    msgid("Only urgent use has a cause"),
    msgid("The ticket is of another compound"),
    msgid("must say something"),
    msgid("This is signed when the three parties table it and when they accept the work"),
    msgid("This party has signed already"),
    msgid("There is no such remark on this proposal"),
    msgid("has an account already"),
    msgid("The account holds %(balance)s yuan: less than that"),
    msgid("Nothing is paid before the contract is entered"),
    msgid("With this, %(paid)s yuan would be paid of %(agreed)s yuan that were agreed"),
    msgid("There is no account of the fund that could pay this"),
    msgid("Only a correction may be below zero"),
    msgid("holds as many entries as it may"),
    msgid("There is no such entry"),
    msgid("must be units of the compound that the proposal is of"),
)
"""What `governance` says of proposals, marked here for translation."""
FIELD_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "title": msgid("Title"),
        "amount": msgid("Amount"),
        "amount_fen": msgid("Amount"),
        "quoted_fen": msgid("Quote"),
        "final_fen": msgid("Settled amount"),
        "initial_fen": msgid("Initial amount"),
        "company": msgid("Company"),
        "ends_on": msgid("End of the work"),
        "opens_on": msgid("First day of the vote"),
        "closes_on": msgid("Last day of the vote"),
        "day": msgid("Day"),
        "kind": msgid("Kind"),
        "procedure": msgid("Procedure"),
        "matter": msgid("Matter"),
        "cause": msgid("Cause"),
        "what": msgid("What is borne"),
        "text": msgid("Words"),
        "building": msgid("Building"),
        "reference": msgid("Filing"),
    }
)


def stage_title(stage: ProposalStage, procedure: Procedure, *, _: Translator) -> str:
    titles = {**PROPOSAL_STAGE_TITLES, **(URGENT_STAGE_TITLES if procedure is Procedure.URGENT else {})}
    return _(titles[stage])


def step_title(to: ProposalStage, procedure: Procedure, *, _: Translator) -> str:
    titles = {**STEP_TITLES, **(URGENT_STEP_TITLES if procedure is Procedure.URGENT else {})}
    return _(titles[to])


def reason_text(reason: Reason, *, _: Translator) -> str:
    return _(reason.message, **reason.facts)


def problem_text(error: Exception, *, _: Translator) -> str:
    """A refusal in the reader's words."""
    if isinstance(error, InvalidProposal):
        told = _(error.reason, **error.facts) if error.facts else _(error.reason)
        field = FIELD_TITLES.get(error.field)
        return told if field is None else f"{_(field)}: {told}"
    if isinstance(error, StepLacks):
        return " · ".join(reason_text(reason, _=_) for reason in error.reasons)
    if isinstance(error, SignedForAnother):
        return _(
            "You acted for %(party)s in this proposal already, and nobody acts for two parties.",
            party=_(PARTY_TITLES[Party(error.party)]),
        )
    if isinstance(error, StepNotPermitted):
        roles = _(", ").join(_(ROLE_TITLES[Role(role)]) for role in error.roles)
        return _("This step is for others: %(roles)s.", roles=roles)
    if isinstance(error, SteppedMeanwhile):
        return _("Somebody changed this proposal while you looked at it. Nothing was changed by you; look again.")
    if isinstance(error, StepNotPossible):
        return _("This step is not possible at the present stage.")
    return str(error)
