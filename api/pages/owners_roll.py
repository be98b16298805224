"""The owners' roll: looked through before it is taken, corrected with a reason, posted masked, and objected to."""

import hashlib
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.commands.csv_table import TableRefused, read_table_text
from api.pages.board import SiteChoice
from api.pages.rendering import Reader, reader_of, render
from api.pages.vote_page import objection_rows
from api.pages.vote_words import CHANGE_TITLES, FIELD_TITLES, OBJECTION_FAULTS, SOURCE_TITLES, fault_words
from api.resources import Held, Resources
from api.security import PageActor, check_csrf, check_site, names_people
from api.translations import Translator, msgid
from governance import objection, owners_roll
from governance.area import area_m2
from governance.masking import mask_name
from governance.notice import MOST_ROWS, NoticeText, post_notice
from governance.notice_rules import NoticeKind
from governance.objection import ObjectionRefused
from governance.owners_roll import DraftGone, RollField, RollPart
from governance.roll_file import OTHER_COLUMNS, REQUIRED_COLUMNS, AreaSource, RollRow, read_roll_rows
from registry.errors import UnknownSite
from registry.role import Actor
from registry.site import Site, get_site, list_sites

MOST_BYTES = 8 * 1024 * 1024
FAULTS_SHOWN = 100
PARTS_SHOWN = 100

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]


@router.get("/roll")
def show_roll(
    request: Request,
    actor: PageActor,
    held: Held,
    site: str = "",
    building: str = "",
    search: str = "",
    after: str = "",
) -> HTMLResponse:
    asked = {"building": building[:64], "search": search[:64], "after": after[:64]}
    return _page(request, actor, held, site, asked=asked)


def _page(
    request: Request,
    actor: Actor,
    held: Resources,
    site_key: str,
    *,
    asked: dict[str, str] | None = None,
    problem: str = "",
    looked: dict[str, Any] | None = None,
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    asked = {name: value.replace("\0", "") for name, value in (asked or {}).items()}
    with held.database.reading() as session:
        sites = list_sites(session, visible=actor.sites)
        chosen = next((each for each in sites if each.key == site_key), None) or (sites[0] if sites else None)
        if site_key and (chosen is None or chosen.key != site_key):
            raise UnknownSite(site_key)
        is_keeper = chosen is not None and reader.may("POST", "/roll/look", site=chosen.key)
        facts: dict[str, Any] = {}
        if chosen is not None:
            facts = _kept(session, chosen, asked, reader) if is_keeper else {}
            facts |= _common(session, chosen, actor, reader)
        return render(
            request,
            "roll.html",
            reader,
            status_code=status_code,
            site=chosen.key if chosen is not None else "",
            site_name=chosen.name if chosen is not None else "",
            sites=[SiteChoice(each.key, each.name, chosen is not None and each.key == chosen.key) for each in sites],
            is_keeper=is_keeper,
            problem=problem,
            looked=looked,
            columns=", ".join((*REQUIRED_COLUMNS, *OTHER_COLUMNS)),
            **facts,
        )


def _common(session: Session, site: Site, actor: Actor, reader: Reader) -> dict[str, Any]:
    own = owners_roll.owners_of_person(session, site, actor.person_id) if actor.person_id is not None else []
    count = owners_roll.count_roll(session, site)
    rows = objection.objections_to(session, objection.roll_subject(site))
    names = names_people(actor, site.key)
    return {
        "count": count,
        "area": str(area_m2(count.area_mm2)),
        "own": [(part.part, str(area_m2(part.area_mm2)), _source(part, reader._)) for o in own for part in o.parts],
        "objections": objection_rows(
            rows if names else [r for r in rows if r.by == actor.name], reader, site.timezone, names=names
        ),
    }


def _kept(session: Session, site: Site, asked: dict[str, str], reader: Reader) -> dict[str, Any]:
    building, search, after = (asked.get(name, "") for name in ("building", "search", "after"))
    parts = owners_roll.list_parts(
        session, site, building=building, words=search.strip(), after=after, limit=PARTS_SHOWN + 1
    )
    titles = {field.value: title for field, title in FIELD_TITLES.items()} | dict(CHANGE_TITLES)
    return {
        "parts": [
            {
                "id": part.id,
                "part": part.part,
                "building": part.building,
                "owner": part.owner.key,
                "name": part.owner.name,
                "representative": part.owner.representative,
                "is_developer": part.owner.is_developer,
                "area": str(area_m2(part.area_mm2)),
                "source": _source(part, reader._),
            }
            for part in parts[:PARTS_SHOWN]
        ],
        "next_after": parts[PARTS_SHOWN - 1].part if len(parts) > PARTS_SHOWN else "",
        "buildings": [(each, each == building) for each in owners_roll.buildings_of(session, site)],
        "building": building,
        "search": search,
        "changes": [
            {
                "at": reader.moment(change.at_ms, site.timezone),
                "what": change.what,
                "field": reader._(titles.get(change.field, change.field)),
                "before": change.before,
                "after": change.after,
                "reason": change.reason,
                "by": change.by,
            }
            for change in owners_roll.changes_of(session, site, limit=30)
        ],
    }


def _source(part: RollPart, _: Translator) -> str:
    return _(SOURCE_TITLES[AreaSource(part.source)])


@router.post("/roll/look", dependencies=FORM)
def look(
    request: Request, actor: PageActor, held: Held, site: Text = "", file: Annotated[UploadFile | None, File()] = None
) -> HTMLResponse:
    """Looks a file through and tells what taking it would change, or every row that stands in the way."""
    _ = reader_of(request)._
    check_site(request, actor, site, unknown=UnknownSite(site))
    content = file.file.read(MOST_BYTES + 1) if file is not None else b""
    if not content or len(content) > MOST_BYTES:
        problem = _("Choose a CSV file of at most 8 MB.")
        return _page(request, actor, held, site, problem=problem, status_code=422)
    text = _decoded(content)
    try:
        rows, faults = read_roll_rows(read_table_text(text, Path("roll.csv"), REQUIRED_COLUMNS, OTHER_COLUMNS))
    except TableRefused as refused:
        told = [_("line %(line)s", line=bad.line) + f": {bad.reason}" for bad in refused.bad_lines[:FAULTS_SHOWN]]
        return _page(request, actor, held, site, looked={"faults": told, "more": 0}, status_code=422)
    if faults:
        told = [_("line %(line)s", line=f.line) + f": {fault_words(f, _)}" for f in faults[:FAULTS_SHOWN]]
        looked = {"faults": told, "more": max(0, len(faults) - FAULTS_SHOWN)}
        return _page(request, actor, held, site, looked=looked, status_code=422)
    digest = hashlib.sha256(text.encode()).hexdigest()
    with held.database.writing() as session:
        found = get_site(session, site)
        owners_roll.keep_draft(session, found, content=text, digest=digest, actor=actor, now_ms=held.clock())
        change = owners_roll.difference(session, found, rows)
    looked = {
        "faults": [],
        "digest": digest,
        "parts": len(rows),
        "owners": len({row.owner for row in rows}),
        "shared": owners_roll.shared_owners(rows),
        "area": str(area_m2(sum(row.area_mm2 for row in rows))),
        "added": len(change.added),
        "changed": list(change.changed[:50]),
        "removed": list(change.removed[:50]),
        "changed_count": len(change.changed),
        "removed_count": len(change.removed),
    }
    return _page(request, actor, held, site, looked=looked)


def _decoded(content: bytes) -> str:
    """UTF-8, or what spreadsheets in China write; a NUL is in no honest file."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("gb18030", errors="replace")
    return text.replace("\0", "")


@router.post("/roll/take", dependencies=FORM)
def take(
    request: Request, actor: PageActor, held: Held, site: Text = "", digest: Text = "", reason: Text = ""
) -> Response:
    """Takes the file that was looked through, whole."""
    check_site(request, actor, site, unknown=UnknownSite(site))
    try:
        with held.database.writing() as session:
            found = get_site(session, site)
            text = owners_roll.take_draft(session, found, digest)
            rows, faults = read_roll_rows(read_table_text(text, Path("roll.csv"), REQUIRED_COLUMNS, OTHER_COLUMNS))
            assert not faults, "only a file without faults is kept"
            owners_roll.replace_roll(
                session, found, rows, reason=reason.replace("\0", "")[:500], actor=actor, now_ms=held.clock()
            )
    except DraftGone:
        problem = reader_of(request)._("Another file was looked through meanwhile. Look through yours again.")
        return _page(request, actor, held, site, problem=problem, status_code=409)
    return RedirectResponse(f"/roll?site={site}", status_code=303)


@router.get("/roll/parts/{part_id}")
def show_part(request: Request, actor: PageActor, held: Held, part_id: int, site: str = "") -> HTMLResponse:
    return _part_page(request, actor, held, part_id, site)


def _part_page(
    request: Request,
    actor: Actor,
    held: Resources,
    part_id: int,
    site_key: str,
    *,
    problems: list[str] | None = None,
    entered: dict[str, str] | None = None,
) -> HTMLResponse:
    reader = reader_of(request)
    check_site(request, actor, site_key, unknown=UnknownSite(site_key))
    with held.database.reading() as session:
        site = get_site(session, site_key)
        part = owners_roll.get_part(session, site, min(part_id, 2**62))
        values = entered or {
            "area_m2": str(area_m2(part.area_mm2)),
            "source": part.source,
            "building": part.building,
            "owner": part.owner.key,
            "name": part.owner.name,
            "representative": part.owner.representative,
            "phone_end": part.owner.phone_end,
            "certificate_end": part.owner.certificate_end,
        }
        return render(
            request,
            "roll_part.html",
            reader,
            status_code=422 if problems else 200,
            site=site.key,
            site_name=site.name,
            part_id=part.id,
            part=part.part,
            fields=[(field.value, reader._(FIELD_TITLES[field]), values.get(field.value, "")) for field in RollField],
            sources=[(each.value, reader._(title)) for each, title in SOURCE_TITLES.items()],
            others=max(0, len(part.owner.parts) - 1),
            problems=problems or [],
        )


@router.post("/roll/parts/{part_id}", dependencies=FORM)
async def correct(request: Request, actor: PageActor, held: Held, part_id: int) -> Response:
    form = {name: value.replace("\0", "") for name, value in (await request.form()).items() if isinstance(value, str)}
    return await run_in_threadpool(_corrected, request, actor, held, part_id, form)


def _corrected(request: Request, actor: Actor, held: Resources, part_id: int, form: dict[str, str]) -> Response:
    _, site_key = reader_of(request)._, form.get("site", "")
    check_site(request, actor, site_key, unknown=UnknownSite(site_key))
    with held.database.writing() as session:
        site = get_site(session, site_key)
        part = owners_roll.get_part(session, site, min(part_id, 2**62))
        rows, faults = read_roll_rows(
            [(1, {**form, "part": part.part, "developer": str(int(part.owner.is_developer))})]
        )
        problems = [fault_words(fault, _) for fault in faults]
        if not form.get("reason", "").strip():
            problems.append(_("Say why it is corrected."))
        if not problems:
            wanted: RollRow = rows[0]
            owners_roll.correct_part(
                session, site, part, wanted, reason=form["reason"].strip()[:500], actor=actor, now_ms=held.clock()
            )
    if problems:
        return _part_page(request, actor, held, part_id, site_key, problems=problems, entered=form)
    return RedirectResponse(f"/roll?site={site_key}", status_code=303)


ROLL_TITLE = msgid("Owners' roll of %(site)s for voting")
ROLL_BODY = msgid(
    "This is the roll by which the owners vote: each part with its area and the document that the area is from. "
    "Names are masked.\n\nWhoever finds a mistake may object at the owners' committee or in the service while this "
    "notice stands."
)


@router.post("/roll/post", dependencies=FORM)
def post(request: Request, actor: PageActor, held: Held, site: Text = "", building: Text = "") -> Response:
    """Posts the roll, or that of one building, as a public notice with masked names."""
    _ = reader_of(request)._
    with held.database.writing() as session:
        check_site(request, actor, site, unknown=UnknownSite(site))
        found = get_site(session, site)
        parts = owners_roll.list_parts(session, found, building=building[:64].replace("\0", ""), limit=MOST_ROWS + 1)
        if not parts or len(parts) > MOST_ROWS:
            problem = _("There are too many parts for one notice: choose a building.") if parts else ""
            problem = problem or _("There is no part to be posted.")
        else:
            table = [
                (
                    p.part,
                    p.owner.name if p.owner.is_developer else mask_name(p.owner.name),
                    f"{area_m2(p.area_mm2)} m²",
                    _source(p, _),
                )
                for p in parts
            ]
            title = _(ROLL_TITLE, site=f"{found.name} {building}".strip())[:200]
            made = post_notice(
                session,
                found,
                kind=NoticeKind.ROLL,
                text=NoticeText(title, _(ROLL_BODY), table),
                subject=objection.roll_subject(found),
                actor=actor,
                now_ms=held.clock(),
            )
            return RedirectResponse(f"/notices/{made.id}", status_code=303)
    return _page(request, actor, held, site, problem=problem, status_code=422)


@router.post("/roll/objections", dependencies=FORM)
def object_to(
    request: Request, actor: PageActor, held: Held, site: Text = "", about: Text = "", text: Text = ""
) -> Response:
    check_site(request, actor, site, unknown=UnknownSite(site))
    try:
        with held.database.writing() as session:
            found = get_site(session, site)
            subject, about = objection.roll_subject(found), about.replace("\0", "")
            words, now_ms = text.replace("\0", ""), held.clock()
            objection.object_to(session, found, subject, about=about, text=words, actor=actor, now_ms=now_ms)
    except ObjectionRefused as refused:
        problem = reader_of(request)._(OBJECTION_FAULTS[refused.reason])
        return _page(request, actor, held, site, problem=problem, status_code=422)
    return RedirectResponse(f"/roll?site={site}#objections", status_code=303)


@router.post("/roll/objections/{objection_id}", dependencies=FORM)
def answer(
    request: Request,
    actor: PageActor,
    held: Held,
    objection_id: int,
    site: Text = "",
    answer: Text = "",
    upheld: Text = "",
) -> Response:
    check_site(request, actor, site, unknown=UnknownSite(site))
    try:
        with held.database.writing() as session:
            objection.answer_objection(
                session,
                get_site(session, site),
                min(objection_id, 2**62),
                upheld=upheld == "1",
                answer=answer.replace("\0", ""),
                actor=actor,
                now_ms=held.clock(),
            )
    except ObjectionRefused as refused:
        problem = reader_of(request)._(OBJECTION_FAULTS[refused.reason])
        return _page(request, actor, held, site, problem=problem, status_code=422)
    return RedirectResponse(f"/roll?site={site}#objections", status_code=303)
