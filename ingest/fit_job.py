"""What is computed elsewhere for the life of models: pure work on rows, the same to the last bit wherever it runs."""

from dataclasses import dataclass

from threadpoolctl import threadpool_limits

from models.detectors.artefact import FittedModel
from models.detectors.contract import DetectorError
from models.detectors.drift import DriftReport
from models.detectors.training import fit_history, measure_drift
from models.reading import ReadingBlock


@dataclass(frozen=True, slots=True)
class FitJob:
    """Rows as `models.detectors.training.judged_rows` gives them. `key` comes back with the result."""

    key: int
    judged: ReadingBlock
    need_days: float


@dataclass(frozen=True, slots=True)
class DriftJob:
    key: int
    model: FittedModel
    judged: ReadingBlock


Job = FitJob | DriftJob


@dataclass(frozen=True, slots=True)
class JobResult:
    """`result` is a text where there is none: the reason in one line."""

    key: int
    result: FittedModel | DriftReport | str


def do_job(job: Job) -> JobResult:
    # Sums come out the same, to the last bit, only when as many threads add them up.
    with threadpool_limits(1):
        try:
            if isinstance(job, FitJob):
                return JobResult(job.key, fit_history(job.judged, need_days=job.need_days))
            return JobResult(job.key, measure_drift(job.model, job.judged) or "the model kept no reference")
        except DetectorError as error:
            return JobResult(job.key, str(error))
