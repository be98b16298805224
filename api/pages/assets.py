"""Our own style sheet, script and icon, each served from an address that names its content."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

FOLDER = Path(__file__).parent.parent / "static"
MEDIA_TYPES = {
    "site.css": "text/css; charset=utf-8",
    "call-outs.css": "text/css; charset=utf-8",
    "alarm-figures.css": "text/css; charset=utf-8",
    "proposals.css": "text/css; charset=utf-8",
    "patrol.css": "text/css; charset=utf-8",
    "patrol.js": "text/javascript; charset=utf-8",
    "patrol-worker.js": "text/javascript; charset=utf-8",
    "joint.css": "text/css; charset=utf-8",
    "votes.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""Every file that is served; there are no others."""

SERVICE_WORKER = "patrol-worker.js"

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    digest: str


@cache
def _asset(name: str) -> Asset:
    content = (FOLDER / name).read_bytes()
    return Asset(content, hashlib.sha256(content).hexdigest()[:16])


def address(name: str) -> str:
    return f"/static/{name}?v={_asset(name).digest}"


@router.get("/static/{name}", include_in_schema=False)
def serve(name: str, v: str = "") -> Response:
    if name not in MEDIA_TYPES:
        raise HTTPException(404)
    asset = _asset(name)
    # An address with the right digest never means anything else; one without is asked again every time.
    caching = "public, max-age=31536000, immutable" if v == asset.digest else "no-cache"
    headers = {"Cache-Control": caching}
    if name == SERVICE_WORKER:
        # It answers for pages outside of its own folder.
        headers["Service-Worker-Allowed"] = "/"
    return Response(asset.content, media_type=MEDIA_TYPES[name], headers=headers)
