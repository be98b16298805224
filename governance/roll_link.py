"""Which account votes as which owner of the roll: linked by whoever keeps the roll, taken back, and each change kept.

A roll that is imported anew keeps the accounts of owners whose key stays (`governance.owners_roll.replace_roll`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from governance.errors import GovernanceError
from governance.owners_roll import MAX_REASON_LENGTH, RollChange, RollOwner, RollPart
from registry import activity
from registry.activity import Entry
from registry.person import Person, RoleGrant
from registry.role import Actor, Role
from registry.site import Site

FIELD = "account"
"""The field of the roll's corrections that tells of an account; `what` is then the key of the owner."""
CHANGES_SHOWN = 50


class UnknownOwner(GovernanceError):
    def __init__(self, owner_id: int) -> None:
        super().__init__(f"no owner {owner_id} on the roll")
        self.owner_id = owner_id


class LinkRefused(GovernanceError):
    """`reason` is `stranger`, `own`, `linked_already`, `not_linked` or `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the account is not linked: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class LinkedOwner:
    """An owner of the roll with their parts and the account that votes for them, if there is one."""

    id: int
    key: str
    name: str
    parts: tuple[str, ...]
    account: str
    account_title: str


def link_person(
    session: Session,
    site: Site,
    owner_key: str,
    person_id: int | None,
    *,
    reason: str = "",
    actor: Actor,
    now_ms: int,
) -> bool:
    """Links an account with an owner of the roll, so that its holder may vote as that owner; whether there is one.

    None takes the link back. What stood before is kept with the reason.
    """
    owner = session.scalar(select(RollOwner).where(RollOwner.site_id == site.id, RollOwner.key == owner_key))
    if owner is None:
        return False
    before, after = _name_of(session, owner.person_id), _name_of(session, person_id)
    owner.person_id = person_id
    if before != after:
        session.add(
            RollChange(
                site_id=site.id,
                at_ms=now_ms,
                by=actor.name,
                what=owner_key,
                field=FIELD,
                before=before,
                after=after,
                reason=reason.strip()[:MAX_REASON_LENGTH],
            )
        )
    data = {"owner": owner_key, "is_linked": person_id is not None}
    entry = Entry("roll.linked", f"roll:{site.id}", actor=actor.name, site=site.key, data=data)
    activity.append(session, [entry], now_ms=now_ms)
    return True


def link_account(
    session: Session, site: Site, owner_id: int, account: str, *, reason: str, actor: Actor, now_ms: int
) -> None:
    """Links the account of that name. Raises UnknownOwner, LinkRefused.

    Nobody links an account of their own: whoever keeps the roll and is an owner asks another one who keeps it.
    """
    owner = get_owner(session, site, owner_id, for_update=True)
    person = session.scalar(_people_of(site).where(Person.name == account))
    if person is None:
        raise LinkRefused("stranger")
    if person.id == actor.person_id:
        raise LinkRefused("own")
    if owner.person_id is not None:
        raise LinkRefused("linked_already")
    link_person(session, site, owner.key, person.id, reason=reason, actor=actor, now_ms=now_ms)


def unlink_account(session: Session, site: Site, owner_id: int, *, reason: str, actor: Actor, now_ms: int) -> None:
    """Takes the link back; a ballot that was cast stays. Raises UnknownOwner, LinkRefused."""
    owner = get_owner(session, site, owner_id, for_update=True)
    if owner.person_id is None:
        raise LinkRefused("not_linked")
    if not reason.strip():
        raise LinkRefused("reason")
    link_person(session, site, owner.key, None, reason=reason, actor=actor, now_ms=now_ms)


def get_owner(session: Session, site: Site, owner_id: int, *, for_update: bool = False) -> RollOwner:
    query = select(RollOwner).where(RollOwner.id == owner_id, RollOwner.site_id == site.id)
    found = session.scalar(query.with_for_update() if for_update else query)
    if found is None:
        raise UnknownOwner(owner_id)
    return found


def list_owners(
    session: Session,
    site: Site,
    *,
    words: str = "",
    is_linked: bool | None = None,
    after: str = "",
    owner_id: int | None = None,
    limit: int = 50,
) -> list[LinkedOwner]:
    """Owners in order of their key; `words` are looked for in key, name, parts and the name of the account."""
    query = select(RollOwner).where(RollOwner.site_id == site.id, RollOwner.key > after)
    if owner_id is not None:
        query = query.where(RollOwner.id == owner_id)
    if is_linked is not None:
        query = query.where(RollOwner.person_id.is_not(None) if is_linked else RollOwner.person_id.is_(None))
    if words:
        like = _like(words)
        parts = select(RollPart.owner_id).where(RollPart.site_id == site.id, RollPart.part.ilike(like, escape="!"))
        accounts = select(Person.id).where(Person.name.ilike(like, escape="!"))
        query = query.where(
            or_(
                RollOwner.key.ilike(like, escape="!"),
                RollOwner.name.ilike(like, escape="!"),
                RollOwner.id.in_(parts),
                RollOwner.person_id.in_(accounts),
            )
        )
    owners = list(session.scalars(query.order_by(RollOwner.key).limit(limit)))
    return _with_accounts(session, owners)


def _with_accounts(session: Session, owners: Sequence[RollOwner]) -> list[LinkedOwner]:
    ids = [owner.person_id for owner in owners if owner.person_id is not None]
    people = {person.id: person for person in session.scalars(select(Person).where(Person.id.in_(ids)))} if ids else {}
    parts: dict[int, list[str]] = {owner.id: [] for owner in owners}
    query = select(RollPart.owner_id, RollPart.part).where(RollPart.owner_id.in_(parts)).order_by(RollPart.part)
    for owner_id, part in session.execute(query):
        parts[owner_id].append(part)
    return [
        LinkedOwner(
            id=owner.id,
            key=owner.key,
            name=owner.name,
            parts=tuple(parts[owner.id]),
            account=person.name if (person := people.get(owner.person_id or 0)) is not None else "",
            account_title=person.display_name if person is not None else "",
        )
        for owner in owners
    ]


def find_accounts(session: Session, site: Site, *, words: str = "", limit: int = 20) -> list[Person]:
    """Working accounts of the site that bear the words; without words those of owners that are linked with nothing."""
    query = _people_of(site)
    if words:
        like = _like(words)
        query = query.where(or_(Person.name.ilike(like, escape="!"), Person.display_name.ilike(like, escape="!")))
    else:
        linked = select(RollOwner.person_id).where(RollOwner.site_id == site.id, RollOwner.person_id.is_not(None))
        query = query.where(Person.id.in_(_granted(site, [Role.OWNER])), Person.id.not_in(linked))
    return list(session.scalars(query.order_by(Person.name).limit(limit)))


def link_changes(session: Session, site: Site, owner_key: str) -> list[RollChange]:
    """Which accounts an owner was linked with, newest first."""
    query = select(RollChange).where(
        RollChange.site_id == site.id, RollChange.field == FIELD, RollChange.what == owner_key
    )
    return list(session.scalars(query.order_by(RollChange.id.desc()).limit(CHANGES_SHOWN)))


def _granted(site: Site, roles: Collection[Role]) -> Select[int]:
    places = or_(RoleGrant.site_id == site.id, RoleGrant.site_id.is_(None))
    return select(RoleGrant.person_id).where(places, RoleGrant.role.in_([role.value for role in roles]))


def _people_of(site: Site) -> Select[Person]:
    return select(Person).where(Person.is_active, Person.id.in_(_granted(site, list(Role))))


def _like(words: str) -> str:
    return f"%{words.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"


def _name_of(session: Session, person_id: int | None) -> str:
    person = session.get(Person, person_id) if person_id is not None else None
    return person.name if person is not None else ""
