"""The command `liandong`: options are read here, the work is done elsewhere.

Every command ends with 0 on success, 2 for bad usage, and 1 for a failure told in one line on standard error.
"""

import logging
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from alerts.errors import AlertsError
from api.backup_manifest import BackupRefused
from api.bench_commands import bench_app
from api.commands import (
    administration,
    bench,
    demo,
    doctor,
    evaluate,
    gateways,
    mapping,
    quarantine,
    score,
)
from api.commands.csv_table import TableRefused
from api.commands.options import DataDir, told_settings
from api.embedded_broker import reachable_url
from api.evaluate_command import evaluate_command
from api.file_commands import rank_command, tally_command
from api.logs import configure_logs, configure_logs_of
from api.mapping_commands import mapping_app
from api.metrics_port import MetricsPortRefused
from api.model_commands import models_app, train_command
from api.operator_commands import backup_command, broker_app, gateways_app, restore_command, sites_app
from api.processes import StartRefused, run_ingest, run_serve, run_up
from governance.errors import GovernanceError
from ingest.authority import CertificateUnreadable
from ingest.broker import BrokerRefused
from ingest.mqtt import BrokerUnreachable
from ingest.stores.contract import StoreError
from models.equipment import Kind
from registry.errors import RegistryError
from registry.role import Role
from simulators import replay as replaying
from simulators import run as simulating
from simulators.errors import SimulatorError
from simulators.load import LoadRefused

app = typer.Typer(
    name="liandong",
    help="Watches lifts, basement pumps and fire systems, and turns what it sees into joint action (联动).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
users_app = typer.Typer(help="People and their roles.", no_args_is_help=True)
units_app = typer.Typer(help="The watched units.", no_args_is_help=True)
quarantine_app = typer.Typer(help="Messages that could not be taken.", no_args_is_help=True)
app.add_typer(users_app, name="users")
app.add_typer(units_app, name="units")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(sites_app, name="sites")
app.add_typer(gateways_app, name="gateways")
app.add_typer(broker_app, name="broker")
app.add_typer(mapping_app, name="mapping")
app.add_typer(models_app, name="models")
app.command("train")(train_command)
app.command("rank")(rank_command)
app.command("tally")(tally_command)
app.command("evaluate")(evaluate_command)
app.command("backup")(backup_command)
app.command("restore")(restore_command)
app.add_typer(bench_app, name="bench")

KNOWN_FAILURES = (
    AlertsError,
    BrokerRefused,
    BrokerUnreachable,
    GovernanceError,
    LoadRefused,
    bench.BenchFailed,
    evaluate.EvaluationRefused,
    RegistryError,
    SimulatorError,
    StartRefused,
    StoreError,
    score.ScoreRefused,
    TableRefused,
    quarantine.NothingToDo,
    administration.Unsound,
    BackupRefused,
    MetricsPortRefused,
    gateways.BrokerNotPrepared,
    CertificateUnreadable,
    mapping.MappingFailed,
)

HttpPort = Annotated[int | None, typer.Option("--http-port", min=0, max=65535, help="0 takes a free port.")]
HttpHost = Annotated[str | None, typer.Option("--http-host", help="127.0.0.1 unless told otherwise.")]
MqttPort = Annotated[
    int | None, typer.Option("--mqtt-port", min=0, max=65535, help="Port of the embedded broker; 0 takes a free one.")
]


def main() -> None:
    """The console script: known failures become one line and exit status 1."""
    try:
        app()
    except KNOWN_FAILURES as error:
        _fail(str(error))
    except ValidationError as error:
        fault = error.errors()[0]
        _fail(f"setting {'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}")
    except SQLAlchemyError as error:
        _fail(f"database: {str(getattr(error, 'orig', None) or error).strip().splitlines()[0]}")
    except OSError as error:
        _fail(f"{error.filename or 'operating system'}: {error.strerror or error}")


@app.callback()
def _before_any_command() -> None:
    """Logs go to standard error; commands that end by themselves tell only what is amiss."""
    configure_logs(level=logging.WARNING)


def _fail(line: str) -> None:
    sys.stderr.write(f"liandong: {' '.join(line.split())}\n")
    sys.exit(1)


def _read_instant(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time like 2026-11-23T08:00:00+08:00") from error
    if instant.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no offset, like +08:00")
    return round(instant.timestamp() * 1000)


@app.command("demo")
def demo_command(
    scenario: Annotated[str, typer.Option(help="A scenario of `liandong simulate --list`.")] = "xiaohe",
    speed: Annotated[float, typer.Option(min=0.1, max=1000, help="How fast simulated time runs.")] = 1.0,
    http_port: HttpPort = None,
    mqtt_port: MqttPort = None,
    data_dir: DataDir = None,
) -> None:
    """Shows everything at work on simulated equipment, with demo accounts, on this machine only."""
    settings = told_settings(data_dir=data_dir, http_port=http_port, mqtt_port=mqtt_port)
    configure_logs_of(settings)
    demo.run_demo(settings, scenario=scenario, speed=speed)


@app.command("up")
def up_command(
    http_host: HttpHost = None, http_port: HttpPort = None, mqtt_port: MqttPort = None, data_dir: DataDir = None
) -> None:
    """Runs broker, ingest and web server in one process; prints `ready …` when it serves."""
    settings = told_settings(data_dir=data_dir, http_host=http_host, http_port=http_port, mqtt_port=mqtt_port)
    configure_logs_of(settings)
    run_up(settings)


@app.command("ingest")
def ingest_command(data_dir: DataDir = None) -> None:
    """Runs the ingest worker alone."""
    settings = told_settings(data_dir=data_dir)
    configure_logs_of(settings)
    run_ingest(settings)


@app.command("serve")
def serve_command(http_host: HttpHost = None, http_port: HttpPort = None, data_dir: DataDir = None) -> None:
    """Runs the web server alone."""
    settings = told_settings(data_dir=data_dir, http_host=http_host, http_port=http_port)
    configure_logs_of(settings)
    run_serve(settings)


@app.command("simulate")
def simulate_command(
    scenario: Annotated[str | None, typer.Argument(help="Name of a scenario.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    speed: Annotated[float, typer.Option(min=0.01, max=100_000)] = 1.0,
    units: Annotated[int | None, typer.Option(min=1, help="Only so many of the scenario's units.")] = None,
    duration: Annotated[float | None, typer.Option(min=0, help="Simulated seconds; endless with a broker.")] = None,
    broker: Annotated[str | None, typer.Option(help="mqtt://host:port to publish to.")] = None,
    out: Annotated[Path | None, typer.Option(help="File for JSON lines, instead of a broker.")] = None,
    truth: Annotated[Path | None, typer.Option(help="File for the ground truth of the faults.")] = None,
    start: Annotated[str | None, typer.Option(help="When simulated time begins, as RFC 3339 with offset.")] = None,
    history: Annotated[float, typer.Option(min=0, help="Seconds of quiet history to publish first.")] = 0.0,
    list_scenarios: Annotated[bool, typer.Option("--list", help="Show the scenarios and end.")] = False,
) -> None:
    """Publishes what the equipment of a scenario would publish."""
    if list_scenarios:
        table = Table("scenario", "what it shows")
        for name, title in simulating.scenario_titles().items():
            table.add_row(name, title)
        Console().print(table)
        return
    if scenario is None:
        raise typer.BadParameter("name a scenario, or use --list")
    if broker is None and out is None:
        settings = told_settings()
        broker = None if settings.has_embedded_broker else settings.broker_url
    if (broker is None) == (out is None):
        raise typer.BadParameter("give either --broker or --out, or name a broker in LIANDONG_MQTT_URL")
    simulating.simulate(
        scenario,
        seed=seed,
        speed=speed,
        units=units,
        duration_s=duration,
        broker_url=broker,
        out_path=out,
        truth_path=truth,
        start_ms=_read_instant(start),
        history_s=history,
    )


@app.command("replay")
def replay_command(
    file: Annotated[Path, typer.Argument(help="CSV file; its first column is the time.")],
    site: Annotated[str, typer.Option()],
    kind: Annotated[Kind, typer.Option()],
    unit: Annotated[str, typer.Option()],
    speed: Annotated[float, typer.Option(min=0, help="1 is its own pace; 0 is as fast as the broker takes it.")] = 1.0,
    broker: Annotated[str | None, typer.Option(help="mqtt://host:port; else that of LIANDONG_MQTT_URL.")] = None,
    ignore: Annotated[str, typer.Option(help="Columns to leave out, with commas.")] = "",
) -> None:
    """Publishes a recorded CSV file over MQTT with its own times."""
    replaying.replay(
        file,
        site=site,
        kind=kind,
        unit=unit,
        speed=speed,
        broker_url=broker or reachable_url(told_settings()),
        ignore=tuple(name.strip() for name in ignore.split(",") if name.strip()),
    )


@app.command("score")
def score_command(
    file: Annotated[Path, typer.Argument(help="CSV file; its first column is the time.")],
    fit_rows: Annotated[int, typer.Option(min=1, help="Rows at the start that the detector is fitted on.")],
    out: Annotated[Path, typer.Option(help="CSV file for the result.")],
    ignore: Annotated[str, typer.Option(help="Columns that are no channels, with commas.")] = "",
) -> None:
    """Fits the detector on the first rows of a file and scores the rest."""
    columns = tuple(name.strip() for name in ignore.split(",") if name.strip())
    report = score.score_file(file, fit_rows=fit_rows, ignore=columns, out=out)
    for note in report.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"{report.rows} rows scored, {report.rows_in_alarm} in alarm")


@app.command("migrate")
def migrate_command(data_dir: DataDir = None) -> None:
    """Brings the database and the telemetry store to this version."""
    for line in administration.migrate(told_settings(data_dir=data_dir)):
        typer.echo(line)


@app.command("doctor")
def doctor_command(data_dir: DataDir = None) -> None:
    """Says in plain words what works, what will not for long, and what does not; exit status 1 for the last."""
    broken = 0
    for finding in doctor.examine(told_settings(data_dir=data_dir)):
        broken += finding.verdict is doctor.Verdict.BROKEN
        typer.echo(f"{finding.verdict:<4} {finding.what}: {finding.said}")
    if broken:
        _fail(f"{broken} of these must be mended, see FAIL above")


@app.command("verify")
def verify_command(
    file: Annotated[
        Path | None, typer.Argument(help="An exported vote: chain.json or vote.zip. None: the database.")
    ] = None,
    head: Annotated[str | None, typer.Option(help="End of the chain as it was published with the result.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Proves the hash chain of the activity log and of every vote, or of an exported one, or tells every break."""
    if file is not None:
        read, counted = administration.verify_export(file, head=head)
        typer.echo(f"ok: {read.head.seq} ballots of {read.terms['title']}, the chain ends in {read.head.hash}")
        typer.echo(
            f"recounted: {counted.consenting.owners} of {counted.participating.owners} owners consent, "
            + ("approved" if counted.is_approved else "not approved")
        )
        return
    settings = told_settings(data_dir=data_dir)
    typer.echo(f"ok: {administration.verify(settings)} activity rows, each bound to the one before")
    if votes := administration.verify_votes(settings):
        typer.echo(f"ok: {votes} votes, no ballot added, changed or removed")


@users_app.command("add")
def users_add_command(
    name: str,
    role: Annotated[Role, typer.Option()],
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")],
    site: Annotated[str | None, typer.Option(help="Only for this site; else for all.")] = None,
    display_name: Annotated[str, typer.Option(help="What people see.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Adds a person; the password never stands on a command line."""
    if not password_stdin:
        raise typer.BadParameter("give --password-stdin and the password on standard input")
    password = sys.stdin.readline().rstrip("\r\n")
    settings = told_settings(data_dir=data_dir)
    administration.add_user(settings, name=name, password=password, role=role, site=site, display_name=display_name)
    typer.echo(f"added {name} as {role.value}" + (f" of {site}" if site else ""))


@users_app.command("remove")
def users_remove_command(name: str, data_dir: DataDir = None) -> None:
    """Ends an account, with its sessions and channels; what the person did stays in every history."""
    administration.remove_user(told_settings(data_dir=data_dir), name=name)
    typer.echo(f"removed {name}")


@users_app.command("list")
def users_list_command(data_dir: DataDir = None) -> None:
    """Lists people with their roles."""
    table = Table("name", "roles", "active")
    for person in administration.list_users(told_settings(data_dir=data_dir)):
        roles = ", ".join(f"{grant.role.value}@{grant.site or '*'}" for grant in person.as_actor().grants)
        table.add_row(person.name, roles, "yes" if person.is_active else "no")
    Console().print(table)


@units_app.command("import")
def units_import_command(
    file: Annotated[Path, typer.Argument(help="CSV: site,kind,unit,name,building,make,installed_on,maintainer")],
    data_dir: DataDir = None,
) -> None:
    """Adds or changes units, all or nothing; a missing site is added."""
    count = administration.import_unit_file(told_settings(data_dir=data_dir), file)
    typer.echo(f"units added: {count.added}, changed: {count.changed}, sites added: {count.sites_added}")


OfReason = Annotated[str | None, typer.Option("--reason", help="Only those with this reason.")]
OfSite = Annotated[str | None, typer.Option("--site", help="Only those on topics of this site.")]


@quarantine_app.command("list")
def quarantine_list_command(
    most: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    reason: OfReason = None,
    site: OfSite = None,
    data_dir: DataDir = None,
) -> None:
    """Shows the newest messages that could not be taken, with the reason."""
    table = Table("id", "received", "reason", "topic", "detail", "since then")
    for row in quarantine.newest(told_settings(data_dir=data_dir), most=most, reason=reason, site=site):
        table.add_row(*map(escape, row))
    Console().print(table)


@quarantine_app.command("show")
def quarantine_show_command(message: Annotated[int, typer.Argument(min=1)], data_dir: DataDir = None) -> None:
    """Shows one message with its bytes."""
    typer.echo(quarantine.show(told_settings(data_dir=data_dir), message))


@quarantine_app.command("replay")
def quarantine_replay_command(
    messages: Annotated[list[int] | None, typer.Argument(help="Ids; none for all that wait.")] = None,
    reason: OfReason = None,
    site: OfSite = None,
    data_dir: DataDir = None,
) -> None:
    """Sends quarantined messages to the broker again, once what was wrong has been mended."""
    sent = quarantine.replay(told_settings(data_dir=data_dir), reason=reason, site=site, message_ids=messages or ())
    typer.echo(f"sent again: {sent}")


@quarantine_app.command("discard")
def quarantine_discard_command(
    messages: Annotated[list[int], typer.Argument(help="Ids.")],
    because: Annotated[str, typer.Option(help="Why nobody needs them; it stands in the activity log.")],
    data_dir: DataDir = None,
) -> None:
    """Puts messages aside for good; they no longer count as waiting."""
    typer.echo(f"discarded: {quarantine.discard(told_settings(data_dir=data_dir), messages, because=because)}")


if __name__ == "__main__":
    main()
