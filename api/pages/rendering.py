"""Turns what a page knows into HTML in the reader's language.

Everything a template prints is escaped. `_` in a template gives plain text too, so that neither a translation nor a
value in it can become markup.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from alerts.resident_report import RESIDENT
from api.pages import assets
from api.pages.moments import Moment, at_the_end, local_time, moment, on_the_day, on_the_minute
from api.people_names import PeopleNames
from api.resources import get_resources
from api.security import may, signed_in
from api.settings import Language
from api.translations import Translator, as_language, msgid, preferred_language, translator
from registry.role import ROLE_TITLES, SYSTEM, Actor
from registry.site import DEFAULT_TIMEZONE

LANGUAGE_COOKIE = "liandong_language"
TEMPLATES = Path(__file__).parent.parent / "templates"
HTML_LANGUAGE: Mapping[Language, str] = {"zh": "zh-CN", "en": "en"}
NAVIGATION = (
    ("", (("/", msgid("Live board")),)),
    (
        msgid("Disposal"),
        (
            ("/tickets", msgid("Tickets")),
            ("/alarms", msgid("Alarms")),
            ("/due", msgid("Deadlines")),
            ("/call-outs", msgid("Call-outs")),
            ("/duty", msgid("Duty")),
            ("/suppressions", msgid("Maintenance windows")),
        ),
    ),
    (
        msgid("Patrol"),
        (
            ("/patrols", msgid("Joint patrol")),
            ("/patrol-risk", msgid("Where to look first")),
            ("/units", msgid("Units")),
        ),
    ),
    (
        msgid("Analysis"),
        (
            ("/meetings", msgid("Joint meetings")),
            ("/tasks", msgid("Work lists")),
            ("/action-teams", msgid("Action teams")),
            ("/statistics", msgid("Statistics")),
            ("/watch-list", msgid("Watch-list")),
            ("/district", msgid("District")),
            ("/alarm-figures", msgid("Alarm figures")),
        ),
    ),
    (
        msgid("Decisions"),
        (
            ("/proposals", msgid("Proposals")),
            ("/roll", msgid("Owners' roll")),
            ("/notices", msgid("Public notices")),
            ("/fund", msgid("Maintenance fund")),
            ("/appraisals", msgid("Appraisal")),
        ),
    ),
    ("", (("/messages", msgid("My messages")),)),
    (
        msgid("Operation"),
        (("/data-quality", msgid("Data quality")), ("/models", msgid("Models")), ("/webhooks", msgid("Webhooks"))),
    ),
)
"""(title of a group, its pages). A group of which the reader may see one page is that page."""
NOBODY: Mapping[str, str] = MappingProxyType({SYSTEM.name: msgid("the system"), RESIDENT.name: msgid("a resident")})
"""Who acts without an account; what they open bears a title of ours."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a page and how: their language `_`, the moment they read it, and who they are, if signed in."""

    _: Translator
    now_ms: int
    actor: Actor | None = None
    csrf_token: str = ""
    people: PeopleNames | None = None

    def who(self, name: str | None) -> str:
        """The name people go by of whoever a record names; empty for nobody."""
        if not name or name in NOBODY:
            return self._(NOBODY[name]) if name else ""
        known = self.people.get(name) if self.people is not None else None
        return known.display_name if known is not None else name

    def who_and_role(self, name: str | None) -> str:
        """With the role in which they act here, for where their party does not stand beside it."""
        known = self.people.get(name) if self.people is not None and name else None
        if known is None or not known.roles:
            return self.who(name)
        return self._(msgid("%(name)s (%(role)s)"), name=known.display_name, role=self._(ROLE_TITLES[known.roles[0]]))

    def moment(self, at_ms: int, zone: str = DEFAULT_TIMEZONE) -> Moment:
        return moment(at_ms, now_ms=self.now_ms, _=self._, zone=zone)

    def appointment(self, at_ms: int, zone: str = DEFAULT_TIMEZONE) -> Moment:
        return on_the_minute(at_ms, now_ms=self.now_ms, _=self._, zone=zone)

    def day(self, at_ms: int, zone: str = DEFAULT_TIMEZONE) -> Moment:
        return on_the_day(at_ms, now_ms=self.now_ms, _=self._, zone=zone)

    def end(self, until_ms: int, zone: str = DEFAULT_TIMEZONE) -> Moment:
        return at_the_end(until_ms, now_ms=self.now_ms, _=self._, zone=zone)

    def may(self, method: str, path: str, *, site: str | None = None) -> bool:
        """Whether to offer what the table of roles would refuse."""
        return self.actor is not None and may(self.actor, method, path, site=site)


def chosen_language(request: Request, actor: Actor | None) -> Language:
    """The person's own choice, else that of this browser, else what the browser asks for, else the setting."""
    return (
        as_language(actor.language if actor is not None else None)
        or as_language(request.cookies.get(LANGUAGE_COOKIE))
        or preferred_language(request.headers.get("accept-language", ""))
        or get_resources(request).settings.language
    )


def reader_of(request: Request) -> Reader:
    """The reader of this request. Blocks on the first call of a request, to look the session up."""
    login = signed_in(request)
    actor = login.actor if login is not None else None
    now_ms = get_resources(request).clock()
    people: PeopleNames = request.app.state.people_names
    people.look(now_ms)
    return Reader(
        _=translator(chosen_language(request, actor)),
        now_ms=now_ms,
        people=people,
        actor=actor,
        csrf_token=login.csrf_token if login is not None else "",
    )


@cache
def environment(language: Language) -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    speak = translator(language)
    made.globals |= {"_": speak, "plural": speak.plural, "asset": assets.address}
    return made


def render(request: Request, template: str, reader: Reader, *, status_code: int = 200, **values: Any) -> HTMLResponse:
    """A whole page, or a fragment if the template is one."""
    language = reader._.language
    html = (
        environment(language)
        .get_template(template)
        .render(
            reader=reader,
            language=language,
            html_language=HTML_LANGUAGE[language],
            navigation=_navigation(request, reader),
            roles=_roles(reader),
            here=_address(request),
            is_being_filled=get_resources(request).is_being_filled(),
            # On paper a time of day without its day says nothing.
            printed_at=local_time(reader.now_ms).strftime("%Y-%m-%d %H:%M"),
            **values,
        )
    )
    return HTMLResponse(html, status_code=status_code, headers={"Cache-Control": "no-store"})


@dataclass(frozen=True, slots=True)
class Place:
    """A page one can go to from everywhere."""

    target: str
    title: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class PlaceGroup:
    title: str
    places: list[Place]

    @property
    def is_here(self) -> bool:
        return any(place.is_here for place in self.places)


def _navigation(request: Request, reader: Reader) -> list[PlaceGroup]:
    path = request.url.path
    groups = [
        PlaceGroup(
            reader._(title),
            [
                Place(target, reader._(name), path == target or (target != "/" and path.startswith(f"{target}/")))
                for target, name in places
                if reader.may("GET", target)
            ],
        )
        for title, places in NAVIGATION
    ]
    return [group for group in groups if group.places]


def _roles(reader: Reader) -> str:
    """The reader's roles in words, each once."""
    if reader.actor is None:
        return ""
    return reader._(", ").join(dict.fromkeys(reader._(ROLE_TITLES[grant.role]) for grant in reader.actor.grants))


def _address(request: Request) -> str:
    """Where the reader is, to come back to after a form that leads through another address."""
    if request.method != "GET":
        return "/"
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
