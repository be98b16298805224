"""Where models are fitted: in workers on this machine through joblib, or on a Dask cluster that joblib is given."""

import importlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

from joblib import Parallel, delayed, parallel_config

from ingest.fit_job import Job, JobResult, do_job

FitBackend = Literal["loky", "threading"]
Run = Callable[[Iterable[Job]], Iterator[JobResult]]
"""Does jobs and gives their results in the same order."""
CONNECT_S = 10.0


class ClusterUnavailable(Exception):
    """The Dask cluster cannot be used; the message is one line that says why."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"Dask cluster {address}: {reason}")
        self.address = address
        self.reason = reason


def local_pool(workers: int = 1, *, backend: FitBackend = "loky") -> Run:
    """So many jobs at the same time on this machine."""

    def run(jobs: Iterable[Job]) -> Iterator[JobResult]:
        # Few at a time: the rows of all units together would not fit.
        pool = Parallel(n_jobs=workers, backend=backend, pre_dispatch="2*n_jobs", batch_size=1, return_as="generator")
        yield from pool(delayed(do_job)(job) for job in jobs)

    return run


@contextmanager
def dask_pool(address: str) -> Iterator[Run]:
    """As many jobs at the same time as the cluster at `address` (`tcp://host:8786`) has threads.

    Its workers need this program installed, of the same version. Raises ClusterUnavailable.
    """
    try:
        distributed = importlib.import_module("distributed")
    except ImportError as error:
        raise ClusterUnavailable(address, "the package `distributed` is missing: install liandong[dask]") from error
    try:
        client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterUnavailable(address, " ".join(str(error).split()) or type(error).__name__) from error

    def run(jobs: Iterable[Job]) -> Iterator[JobResult]:
        with parallel_config(backend="dask", client=client):
            pool = Parallel(n_jobs=-1, pre_dispatch="2*n_jobs", batch_size=1, return_as="generator")
            yield from pool(delayed(do_job)(job) for job in jobs)

    try:
        yield run
    finally:
        client.close()
