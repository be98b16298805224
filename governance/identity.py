"""The hook where whoever votes by a personal link proves who they are; services of an authority plug in here.

The link itself is the key. What is asked for beside it keeps a neighbour out who found the letter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from types import MappingProxyType
from typing import Protocol

from governance.vote_rules import Identity

MOST_FAILURES = 5
"""So many wrong answers lock a link until a new one is drawn: of ten thousand endings hardly one is guessed."""


class Numbered(Protocol):
    """Somebody of whose numbers the last signs are known."""

    @property
    def phone_end(self) -> str: ...

    @property
    def certificate_end(self) -> str: ...


class IdentityCheck(Protocol):
    def is_asked(self, voter: Numbered) -> bool:
        """Whether this voter has to answer at all."""

    def is_met(self, voter: Numbered, answer: str) -> bool:
        """Whether what was answered is right; never asked of a voter who has not to answer."""


@dataclass(frozen=True, slots=True)
class NothingAsked:
    """The link alone is enough."""

    def is_asked(self, voter: Numbered) -> bool:
        return False

    def is_met(self, voter: Numbered, answer: str) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class LastSigns:
    """The last four signs of the telephone or the certificate; nothing is asked of whom the roll knows none."""

    identity: Identity

    def _known(self, voter: Numbered) -> str:
        return voter.certificate_end if self.identity is Identity.CERTIFICATE else voter.phone_end

    def is_asked(self, voter: Numbered) -> bool:
        return bool(self._known(voter))

    def is_met(self, voter: Numbered, answer: str) -> bool:
        given = answer.strip().upper()
        return compare_digest(given.encode(), self._known(voter).encode())


CHECKS: Mapping[Identity, IdentityCheck] = MappingProxyType(
    {
        Identity.NONE: NothingAsked(),
        Identity.PHONE: LastSigns(Identity.PHONE),
        Identity.CERTIFICATE: LastSigns(Identity.CERTIFICATE),
    }
)
