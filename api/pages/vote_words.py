"""Votes, the owners' roll and notices in words."""

from collections.abc import Mapping
from types import MappingProxyType

from api.translations import Translator, msgid
from governance import roll_file
from governance.notice_rules import NoticeKind
from governance.objection import ObjectionState
from governance.owners_roll import RollField
from governance.paper import PaperState
from governance.roll_file import AreaSource, RowFault
from governance.tally import Channel, Choice
from governance.vote_errors import Refusal
from governance.vote_rules import Identity

CHOICE_TITLES: Mapping[Choice, str] = MappingProxyType(
    {Choice.CONSENT: msgid("I consent"), Choice.OBJECT: msgid("I object"), Choice.ABSTAIN: msgid("I abstain")}
)
CHANNEL_TITLES: Mapping[Channel, str] = MappingProxyType(
    {Channel.ELECTRONIC: msgid("electronically"), Channel.PAPER: msgid("on paper")}
)
IDENTITY_QUESTIONS: Mapping[Identity, str] = MappingProxyType(
    {
        Identity.NONE: "",
        Identity.PHONE: msgid("The last four digits of your telephone, as the roll has it"),
        Identity.CERTIFICATE: msgid("The last four signs of your certificate, as the roll has it"),
    }
)
REFUSAL_WORDS: Mapping[Refusal, str] = MappingProxyType(
    {
        Refusal.FORGED_LINK: msgid(
            "This code leads to no vote. It may have been replaced by a newer letter; look again at how it is written."
        ),
        Refusal.STRANGER: msgid(
            "You are not on the roll of this vote. Ask the owners' committee if that is a mistake."
        ),
        Refusal.OTHERS_PART: msgid("This part is another owner's: you can vote for your own only."),
        Refusal.NOT_OPEN: msgid("The vote is not open yet."),
        Refusal.OVER: msgid("The vote is over: no ballot is taken any more."),
        Refusal.VOTED_ALREADY: msgid("You have voted already, and the rules of this vote allow no change."),
        Refusal.WRONG_IDENTITY: msgid(
            "The answer does not fit the roll. After five wrong answers the letter is locked."
        ),
        Refusal.LOCKED: msgid("This letter is locked after too many wrong answers. Ask the committee for a new one."),
        Refusal.TOO_MANY_PROXIES: msgid("This person votes for as many owners already as the rules allow."),
        Refusal.SAME_PERSON: msgid("You have read this sheet already: another person must."),
        Refusal.NO_ENTRY: msgid("Nothing waits here to be settled, or a note is missing."),
        Refusal.LATER_BALLOT: msgid("The owner cast a later ballot: that one counts."),
    }
)
PAPER_STATE_TITLES: Mapping[PaperState, str] = MappingProxyType(
    {
        PaperState.WAITING: msgid("waits for the second reading"),
        PaperState.DIFFERS: msgid("was read in two ways: a third person settles it"),
        PaperState.TAKEN: msgid("is counted"),
        PaperState.SET_ASIDE: msgid("is set aside and counts for nothing"),
    }
)
NOTICE_KIND_TITLES: Mapping[NoticeKind, str] = MappingProxyType(
    {
        NoticeKind.VOTE: msgid("Notice of a vote"),
        NoticeKind.VOTE_EXTRAORDINARY: msgid("Notice of a vote of an extraordinary meeting"),
        NoticeKind.ROLL: msgid("Owners' roll"),
        NoticeKind.RESULT: msgid("Result of a vote"),
        NoticeKind.COSTS: msgid("Publication of costs"),
        NoticeKind.DECISION: msgid("Decision of the committee"),
        NoticeKind.WATCH_LIST: msgid("Watch-list"),
        NoticeKind.APPRAISAL: msgid("Appraisal"),
        NoticeKind.GENERAL: msgid("Announcement"),
    }
)
NOTICE_FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "title": msgid("Give the notice a title of at most 200 signs."),
        "body": msgid("Write what the notice says."),
        "days": msgid("A notice of this kind must stand longer."),
        "building": msgid("Choose a building of this compound."),
        "starts": msgid("The first day is today or later, within a year."),
        "reason": msgid("Say why it is corrected."),
        "unchanged": msgid("These are the words it has already."),
        "place": msgid("Say where it hangs."),
        "too_many": msgid("There are enough photos of this notice."),
    }
)
SOURCE_TITLES: Mapping[AreaSource, str] = MappingProxyType(
    {
        AreaSource.REGISTER: msgid("Property register"),
        AreaSource.SURVEY: msgid("Survey"),
        AreaSource.CONTRACT: msgid("Contract of sale"),
    }
)
FIELD_TITLES: Mapping[RollField, str] = MappingProxyType(
    {
        RollField.AREA: msgid("Area in m²"),
        RollField.SOURCE: msgid("Source of the area"),
        RollField.BUILDING: msgid("Building"),
        RollField.OWNER: msgid("Number of the owner"),
        RollField.NAME: msgid("Name of the owner"),
        RollField.REPRESENTATIVE: msgid("Representative of the co-owners"),
        RollField.PHONE_END: msgid("End of the telephone number"),
        RollField.CERTIFICATE_END: msgid("End of the certificate"),
    }
)
CHANGE_TITLES: Mapping[str, str] = MappingProxyType(
    {"added": msgid("Came onto the roll"), "removed": msgid("Left the roll"), "account": msgid("Account")}
)
LINK_FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "stranger": msgid("No working account of this compound has this name."),
        "own": msgid("This is your own account: another one who keeps the roll must link it."),
        "linked_already": msgid("This owner has an account meanwhile: take that link back first."),
        "not_linked": msgid("This owner has no account any more."),
        "reason": msgid("Say why the link is taken back."),
    }
)
ROW_FAULTS: Mapping[str, str] = MappingProxyType(
    {
        roll_file.NO_OWNER: msgid("the owner is missing"),
        roll_file.NO_PART: msgid("the part is missing"),
        roll_file.PART_TWICE: msgid("part %(part)s stands already at line %(other)s"),
        roll_file.BAD_AREA: msgid("the area %(area)s is no number above zero like 89.53"),
        roll_file.BAD_SOURCE: msgid("the source of the area is %(source)s; it may be register, survey or contract"),
        roll_file.BAD_PHONE: msgid("of the telephone only the last four digits are kept"),
        roll_file.BAD_CERTIFICATE: msgid("of the certificate only the last four signs are kept"),
        roll_file.OTHER_FACTS: msgid("owner %(owner)s has another name, representative or number at line %(other)s"),
        roll_file.SECOND_DEVELOPER: msgid(
            "the developer is one owner, and stands as %(owner)s at line %(other)s already"
        ),
        roll_file.TOO_LONG: msgid("a cell is too long"),
        roll_file.NOTHING: msgid("there is no part in it"),
        roll_file.TOO_MANY: msgid("there are more than %(most)s parts in it"),
    }
)
OBJECTION_TITLES: Mapping[ObjectionState, str] = MappingProxyType(
    {
        ObjectionState.OPEN: msgid("waits for an answer"),
        ObjectionState.UPHELD: msgid("upheld"),
        ObjectionState.DISMISSED: msgid("dismissed"),
    }
)
OBJECTION_FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "empty": msgid("Say it in words."),
        "too_many": msgid("You have many objections open already: wait for their answers."),
        "answered": msgid("This objection was answered meanwhile."),
    }
)
VOTE_ACTIVITY: Mapping[str, str] = MappingProxyType(
    {
        "roll.imported": msgid("Owners' roll imported"),
        "roll.corrected": msgid("Owners' roll corrected"),
        "roll.linked": msgid("Account linked with an owner of the roll"),
        "objection.raised": msgid("Objection raised"),
        "objection.answered": msgid("Objection answered"),
        "vote.opened": msgid("Vote opened"),
        "vote.ballot": msgid("Ballot cast"),
        "vote.links_drawn": msgid("Personal letters of a vote drawn"),
        "vote.paper_entered": msgid("Paper ballot read for the first time"),
        "vote.paper_differs": msgid("Paper ballot read in two ways"),
        "vote.paper_set_aside": msgid("Paper ballot set aside"),
        "vote.closed": msgid("Vote closed"),
        "vote_rules.set": msgid("Rules of votes changed"),
        "notice.posted": msgid("Notice posted"),
        "notice.corrected": msgid("Notice corrected"),
        "notice.proven": msgid("Photo of a posted notice"),
    }
)


def fault_words(fault: RowFault, _: Translator) -> str:
    return _(ROW_FAULTS[fault.message], **fault.facts) if fault.facts else _(ROW_FAULTS[fault.message])
