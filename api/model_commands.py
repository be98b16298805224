"""Commands for the life of models: fit, look, put in force, roll back."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from api.commands import model_life
from api.commands.options import DataDir, told_settings
from ingest.model_fit import Outcome, Wanted
from ingest.model_keeper import DRIFT_DAYS
from models.equipment import Kind

models_app = typer.Typer(help="Fitted models and their versions.", no_args_is_help=True)
UnitArgument = Annotated[str, typer.Argument(help="The unit as {site}~{unit}.")]
TAKEN_UP = "; a running ingest takes it up within a minute, or when a standing anomaly has ended"


def train_command(
    site: Annotated[str | None, typer.Option(help="Only units of this site.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Only units of this kind.")] = None,
    unit: Annotated[str | None, typer.Option(help="Only this unit, as its key or {site}~{unit}.")] = None,
    days: Annotated[float | None, typer.Option(min=0.01, help="History to learn from. [LIANDONG_TRAIN_DAYS]")] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Units fitted at the same time.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Fit and tell, keep nothing.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Fits a model of each unit from its stored history; times of alarms and tickets are left out."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("fitting", total=None)
        outcomes = model_life.train(
            told_settings(data_dir=data_dir),
            Wanted(site, kind, unit),
            days=days,
            workers=workers,
            is_dry_run=dry_run,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    table = Table("unit", "result", "rows", "left out", "because of")
    for each in outcomes:
        rows = str(each.model.rows) if each.model is not None else ""
        table.add_row(each.unit, _result(each), rows, str(each.left_out_rows or ""), ", ".join(each.left_out))
    Console().print(table)
    fitted = sum(each.model is not None for each in outcomes)
    typer.echo(f"fitted: {fitted} of {len(outcomes)} units" + (", nothing kept" if dry_run else ""))


def _result(each: Outcome) -> str:
    if each.model is None:
        return each.reason
    if each.version is None:
        return "could be fitted"
    return f"v{each.version}, " + ("in force" if each.is_active else "in shadow beside the one in force")


@models_app.command("list")
def models_list_command(
    site: Annotated[str | None, typer.Option(help="Only of this site.")] = None, data_dir: DataDir = None
) -> None:
    """Lists the versions of all units, newest first."""
    table = Table("unit", "kind", "version", "state", "fitted on", "to", "rows", "made", "by")
    for row in model_life.list_models(told_settings(data_dir=data_dir), site=site):
        table.add_row(*row)
    Console().print(table)


@models_app.command("show")
def models_show_command(unit: UnitArgument, data_dir: DataDir = None) -> None:
    """Tells of what a unit's versions were made, when, by whom and with which settings."""
    lines = model_life.show_models(told_settings(data_dir=data_dir), unit)
    for name, value in lines:
        typer.echo(f"{name}: {value}")
    if not lines:
        typer.echo("no model yet; `liandong train` makes one")


@models_app.command("promote")
def models_promote_command(
    unit: UnitArgument, number: Annotated[int, typer.Argument(min=1, help="The version.")], data_dir: DataDir = None
) -> None:
    """Puts a version in force, a newer or a former one."""
    is_changed = model_life.put_in_force(told_settings(data_dir=data_dir), unit, number)
    typer.echo(f"v{number} of {unit} is in force{TAKEN_UP if is_changed else ' already'}")


@models_app.command("roll-back")
def models_roll_back_command(unit: UnitArgument, data_dir: DataDir = None) -> None:
    """Puts the version before the present one in force again."""
    number = model_life.put_back(told_settings(data_dir=data_dir), unit)
    typer.echo(f"v{number} of {unit} is in force again{TAKEN_UP}")


@models_app.command("dismiss")
def models_dismiss_command(
    unit: UnitArgument, number: Annotated[int, typer.Argument(min=1, help="The version.")], data_dir: DataDir = None
) -> None:
    """Ends the shadow of a version; it stays kept and may still be promoted."""
    is_changed = model_life.end_shadow(told_settings(data_dir=data_dir), unit, number)
    typer.echo(f"v{number} of {unit} is {'no longer' if is_changed else 'not'} in shadow")


@models_app.command("drift")
def models_drift_command(
    site: Annotated[str | None, typer.Option(help="Only units of this site.")] = None,
    unit: Annotated[str | None, typer.Option(help="Only this unit, as its key or {site}~{unit}.")] = None,
    days: Annotated[float, typer.Option(min=0.01, help="The last days that are compared.")] = DRIFT_DAYS,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Units at the same time.")] = 1,
    data_dir: DataDir = None,
) -> None:
    """Tells how inputs and scores moved since the models in force were fitted."""
    found = model_life.drift(told_settings(data_dir=data_dir), Wanted(site, None, unit), days=days, workers=workers)
    table = Table("unit", "movement", "rows", "over the limit", "when fitted", "moved most")
    for path, report in found:
        if isinstance(report, str):
            table.add_row(path, report, "", "", "", "")
            continue
        most = ", ".join(f"{each.channel} {each.index:.2f}" for each in report.channels[:3])
        shares = [f"{share:.2%}" if share is not None else "" for share in (report.over, report.over_before)]
        table.add_row(path, report.movement.value, str(report.rows), *shares, most)
    Console().print(table)


@models_app.command("overhauled")
def models_overhauled_command(unit: UnitArgument, data_dir: DataDir = None) -> None:
    """After an overhaul: takes the unit's next week as its normal one when its wear is judged."""
    model_life.tell_overhaul(told_settings(data_dir=data_dir), unit)
    typer.echo(f"noted; the wear of {unit} is judged against its next seven days")
