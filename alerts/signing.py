"""Who signs for which party: what one party repaired, another verifies, and nobody signs for two.

A person may hold roles in two parties (cross-appointment). As soon as one of them is the party that repaired, this
person does not verify, whatever else they are.
"""

from collections.abc import Collection
from dataclasses import dataclass

from registry.role import PARTY_OF_ROLE, Party, Role

SIGNING_PARTIES: tuple[Party, ...] = (Party.PROPERTY, Party.COMMITTEE, Party.COMMUNITY, Party.DISTRICT)
"""Those that may answer for a step; owners see, the operator helps out."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a person may not verify. `parties` are those whose people may."""

    parties: tuple[Party, ...]
    is_cross_appointed: bool


def parties_of(roles: Collection[Role]) -> frozenset[Party]:
    """Signing parties of a person with these roles; the administrator's role gives none."""
    return frozenset(PARTY_OF_ROLE[role] for role in roles) & frozenset(SIGNING_PARTIES)


def acting_party(roles: Collection[Role], permitted: Collection[Role]) -> Party:
    """The party as which a person with these roles makes a move that is for the roles `permitted`."""
    acting = parties_of(frozenset(roles) & frozenset(permitted))
    return next((party for party in SIGNING_PARTIES if party in acting), Party.OPERATOR)


def verifying_parties(permitted: Collection[Role], restored_party: Party | None) -> tuple[Party, ...]:
    """Parties that may verify what `restored_party` repaired."""
    may = parties_of(permitted)
    return tuple(party for party in SIGNING_PARTIES if party in may and party is not restored_party)


def refusal(
    *, name: str, roles: Collection[Role], permitted: Collection[Role], restored_by: str, restored_party: Party | None
) -> Refusal | None:
    """Why a person may not verify; None when they may. An administrator always may: see `stands_in`."""
    own = parties_of(roles)
    if Role.ADMIN in roles or (restored_party not in own and name != restored_by):
        return None
    return Refusal(verifying_parties(permitted, restored_party), is_cross_appointed=len(own) > 1)


def stands_in(*, name: str, roles: Collection[Role], restored_by: str, restored_party: Party | None) -> bool:
    """Whether an administrator signs in the place of another party: the history then says so."""
    if Role.ADMIN not in roles:
        return False
    return name == restored_by or restored_party is Party.OPERATOR or restored_party in parties_of(roles)
