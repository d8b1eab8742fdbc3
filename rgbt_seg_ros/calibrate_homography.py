"""Estimate the homography that lays thermal images onto RGB images, from points found in one pair of images."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rgbt_seg_ros.base.cli import Work, command_parser, positive_number, run_command
from rgbt_seg_ros.base.file_limits import require_image
from rgbt_seg_ros.settings.options import add_setting_options, read_settings


def _prepare(args: argparse.Namespace) -> Work:
    for path in (args.rgb, args.thermal):
        require_image(path)
    read_settings(args)
    from rgbt_seg_ros.work.calibrate_homography import run

    return run


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python -m rgbt_seg_ros.calibrate_homography`."""
    parser = command_parser(
        "python -m rgbt_seg_ros.calibrate_homography",
        "Estimate the homography from thermal to RGB pixels and write it as a parameter file of the node.",
        """
        python -m rgbt_seg_ros.calibrate_homography rgb.png thermal.png -o homography.yaml
        python -m rgbt_seg_ros.calibrate_homography rgb.png thermal.png --points points.csv -o homography.yaml
        python -m rgbt_seg_ros.node --ros-args --params-file homography.yaml
        """,
    )
    parser.add_argument("rgb", type=Path, metavar="RGB", help="colour image")
    parser.add_argument("thermal", type=Path, metavar="THERMAL", help="thermal image of the same moment")
    parser.add_argument(
        "--points",
        type=Path,
        metavar="FILE",
        help="CSV file with the columns rgb_x,rgb_y,thermal_x,thermal_y, or a YAML list of such mappings; without it, "
        "points are clicked in a window and written beside the output",
    )
    parser.add_argument(
        "--threshold",
        type=positive_number,
        default=3.0,
        metavar="PIXELS",
        help="pairs that are farther off in the RGB image are left out (default: 3)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="parameter file to write"
    )
    parser.add_argument("--overlay", type=Path, metavar="PNG", help="picture to judge the result by")
    add_setting_options(parser, ("thermal.palette", "thermal.float_unit", "max_pixels"))
    return run_command(parser, _prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
