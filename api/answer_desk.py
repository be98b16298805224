"""How often an address may come to the public page of a summons.

In an emergency a whole compound comes from few addresses, because mobile networks put thousands behind one: the limits
hold back who guesses links, not who answers. The counts live in the memory of one process, no truth depends on them.
"""

from dataclasses import dataclass, field

from api.report_desk import AddressLimit

WINDOW_MS = 60_000
LOOKS_OF_ADDRESS = 3_000
WRONG_LINKS_OF_ADDRESS = 30


@dataclass(frozen=True, slots=True)
class AnswerDesk:
    looks: AddressLimit = field(default_factory=lambda: AddressLimit(LOOKS_OF_ADDRESS, WINDOW_MS))
    wrong_links: AddressLimit = field(default_factory=lambda: AddressLimit(WRONG_LINKS_OF_ADDRESS, WINDOW_MS))
