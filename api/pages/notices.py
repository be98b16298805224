"""Public notices: read by anybody without an account, printed for the board, and proven to have hung."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from alerts.attachment_store import AttachmentStore
from alerts.upload import MAX_UPLOAD_BYTES, RefusedUpload, read_upload
from api.pages.moments import duration_text
from api.pages.rendering import reader_of, render
from api.pages.report_codes import drawn
from api.pages.vote_words import NOTICE_FAULTS, NOTICE_KIND_TITLES
from api.pages.wording import UPLOAD_FAULT_TITLES
from api.report_desk import AddressLimit
from api.resources import Held, Resources
from api.routes.ticket_case import IMAGE_HEADERS
from api.security import ApiActor, PageActor, check_csrf, check_site
from api.settings import Settings
from api.voting_desk import VotingDesk
from governance import notice as notices
from governance.notice import InvalidNotice, NoticeText, UnknownNotice
from governance.notice_rules import POSTING_RULES, NoticeKind

ON_A_PAGE = 50
MAX_ID = 2**62
CORRECTIONS = "/notices/{notice_id}/corrections"

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]


def desk_of(request: Request) -> VotingDesk:
    desk = request.app.state.voting_desk
    assert isinstance(desk, VotingDesk)
    return desk


def wait_for(request: Request, held: Resources, limit: AddressLimit) -> int:
    """How long this address has to wait, in ms; 0 when it may come in."""
    return limit.wait_ms(request.client.host if request.client else "", now_ms=held.clock())


def too_often(request: Request, wait_ms: int) -> Response:
    reader = reader_of(request)
    wait = duration_text(wait_ms, _=reader._)
    problem = reader._("Your connection asks too often. Try again in %(wait)s.", wait=wait)
    response = render(
        request, "ballot_find.html", reader, problem=problem, entered="", status_code=HTTPStatus.TOO_MANY_REQUESTS
    )
    response.headers["Retry-After"] = str(-(-wait_ms // 1000))
    return response


def base_of(request: Request, settings: Settings) -> str:
    return (settings.public_url or str(request.base_url)).rstrip("/")


@router.get("/notices")
def list_notices(
    request: Request, held: Held, site: str = "", kind: str = "", past: str = "", before: str = ""
) -> Response:
    if wait_ms := wait_for(request, held, desk_of(request).notices):
        return too_often(request, wait_ms)
    reader = reader_of(request)
    wanted = next((each for each in NoticeKind if each.value == kind), None)
    with held.database.reading() as session:
        found = notices.list_notices(
            session,
            site=site[:64],
            kind=wanted,
            posted_at_ms=None if past else reader.now_ms,
            # What is to come is seen by those who may still correct it, at its own address.
            begun_by_ms=reader.now_ms,
            before_id=int(before[:18]) if before.isascii() and before.isdigit() else None,
            limit=ON_A_PAGE + 1,
        )
        shown = found[:ON_A_PAGE]
        return render(
            request,
            "notices.html",
            reader,
            rows=[
                {
                    "id": each.id,
                    "title": title,
                    "kind": reader._(NOTICE_KIND_TITLES[NoticeKind(each.kind)]),
                    "site_name": each.site.name,
                    "building": each.building,
                    "posted": reader.day(each.posted_ms, each.site.timezone),
                    "until": reader.day(each.until_ms - 1, each.site.timezone),
                    "stands": each.posted_ms <= reader.now_ms < each.until_ms,
                    "version": each.version,
                }
                for each, title in shown
            ],
            sites=[(each.key, each.name, each.key == site) for each in notices.sites_with_notices(session)],
            kinds=[(each.value, reader._(title), each is wanted) for each, title in NOTICE_KIND_TITLES.items()],
            past=bool(past),
            site=site,
            kind=kind,
            older=shown[-1][0].id if len(found) > ON_A_PAGE else None,
            may_post=reader.may("POST", "/notices/new"),
        )


@router.get("/notices/{notice_id}")
def show_notice(request: Request, held: Held, notice_id: int, version: str = "") -> Response:
    if wait_ms := wait_for(request, held, desk_of(request).notices):
        return too_often(request, wait_ms)
    return notice_page(request, held, notice_id, version=version)


def notice_page(
    request: Request, held: Resources, notice_id: int, *, version: str = "", problem: str = "", status_code: int = 200
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        if not 0 < notice_id < MAX_ID:
            raise UnknownNotice(notice_id)
        found = notices.get_notice(session, notice_id)
        zone, site = found.site.timezone, found.site.key
        if found.posted_ms > reader.now_ms and not reader.may("POST", CORRECTIONS, site=site):
            raise UnknownNotice(notice_id)
        versions = notices.versions_of(session, found.id)
        number = int(version) if version.isascii() and version.isdigit() and len(version) < 9 else found.version
        text = next((each for each in versions if each.version == number), None)
        if text is None:
            raise UnknownNotice(notice_id)
        rule = POSTING_RULES[NoticeKind(found.kind)]
        address = f"{base_of(request, held.settings)}/notices/{found.id}"
        is_staff = reader.may("GET", "/api/v1/notices/{notice_id}/proofs/{proof_id}", site=site)
        return render(
            request,
            "notice.html",
            reader,
            status_code=status_code,
            notice_id=found.id,
            kind=reader._(NOTICE_KIND_TITLES[NoticeKind(found.kind)]),
            site_name=found.site.name,
            building=found.building,
            is_to_come=found.posted_ms > reader.now_ms,
            text=text,
            paragraphs=[each for each in text.body.split("\n\n") if each.strip()],
            is_current=number == found.version,
            current=found.version,
            posted=reader.day(found.posted_ms, zone),
            until=reader.day(found.until_ms - 1, zone),
            stands=found.posted_ms <= reader.now_ms < found.until_ms,
            least_days=rule.least_days,
            versions=[(each.version, reader.moment(each.at_ms, zone), each.reason) for each in versions],
            proofs=[
                (
                    each.id,
                    each.version,
                    each.place,
                    reader.moment(each.at_ms, zone),
                    each.by if is_staff else "",
                    each.digest,
                )
                for each in notices.proofs_of(session, found.id)
            ],
            shows_photos=is_staff,
            may_change=reader.may("POST", CORRECTIONS, site=site),
            address=address,
            drawing=drawn(address),
            proposal_id=found.subject.removeprefix("proposal:") if found.subject.startswith("proposal:") else "",
            is_of_a_vote=found.kind in (NoticeKind.VOTE, NoticeKind.VOTE_EXTRAORDINARY),
            problem=problem,
        )


@router.post("/notices/{notice_id}/proofs", dependencies=FORM)
def add_proof(
    request: Request,
    actor: PageActor,
    held: Held,
    notice_id: int,
    place: Text = "",
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """A photo of the board, painted anew; who and when stand beside it."""
    _ = reader_of(request)._
    with held.database.reading() as session:
        check_site(request, actor, notices.get_notice(session, notice_id).site.key, unknown=UnknownNotice(notice_id))
    try:
        content = file.file.read(MAX_UPLOAD_BYTES + 1) if file is not None else b""
        photo = read_upload(content, name="board", takes_documents=False)
        digest = AttachmentStore(held.settings.data_dir).keep(photo.content)
        with held.database.writing() as session:
            notices.add_proof(
                session,
                notices.get_notice(session, notice_id, for_update=True),
                place=place.replace("\0", ""),
                digest=digest,
                media_type=photo.media_type,
                actor=actor,
                now_ms=held.clock(),
            )
    except RefusedUpload as error:
        problem = _(UPLOAD_FAULT_TITLES[error.fault])
    except InvalidNotice as error:
        problem = _(NOTICE_FAULTS[error.reason])
    else:
        return RedirectResponse(f"/notices/{notice_id}#proofs", status_code=303)
    return notice_page(request, held, notice_id, problem=problem, status_code=422)


@router.get("/api/v1/notices/{notice_id}/proofs/{proof_id}", response_class=FileResponse)
def show_proof(request: Request, actor: ApiActor, held: Held, notice_id: int, proof_id: int) -> Response:
    """The photo may show people: it is for staff. That it is there, and its hash, everybody reads."""
    with held.database.reading() as session:
        found = notices.get_notice(session, notice_id)
        check_site(request, actor, found.site.key, unknown=UnknownNotice(notice_id))
        proof = next((each for each in notices.proofs_of(session, found.id) if each.id == proof_id), None)
        if proof is None:
            raise UnknownNotice(notice_id)
        digest, media_type = proof.digest, proof.media_type
    path = AttachmentStore(held.settings.data_dir).path(digest)
    if not path.is_file():
        raise UnknownNotice(notice_id)
    return FileResponse(path, media_type=media_type, headers=IMAGE_HEADERS)


@router.post("/notices/{notice_id}/corrections", dependencies=FORM)
def correct(
    request: Request,
    actor: PageActor,
    held: Held,
    notice_id: int,
    title: Text = "",
    body: Text = "",
    reason: Text = "",
    restarts: Text = "",
) -> Response:
    try:
        with held.database.writing() as session:
            found = notices.get_notice(session, notice_id, for_update=True)
            check_site(request, actor, found.site.key, unknown=UnknownNotice(notice_id))
            table = notices.versions_of(session, found.id)[0].table
            words = NoticeText(title.replace("\0", ""), body.replace("\0", "").replace("\r\n", "\n"), table)
            notices.correct_notice(
                session,
                found,
                words,
                reason=reason.replace("\0", ""),
                restarts=bool(restarts),
                actor=actor,
                now_ms=held.clock(),
            )
    except InvalidNotice as error:
        problem = reader_of(request)._(NOTICE_FAULTS[error.reason])
        return notice_page(request, held, notice_id, problem=problem, status_code=422)
    return RedirectResponse(f"/notices/{notice_id}", status_code=303)
