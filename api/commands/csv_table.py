"""CSV files that people hand in: read with line numbers, and refused with every bad row at once."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MOST_TOLD = 20
SEPARATORS = ",;\t"


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of a file (the header is line 1) and why it cannot be taken."""

    line: int
    reason: str


class TableRefused(Exception):
    """Nothing was taken from the file; `bad_lines` tells each line that stood in the way."""

    def __init__(self, path: Path, bad_lines: Sequence[BadLine]) -> None:
        told = "; ".join(f"line {bad.line}: {bad.reason}" for bad in bad_lines[:MOST_TOLD])
        more = f"; and {len(bad_lines) - MOST_TOLD} more lines" if len(bad_lines) > MOST_TOLD else ""
        super().__init__(f"{path}: {told}{more}")
        self.path = path
        self.bad_lines = tuple(bad_lines)


def read_table(path: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """(line, cells by column) pairs, without blank lines; other columns are left out.

    The separator is the one of comma, semicolon and tab that the header has most of. Raises TableRefused.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            separator = max(SEPARATORS, key=first.count)
            return list(_rows(path, csv.reader(file, delimiter=separator, strict=True), columns))
    except UnicodeDecodeError as error:
        raise TableRefused(path, [BadLine(1, "it is not a text file in UTF-8")]) from error


def read_table_text(
    text: str, path: Path, columns: Sequence[str], others: Sequence[str] = ()
) -> list[tuple[int, dict[str, str]]]:
    """The same of a text that somebody sent; `path` is what it is called, `others` are columns that may be missing."""
    separator = max(SEPARATORS, key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    return list(_rows(path, reader, columns, others))


def _rows(
    path: Path, reader: "Iterator[list[str]]", columns: Sequence[str], others: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    line, bad = 0, []
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        line = 1
        missing = [column for column in columns if column not in header]
        if missing:
            raise TableRefused(path, [BadLine(1, f"the header has no column {', '.join(missing)}")])
        columns = [*columns, *(column for column in others if column in header)]
        if repeated := [column for column in columns if header.count(column) > 1]:
            raise TableRefused(path, [BadLine(1, f"the header has the column {', '.join(repeated)} twice")])
        places = {column: header.index(column) for column in columns}
        for cells in reader:
            line = reader.line_num  # type: ignore[attr-defined]
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                bad.append(BadLine(line, f"has {len(cells)} cells instead of {len(header)}"))
                continue
            yield line, {column: cells[place].strip() for column, place in places.items()}
    except csv.Error as error:
        raise TableRefused(path, [*bad, BadLine(line + 1, str(error))]) from error
    if bad:
        raise TableRefused(path, bad)
