"""Files that people hand in: what they are is told by their bytes, and a picture is painted anew before it is kept.

Painting anew leaves out whatever else the file carried: where and by whom the picture was taken, a program hidden
behind it. Nothing is kept under the name or the type that the sender claimed.
"""

import io
import re
import warnings
from dataclasses import dataclass
from enum import StrEnum
from threading import BoundedSemaphore

from PIL import Image, ImageOps, UnidentifiedImageError

from alerts.errors import AlertsError

MAX_UPLOAD_BYTES = 8 * 1024 * 1024
MAX_PIXELS = 50_000_000
MAX_SIDE_PX = 2_400
JPEG_QUALITY = 82
FORMATS = ("JPEG", "PNG", "WEBP")
PAINTED_AT_ONCE = 2
"""A picture takes some hundred megabytes while it is painted; a crowd of them must not take the memory of all."""
_LONGEST_NAME = 80
_turns = BoundedSemaphore(PAINTED_AT_ONCE)


class UploadFault(StrEnum):
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    UNKNOWN_TYPE = "unknown_type"
    UNREADABLE = "unreadable"
    TOO_MANY_PIXELS = "too_many_pixels"


class RefusedUpload(AlertsError):
    def __init__(self, fault: UploadFault) -> None:
        super().__init__(
            f"the file is refused: {fault.value.replace('_', ' ')}; JPEG, PNG, WebP and PDF of at most "
            f"{MAX_UPLOAD_BYTES // 1024 // 1024} MiB are taken"
        )
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Upload:
    """A file fit to be kept."""

    content: bytes
    media_type: str
    name: str


def read_upload(content: bytes, *, name: str, takes_documents: bool = True) -> Upload:
    """The file as it is kept; `name` is only the beginning of the new one. Raises RefusedUpload. Takes a second.

    A PDF is kept as it is, and must never be shown inside a page of ours.
    """
    if not content:
        raise RefusedUpload(UploadFault.EMPTY)
    if len(content) > MAX_UPLOAD_BYTES:
        raise RefusedUpload(UploadFault.TOO_LARGE)
    if content.startswith(b"%PDF-") and takes_documents:
        return Upload(content, "application/pdf", _safe_name(name, "pdf"))
    if not (content.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or content[:4] + content[8:12] == b"RIFFWEBP"):
        raise RefusedUpload(UploadFault.UNKNOWN_TYPE)
    with _turns:
        painted, media_type, ending = _painted_anew(content)
    return Upload(painted, media_type, _safe_name(name, ending))


def _painted_anew(content: bytes) -> tuple[bytes, str, str]:
    try:
        with warnings.catch_warnings():
            # Our own limit on pixels is asked below, before anything is unpacked.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise RefusedUpload(UploadFault.TOO_MANY_PIXELS)
                image.draft("RGB", (MAX_SIDE_PX, MAX_SIDE_PX))
                upright = ImageOps.exif_transpose(image)
        upright.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
        is_clear = upright.has_transparency_data
        flat = upright.convert("RGBA" if is_clear else "RGB")
    except Image.DecompressionBombError as error:
        raise RefusedUpload(UploadFault.TOO_MANY_PIXELS) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise RefusedUpload(UploadFault.UNREADABLE) from error
    painted = io.BytesIO()
    if is_clear:
        flat.save(painted, "PNG", optimize=False, exif=b"")
        return painted.getvalue(), "image/png", "png"
    flat.save(painted, "JPEG", quality=JPEG_QUALITY, exif=b"")
    return painted.getvalue(), "image/jpeg", "jpg"


def _safe_name(name: str, ending: str) -> str:
    """Letters, digits and a few signs of what the sender called it, with the ending of what it is."""
    stem = re.split(r"[/\\]", name)[-1].rpartition(".")[0] or name
    kept = re.sub(r"[^\w-]+", "_", stem).strip("_")[:_LONGEST_NAME]
    return f"{kept or 'file'}.{ending}"
