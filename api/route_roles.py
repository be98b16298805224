"""Who may call which route: one table for the API and the pages. A route without a row is refused to everybody.

The table says which roles may call a route at all; at the site of the thing asked for, the same row is asked again
with the roles the person holds there. Tickets have a finer table of their own, `alerts.ticket_stages.MOVES`.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from registry.role import Role


class Anyone(Enum):
    """Marks a route that needs no login."""

    ANYONE = "anyone"


PUBLIC: Final = Anyone.ANYONE
Access = frozenset[Role] | Anyone

EVERYBODY = frozenset(Role)
"""Everybody who is signed in."""
RESIDENTS = frozenset({Role.OWNER, Role.VOLUNTEER})
"""They see what happens at their site, without the names of those who act and without what they noted."""
STAFF = EVERYBODY - RESIDENTS
ON_DUTY = frozenset({Role.ADMIN, Role.PROPERTY_MANAGER, Role.TECHNICIAN, Role.COMMUNITY_OFFICER, Role.DISTRICT_OFFICER})
DESK = frozenset({Role.ADMIN, Role.PROPERTY_MANAGER})
DATA_KEEPERS = frozenset({Role.ADMIN, Role.PROPERTY_MANAGER, Role.DISTRICT_OFFICER})
HANDS = frozenset({Role.ADMIN, Role.PROPERTY_MANAGER, Role.TECHNICIAN})
OFFICE = frozenset({Role.ADMIN, Role.PROPERTY_MANAGER, Role.COMMUNITY_OFFICER, Role.DISTRICT_OFFICER})
MEDIATORS = OFFICE | {Role.COMMITTEE_MEMBER}
REPORTERS = EVERYBODY - {Role.OWNER}

_API: Mapping[tuple[str, str], Access] = {
    ("POST", "/api/v1/token"): PUBLIC,
    ("DELETE", "/api/v1/token"): EVERYBODY,
    ("GET", "/api/v1/me"): EVERYBODY,
    ("GET", "/api/v1/sites"): EVERYBODY,
    ("GET", "/api/v1/units"): EVERYBODY,
    ("GET", "/api/v1/units/{unit}"): EVERYBODY,
    ("GET", "/api/v1/units/{unit}/readings"): EVERYBODY,
    ("GET", "/api/v1/units/{unit}/coverage"): EVERYBODY,
    ("GET", "/api/v1/alarms"): EVERYBODY,
    ("GET", "/api/v1/alarms/{alarm_id}"): EVERYBODY,
    ("POST", "/api/v1/alarms/{alarm_id}/acknowledge"): ON_DUTY,
    ("POST", "/api/v1/alarms/{alarm_id}/shelve"): DESK,
    ("POST", "/api/v1/alarms/{alarm_id}/unshelve"): DESK,
    ("GET", "/api/v1/tickets"): EVERYBODY,
    ("GET", "/api/v1/tickets/{ticket_id}"): EVERYBODY,
    ("POST", "/api/v1/tickets"): REPORTERS,
    # Which of them may make which move stands in `alerts.ticket_stages.MOVES`.
    ("POST", "/api/v1/tickets/{ticket_id}/transitions"): STAFF,
    ("POST", "/api/v1/tickets/{ticket_id}/comments"): STAFF,
    ("POST", "/api/v1/tickets/{ticket_id}/costs"): HANDS,
    ("POST", "/api/v1/tickets/{ticket_id}/attachments"): STAFF,
    # They may show people: not for residents.
    ("GET", "/api/v1/tickets/{ticket_id}/attachments/{attachment_id}"): STAFF,
    ("POST", "/api/v1/tickets/{ticket_id}/links"): OFFICE,
    ("POST", "/api/v1/tickets/{ticket_id}/merge"): OFFICE,
    ("POST", "/api/v1/tickets/{ticket_id}/mediation"): MEDIATORS,
    ("GET", "/api/v1/tickets/{ticket_id}/history"): EVERYBODY,
    ("GET", "/api/v1/activity"): EVERYBODY,
    ("GET", "/api/v1/activity/stream"): EVERYBODY,
    ("GET", "/api/v1/due-actions"): STAFF,
    ("GET", "/api/v1/duty"): STAFF,
    ("GET", "/api/v1/ledger"): STAFF,
    ("GET", "/api/v1/quarantine"): DATA_KEEPERS,
    ("GET", "/api/v1/quarantine/{message_id}/payload"): DATA_KEEPERS,
    ("POST", "/api/v1/quarantine/{message_id}/replay"): DESK,
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/metrics"): PUBLIC,
    ("GET", "/openapi.json"): PUBLIC,
}

_PAGES: Mapping[tuple[str, str], Access] = {
    ("GET", "/sign-in"): PUBLIC,
    ("POST", "/sign-in"): PUBLIC,
    ("POST", "/sign-out"): EVERYBODY,
    ("POST", "/language"): PUBLIC,
    ("GET", "/static/{name}"): PUBLIC,
    ("GET", "/"): EVERYBODY,
    ("GET", "/fragments/board"): EVERYBODY,
    ("GET", "/units"): EVERYBODY,
    ("GET", "/units/{unit}"): EVERYBODY,
    ("GET", "/fragments/units/{unit}"): EVERYBODY,
    ("GET", "/alarms"): EVERYBODY,
    ("GET", "/alarms/{alarm_id}"): EVERYBODY,
    ("POST", "/alarms/{alarm_id}/acknowledge"): ON_DUTY,
    ("POST", "/alarms/{alarm_id}/shelve"): DESK,
    ("POST", "/alarms/{alarm_id}/unshelve"): DESK,
    ("GET", "/tickets"): EVERYBODY,
    ("GET", "/tickets/new"): REPORTERS,
    ("POST", "/tickets/new"): REPORTERS,
    ("GET", "/tickets/{ticket_id}"): EVERYBODY,
    ("POST", "/tickets/{ticket_id}/moves"): STAFF,
    ("POST", "/tickets/{ticket_id}/comments"): STAFF,
    ("POST", "/tickets/{ticket_id}/costs"): HANDS,
    ("POST", "/tickets/{ticket_id}/attachments"): STAFF,
    ("POST", "/tickets/{ticket_id}/links"): OFFICE,
    ("POST", "/tickets/{ticket_id}/merge"): OFFICE,
    ("POST", "/tickets/{ticket_id}/mediation"): MEDIATORS,
    ("GET", "/report-codes"): STAFF,
    ("POST", "/report-codes/make"): DESK,
    ("POST", "/report-codes/renew"): DESK,
    # Residents report without an account; the code on the unit and the number of the report are the keys.
    ("GET", "/report"): PUBLIC,
    ("GET", "/report/{code}"): PUBLIC,
    ("POST", "/report/{code}"): PUBLIC,
    ("GET", "/report/status/{number}"): PUBLIC,
    ("GET", "/due"): STAFF,
    ("GET", "/duty"): STAFF,
    ("POST", "/duty/shifts"): DESK,
    ("POST", "/duty/shifts/{shift_id}/remove"): DESK,
    ("POST", "/duty/absences"): DESK,
    # Everybody sees what they were told; where they are reached is for staff and volunteers to say.
    ("GET", "/messages"): EVERYBODY,
    ("POST", "/messages/channels"): REPORTERS,
    ("POST", "/messages/channels/{channel_id}/remove"): REPORTERS,
    ("POST", "/messages/channels/{channel_id}/test"): REPORTERS,
    ("GET", "/data-quality"): DATA_KEEPERS,
    ("POST", "/data-quality/messages/{message_id}/replay"): DESK,
    ("POST", "/data-quality/replay"): DESK,
    ("POST", "/data-quality/messages/{message_id}/discard"): DESK,
}

ROUTE_ROLES: Mapping[tuple[str, str], Access] = MappingProxyType({**_API, **_PAGES})
"""(method, path template) → roles; HEAD follows GET."""
