"""The pages themselves: a run's or a comparison's data put into the templates of resource/report; no ROS."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import jinja2

from rgbt_seg_ros.base.share import share_path
from rgbt_seg_ros.report_page.charts import Chart, time_charts, timed_reports
from rgbt_seg_ros.report_page.format import number, percent, plural, words
from rgbt_seg_ros.report_page.frames import (
    CONFIDENCE,
    ERRORS,
    MASK,
    RGB,
    THERMAL,
    TRUTH,
    Timeline,
    frames_of,
    worst_frames,
)
from rgbt_seg_ros.report_page.pictures import colors_of
from rgbt_seg_ros.report_page.stages import stage_rows
from rgbt_seg_ros.runs.folder import RunFolder
from rgbt_seg_ros.runs.summary import verdict


def render_report(run: RunFolder, summary: Mapping[str, Any]) -> str:
    """The page of one run as text.

    Args:
        run: what recorder, offline runner or evaluation left.
        summary: as `rgbt_seg_ros.runs.summary.summarize` makes it; `recording`, `playback_rate`, `note`, `host` and
            `settings` are shown where they are present, and what an evaluation on a data set adds.
    """
    level, sentence = verdict(summary)
    rankings = worst_frames(run, summary)
    frames = frames_of(run, summary, rankings)
    has_truth = any("truth" in frame["pictures"] for frame in frames)
    panels = (
        [RGB, THERMAL, CONFIDENCE, MASK, TRUTH, ERRORS] if has_truth else [RGB, THERMAL, MASK, CONFIDENCE]
    )
    kinds = {kind for frame in frames for kind in frame["pictures"]}
    classes = class_rows(run, summary)
    return render(
        "report.html",
        summary=summary,
        level="" if "split" in summary else level,
        verdict=sentence,
        tiles=tiles(run, summary),
        panels=[panel for panel in panels if kinds.intersection((panel.layer or panel.base).split())],
        legend=[row for row in classes if row["pixel_share"] and row["color"] != "#000000"],
        frames=frames,
        total=summary.get("images", summary["masks"]),
        rankings=rankings,
        timeline=axis(run, summary),
        charts=[asdict(chart) for chart in time_charts(run, summary)],
        stages=stage_rows(run, summary),
        classes=classes,
        subsets=[name for name, part in (summary.get("subsets") or {}).items() if part],
        video=(run.path / "overlay.mp4").is_file(),
    )


def render(template: str, **values: Any) -> str:
    """A template of resource/report with its values."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(share_path("resource/report")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
    environment.filters |= {"number": number, "percent": percent, "words": words}
    return environment.get_template(template).render(**values)


def axis(run: RunFolder, summary: Mapping[str, Any]) -> dict[str, Any]:
    """What all charts over a run share: label, both ends, and whether frames have times."""
    timeline = Timeline(run.masks)
    if not timeline.is_recording:
        return {"recording": False, "start": 0.5, "end": run.masks[-1].stamp_ns + 1.5}
    stamps = [mask.stamp_ns for mask in run.masks[-1:]]
    stamps += [stamp for stamp, _ in timed_reports(run, summary)]
    end = max((timeline.position(stamp) for stamp in stamps), default=0.0)
    return {"recording": True, "start": 0.0, "end": math.ceil(10 * end) / 10 or 0.1}


def tiles(run: RunFolder, summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """The numbers that matter first: title, value, unit, and more about it."""
    latency, dropped = summary["latency_ms"], dict(summary["dropped"])
    score = _score_tiles(summary)
    if "split" in summary:
        timed = f"p95 {number(latency['p95'], 0)} ms, {plural(summary['masks'], 'image')}"
        return [*score, _tile("latency, median", number(latency["p50"], 0), "ms", timed)]
    surplus = dropped.pop("surplus", 0)
    lost = sum(dropped.values())
    most = max(dropped, key=lambda cause: dropped[cause], default="")
    more = (
        f"mostly {words(most)}" if lost else f"besides {surplus} surplus" if surplus else "nothing was lost"
    )
    possible = summary.get("possible_hz")
    rate = "as received" if possible is None else f"{number(possible)} Hz if always busy"
    found = sum(1 for counts in summary["classes"].values() if counts["detections"])
    return [
        _tile("masks", number(summary["masks"]), "", f"of {number(summary['pairs'])} pairs"),
        _tile("masks a second", number(summary["masks_hz"]), "Hz", rate),
        _tile("latency, median", number(latency["p50"], 0), "ms", f"p95 {number(latency['p95'], 0)} ms"),
        _tile("dropped", number(lost), "", more),
        _tile("detections", number(summary["detections"]), "", f"of {plural(found, 'class')}"),
        *score,
    ]


def _score_tiles(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    if "miou" not in summary:
        return []
    labelled = plural(summary["labelled_masks"], "label")
    tiles = [_tile("mean IoU", number(summary["miou"], 3), "", f"on {labelled}")]
    for subset, part in (summary.get("subsets") or {}).items():
        if part:
            images = plural(part["images"], "image")
            tiles.append(_tile(f"mean IoU, {subset}", number(part["miou"], 3), "", f"on {images}"))
    return tiles


def _tile(title: str, value: str, unit: str, more: str) -> dict[str, str]:
    return {"title": title, "value": value, "unit": unit, "more": more}


def class_rows(run: RunFolder, summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table of classes, with the overlay's colours."""
    colors = colors_of(run.class_names)
    subsets = summary.get("subsets") or {}
    return [
        {
            "name": name,
            "color": colors.get(name, "#000000"),
            "pixel_share": counts["pixel_share"],
            "detections": counts["detections"],
            "iou": summary.get("iou", {}).get(name),
            "acc": summary.get("acc", {}).get(name),
            "subsets": [part["iou"].get(name) for part in subsets.values() if part],
        }
        for name, counts in summary["classes"].items()
    ]


def chart_dicts(*charts: Chart | None) -> list[dict[str, Any]]:
    """Those charts that there are, for a template."""
    return [asdict(chart) for chart in charts if chart is not None]
