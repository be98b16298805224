"""Names of records (`ticket:7`, `alarm:9`) as links that people can follow."""

from collections.abc import Iterable

from api.pages.statistics_words import Source
from api.translations import Translator, msgid


def record_links(names: Iterable[str], *, _: Translator) -> list[Source]:
    return [_link(name, _=_) for name in names]


def _link(name: str, *, _: Translator) -> Source:
    kind, _sep, number = name.partition(":")
    if kind == "ticket":
        return Source(f"#{number}", f"/tickets/{number}")
    return Source(_(msgid("alarm %(n)s"), n=number), f"/alarms/{number}")
