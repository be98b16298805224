"""Workers as real processes that are killed at random: no escalation is lost, and none is done twice."""

import random
from time import sleep

from api.commands.bench_escalations import account, fill, worker_process
from registry.database import Database
from tests.waiting import wait_until

TICKETS = 60
KILLS = 4


def test_no_escalation_is_lost_or_doubled_when_workers_are_killed(database: Database) -> None:
    due = fill(database, tickets=TICKETS)
    url = database.url.render_as_string(hide_password=False)
    rng = random.Random(5)
    processes = [worker_process(url) for _ in range(2)]
    try:
        for _ in range(KILLS):
            before = account(database)["done"]
            wait_until(
                lambda before=before: account(database)["done"] > before or account(database)["left"] == 0,  # type: ignore[misc]
                within_s=60,
                what="some were done",
            )
            sleep(rng.uniform(0, 0.05))
            victim = rng.randrange(len(processes))
            processes[victim].kill()
            processes[victim].wait(15)
            processes[victim] = worker_process(url)
        wait_until(lambda: account(database)["left"] == 0, within_s=120, what="all are done")
        assert [process.wait(120) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
            process.wait(15)
    told = account(database)
    assert (told["done"], told["recorded"]) == (due, due)
    assert told["notifications"] == told["notifications_recorded"]
