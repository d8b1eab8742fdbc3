"""The table of latencies by stage of a report as data."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rgbt_seg_ros.report_page.charts import BINS, histogram
from rgbt_seg_ros.report_page.format import words
from rgbt_seg_ros.runs.folder import RunFolder


def stage_rows(run: RunFolder, summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table of stages, end to end first: name, percentiles and how the times are distributed.

    A distribution is on an axis from 0 to `most`, one of all stages and one of end to end, which the wait for the
    other camera makes much longer. It is a histogram where the times of single masks are known, else the percentiles.
    """
    times = {"end to end": [mask.latency_ms for mask in run.masks if mask.latency_ms is not None]}
    for stage in summary["stages_ms"]:
        times[stage] = [mask.stage_ms[stage] for mask in run.masks if stage in mask.stage_ms]
    percentiles = {"end to end": summary["latency_ms"], **summary["stages_ms"]}
    most = {
        name: _most(entries)
        for name, entries in (
            ("end to end", [summary["latency_ms"]]),
            ("stages", summary["stages_ms"].values()),
        )
    }
    if not any(most.values()):
        return []
    return [
        _stage_row(
            stage, values, percentiles[stage], most["end to end" if stage == "end to end" else "stages"]
        )
        for stage, values in times.items()
    ]


def _most(entries: Iterable[Mapping[str, float | None]]) -> float:
    """End of the axis for these percentiles; 0 where none is known."""
    return 1.05 * max(
        (value for entry in entries for value in entry.values() if value is not None), default=0.0
    )


def _stage_row(
    stage: str, values: Sequence[float], percentiles: Mapping[str, float | None], most: float
) -> dict[str, Any]:
    counts = histogram(values, np.linspace(0.0, most, BINS + 1)) if values and most > 0 else None
    return {
        "name": words(stage),
        "percentiles": percentiles,
        "distribution": {"most": round(most, 3) or 1.0, "percentiles": percentiles, "counts": counts},
    }
