"""One self-contained HTML page about a recorded run: verdict, pictures, latency, counts, classes.

It reads the recorder's folder (see `rgbt_seg_ros.run_folder`) and the summary.json in it, nothing else; no ROS.
"""

import argparse
import base64
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import jinja2
import matplotlib

from rgbt_seg_ros.classes import UNLABELED, palette_for
from rgbt_seg_ros.cli import command_parser, run_command
from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.run_folder import MaskRecord, RunFolder, picture_path, read_run
from rgbt_seg_ros.share import share_path
from rgbt_seg_ros.summary import verdict

matplotlib.use("svg")
from matplotlib.figure import Figure

PICTURE_ROWS = 6
PICTURE_WIDTH = 640
TEXT_COLOR, ACCENT_COLOR = "#010203", "#010204"
"""Colours that stand for the page's own ones in a figure, so that it follows light and dark."""


def write_report(folder: Path) -> Path:
    """Write report.html into a recorder's folder that has a summary.json.

    Returns:
        the page's path.

    Raises:
        UserError: the folder is not a recorded run, or has no summary.
    """
    run = read_run(folder)
    try:
        summary = json.loads((folder / "summary.json").read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(f"{folder} has no readable summary.json ({error}): run the demo again") from None
    path = folder / "report.html"
    path.write_text(render_report(run, summary))
    return path


def render_report(run: RunFolder, summary: dict[str, Any]) -> str:
    """The page as text.

    Args:
        run: what the recorder left.
        summary: as `rgbt_seg_ros.summary.summarize` makes it; `recording`, `playback_rate`, `note`, `host` and
            `settings` are shown where they are present.
    """
    level, sentence = verdict(summary)
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = format_number
    template = environment.from_string(share_path("resource/report.html").read_text())
    return template.render(
        summary=summary,
        level=level,
        verdict=sentence,
        frames=_frames(run),
        classes=_classes(run, summary),
        latency_figure=_latency_figure(run.masks, summary["latency_ms"]),
        video=(run.path / "overlay.mp4").is_file(),
    )


def format_number(value: float | int | None, digits: int = 1) -> str:
    """A number for people: integers whole, others with `digits` decimals, a dash for None."""
    if value is None:
        return "–"
    return f"{value:d}" if isinstance(value, int) else f"{value:.{digits}f}"


def _frames(run: RunFolder) -> list[dict[str, Any]]:
    """A few frames spread evenly over those that there are pictures of."""
    stamps = run.pictured_stamps()
    rows = min(PICTURE_ROWS, len(stamps))
    chosen = [stamps[round((i + 0.5) * len(stamps) / rows - 0.5)] for i in range(rows)]
    first = run.masks[0].stamp_ns if run.masks else 0
    latency = {mask.stamp_ns: mask.latency_ms for mask in run.masks}
    return [
        {
            "seconds": (stamp_ns - first) / 1e9,
            "latency_ms": latency.get(stamp_ns),
            "detections": run.detections.get(stamp_ns, ()),
            "pictures": [
                {"kind": kind, "title": title, "data": _picture(run.path, stamp_ns, kind)}
                for kind, title in (("rgb", "RGB"), ("thermal", "thermal"), ("overlay", "classes over RGB"))
            ],
        }
        for stamp_ns in chosen
    ]


def _picture(folder: Path, stamp_ns: int, kind: str) -> str | None:
    """A picture as base64 JPEG of at most PICTURE_WIDTH pixels' width; None if it was not received."""
    image = cv2.imread(str(picture_path(folder, stamp_ns, kind)))
    if image is None:
        return None
    height, width = image.shape[:2]
    if width > PICTURE_WIDTH:
        size = (PICTURE_WIDTH, round(height * PICTURE_WIDTH / width))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return base64.b64encode(data.tobytes()).decode()


def _classes(run: RunFolder, summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table of classes, with the overlay's colours."""
    palette = palette_for(run.class_names)
    ids = {name: class_id for class_id, name in enumerate(run.class_names)}
    return [
        {
            "name": name,
            "color": "#{:02x}{:02x}{:02x}".format(*palette[ids.get(name, UNLABELED)]),
            "background": ids.get(name) == 0,
            "pixel_share": counts["pixel_share"],
            "detections": counts["detections"],
            "iou": summary.get("iou", {}).get(name),
        }
        for name, counts in summary["classes"].items()
    ]


def _latency_figure(masks: tuple[MaskRecord, ...], percentiles: dict[str, float | None]) -> str | None:
    """Latency of every mask over the time of the recording, as SVG text; None without any latency."""
    points = [(mask.stamp_ns, mask.latency_ms) for mask in masks if mask.latency_ms is not None]
    if not points:
        return None
    first = points[0][0]
    style: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "rgbt_seg_ros",
        "font.family": "sans-serif",
        "font.size": 9,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(5.4, 2.5), layout="constrained")
        axes = figure.add_subplot()
        seconds = [(stamp_ns - first) / 1e9 for stamp_ns, _ in points]
        axes.plot(seconds, [latency for _, latency in points], ".", color=ACCENT_COLOR, markersize=4)
        end = max(seconds[-1], 1e-3)
        for name, dashes in (("p50", "-"), ("p95", "--")):
            value = percentiles[name]
            if value is not None:
                axes.axhline(value, color=TEXT_COLOR, linewidth=0.8, linestyle=dashes, alpha=0.6)
                axes.annotate(
                    f" {name}", (end * 1.02, value), color=TEXT_COLOR, va="center", annotation_clip=False
                )
        axes.set_xlim(-0.02 * end, 1.02 * end)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("time in the recording (s)", color=TEXT_COLOR)
        axes.set_ylabel("latency (ms)", color=TEXT_COLOR)
        axes.tick_params(colors=TEXT_COLOR)
        axes.grid(color=TEXT_COLOR, alpha=0.12, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["bottom", "left"]].set_color(TEXT_COLOR)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = file.getvalue()
    svg = svg.replace(TEXT_COLOR, "currentColor").replace(ACCENT_COLOR, "var(--accent)")
    return svg[svg.index("<svg") :]


def _command(args: argparse.Namespace) -> None:
    path = write_report(args.folder)
    print(f"report: {path}")


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python -m rgbt_seg_ros.report`."""
    parser = command_parser(
        "python -m rgbt_seg_ros.report",
        "Write report.html from a recorded run and its summary.json.",
        "python -m rgbt_seg_ros.report out/demo",
    )
    parser.add_argument("folder", type=Path, help="a folder written by the demo")
    return run_command(parser, _command, argv)


if __name__ == "__main__":
    sys.exit(main())
