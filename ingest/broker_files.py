"""What Mosquitto reads: who may connect, and which topics each may use.

Both files are written whole, from the register, and put in place in one step, so that the broker never reads half of
one. Accounts of gateways have a dot in their names; an account without one was put there by hand, and stays.
"""

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path

from ingest.wire import PREFIX

PASSWORDS, ACL, LOCK = "passwords", "acl", ".lock"
EMBEDDED_ACCOUNTS = "embedded-accounts.json"
"""Passwords for the embedded broker, by account: unlike Mosquitto it knows them only as they are typed."""
ROUNDS = 5_000
"""Of PBKDF2: some 3 ms of the broker for each connection, so that a whole city that comes back is served in seconds."""
SALT_BYTES = 12
"""What Mosquitto 2.0 expects, no more and no less."""
SERVICE_ACCOUNT, SIMULATOR_ACCOUNT = "liandong", "simulator"
SPARKPLUG = "spBv1.0"

ACL_OF_OURS = f"""\
# Written by `liandong gateways` and `liandong broker prepare`; what is changed here by hand is lost.

# The service hears everything, tells alarms, sends again what was in quarantine, and asks an edge node to introduce
# itself again. It is the only one that may write the alarm topics.
user {SERVICE_ACCOUNT}
topic read #
topic write {PREFIX}/#
topic write homeassistant/#
topic write {SPARKPLUG}/+/NCMD/+

# Simulated equipment, when there is such an account.
user {SIMULATOR_ACCOUNT}
topic deny {PREFIX}/+/+/+/alarm
topic write {PREFIX}/#
"""


@dataclass(frozen=True, slots=True)
class BrokerAccount:
    """One gateway's account: `hashed` is what the password file holds, `more_topics` what it may write beside."""

    name: str
    site: str
    hashed: str
    more_topics: tuple[str, ...] = ()


def hash_password(password: str, *, salt: bytes) -> str:
    """Mosquitto's own form: `$7$rounds$salt$digest`, PBKDF2 with SHA-512.

    >>> hash_password("a-password", salt=b"123456789012")[:24]
    '$7$5000$MTIzNDU2Nzg5MDEy'
    """
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
    return f"$7${ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def acl_text(accounts: Iterable[BrokerAccount]) -> str:
    """Each gateway may write what belongs to its own site, and hear nothing but a request to introduce itself."""
    parts = [ACL_OF_OURS]
    for account in sorted(accounts, key=lambda account: account.name):
        site = account.site
        lines = [
            f"user {account.name}",
            f"topic deny {PREFIX}/{site}/+/+/alarm",
            f"topic write {PREFIX}/{site}/#",
            *(f"topic write {SPARKPLUG}/{site}/{kind}/+" for kind in ("NBIRTH", "NDATA", "NDEATH")),
            *(f"topic write {SPARKPLUG}/{site}/{kind}/+/+" for kind in ("DBIRTH", "DDATA", "DDEATH")),
            f"topic read {SPARKPLUG}/{site}/NCMD/+",
            *(f"topic write {topic}" for topic in account.more_topics),
        ]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def password_text(accounts: Iterable[BrokerAccount], *, others: Sequence[str]) -> str:
    """`others` are the lines of accounts that are no gateway's."""
    lines = [*others, *sorted(f"{account.name}:{account.hashed}" for account in accounts)]
    return "".join(f"{line}\n" for line in lines)


def write_broker_files(directory: Path, accounts: Sequence[BrokerAccount], *, added_lines: Iterable[str] = ()) -> None:
    """Writes both files; `added_lines` are lines of the password file for accounts that are no gateway's."""
    directory.mkdir(parents=True, exist_ok=True)
    others = {line.partition(":")[0]: line for line in _lines_of_others(directory / PASSWORDS)}
    others |= {line.partition(":")[0]: line for line in added_lines}
    # The list of what each may do first: an account that is there without one could do nothing, and not too much.
    replace_file(directory / ACL, acl_text(accounts).encode(), mode=0o600)
    replace_file(directory / PASSWORDS, password_text(accounts, others=list(others.values())).encode(), mode=0o600)


def account_names(directory: Path) -> set[str]:
    """Whom Mosquitto lets in; nobody when there is no file."""
    try:
        lines = (directory / PASSWORDS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return set()
    return {line.partition(":")[0] for line in lines if ":" in line}


def _lines_of_others(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [line for line in lines if ":" in line and "." not in line.partition(":")[0]]


def read_embedded_accounts(directory: Path) -> dict[str, str]:
    """Passwords by account. Raises ValueError for a file that cannot be read as such."""
    try:
        found = json.loads((directory / EMBEDDED_ACCOUNTS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    if not isinstance(found, dict):
        raise ValueError(f"{directory / EMBEDDED_ACCOUNTS} holds no accounts")
    return {str(name): str(password) for name, password in found.items()}


def write_embedded_accounts(directory: Path, accounts: Mapping[str, str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    replace_file(directory / EMBEDDED_ACCOUNTS, json.dumps(accounts, indent=1).encode(), mode=0o600)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Nobody else reads the register and writes the files meanwhile."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK).open("w") as held:
        flock(held, LOCK_EX)
        yield


def replace_file(path: Path, content: bytes, *, mode: int) -> None:
    """The whole file or the one before, whatever happens in between."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
