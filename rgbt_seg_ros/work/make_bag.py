"""What `rgbt_seg_ros.make_bag` does once its arguments are known to be good."""

import argparse

from rgbt_seg_ros.bags.from_images import make_recording
from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.settings.options import read_settings


def run(args: argparse.Namespace) -> None:
    settings = read_settings(args)
    make_recording(
        args.output,
        args.rgb,
        args.thermal,
        args.rate,
        args.thermal_encoding,
        args.labels,
        settings.thermal.reading,
        settings.max_pixels,
    )
    name_files(("recording", args.output))
