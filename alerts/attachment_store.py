"""Where the bytes of attachments are kept: in the data directory, by their hash, outside of what the web server shows.

The same file is kept once. A file is on disk before the row that names it is committed, so a row never lacks its file;
one without a row is of a transaction that did not come to its end, and does no harm.
"""

import hashlib
import os
import re
from pathlib import Path

FOLDER = "attachments"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class AttachmentStore:
    """Beneath `data_dir`; a backup of the data directory holds it."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER

    def keep(self, content: bytes) -> str:
        """Writes the bytes so that a power cut cannot take them; returns their SHA-256. Raises OSError."""
        digest = hashlib.sha256(content).hexdigest()
        target = self.path(digest)
        if target.exists():
            return digest
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = target.with_name(f".{digest}.{os.getpid()}.{id(content):x}")
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return digest

    def path(self, digest: str) -> Path:
        """Where the bytes of that hash stand, if they do."""
        assert _DIGEST.fullmatch(digest), "a digest comes from our own table"
        return self._folder / digest[:2] / digest
