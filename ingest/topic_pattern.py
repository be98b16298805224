"""Patterns of MQTT topics with named levels: `plant/{site}/tank/{unit}/#`."""

import re
from dataclasses import dataclass

_NAME = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_TEMPLATE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class TopicPattern:
    """`subscription` is what the broker is asked for."""

    text: str
    names: tuple[str, ...]
    subscription: str
    _regex: re.Pattern[str]

    def match(self, topic: str) -> dict[str, str] | None:
        """The named levels of a topic that fits."""
        found = self._regex.fullmatch(topic)
        return found.groupdict() if found else None


def read_pattern(text: str) -> TopicPattern:
    """Raises ValueError for what cannot be subscribed to."""
    levels = text.split("/")
    names: list[str] = []
    wanted, parts = [], []
    for place, level in enumerate(levels):
        named = _NAME.fullmatch(level)
        if named:
            if named[1] in names:
                raise ValueError(f"the level {{{named[1]}}} stands there twice")
            names.append(named[1])
            wanted.append("+")
            parts.append(f"(?P<{named[1]}>[^/]+)")
        elif level == "+":
            wanted.append("+")
            parts.append("[^/]*")
        elif level == "#":
            if place != len(levels) - 1:
                raise ValueError("# may stand only at the end")
            wanted.append("#")
            parts.append(".*")
        elif not level and place == 0:
            wanted.append(level)
            parts.append(level)
        elif set(level) & set("+#{}") or not level.isprintable():
            raise ValueError(f"level {level!r} must be plain, {{name}}, + or #")
        else:
            wanted.append(level)
            parts.append(re.escape(level))
    if not text or text[0] in "$#+{":
        raise ValueError("a topic must begin with a plain level, so that a rule does not hear everything")
    if levels[0] in ("liandong", "spBv1.0"):
        raise ValueError(f"topics under {levels[0]}/ have their own meaning")
    return TopicPattern(text, tuple(names), "/".join(wanted), re.compile("/".join(parts), re.DOTALL))


def fill(template: str, parts: dict[str, str]) -> str:
    """`{name}` replaced by the level of that name."""
    return _TEMPLATE.sub(lambda found: parts[found[1]], template)


def names_in(template: str) -> set[str]:
    return {found[1] for found in _TEMPLATE.finditer(template)}
