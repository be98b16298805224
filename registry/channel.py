"""Where a person is reached: their channels, whose addresses hold secrets and are kept encrypted."""

from collections.abc import Collection
from enum import StrEnum

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import BigInteger, Boolean, ForeignKey, String, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from registry.database import BigId, Table
from registry.errors import InvalidField, RegistryError

MAX_ADDRESS_LENGTH = 2000
MAX_LABEL_LENGTH = 60
MOST_CHANNELS = 10


class ChannelKind(StrEnum):
    WECOM = "wecom"
    DINGTALK = "dingtalk"
    FEISHU = "feishu"
    MAIL = "mail"
    SMS = "sms"
    WEBHOOK = "webhook"
    CONSOLE = "console"


class Channel(Table):
    """A way to a person. `sealed` is its address, encrypted; nothing shows it again."""

    __tablename__ = "channel"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    label: Mapped[str] = mapped_column(String(MAX_LABEL_LENGTH))
    sealed: Mapped[str] = mapped_column(Text)
    least_severity: Mapped[str] = mapped_column(String(16))
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    created_ms: Mapped[int] = mapped_column(BigInteger)


class UnknownChannel(RegistryError):
    def __init__(self, channel_id: int) -> None:
        super().__init__(f"no channel {channel_id}")
        self.channel_id = channel_id


class SealBroken(RegistryError):
    """An address was encrypted with another key than ours."""

    def __init__(self) -> None:
        super().__init__("the address was encrypted with another key: enter it again, or restore the key")


class SecretBox:
    """Encrypts addresses with the key of this installation (Fernet: AES-128-CBC with HMAC-SHA-256)."""

    def __init__(self, key: str) -> None:
        """Raises InvalidField for what is no Fernet key."""
        try:
            self._fernet = Fernet(key.encode())
        except ValueError as error:
            raise InvalidField("channel key", "must be 32 bytes in URL-safe base64") from error

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises SealBroken."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise SealBroken from error


def new_key() -> str:
    return Fernet.generate_key().decode()


def add_channel(
    session: Session,
    *,
    person_id: int,
    kind: ChannelKind,
    address: str,
    label: str,
    least_severity: str,
    box: SecretBox,
    now_ms: int,
) -> Channel:
    """Raises InvalidField for an address that is too long, or when the person has enough of them."""
    if len(address) > MAX_ADDRESS_LENGTH:
        raise InvalidField("address", f"must have at most {MAX_ADDRESS_LENGTH} characters")
    if len(channels_of(session, [person_id])) >= MOST_CHANNELS:
        raise InvalidField("channel", f"is one too many: {MOST_CHANNELS} at most")
    channel = Channel(
        person_id=person_id,
        kind=kind.value,
        label=label[:MAX_LABEL_LENGTH],
        sealed=box.seal(address),
        least_severity=least_severity,
        is_active=True,
        created_ms=now_ms,
    )
    session.add(channel)
    session.flush()
    return channel


def channels_of(session: Session, person_ids: Collection[int]) -> list[Channel]:
    """The channels that are in use."""
    query = select(Channel).where(Channel.person_id.in_(person_ids), Channel.is_active)
    return list(session.scalars(query.order_by(Channel.id)))


def get_channel(session: Session, channel_id: int, *, person_id: int) -> Channel:
    """Raises UnknownChannel, also for somebody else's."""
    channel = session.get(Channel, channel_id)
    if channel is None or channel.person_id != person_id or not channel.is_active:
        raise UnknownChannel(channel_id)
    return channel


def drop_channel(channel: Channel) -> None:
    """Out of use for good; its secret is forgotten, what was sent through it stays told."""
    channel.is_active, channel.sealed = False, ""
