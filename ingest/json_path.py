"""JSON paths, compiled once: a plain one (`$.data[0].level`) is followed here, any other by python-jsonpath."""

import re
from typing import Any

_PLAIN = re.compile(r"\$(?:\.[^\W\d][\w-]*|\['[^'\\]+'\]|\[\d+\])*")
_STEP = re.compile(r"\.([^\W\d][\w-]*)|\['([^'\\]+)'\]|\[(\d+)\]")


class JsonPath:
    """Raises ValueError for what is no JSON path."""

    __slots__ = ("_compiled", "_steps", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._steps: tuple[str | int, ...] | None = None
        self._compiled: Any = None
        if _PLAIN.fullmatch(text):
            self._steps = tuple(
                int(found[3]) if found[3] is not None else found[1] or found[2] for found in _STEP.finditer(text)
            )
            return
        import jsonpath  # a twentieth of every start, for rules that few have

        try:
            self._compiled = jsonpath.compile(text)
        except jsonpath.JSONPathError as error:
            raise ValueError(f"{text!r} is no JSON path: {' '.join(str(error).split())[:150]}") from error

    def first(self, document: object) -> object | None:
        """What stands there; None when nothing does."""
        if self._steps is None:
            found = self.every(document)
            return found[0] if found else None
        here: Any = document
        for step in self._steps:
            if isinstance(step, str):
                here = here.get(step) if isinstance(here, dict) else None
            else:
                here = here[step] if isinstance(here, list) and step < len(here) else None
            if here is None:
                return None
        found_here: object = here
        return found_here

    def every(self, document: object) -> list[object]:
        """All that the path finds, in order of the document."""
        if self._steps is not None:
            found = self.first(document)
            return [] if found is None else [found]
        if not isinstance(document, dict | list):
            return []
        import jsonpath  # loaded by then

        try:
            return list(self._compiled.findall(document))
        except (jsonpath.JSONPathError, RecursionError):
            # A filter may compare what this document holds with something else.
            return []
