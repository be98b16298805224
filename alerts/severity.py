"""How grave an alarm or ticket is."""

from enum import StrEnum


class Severity(StrEnum):
    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    ADVISORY = "advisory"

    @property
    def rank(self) -> int:
        """0 is the gravest."""
        return list(Severity).index(self)


def gravest(first: Severity, second: Severity) -> Severity:
    return min(first, second, key=lambda severity: severity.rank)
