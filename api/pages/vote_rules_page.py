"""How a compound votes: its own rules beside the law's, changed by a resolution of the owners, each change kept."""

import re
import secrets
import unicodedata
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from fastapi import APIRouter, Depends, Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from api.idempotency import claimed
from api.pages.board import SiteChoice
from api.pages.rendering import Reader, reader_of, render
from api.pages.vote_rule_words import (
    IDENTITY_TITLES,
    RULE_TITLES,
    RULESET_TITLES,
    limit_text,
    rule_fault,
    rule_value_text,
)
from api.resources import Held, Resources
from api.security import PageActor, check_csrf, check_site, names_people, permitted_sites
from api.translations import Translator
from governance.proposal import list_proposals
from governance.proposal_stages import ProposalStage
from governance.ruleset import Base, Limit, Matter
from governance.vote_rules import Identity, VoteRules, rules_of
from governance.vote_rules_change import (
    MAX_BASIS_LENGTH,
    RulesRefused,
    change_rules,
    differing,
    facts_of,
    floor_of,
    laws_in_force,
    rules_history,
    too_lax,
)
from registry.errors import UnknownSite
from registry.replay import KeyReused
from registry.role import Actor
from registry.site import Site, get_site, list_sites

MOST_PROXIES_EVER = 50
HISTORY_SHOWN = 30
ROWS: tuple[Matter | None, ...] = (None, *Matter)
_FRACTION = re.compile(r"(\d{1,4})\s*/\s*(\d{1,4})")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)\s*%")

router = APIRouter(include_in_schema=False)
FORM = [Depends(check_csrf)]


@router.get("/vote-rules")
def show_rules(request: Request, actor: PageActor, held: Held, site: str = "") -> HTMLResponse:
    return _page(request, actor, held, site)


def row_key(matter: Matter | None) -> str:
    return "quorum" if matter is None else matter.value


def read_share(text: str) -> Fraction | None:
    """A share as people write it: `2/3`, `75%`, also in full-width signs. None for what is no share above zero up to 1.

    >>> read_share("２／３"), read_share("75 %"), read_share("5/3"), read_share("0/1")
    (Fraction(2, 3), Fraction(3, 4), None, None)
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if found := _FRACTION.fullmatch(plain):
        share = Fraction(int(found[1]), int(found[2])) if int(found[2]) else Fraction(0)
    elif found := _PERCENT.fullmatch(plain):
        share = Fraction(found[1]) / 100
    else:
        return None
    return share if 0 < share <= 1 else None


def _read_limit(form: Mapping[str, str], matter: Matter | None) -> Limit | None:
    """None where the field is empty. Raises ValueError."""
    key = row_key(matter)
    text = form.get(f"{key}_share", "")
    if not text.strip():
        return None
    share, is_exceeded = read_share(text), form.get(f"{key}_sign", "") == ">"
    if share is None or (share == 1 and is_exceeded):
        raise ValueError(text)
    base = Base.ALL if matter is None else Base(form.get(f"{key}_base", ""))
    return Limit(share, base, is_exceeded=is_exceeded)


def _read(form: Mapping[str, str], reader: Reader) -> tuple[VoteRules | None, list[str]]:
    """The rules of a form, or what is wrong with it, all at once."""
    _, problems, limits = reader._, [], {}
    for matter in ROWS:
        try:
            limits[matter] = _read_limit(form, matter)
        except ValueError:
            what = _(RULE_TITLES[row_key(matter)])
            problems.append(_("%(what)s: write a share like 2/3 or 75%% that can be reached.", what=what))
    proxies = unicodedata.normalize("NFKC", form.get("most_proxies", "")).strip()
    if not re.fullmatch(r"[0-9]{1,2}", proxies) or int(proxies) > MOST_PROXIES_EVER:
        problems.append(_("One person may vote for 0 to %(most)s owners.", most=MOST_PROXIES_EVER))
    if form.get("identity", "") not in list(Identity):
        problems.append(_("Choose what is asked for beside a letter."))
    if problems:
        return None, problems
    rules = VoteRules(
        is_secret=bool(form.get("is_secret")),
        may_change=bool(form.get("may_change")),
        most_proxies=int(proxies),
        identity=Identity(form["identity"]),
        own_quorum=limits[None],
        own_consent={matter: limit for matter in Matter if (limit := limits[matter]) is not None},
    )
    problems += [
        _(
            "%(what)s: “%(own)s” is less than the law asks, “%(law)s”. A compound's rules may ask for more, never for "
            "less.",
            what=_(RULE_TITLES[row_key(lax.matter)]),
            own=limit_text(lax.own, _),
            law=limit_text(lax.law, _),
        )
        for lax in too_lax(rules)
    ]
    return rules, problems


def _entered(rules: VoteRules) -> dict[str, str]:
    """The rules as the fields of the form hold them."""
    fields = {
        "is_secret": "1" if rules.is_secret else "",
        "may_change": "1" if rules.may_change else "",
        "most_proxies": str(rules.most_proxies),
        "identity": rules.identity.value,
    }
    for matter in ROWS:
        own, key = rules.own_quorum if matter is None else rules.own_consent.get(matter), row_key(matter)
        floor = own if own is not None else floor_of(laws_in_force()[0], matter)
        fields |= {
            f"{key}_share": str(own.share) if own is not None else "",
            f"{key}_sign": ">" if floor.is_exceeded else ">=",
            f"{key}_base": floor.base.value,
        }
    return fields


def _page(
    request: Request,
    actor: Actor,
    held: Resources,
    site_key: str,
    *,
    form: Mapping[str, str] | None = None,
    problems: list[str] | None = None,
    looked: list[tuple[str, str, str]] | None = None,
    status_code: int = 200,
) -> HTMLResponse:
    reader = reader_of(request)
    with held.database.reading() as session:
        sites = list_sites(session, visible=permitted_sites(request, actor))
        chosen = next((each for each in sites if each.key == site_key), None) or (sites[0] if sites else None)
        if site_key and (chosen is None or chosen.key != site_key):
            raise UnknownSite(site_key)
        return render(
            request,
            "vote_rules.html",
            reader,
            status_code=status_code,
            site=chosen.key if chosen is not None else "",
            site_name=chosen.name if chosen is not None else "",
            sites=[SiteChoice(each.key, each.name, chosen is not None and each.key == chosen.key) for each in sites],
            problems=problems or [],
            looked=looked,
            most_proxies_ever=MOST_PROXIES_EVER,
            max_basis_length=MAX_BASIS_LENGTH,
            form_key=(form or {}).get("form_key") or secrets.token_urlsafe(16),
            **(_facts(session, chosen, actor, reader, form) if chosen is not None else {}),
        )


def _facts(
    session: Session, site: Site, actor: Actor, reader: Reader, form: Mapping[str, str] | None
) -> dict[str, Any]:
    _, rules, history = reader._, rules_of(session, site), rules_history(session, site)
    entered = dict(form) if form is not None else _entered(rules)
    names = names_people(actor, site.key)
    rows = []
    for matter in ROWS:
        key, own = row_key(matter), rules.own_quorum if matter is None else rules.own_consent.get(matter)
        rows.append(
            {
                "key": key,
                "title": _(RULE_TITLES[key]),
                "laws": [limit_text(floor_of(law, matter), _) for law in laws_in_force()],
                "own": limit_text(own, _) if own is not None else "",
                "share": entered.get(f"{key}_share", ""),
                "sign": entered.get(f"{key}_sign", ""),
                "base": entered.get(f"{key}_base", ""),
                "may_choose_base": matter is not None,
            }
        )
    return {
        "rows": rows,
        "laws": [_(RULESET_TITLES[law.key]) for law in laws_in_force()],
        "others": [
            (_(RULE_TITLES[key]), rule_value_text(key, value, _))
            for key, value in facts_of(rules).items()
            if key in ("is_secret", "may_change", "most_proxies", "identity")
        ],
        "identities": [(each.value, _(title)) for each, title in IDENTITY_TITLES.items()],
        "entered": {**dict.fromkeys(("is_secret", "may_change", "most_proxies", "identity", "basis"), ""), **entered},
        "seen": entered.get("seen") or str(len(history)),
        "posted": [
            (proposal.id, proposal.number, proposal.title)
            for proposal in list_proposals(session, site=site.key, stage=ProposalStage.POSTED, limit=20)
        ],
        "may_set": reader.may("POST", "/vote-rules", site=site.key),
        "history": [
            {
                "at": reader.moment(row.at_ms, site.timezone),
                "by": row.actor if names else "",
                "basis": row.data["basis"],
                "changes": _changes(row.data["before"], row.data["after"], _),
            }
            for row in reversed(history[-HISTORY_SHOWN:])
        ],
    }


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], _: Translator) -> list[tuple[str, str, str]]:
    return [
        (_(RULE_TITLES[key]), rule_value_text(key, old, _), rule_value_text(key, new, _))
        for key, old, new in differing(before, after)
        if key in RULE_TITLES
    ]


@router.post("/vote-rules", dependencies=FORM)
async def set_vote_rules(request: Request, actor: PageActor, held: Held) -> Response:
    """Shows what would change first; with `confirmed` it is done."""
    form = {name: value.replace("\0", "") for name, value in (await request.form()).items() if isinstance(value, str)}
    return await run_in_threadpool(_set, request, actor, held, form)


def _set(request: Request, actor: Actor, held: Resources, form: dict[str, str]) -> Response:
    reader, site_key = reader_of(request), form.get("site", "")
    check_site(request, actor, site_key, unknown=UnknownSite(site_key))
    rules, problems = _read(form, reader)
    if not form.get("basis", "").strip():
        problems.append(rule_fault("basis", reader._))
    if rules is None or problems:
        return _page(request, actor, held, site_key, form=form, problems=problems, status_code=422)
    if not form.get("confirmed"):
        with held.database.reading() as session:
            before = facts_of(rules_of(session, get_site(session, site_key)))
        looked = _changes(before, facts_of(rules), reader._)
        problems = [] if looked else [rule_fault("unchanged", reader._)]
        status_code = 200 if looked else 422
        return _page(
            request, actor, held, site_key, form=form, problems=problems, looked=looked, status_code=status_code
        )
    try:
        with held.database.writing() as session:
            asked = ["vote-rules", site_key, facts_of(rules), form["basis"]]
            claim = claimed(session, actor=actor, key=form.get("form_key", ""), request=asked, now_ms=held.clock())
            if claim is None or claim.earlier is None:
                change_rules(
                    session,
                    get_site(session, site_key),
                    rules,
                    basis=form["basis"],
                    seen=int(form["seen"]) if re.fullmatch(r"[0-9]{1,9}", form.get("seen", "")) else -1,
                    alias_secret=secrets.token_hex(32),
                    actor=actor,
                    now_ms=held.clock(),
                )
                if claim is not None:
                    claim.row.result = "done"
    except RulesRefused as refused:
        problem = rule_fault(refused.reason, reader._)
        return _page(request, actor, held, site_key, problems=[problem], status_code=409)
    except KeyReused:
        problem = rule_fault("changed_meanwhile", reader._)
        return _page(request, actor, held, site_key, problems=[problem], status_code=409)
    return RedirectResponse(f"/vote-rules?site={site_key}#history", status_code=303)
