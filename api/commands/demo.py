"""The demonstration: a simulated compound, demo accounts, and everything that `up` runs, on loopback only."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

import structlog

from alerts.escalation import run_due
from alerts.escalation_audit import OVERDUE_MS
from api.call_out_links import open_links
from api.clock import now_ms
from api.commands.demo_alarms import add_demo_alarms
from api.commands.demo_appraisal import add_demo_appraisal
from api.commands.demo_call_outs import add_demo_call_out
from api.commands.demo_meetings import add_demo_meetings
from api.commands.demo_patrols import add_demo_patrols
from api.commands.demo_proposals import add_demo_proposals
from api.commands.demo_tickets import add_demo_tickets
from api.processes import StartRefused, run_up
from api.resources import DemoAccount
from api.senders import open_secret_box
from api.settings import Settings
from api.translations import translator
from ingest.stores.contract import TelemetryStore
from models.equipment import Kind
from models.reading import UnitKey
from registry.channel import ChannelKind, add_channel
from registry.database import Database
from registry.person import add_person, find_person, hash_password
from registry.role import Role
from registry.site import find_site
from registry.unit import import_units
from simulators.scenario import load_scenario, register_rows

DEMO_PASSWORD = "liandong-demo"  # noqa: S105  known to everybody, and accepted on loopback only
DEMO_ACCOUNTS = (
    DemoAccount("manager", DEMO_PASSWORD, Role.PROPERTY_MANAGER),
    DemoAccount("technician", DEMO_PASSWORD, Role.TECHNICIAN),
    DemoAccount("committee", DEMO_PASSWORD, Role.COMMITTEE_MEMBER),
    DemoAccount("community", DEMO_PASSWORD, Role.COMMUNITY_OFFICER),
    DemoAccount("district", DEMO_PASSWORD, Role.DISTRICT_OFFICER),
    DemoAccount("owner", DEMO_PASSWORD, Role.OWNER),
    DemoAccount("admin", DEMO_PASSWORD, Role.ADMIN),
)
HISTORY_S = 6 * 3600
CHARM_CITY = "charm-city"
SIMULATOR_END_S = 5.0

log = structlog.get_logger(__name__)


def run_demo(settings: Settings, *, scenario: str, speed: float) -> None:
    if not settings.is_loopback:
        raise StartRefused("the demo has well-known passwords and serves on 127.0.0.1 only; use `liandong up`")
    story = load_scenario(scenario)
    stories: list[Callable[[], None]] = []
    told = threading.Event()

    def prepare(database: Database) -> None:
        box = open_secret_box(settings)
        rows = register_rows(story)
        with database.writing() as session:
            now = now_ms()
            import_units(session, list(enumerate(rows, start=2)), now_ms=now)
            for site_key, name in story.site_names.items():
                site = find_site(session, site_key)
                if site is not None:
                    site.name = name
            missing = [account for account in DEMO_ACCOUNTS if find_person(session, account.name) is None]
            if missing:
                password = hash_password(DEMO_PASSWORD)
                for account in missing:
                    person = add_person(session, name=account.name, password=password, role=account.role, now_ms=now)
                    add_channel(
                        session,
                        person_id=person.id,
                        kind=ChannelKind.CONSOLE,
                        address="",
                        label="",
                        least_severity="major",
                        box=box,
                        now_ms=now,
                    )
            first = find_site(session, rows[0]["site"]) if rows else None
            if first is not None:
                add_demo_call_out(
                    session,
                    first,
                    hash_of_link=open_links(settings).hash_of_link,
                    is_charm_city=first.key == CHARM_CITY,
                    _=translator(settings.language),
                    now_ms=now,
                )
                people = [account.name for account in DEMO_ACCOUNTS]
                add_demo_tickets(session, first, people=people, _=translator(settings.language), now_ms=now)
                add_demo_alarms(session, first, people=people, _=translator(settings.language), now_ms=now)
                add_demo_patrols(session, first, people=people, _=translator(settings.language), now_ms=now)
                # The agenda is made of what the others have brought.
                add_demo_meetings(session, first, people=people, _=translator(settings.language), now_ms=now)
                # What the story itself has put right since is done with: it calls nobody and was not missed.
                while run_due(session, now_ms=now - OVERDUE_MS):
                    pass
                # Their evidence takes a second or two to gather: beside the service, not before it.
                stories.append(
                    partial(
                        add_demo_proposals,
                        database,
                        first.key,
                        people=people,
                        _=translator(settings.language),
                        now_ms=now,
                    )
                )
                # What it computes is what the story before it recorded.
                stories.append(
                    partial(add_demo_appraisal, database, first.key, _=translator(settings.language), now_ms=now)
                )

    def simulate(stack: ExitStack, broker_url: str, store: TelemetryStore) -> None:
        units = [UnitKey(row["site"], Kind(row["kind"]), row["unit"]) for row in register_rows(story)]
        history_s = 0 if store.latest(units[:1]) else HISTORY_S
        command = [sys.executable, "-m", "api.command_line", "simulate", scenario]
        command += ["--speed", str(speed), "--history", str(history_s)]
        # A session of its own: Ctrl-C reaches us, and we end it in order.
        # Its address goes by the environment, which others do not see: it may hold a password.
        environment = {**os.environ, "LIANDONG_MQTT_URL": broker_url}
        simulator = subprocess.Popen(  # noqa: S603
            command, stdout=subprocess.DEVNULL, start_new_session=True, env=environment
        )
        stack.callback(_end, simulator)
        # Weeks of readings take seconds to simulate: nobody shall wait for them to see the first page.
        settled = {
            "LIANDONG_DATA_DIR": str(settings.data_dir),
            "LIANDONG_DATABASE_URL": settings.database_url.get_secret_value(),
        }
        models = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "api.commands.demo_models", scenario],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            env={**environment, **settled},
        )
        stack.callback(_end, models)
        log.info("simulating", scenario=scenario, units=len(units))
        threading.Thread(target=_tell, args=(stories, told), name="demo-stories", daemon=True).start()

    run_up(
        settings,
        demo_accounts=DEMO_ACCOUNTS,
        is_being_filled=lambda: not told.is_set(),
        before_start=prepare,
        beside=simulate,
    )


def _tell(stories: Sequence[Callable[[], None]], told: threading.Event) -> None:
    """One after the other, and `told` is set whatever happens: pages must not promise what will never come."""
    try:
        for tell in stories:
            tell()
    finally:
        told.set()


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(SIMULATOR_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
