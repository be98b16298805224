"""Roles and the party each acts for."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Party(StrEnum):
    """The three parties, the owners, and the office above them."""

    PROPERTY = "property"
    COMMITTEE = "committee"
    COMMUNITY = "community"
    DISTRICT = "district"
    OWNERS = "owners"
    OPERATOR = "operator"


class Role(StrEnum):
    ADMIN = "admin"
    PROPERTY_MANAGER = "property_manager"
    COMMITTEE_MEMBER = "committee_member"
    COMMUNITY_OFFICER = "community_officer"
    DISTRICT_OFFICER = "district_officer"
    TECHNICIAN = "technician"
    VOLUNTEER = "volunteer"
    OWNER = "owner"


PARTY_OF_ROLE: Mapping[Role, Party] = MappingProxyType(
    {
        Role.ADMIN: Party.OPERATOR,
        Role.PROPERTY_MANAGER: Party.PROPERTY,
        Role.COMMITTEE_MEMBER: Party.COMMITTEE,
        Role.COMMUNITY_OFFICER: Party.COMMUNITY,
        Role.DISTRICT_OFFICER: Party.DISTRICT,
        Role.TECHNICIAN: Party.PROPERTY,
        Role.VOLUNTEER: Party.OWNERS,
        Role.OWNER: Party.OWNERS,
    }
)

ROLE_TITLES: Mapping[Role, str] = MappingProxyType(
    {
        Role.ADMIN: "Administrator",
        Role.PROPERTY_MANAGER: "Property manager",
        Role.COMMITTEE_MEMBER: "Committee member",
        Role.COMMUNITY_OFFICER: "Community officer",
        Role.DISTRICT_OFFICER: "District officer",
        Role.TECHNICIAN: "Technician",
        Role.VOLUNTEER: "Volunteer",
        Role.OWNER: "Owner",
    }
)


@dataclass(frozen=True, slots=True)
class Grant:
    """A role held at one site, or everywhere when `site` is None."""

    role: Role
    site: str | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a signed-in person with what they may do where. The program itself acts as `SYSTEM`."""

    name: str
    grants: tuple[Grant, ...] = ()
    person_id: int | None = None
    display_name: str = ""
    language: str | None = None

    def roles_at(self, site: str | None) -> frozenset[Role]:
        """Roles that count at a site; with None only those held everywhere."""
        return frozenset(g.role for g in self.grants if g.site is None or g.site == site)

    @property
    def roles(self) -> frozenset[Role]:
        """Roles held anywhere."""
        return frozenset(grant.role for grant in self.grants)

    @property
    def sites(self) -> frozenset[str] | None:
        """Sites whose things this person may see; None means all."""
        if any(grant.site is None for grant in self.grants):
            return None
        return frozenset(grant.site for grant in self.grants if grant.site is not None)

    def may_see(self, site: str) -> bool:
        return self.sites is None or site in self.sites


SYSTEM = Actor(name="system")
