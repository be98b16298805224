"""Sites: the residential compounds."""

import re
from collections.abc import Collection
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import BigInteger, Boolean, String, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from registry.database import BigId, Table
from registry.errors import InvalidField, SiteTaken, UnknownSite

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
DEFAULT_TIMEZONE = "Asia/Shanghai"


class Site(Table):
    """A compound. `key` is its name in topics and addresses, `name` what people call it."""

    __tablename__ = "site"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    timezone: Mapped[str] = mapped_column(String(64), default=DEFAULT_TIMEZONE)
    is_confirmed: Mapped[bool] = mapped_column(Boolean, default=True)
    created_ms: Mapped[int] = mapped_column(BigInteger)


def check_slug(field: str, value: str) -> str:
    if not SLUG.fullmatch(value):
        raise InvalidField(field, f"{value!r} must be small letters, digits and hyphens, 64 at most")
    return value


def add_site(
    session: Session,
    *,
    key: str,
    name: str = "",
    timezone: str = DEFAULT_TIMEZONE,
    is_confirmed: bool = True,
    now_ms: int,
) -> Site:
    check_slug("site", key)
    check_timezone(timezone)
    site = Site(key=key, name=name or key, timezone=timezone, is_confirmed=is_confirmed, created_ms=now_ms)
    session.add(site)
    session.flush()
    return site


def check_timezone(timezone: str) -> str:
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidField("timezone", f"{timezone!r} is not a known time zone") from error
    return timezone


def confirm_site(site: Site, *, name: str, timezone: str) -> None:
    """Confirms a site that was only heard of. Raises SiteTaken for one that is confirmed already."""
    if site.is_confirmed:
        raise SiteTaken(site.key)
    site.name, site.timezone, site.is_confirmed = name or site.name, check_timezone(timezone), True


def register_site(session: Session, *, key: str, now_ms: int) -> Site:
    """The site of that key, added unconfirmed if need be; safe beside another worker's hand."""
    try:
        with session.begin_nested():
            return add_site(session, key=key, is_confirmed=False, now_ms=now_ms)
    except IntegrityError:
        return get_site(session, key)


def find_site(session: Session, key: str) -> Site | None:
    return session.scalar(select(Site).where(Site.key == key))


def get_site(session: Session, key: str) -> Site:
    site = find_site(session, key)
    if site is None:
        raise UnknownSite(key)
    return site


def hold_sites(session: Session, site_ids: Collection[int]) -> None:
    """Makes others that hold one of them wait until this transaction ends; in one order, so that none waits in a ring.

    Whoever holds units as well holds their sites first.
    """
    if site_ids:
        held = select(Site.id).where(Site.id.in_(site_ids)).order_by(Site.id)
        session.execute(held.with_for_update(key_share=True)).all()


def list_sites(session: Session, *, visible: Collection[str] | None = None) -> list[Site]:
    """Sites in order of their key; `visible` limits them to what a person may see."""
    query = select(Site).order_by(Site.key)
    if visible is not None:
        query = query.where(Site.key.in_(visible))
    return list(session.scalars(query))


def shared_timezone(sites: Collection[Site]) -> str:
    """Of sites that are looked at together: theirs if it is one, else the default."""
    zones = {site.timezone for site in sites}
    return zones.pop() if len(zones) == 1 else DEFAULT_TIMEZONE
