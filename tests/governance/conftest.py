"""Tables point at units, people and tickets: those tables must be known, whatever a test itself imports."""

import alerts.ticket
import registry.person
import registry.unit

__all__ = ["alerts", "registry"]
