"""The table of latencies by stage of a report as data."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple
from typing import Any

import numpy as np

from rgbt_seg_ros.report_page.charts import BINS, histogram
from rgbt_seg_ros.report_page.format import words
from rgbt_seg_ros.runs.folder import RunFolder
from rgbt_seg_ros.runs.summary import Percentiles, Summary


def stage_rows(run: RunFolder, summary: Summary) -> list[dict[str, Any]]:
    """Rows of the table of stages, end to end first: name, percentiles and how the times are distributed.

    A distribution is on an axis from 0 to `most`, one of all stages and one of end to end, which the wait for the
    other camera makes much longer. It is a histogram where the times of single masks are known, else the percentiles.
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


def _stage_row(name: str, values: Sequence[float], percentiles: Percentiles, most: float) -> dict[str, Any]:
    counts = histogram(values, np.linspace(0.0, most, BINS + 1)) if values and most > 0 else None
    return {
        "name": name,
        "percentiles": percentiles,
        "distribution": {"most": round(most, 3) or 1.0, "percentiles": asdict(percentiles), "counts": counts},
    }
