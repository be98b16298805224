"""Gateways: the boxes on site that speak for units, and the account each has at the broker."""

from sqlalchemy import JSON, BigInteger, ForeignKey, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from registry.database import BigId, Table
from registry.errors import InvalidField, RegistryError
from registry.site import Site, check_slug, get_site

MAX_TOPIC_LENGTH = 200
KEPT_ROOTS = frozenset({"liandong", "spBv1.0", "homeassistant"})
"""Topics below these belong to a site or to us; no account gets more of them than its site's."""


class Gateway(Table):
    """`hashed` is the password as the broker's own file holds it; a revoked one stays, so that people see it was."""

    __tablename__ = "gateway"
    __table_args__ = (UniqueConstraint("site_id", "name"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    name: Mapped[str] = mapped_column(String(64))
    hashed: Mapped[str] = mapped_column(String(200))
    more_topics: Mapped[list[str]] = mapped_column(JSON)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    revoked_ms: Mapped[int | None] = mapped_column(BigInteger)
    site: Mapped[Site] = relationship(lazy="joined")

    @property
    def account(self) -> str:
        """Its name at the broker; the dot, which no site and no gateway has, keeps all of them apart."""
        return f"{self.site.key}.{self.name}"


class GatewayTaken(RegistryError):
    def __init__(self, site: str, name: str) -> None:
        super().__init__(
            f"site {site!r} has a gateway {name!r} already; `liandong gateways renew` gives a new password"
        )
        self.site = site
        self.name = name


class UnknownGateway(RegistryError):
    def __init__(self, site: str, name: str) -> None:
        super().__init__(f"site {site!r} has no gateway {name!r} that is not revoked")
        self.site = site
        self.name = name


def add_gateway(
    session: Session, *, site: str, name: str, hashed: str, more_topics: tuple[str, ...] = (), now_ms: int
) -> Gateway:
    """One that was revoked comes back with the new password. Raises InvalidField, UnknownSite, GatewayTaken."""
    check_slug("gateway", name)
    for topic in more_topics:
        check_topic_filter(topic)
    home = get_site(session, site)
    gateway = _find(session, home, name)
    if gateway is None:
        gateway = Gateway(site=home, name=name, created_ms=now_ms)
        session.add(gateway)
    elif gateway.revoked_ms is None:
        raise GatewayTaken(site, name)
    gateway.hashed, gateway.more_topics, gateway.revoked_ms = hashed, list(more_topics), None
    session.flush()
    return gateway


def renew_gateway(session: Session, *, site: str, name: str, hashed: str) -> Gateway:
    """Gives it another password. Raises UnknownSite, UnknownGateway."""
    gateway = get_gateway(session, site=site, name=name)
    gateway.hashed = hashed
    return gateway


def revoke_gateway(session: Session, *, site: str, name: str, now_ms: int) -> Gateway:
    """Raises UnknownSite, UnknownGateway."""
    gateway = get_gateway(session, site=site, name=name)
    gateway.revoked_ms = now_ms
    return gateway


def get_gateway(session: Session, *, site: str, name: str) -> Gateway:
    """The gateway, unless it is revoked. Raises UnknownSite, UnknownGateway."""
    gateway = _find(session, get_site(session, site), name)
    if gateway is None or gateway.revoked_ms is not None:
        raise UnknownGateway(site, name)
    return gateway


def list_gateways(session: Session, *, is_with_revoked: bool = False) -> list[Gateway]:
    """In order of site and name."""
    query = select(Gateway).join(Site).order_by(Site.key, Gateway.name)
    if not is_with_revoked:
        query = query.where(Gateway.revoked_ms.is_(None))
    return list(session.scalars(query))


def check_topic_filter(topic: str) -> str:
    """A topic filter that cannot reach what belongs to a site or to us. Raises InvalidField."""
    levels = topic.split("/")
    is_sound = (
        0 < len(topic) <= MAX_TOPIC_LENGTH
        and topic.isprintable()
        and topic == topic.strip()
        and all(level in ("+", "#") or not set(level) & {"+", "#"} for level in levels)
        and "#" not in levels[:-1]
    )
    if not is_sound:
        raise InvalidField("topic", f"{topic!r} is no MQTT topic filter")
    if levels[0] in KEPT_ROOTS or levels[0] in ("", "+", "#") or levels[0].startswith("$"):
        raise InvalidField(
            "topic", f"{topic!r} must begin with a word of its own, none of {', '.join(sorted(KEPT_ROOTS))}"
        )
    return topic


def _find(session: Session, site: Site, name: str) -> Gateway | None:
    return session.scalar(select(Gateway).where(Gateway.site_id == site.id, Gateway.name == name))
