"""The node's parameters as options of commands that run without ROS: same defaults, same meaning, same checks."""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from rgbt_seg_ros.base.cli import number, whole_number
from rgbt_seg_ros.settings import PARAMETERS, Settings

OPTIONS = {
    "model": "--model",
    "device": "--device",
    "precision": "--precision",
    "runtime": "--runtime",
    "max_pixels": "--max-pixels",
    "sync.max_dt": "--max-dt",
    "sync.thermal_time_offset": "--thermal-offset",
    "rgb.on_missing": "--rgb-on-missing",
    "rgb.stale_after": "--rgb-stale-after",
    "thermal.on_missing": "--thermal-on-missing",
    "thermal.stale_after": "--thermal-stale-after",
    "thermal.normalization": "--thermal-normalization",
    "thermal.range.unit": "--thermal-range-unit",
    "thermal.range.low": "--thermal-range-low",
    "thermal.range.high": "--thermal-range-high",
    "thermal.min_span": "--thermal-min-span",
    "thermal.time_constant": "--thermal-time-constant",
    "thermal.invalid": "--thermal-invalid",
    "thermal.crop.top": "--thermal-crop-top",
    "thermal.crop.bottom": "--thermal-crop-bottom",
    "thermal.crop.left": "--thermal-crop-left",
    "thermal.crop.right": "--thermal-crop-right",
    "thermal.kelvin_per_count": "--kelvin-per-count",
    "thermal.kelvin_offset": "--kelvin-offset",
    "thermal.palette": "--thermal-palette",
    "thermal.float_unit": "--thermal-float-unit",
    "registration.mode": "--registration",
    "registration.homography": "--homography",
    "detections.min_area": "--min-area",
    "detections.score_threshold": "--score-threshold",
    "tracking.enabled": "--tracking",
    "tracking.min_iou": "--tracking-min-iou",
    "tracking.max_gap": "--tracking-max-gap",
}
"""Option by the name of its parameter."""

_READERS: dict[type, Callable[[str], Any]] = {int: whole_number, float: number, str: str, tuple: number}
_METAVARS = {int: "N", float: "NUMBER", str: "TEXT", tuple: "NUMBER"}


def add_setting_options(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Add an option for each of these parameters."""
    for name in names:
        parameter = PARAMETERS[name]
        if isinstance(parameter.default, bool):
            parser.add_argument(
                OPTIONS[name],
                dest=name,
                action=argparse.BooleanOptionalAction,
                default=parameter.default,
                help=f"{parameter.description} (default: no)".replace("%", "%%"),
            )
            continue
        length = len(parameter.default) if isinstance(parameter.default, tuple) else None
        parser.add_argument(
            OPTIONS[name],
            dest=name,
            type=_READERS[type(parameter.default)],
            nargs=length,
            default=parameter.default,
            metavar=_METAVARS[type(parameter.default)],
            help=f"{parameter.description} ({parameter.rule}; default {parameter.yaml_default})".replace(
                "%", "%%"
            ),
        )


def read_settings(args: argparse.Namespace) -> Settings:
    """Settings from parsed options; what has no option has its default.

    Raises:
        UserError: a value that breaks its parameter's rule.
    """
    return Settings.read({name: value for name, value in vars(args).items() if name in OPTIONS})
