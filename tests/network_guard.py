"""Nothing that runs inside the test process may talk to anything but this machine."""

import ipaddress
import sys


class LeftThisMachine(RuntimeError):
    """Something tried to connect to an address outside the loopback range."""


def _refuse_foreign(event: str, arguments: tuple[object, ...]) -> None:
    if event != "socket.connect":
        return
    address = arguments[1]
    if isinstance(address, tuple) and not _is_loopback(str(address[0])):
        raise LeftThisMachine(f"a test tried to connect to {address[0]}:{address[1]}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in {"localhost", "localhost.localdomain", ""}


def keep_to_this_machine() -> None:
    """For the rest of this process: an audit hook cannot be taken away again."""
    sys.addaudithook(_refuse_foreign)
