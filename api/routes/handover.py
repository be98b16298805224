"""The records of one compound as a ZIP of tables, for the next committee."""

import csv
import io
import tempfile
import zipfile
from collections.abc import Iterator
from typing import IO

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from api.csv_text import safe_cell
from api.instants import rfc3339
from api.resources import Held
from api.routes.reliability import COLUMNS, asked_for, csv_rows
from api.security import ApiActor, check_site
from governance.handover import handover_sheets
from models.equipment import Kind
from registry import activity
from registry.activity import Entry
from registry.errors import UnknownSite
from registry.site import get_site

IN_MEMORY_BYTES = 8 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
BOM = "\ufeff"

router = APIRouter(tags=["statistics"])


@router.get(
    "/sites/{site}/handover.zip",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {}}}},
)
def hand_over(request: Request, actor: ApiActor, held: Held, site: str) -> StreamingResponse:
    """Units, service records, tickets with costs and causes, alarms, and a year's statistics by unit; no names."""
    check_site(request, actor, site, unknown=UnknownSite(site))
    file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115 - closed when it is sent
    now_ms = held.clock()
    with held.database.reading() as session, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        place = get_site(session, site)

        def moment(at_ms: int | None) -> str:
            return "" if at_ms is None else rfc3339(at_ms, place.timezone)

        for sheet in handover_sheets(session, place, moment=moment):
            _write(archive, f"{sheet.name}.csv", sheet.columns, sheet.rows)
        for kind in Kind:
            asked = asked_for(
                session, visible=None, site=site, kind=kind, by=None, start_ms=None, end_ms=None, now_ms=now_ms
            )
            if asked.facts.units:
                _write(archive, f"statistics-{kind.value}.csv", COLUMNS, csv_rows(asked))
    with held.database.writing() as session:
        told = Entry("site.handed_over", f"site:{site}", site=site, actor=actor.name)
        activity.append(session, [told], now_ms=now_ms)
    file.seek(0)
    headers = {"Content-Disposition": f'attachment; filename="handover-{site}.zip"'}
    return StreamingResponse(_chunks(file), media_type="application/zip", headers=headers)


def _write(archive: zipfile.ZipFile, name: str, columns: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> None:
    with archive.open(name, "w") as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as text:
        text.write(BOM)
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([safe_cell(value) for value in row])


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
