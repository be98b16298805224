"""Commands for whoever runs an installation: the broker's door, its gateways, backup and restore."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from api.commands import administration, backup, gateways
from api.commands.options import DataDir, told_settings
from ingest.authority import SERVER_DAYS
from registry.site import DEFAULT_TIMEZONE

gateways_app = typer.Typer(help="Gateways and their accounts at the broker.", no_args_is_help=True)
broker_app = typer.Typer(help="What a broker with TLS and accounts needs.", no_args_is_help=True)

sites_app = typer.Typer(help="The compounds.", no_args_is_help=True)

SiteArgument = Annotated[str, typer.Argument(help="The site the gateway speaks for.")]
NameArgument = Annotated[str, typer.Argument(help="The gateway's name within its site.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of drawing one.")
]


def _password(*, is_given: bool) -> str:
    return sys.stdin.readline().rstrip("\r\n") if is_given else gateways.draw_password()


def _tell(changed: gateways.Changed, *, password: str | None, done: str) -> None:
    """The password once, on standard output alone; what else there is to say goes to standard error."""
    typer.echo(f"account: {changed.account}")
    if password is not None:
        typer.echo(f"password: {password}")
    typer.echo(f"{done}; {changed.told}", err=True)


@sites_app.command("add")
def sites_add_command(
    key: Annotated[str, typer.Argument(help="Its name in topics: small letters, digits, hyphens.")],
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    timezone: Annotated[str, typer.Option(help="Where its days begin.")] = DEFAULT_TIMEZONE,
    data_dir: DataDir = None,
) -> None:
    """Registers a compound, so that what is said for it is taken; what waited in quarantine can then be replayed."""
    administration.add_compound(told_settings(data_dir=data_dir), key=key, name=name, timezone=timezone)
    typer.echo(f"added {key}")


@sites_app.command("list")
def sites_list_command(data_dir: DataDir = None) -> None:
    """Lists the compounds; those that were only heard of are not confirmed."""
    table = Table("site", "name", "time zone", "confirmed")
    for site in administration.list_compounds(told_settings(data_dir=data_dir)):
        table.add_row(site.key, site.name, site.timezone, "yes" if site.is_confirmed else "no")
    Console().print(table)


@gateways_app.command("add")
def gateways_add_command(
    site: SiteArgument,
    name: NameArgument,
    password_stdin: PasswordStdin = False,
    topic: Annotated[
        list[str] | None, typer.Option(help="A topic filter it may write beside its site's, for mapping rules.")
    ] = None,
    new_site: Annotated[bool, typer.Option("--new-site", help="Register the site if it is not known yet.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Adds a gateway's account and prints its password, this once."""
    password = _password(is_given=password_stdin)
    settings = told_settings(data_dir=data_dir)
    changed = gateways.add(
        settings, site=site, name=name, password=password, more_topics=tuple(topic or ()), is_new_site=new_site
    )
    _tell(changed, password=None if password_stdin else password, done="added")


@gateways_app.command("renew")
def gateways_renew_command(
    site: SiteArgument, name: NameArgument, password_stdin: PasswordStdin = False, data_dir: DataDir = None
) -> None:
    """Gives a gateway another password; the one it had ends at once."""
    password = _password(is_given=password_stdin)
    changed = gateways.renew(told_settings(data_dir=data_dir), site=site, name=name, password=password)
    _tell(changed, password=None if password_stdin else password, done="renewed")


@gateways_app.command("revoke")
def gateways_revoke_command(site: SiteArgument, name: NameArgument, data_dir: DataDir = None) -> None:
    """Takes a gateway's account away; the broker ends its connection."""
    _tell(gateways.revoke(told_settings(data_dir=data_dir), site=site, name=name), password=None, done="revoked")


@gateways_app.command("list")
def gateways_list_command(
    show_revoked: Annotated[bool, typer.Option("--revoked", help="Those that were revoked, too.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Lists gateways with their accounts; passwords are kept nowhere."""
    table = Table("site", "gateway", "account", "since", "revoked", "topics beside its site's")
    for row in gateways.listed(told_settings(data_dir=data_dir), is_with_revoked=show_revoked):
        revoked = "" if row.revoked_ms is None else _day(row.revoked_ms)
        table.add_row(row.site, row.name, row.account, _day(row.since_ms), revoked, " ".join(row.more_topics))
    Console().print(table)


@gateways_app.command("write")
def gateways_write_command(data_dir: DataDir = None) -> None:
    """Writes the broker's files again from the register, as after a restore."""
    typer.echo(gateways.write(told_settings(data_dir=data_dir)))


@broker_app.command("prepare")
def broker_prepare_command(
    host: Annotated[list[str], typer.Option(help="A name or address that gateways know the broker by; repeat it.")],
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long the certificate is good.")] = SERVER_DAYS,
    accounts_file: Annotated[
        Path | None, typer.Option(help="Lines of Mosquitto's password file for accounts that are no gateway's.")
    ] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="A new certificate even if the old one is still good.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Makes authority, certificate, password file and topic list, as far as they are missing or about to end."""
    settings = told_settings(data_dir=data_dir)
    for line in gateways.prepare_broker(
        settings, hosts=host, days=days, accounts_file=accounts_file, is_renewing=renew
    ):
        typer.echo(line)


def backup_command(
    directory: Annotated[Path, typer.Argument(help="A new or empty directory for the backup.")],
    data_dir: DataDir = None,
) -> None:
    """Backs up the embedded default, also while `liandong up` runs on it; the copy is of one moment."""
    made = backup.backup(told_settings(data_dir=data_dir), directory)
    size = sum(file.size_bytes for file in made.files)
    counts = made.counts
    typer.echo(f"backup of {made.made_at}: {size:,} bytes in {len(made.files)} files")
    typer.echo(
        f"{made.activity.last_id:,} activity rows, {counts.values_accepted:,} values, "
        f"{counts.values_pending:,} of them on their way to the store"
    )


def restore_command(
    directory: Annotated[Path, typer.Argument(help="A backup that `liandong backup` made.")],
    force: Annotated[
        bool, typer.Option("--force", help="Also where data is; what is there is kept aside, not removed.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Proves a backup and puts it in place: hashes, activity log, ledger, telemetry."""
    restored = backup.restore(told_settings(data_dir=data_dir), directory, is_forced=force)
    typer.echo(f"restored the backup of {restored.manifest.made_at}; the activity log and the ledger are proved")
    if restored.set_aside is not None:
        typer.echo(f"what was there before is in {restored.set_aside}")
    if any("/broker/" in file.path for file in restored.manifest.files):
        typer.echo("if a broker of its own reads accounts from here: run `liandong gateways write`")


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()
