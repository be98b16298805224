"""Commands that measure."""

from typing import Annotated

import typer

from api.commands import (
    bench,
    bench_call_out,
    bench_detectors,
    bench_disposal,
    bench_escalations,
    bench_patrols,
    bench_power_cut,
    bench_service,
    bench_statistics,
    bench_votes,
)

bench_app = typer.Typer(help="Measurements, as JSON.", no_args_is_help=True)


@bench_app.command("ingest")
def bench_ingest_command(
    messages: Annotated[int, typer.Option(min=1000)] = 60_000,
    qos: Annotated[int, typer.Option(min=0, max=1)] = 1,
    store: Annotated[bench.StoreChoice, typer.Option()] = bench.StoreChoice.DUCKDB,
    units: Annotated[int, typer.Option(min=1)] = 1000,
    readings: Annotated[int, typer.Option(min=1, max=1000, help="In one message; more than one as a gateway.")] = 1,
    broker: Annotated[str | None, typer.Option(help="mqtt://… instead of the embedded one.")] = None,
) -> None:
    """Measures the whole line, and in the same run a bare subscriber that only counts and acknowledges."""
    told = bench.ingest_as_json(
        messages=messages, qos=qos, store=store, units=units, readings_per_message=readings, broker=broker
    )
    typer.echo(told)


@bench_app.command("tickets")
def bench_tickets_command(
    events: Annotated[int, typer.Option(min=10)] = 100,
    rate: Annotated[float, typer.Option(min=1, help="Readings a second beside the events.")] = 2000.0,
    units: Annotated[int, typer.Option(min=1)] = 1000,
) -> None:
    """Measures the time from an event published to its ticket in the API, under load."""
    typer.echo(bench_service.tickets_as_json(events=events, rate_per_s=rate, units=units))


@bench_app.command("detectors")
def bench_detectors_command(
    units: Annotated[int, typer.Option(min=1)] = 10_000,
    channels: Annotated[int, typer.Option(min=1, max=48)] = 8,
    rows: Annotated[int, typer.Option(min=1, help="Rows that each unit is judged on.")] = 10,
) -> None:
    """CPU time a value and memory a unit of the detectors, and how they grow."""
    typer.echo(bench_detectors.detectors_as_json(units=units, channels=channels, rows=rows))


@bench_app.command("memory")
def bench_memory_command(
    seconds: Annotated[float, typer.Option(min=20)] = 600.0,
    rate: Annotated[float, typer.Option(min=1)] = 500.0,
    units: Annotated[int, typer.Option(min=1)] = 1000,
) -> None:
    """Measures the memory of `liandong up` over time, under load."""
    typer.echo(bench_service.memory_as_json(seconds=seconds, rate_per_s=rate, units=units))


@bench_app.command("disposal")
def bench_disposal_command(
    tickets: Annotated[int, typer.Option(min=100, help="Open tickets.")] = 100_000,
    activity: Annotated[int, typer.Option(min=0, help="Rows of the activity log.")] = 1_000_000,
    sites: Annotated[int, typer.Option(min=8, help="Compounds, of 20 units each.")] = 150,
    requests: Annotated[int, typer.Option(min=20, help="Of each kind.")] = 100,
    database: Annotated[str | None, typer.Option(help="An empty postgresql+psycopg://… instead of SQLite.")] = None,
) -> None:
    """Measures how long the board, the list, a ticket and a move take with a city's tickets."""
    typer.echo(
        bench_disposal.disposal_as_json(
            tickets=tickets, activity_rows=activity, sites=sites, requests=requests, database_url=database
        )
    )


@bench_app.command("statistics")
def bench_statistics_command(
    units: Annotated[int, typer.Option(min=0, help="Of the compound; 0 leaves it out.")] = 1_000,
    years: Annotated[int, typer.Option(min=1, max=10, help="Of the compound's history.")] = 3,
    district_units: Annotated[int, typer.Option(min=0, help="Of the district; 0 leaves it out.")] = 150_000,
    requests: Annotated[int, typer.Option(min=3, help="Of each kind.")] = 20,
    database: Annotated[str | None, typer.Option(help="An empty postgresql+psycopg://… instead of SQLite.")] = None,
) -> None:
    """Measures how long fault statistics of a compound and rates of a district take, from roll-ups."""
    typer.echo(
        bench_statistics.statistics_as_json(
            units=units, years=years, district_units=district_units, requests=requests, database_url=database
        )
    )


@bench_app.command("escalations")
def bench_escalations_command(
    actions: Annotated[int, typer.Option(min=1)] = 10_000,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Processes that share the work.")] = 2,
    database: Annotated[str | None, typer.Option(help="An empty postgresql+psycopg://… instead of SQLite.")] = None,
) -> None:
    """Measures how fast due actions are done, and proves that each was done once."""
    typer.echo(bench_escalations.escalations_as_json(actions=actions, workers=workers, database_url=database))


@bench_app.command("call-out")
def bench_call_out_command(
    people: Annotated[int, typer.Option(min=10, help="Who are called out at once.")] = 5_000,
    rate: Annotated[float, typer.Option(min=1, help="Answers a second.")] = 100.0,
    seconds: Annotated[float, typer.Option(min=1, help="For how long they answer.")] = 20.0,
    database: Annotated[str | None, typer.Option(help="An empty postgresql+psycopg://… instead of SQLite.")] = None,
) -> None:
    """Measures how fast a call-out leaves the house, and answers counted while they come."""
    typer.echo(bench_call_out.call_out_as_json(people=people, rate_per_s=rate, seconds=seconds, database_url=database))


@bench_app.command("power-cut")
def bench_power_cut_command(
    alarms: Annotated[int, typer.Option(min=10, help="Lifts that lose their mains within a second.")] = 1_000,
    sites: Annotated[int, typer.Option(min=1, help="Compounds, of at least three of these lifts each.")] = 25,
    database: Annotated[str | None, typer.Option(help="An empty postgresql+psycopg://… instead of SQLite.")] = None,
) -> None:
    """Measures how soon a power cut over a district is one incident for each compound, and who is told how often."""
    typer.echo(bench_power_cut.power_cut_as_json(alarms=alarms, sites=sites, database_url=database))


@bench_app.command("patrols")
def bench_patrols_command(
    sites: Annotated[int, typer.Option(min=1, help="Compounds, of four plans each.")] = 1529,
    database: Annotated[str | None, typer.Option(help="An empty postgresql+psycopg://… instead of SQLite.")] = None,
) -> None:
    """Measures how long a year of rounds takes to be written ahead."""
    typer.echo(bench_patrols.patrols_as_json(sites=sites, database_url=database))


@bench_app.command("votes")
def bench_votes_command(
    parts: Annotated[int, typer.Option(min=100, help="Parts of the roll.")] = 20_000,
    rate: Annotated[float, typer.Option(min=1, help="Ballots a second.")] = 200.0,
    seconds: Annotated[float, typer.Option(min=1)] = 30.0,
    database: Annotated[str | None, typer.Option(help="An empty postgresql+psycopg://… instead of SQLite.")] = None,
) -> None:
    """Measures a crowd at the ballot box, what others wait for meanwhile, and the count of a large vote."""
    typer.echo(bench_votes.votes_as_json(parts=parts, rate_per_s=rate, seconds=seconds, database_url=database))
