"""Make a rosbag2 from RGB and thermal videos or image folders.

Two folders are paired by equal file names where they share any, else by order; names sort naturally (2 before 10).
Videos keep the times of their images, also where the frame rate varies, and folders have 10 images a second, unless
--rate says otherwise. Both streams start at the same time. The stamps begin at a fixed date, so that the same images
always give the same recording.
"""

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
