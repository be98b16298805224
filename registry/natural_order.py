"""The order in which people expect names that hold numbers: building 2 before building 10."""

import re

_NUMBER = re.compile(r"([0-9]+)")


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """To sort names by; numbers in them by their size, and before other signs. Names that differ have other keys.

    >>> sorted(["10幢", "2幢", "1幢-1001", "1幢-201", "门卫"], key=natural_key)
    ['1幢-201', '1幢-1001', '2幢', '10幢', '门卫']
    """
    pieces = _NUMBER.split(name)
    # Every second piece is a number. Its own digits decide last, so that 01 and 1 stay apart.
    return tuple((0, int(piece), piece) if place % 2 else (1, 0, piece) for place, piece in enumerate(pieces) if piece)
