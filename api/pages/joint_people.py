"""People as a form of the joint work offers them, and what such a form says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from api.pages.rendering import Reader
from api.pages.wording import PARTY_TITLES
from registry.duty import holders
from registry.errors import InvalidField
from registry.role import PARTY_OF_ROLE, Party, Role
from registry.site import Site

LARGEST_ID = 2**62


@dataclass(frozen=True, slots=True)
class PartyOffer:
    """A party with its people; a form's value is `party:person`, without a person for the party as such."""

    party: Party
    title: str
    people: Sequence[tuple[str, str]]


def party_offers(session: Session, site: Site, parties: Sequence[Party], *, reader: Reader) -> list[PartyOffer]:
    offers = []
    for party in parties:
        roles = {role for role in Role if PARTY_OF_ROLE[role] is party}
        people = [(f"{party.value}:{each.id}", each.display_name) for each in holders(session, site, roles)]
        offers.append(PartyOffer(party, reader._(PARTY_TITLES[party]), people))
    return offers


def chosen_party(text: str) -> tuple[Party, int | None]:
    """Of `party:person`. Raises InvalidField for no party."""
    name, _, person = text.partition(":")
    if name not in set(Party):
        raise InvalidField("party", "must be chosen")
    return Party(name), int(person[:18]) if person.isascii() and person.isdigit() else None


def typed_day(field: str, text: str) -> date | None:
    """None when it is empty. Raises InvalidField."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise InvalidField(field, "must be a day") from error


def typed_instant(field: str, text: str, zone: str) -> int:
    """Of `YYYY-MM-DDTHH:MM` at the site. Raises InvalidField."""
    try:
        return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise InvalidField(field, "must be a time") from error


def typed_minute(text: str) -> int:
    """Minutes after midnight of `HH:MM`. Raises InvalidField."""
    hour, _, minute = text.partition(":")
    if not (hour.isdecimal() and minute[:2].isdecimal()):
        raise InvalidField("hours", "must be times of the day")
    return int(hour[:3]) * 60 + int(minute[:2])


def clock_of(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def words(text: str) -> str:
    """What a form says, without what no database keeps."""
    return text.replace("\0", "").replace("\r\n", "\n")


def number(text: str) -> int | None:
    digits = text.strip().removeprefix("#")
    return int(digits[:18]) if digits.isascii() and digits.isdigit() else None


class Written(dict[str, str]):
    """What a form that was refused had said, to be shown again; empty for what it did not say."""

    def __missing__(self, name: str) -> str:
        return ""
