"""Requests sent twice: a double click, a lost answer, the browser's back button. The second does nothing more.

A program names what it wants done by the header `Idempotency-Key`, a page by a hidden field of its form.
"""

import hashlib
from typing import Annotated

from fastapi import Header
from sqlalchemy.orm import Session

from registry.database import compact_json
from registry.replay import Claim, claim
from registry.role import Actor

FORM_KEY = "form_key"
KEY_PATTERN = r"^[A-Za-z0-9._:~-]{0,100}$"

IdempotencyKey = Annotated[
    str | None,
    Header(pattern=KEY_PATTERN, description="names one thing to be done; sent again, it is not done again"),
]


def claimed(session: Session, *, actor: Actor, key: str | None, request: object, now_ms: int) -> Claim | None:
    """The key taken for this transaction; None without a key. `request` is what is asked, as JSON values.

    Raises KeyReused.
    """
    if not key:
        return None
    digest = hashlib.sha256(compact_json(request).encode()).hexdigest()
    return claim(session, actor=actor.name, key=key[:100], digest=digest, now_ms=now_ms)
