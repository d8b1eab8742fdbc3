"""What `rgbt_seg_ros.render_bag` does once its arguments are known to be good."""

import argparse

from rgbt_seg_ros.bags.rendered import write_rendered_bag
from rgbt_seg_ros.base.cli import name_files


def run(args: argparse.Namespace) -> None:
    write_rendered_bag(
        args.output,
        args.seed,
        args.duration,
        args.rgb_rate,
        args.thermal_rate,
        thermal_bits=args.thermal_bits,
        conditions=args.conditions,
    )
    name_files(("recording", args.output))
