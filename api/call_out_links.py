"""Personal links by which people answer a summons without signing in.

The secret in a link is made of the installation's key, the call-out and the person; the database knows only its hash,
so that neither a copy of it nor a log line answers for anybody.
"""

import base64
import hashlib
import hmac
import re

from api.senders import derived_key
from api.settings import Settings

PATH = "/call-outs/answer"
SECRET_BYTES = 18
SECRET = re.compile(r"[A-Za-z0-9_-]{24}")


def hash_of_secret(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class CallOutLinks:
    def __init__(self, key: bytes, *, base_url: str) -> None:
        self._key, self._base_url = key, base_url.rstrip("/")

    def secret(self, call_out_id: int, person_id: int) -> str:
        digest = hmac.new(self._key, f"{call_out_id}.{person_id}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest[:SECRET_BYTES]).decode()

    def hash_of_link(self, call_out_id: int, person_id: int) -> str:
        return hash_of_secret(self.secret(call_out_id, person_id))

    def address(self, call_out_id: int, person_id: int) -> str:
        return f"{self._base_url}{PATH}/{self.secret(call_out_id, person_id)}"


def open_links(settings: Settings) -> CallOutLinks:
    own = f"http://{settings.http_host}:{settings.http_port}"
    return CallOutLinks(derived_key(settings, "call-out links"), base_url=settings.public_url or own)
