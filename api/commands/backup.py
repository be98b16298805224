"""`backup` and `restore`, with what a person sees meanwhile."""

import sys
from pathlib import Path

from api.backup import check_can_be_backed_up, take_backup
from api.backup_desk import order_backup
from api.backup_manifest import BackupRefused, Manifest
from api.clock import now_ms
from api.processes import opened_database, opened_store
from api.restore import Restored, restore_backup
from api.settings import Settings
from ingest.stores.contract import StoreInUse

STEP_PERCENT = 20


class ProgressLines:
    """Tells each piece of work as it begins, its fifths, and its end, on standard error."""

    def __init__(self) -> None:
        self._last: tuple[str, int] = ("", -1)

    def __call__(self, what: str, share: float) -> None:
        step = int(100 * share) // STEP_PERCENT * STEP_PERCENT
        if (what, step) != self._last:
            self._last = (what, step)
            sys.stderr.write(f"{what}: {step} %\n")


def backup(settings: Settings, into: Path) -> Manifest:
    """By the process that runs on this data, or by ourselves when none does."""
    check_can_be_backed_up(settings)
    if not settings.data_dir.is_dir():
        raise BackupRefused(f"there is nothing to back up in {settings.data_dir}")
    tell = ProgressLines()
    made = order_backup(settings.data_dir, into, tell=tell)
    if made is not None:
        return made
    try:
        with opened_database(settings) as database, opened_store(settings) as store:
            return take_backup(into, settings=settings, database=database, store=store, clock=now_ms, tell=tell)
    except StoreInUse as error:
        raise BackupRefused(
            f"{error}; it does not take orders for backups, so stop it, or wait until it has started"
        ) from error


def restore(settings: Settings, source: Path, *, is_forced: bool) -> Restored:
    return restore_backup(source, settings=settings, is_forced=is_forced, clock=now_ms, tell=ProgressLines())
