"""Rounds for people: what is on today, a round on a phone, its record on paper, and where a scanned code leads."""

import secrets
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.datastructures import FormData, UploadFile
from starlette.responses import HTMLResponse, RedirectResponse, Response

from alerts import patrol as patrols
from alerts.patrol import Refusal, Refused, Said, Scanned
from alerts.patrol_conduct import join, may_answer, party_at
from alerts.patrol_errors import PatrolCancelled, ResultsNotPermitted, UnknownCheckpoint, UnknownPatrol
from alerts.patrol_plan import find_checkpoint
from alerts.patrol_record import MAX_NOTE_LENGTH, Record, record_of
from alerts.patrol_schedule import OPEN_STATES, PatrolRound, RoundState, cancel_round, find_rounds, get_round, round_at
from alerts.ticket_record import PHOTO_TYPES
from alerts.upload import MAX_UPLOAD_BYTES, RefusedUpload
from api.pages.board import SiteChoice
from api.pages.patrol_cards import RoundCard, StopCard, progress, round_card, stop_cards, with_items
from api.pages.patrol_words import REFUSAL_TITLES
from api.pages.rendering import Reader, reader_of, render
from api.pages.wording import PARTY_TITLES, UPLOAD_FAULT_TITLES
from api.resources import Held, Resources
from api.routes.patrols import kept_picture
from api.security import PageActor, check_csrf, check_site, names_people, permitted_sites
from api.translations import Translator
from registry import activity
from registry.activity import Entry
from registry.duty import holders
from registry.errors import UnknownSite
from registry.person import Person, find_person
from registry.role import Actor, Party, Role
from registry.site import list_sites

SHOWN = 60
SOON_MS = 35 * 24 * 3_600_000
LARGEST_ID = 2**62
NAMED_ROLES = tuple(Role(role) for role in Role if role not in (Role.ADMIN, Role.OWNER))

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
FORM = [Depends(check_csrf)]


async def posted_form(request: Request) -> FormData:
    """The whole form: which fields it has depends on the items."""
    return await request.form()


@router.get("/patrols")
def show_patrols(request: Request, actor: PageActor, held: Held, site: str = "") -> HTMLResponse:
    reader = reader_of(request)
    visible = permitted_sites(request, actor)
    now_ms = held.clock()
    with held.database.reading() as session:
        chosen = site.replace("\0", "") or None

        def cards(
            states: Sequence[RoundState], *, is_newest_first: bool = False, before_ms: int | None = None
        ) -> list[RoundCard]:
            found = find_rounds(
                session,
                states=states,
                site=chosen,
                visible=visible,
                starts_before_ms=before_ms,
                is_newest_first=is_newest_first,
                limit=SHOWN,
            )
            return [round_card(each, reader=reader) for each in found]

        open_cards = cards(list(OPEN_STATES), before_ms=now_ms + SOON_MS)
        sites = list_sites(session, visible=visible)
        return render(
            request,
            "patrols.html",
            reader,
            on_now=[card for card in open_cards if card.is_on],
            to_come=[card for card in open_cards if not card.is_on],
            missed=cards([RoundState.MISSED], is_newest_first=True),
            done=cards([RoundState.DONE, RoundState.DONE_LATE], is_newest_first=True)[:20],
            sites=[SiteChoice(each.key, each.name, each.key == site) for each in sites],
            site=site,
        )


@router.get("/patrols/{patrol_id}")
def show_patrol(
    request: Request, actor: PageActor, held: Held, patrol_id: int, at: str = "", scanned: str = ""
) -> HTMLResponse:
    return _round_page(request, actor, held, patrol_id, at=at, is_scanned=bool(scanned))


def _round_page(
    request: Request,
    actor: Actor,
    held: Resources,
    patrol_id: int,
    *,
    at: str,
    is_scanned: bool = False,
    problems: Sequence[str] = (),
    entered: FormData | None = None,
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        patrol = _seen(request, session, actor, patrol_id)
        record = record_of(session, patrol)
        is_named = names_people(actor, patrol.site.key)
        stops = stop_cards(record, reader=reader, is_named=is_named, has_slots=False)
        here = next((stop for stop in stops if stop.code == at.upper()), None)
        answers = may_answer(patrol, actor) and patrol.state != RoundState.CANCELLED
        spot = here or (_next_stop(stops, None) if answers else None) or (stops[0] if stops else None)
        return render(
            request,
            "patrol.html",
            reader,
            status_code=status_code,
            patrol=round_card(patrol, reader=reader),
            stops=stops,
            spot=with_items(spot, record, reader=reader, is_named=is_named) if spot is not None else None,
            following=_next_stop(stops, spot),
            is_unknown_code=bool(at) and here is None,
            is_scanned=is_scanned and here is not None,
            progress=progress(record),
            people=_people(record, reader=reader, is_named=is_named),
            missing_parties=_missing(record, reader=reader),
            is_in=any(each.person_id == actor.person_id for each in record.participants),
            candidates=_candidates(session, record, reader=reader),
            may_answer=answers,
            problems=problems,
            entered=entered or {},
            form_key=secrets.token_urlsafe(12),
            max_note_length=MAX_NOTE_LENGTH,
            picture_types=",".join(sorted(PHOTO_TYPES)),
        )


def _next_stop(stops: Sequence[StopCard], here: StopCard | None) -> StopCard | None:
    """The next one on the way where something is still to be looked at."""
    ahead = [stop for stop in stops if here is None or stop.number > here.number]
    return next((stop for stop in [*ahead, *stops] if not stop.is_done and stop is not here), None)


def _people(record: Record, *, reader: Reader, is_named: bool) -> list[tuple[str, str]]:
    return [
        (reader._(PARTY_TITLES[Party(each.party)]), each.person.display_name if is_named else "")
        for each in record.participants
    ]


def _missing(record: Record, *, reader: Reader) -> list[str]:
    there = {each.party for each in record.participants}
    return [reader._(PARTY_TITLES[party]) for party in record.patrol.plan.wanted_parties if party not in there]


def _candidates(session: Session, record: Record, *, reader: Reader) -> list[tuple[str, str]]:
    """People of the compound who may be named: (name, words)."""
    patrol = record.patrol
    if not reader.may("POST", "/patrols/{patrol_id}/participants", site=patrol.site.key) or not patrol.is_open:
        return []
    there = {each.person_id for each in record.participants}
    found = [each for each in holders(session, patrol.site, NAMED_ROLES) if each.id not in there]
    return [
        (each.name, f"{each.display_name} · {reader._(PARTY_TITLES[party_at(each.as_actor(), patrol.site.key)])}")
        for each in found[:SHOWN]
    ]


@router.post("/patrols/{patrol_id}/results", dependencies=FORM)
def send_results(
    request: Request,
    actor: PageActor,
    held: Held,
    patrol_id: int,
    form: Annotated[FormData, Depends(posted_form)],
) -> Response:
    """What a page without a script sends: the answers of one checkpoint, and its photos."""
    _ = reader_of(request)._
    now_ms = held.clock()
    at = _field(form, "at")
    said, problems = _said(form, now_ms=now_ms, _=_)
    scans = []
    if _field(form, "scanned_ms").isdecimal():
        scans.append(Scanned(at, int(_field(form, "scanned_ms")[:15]), f"{_field(form, 'form_key')}-scan"))
    if problems or not (said or scans):
        told = problems or [_("Answer at least one item.")]
        return _round_page(request, actor, held, patrol_id, at=at, problems=told, entered=form, status_code=422)
    try:
        pictures = [
            (each.key, kept_picture(held, file.file.read(MAX_UPLOAD_BYTES + 1), name=file.filename or ""))
            for each in said
            if isinstance(file := form.get(f"photo-{each.item}"), UploadFile) and file.filename
        ]
    except RefusedUpload as error:
        told = [_(UPLOAD_FAULT_TITLES[error.fault])]
        return _round_page(request, actor, held, patrol_id, at=at, problems=told, entered=form, status_code=422)
    try:
        with held.database.writing() as session:
            _seen(request, session, actor, patrol_id)
            taken = patrols.take_results(session, patrol_id, results=said, scans=scans, actor=actor, now_ms=now_ms)
            for key, picture in pictures:
                patrols.add_photo(session, patrol_id, picture, result_key=key, actor=actor, now_ms=now_ms)
    except (ResultsNotPermitted, PatrolCancelled) as error:
        is_cancelled = isinstance(error, PatrolCancelled)
        told = [_("The round was called off.") if is_cancelled else _("Your role does not permit this any more.")]
        status = 409 if is_cancelled else 403
        return _round_page(request, actor, held, patrol_id, at=at, problems=told, entered=form, status_code=status)
    if taken.refused:
        told = [_refusal_words(each, reader_of(request)) for each in taken.refused]
        return _round_page(request, actor, held, patrol_id, at=at, problems=told, entered=form, status_code=422)
    following = _field(form, "following")
    target = f"?at={following}" if following.isalnum() and following.isascii() else ""
    return RedirectResponse(f"/patrols/{patrol_id}{target}", status_code=303)


def _field(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.replace("\0", "").strip()[:MAX_NOTE_LENGTH] if isinstance(value, str) else ""


def _said(form: FormData, *, now_ms: int, _: Translator) -> tuple[list[Said], list[str]]:
    """The answers of the form; an item that was left alone is no answer."""
    said: list[Said] = []
    problems: list[str] = []
    checkpoint = _field(form, "checkpoint")
    form_key = _field(form, "form_key")[:40]
    for name in form:
        kind, _dash, item = name.partition("-")
        if kind not in ("ok", "value") or not item or any(each.item == item for each in said):
            continue
        choice, typed = _field(form, f"ok-{item}"), _field(form, f"value-{item}")
        if choice not in ("yes", "no", "skip") and not typed:
            continue
        value = None
        if typed and choice != "skip":
            try:
                value = float(typed.replace(",", "."))
            except ValueError:
                problems.append(_("“%(typed)s” is no number.", typed=typed[:30]))
                continue
        said.append(
            Said(
                checkpoint_id=int(checkpoint) if checkpoint.isdecimal() and len(checkpoint) < 18 else 0,
                item=item[:32],
                at_ms=now_ms,
                is_ok=None if choice not in ("yes", "no") else choice == "yes",
                value=value,
                is_skipped=choice == "skip",
                note=_field(form, f"note-{item}"),
                key=f"{form_key}-{item}" if form_key else "",
            )
        )
    return said, problems


def _refusal_words(refused: Refused, reader: Reader) -> str:
    words = reader._(REFUSAL_TITLES[refused.reason])
    if refused.item is None:
        return words
    told = f"{reader._(refused.item.title)}: {words}"
    if refused.reason is Refusal.IMPOSSIBLE_VALUE:
        told += f" ({refused.item.possible_low:g} … {refused.item.possible_high:g} {refused.item.unit})"
    return told


@router.post("/patrols/{patrol_id}/join", dependencies=FORM)
def join_round(request: Request, actor: PageActor, held: Held, patrol_id: int) -> Response:
    with held.database.writing() as session:
        _seen(request, session, actor, patrol_id)
        if actor.person_id is not None:
            person = session.get_one(Person, actor.person_id)
            join(session, patrol_id, person=person, actor=actor, now_ms=held.clock())
    return RedirectResponse(f"/patrols/{patrol_id}", status_code=303)


@router.post("/patrols/{patrol_id}/participants", dependencies=FORM)
def name_participant(request: Request, actor: PageActor, held: Held, patrol_id: int, person: Text = "") -> Response:
    """Names somebody of the compound who takes part."""
    with held.database.writing() as session:
        patrol = _seen(request, session, actor, patrol_id)
        found = find_person(session, person.replace("\0", ""))
        if found is not None and found.is_active and found.as_actor().roles_at(patrol.site.key) & set(NAMED_ROLES):
            join(session, patrol_id, person=found, actor=actor, now_ms=held.clock())
    return RedirectResponse(f"/patrols/{patrol_id}", status_code=303)


@router.post("/patrols/{patrol_id}/cancel", dependencies=FORM)
def cancel(request: Request, actor: PageActor, held: Held, patrol_id: int, note: Text = "") -> Response:
    """Calls a round off that nobody has begun; why is written down."""
    _ = reader_of(request)._
    note = note.replace("\0", "").strip()[:MAX_NOTE_LENGTH]
    if not note:
        told = [_("Say why the round is called off.")]
        return _round_page(request, actor, held, patrol_id, at="", problems=told, status_code=422)
    try:
        with held.database.writing() as session:
            patrol = _seen(request, session, actor, patrol_id)
            cancel_round(session, get_round(session, patrol_id, for_update=True))
            data = {"note": note, "plan": patrol.plan.name, "day": patrol.day.isoformat()}
            entry = Entry("patrol.cancelled", patrol.subject, actor=actor.name, site=patrol.site.key, data=data)
            activity.append(session, [entry], now_ms=held.clock())
    except PatrolCancelled:
        told = [_("The round has begun or is over: it cannot be called off.")]
        return _round_page(request, actor, held, patrol_id, at="", problems=told, status_code=409)
    return RedirectResponse(f"/patrols/{patrol_id}", status_code=303)


@router.get("/patrols/{patrol_id}/record")
def show_record(request: Request, actor: PageActor, held: Held, patrol_id: int) -> HTMLResponse:
    """The record of a round, made for paper."""
    reader = reader_of(request)
    with held.database.reading() as session:
        patrol = _seen(request, session, actor, patrol_id)
        record = record_of(session, patrol)
        is_named = names_people(actor, patrol.site.key)
        return render(
            request,
            "patrol_record.html",
            reader,
            patrol=round_card(patrol, reader=reader),
            stops=stop_cards(record, reader=reader, is_named=is_named),
            progress=progress(record),
            people=_people(record, reader=reader, is_named=is_named),
            done=reader.moment(patrol.done_ms, patrol.site.timezone) if patrol.done_ms is not None else None,
        )


@router.get("/c/{code}")
def follow_code(request: Request, actor: PageActor, held: Held, code: str) -> Response:
    """Where a QR code or an NFC tag leads: to the round that is on, at that checkpoint."""
    with held.database.reading() as session:
        checkpoint = find_checkpoint(session, code.replace("\0", "")[:32])
        check_site(request, actor, checkpoint.plan.site.key, unknown=UnknownCheckpoint(code))
        patrol = round_at(session, checkpoint.plan_id, now_ms=held.clock())
        if patrol is None:
            return render(request, "patrol_none.html", reader_of(request), name=checkpoint.name)
        return RedirectResponse(f"/patrols/{patrol.id}?at={checkpoint.code}&scanned=1", status_code=303)


def _seen(request: Request, session: Session, actor: Actor, patrol_id: int) -> PatrolRound:
    if not 0 < patrol_id < LARGEST_ID:
        raise UnknownPatrol(patrol_id)
    patrol = get_round(session, patrol_id)
    check_site(request, actor, patrol.site.key, unknown=UnknownPatrol(patrol_id))
    return patrol


def seen_site(request: Request, actor: Actor, site: str) -> str:
    check_site(request, actor, site, unknown=UnknownSite(site))
    return site
