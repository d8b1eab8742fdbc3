"""The table of latencies by stage of a report."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from rgbt_seg_ros.report_page.charts import BINS, count_in_bins
from rgbt_seg_ros.report_page.format import words
from rgbt_seg_ros.runs.folder import RunFolder
from rgbt_seg_ros.runs.summary import Percentiles, Summary


@dataclass(frozen=True)
class Distribution:
    """How the times of a stage are distributed, on an axis from 0 to `most` milliseconds.

    Attributes:
        percentiles: shown where there are no counts.
        counts: of masks in `BINS` equal bins; None where the times of single masks are not known.
    """

    most: float
    percentiles: Percentiles
    counts: Sequence[int] | None


@dataclass(frozen=True)
class StageRow:
    """A stage's line of the table."""

    name: str
    percentiles: Percentiles
    distribution: Distribution


def stage_rows(run: RunFolder, summary: Summary) -> list[StageRow]:
    """Rows of the table, end to end first; none without any time.

    All stages have one axis. End to end has one of its own: the wait for the other camera makes it much longer.
    """
    stages = summary.stages_ms
    end_to_end_most, stages_most = _most([summary.latency_ms]), _most(stages.values())
    if not end_to_end_most and not stages_most:
        return []
    latencies = [mask.latency_ms for mask in run.masks if mask.latency_ms is not None]
    rows = [_stage_row("end to end", latencies, summary.latency_ms, end_to_end_most)]
    for stage, percentiles in stages.items():
        times = [mask.stage_ms[stage] for mask in run.masks if stage in mask.stage_ms]
        rows.append(_stage_row(words(stage.value), times, percentiles, stages_most))
    return rows


def _most(entries: Iterable[Percentiles]) -> float:
    """End of the axis for these percentiles; 0 where none is known."""
    return 1.05 * max(
        (value for entry in entries for value in astuple(entry) if value is not None), default=0.0
    )


def _stage_row(name: str, times: Sequence[float], percentiles: Percentiles, most: float) -> StageRow:
    counts = count_in_bins(times, np.linspace(0.0, most, BINS + 1)) if times and most > 0 else None
    return StageRow(name, percentiles, Distribution(round(most, 3) or 1.0, percentiles, counts))
