"""Tables as CSV text, line by line, so that a long one is never whole in memory."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """With a byte-order mark, by which spreadsheets know that the text is UTF-8."""
    yield "\ufeff" + _line(columns)
    for row in rows:
        yield _line([safe_cell(value) for value in row])


def _line(cells: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(list(cells))
    return text.getvalue()


def safe_cell(value: object) -> object:
    """What a spreadsheet would take for a formula is told as text."""
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_SIGNS) else value
