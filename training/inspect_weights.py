"""Check a download of weights: `python -m training.inspect_weights FILE`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rgbt_seg_ros.base.cli import Work, announce, command_parser, run_command
from rgbt_seg_ros.base.file_limits import require_weights


def _prepare(args: argparse.Namespace) -> Work:
    for path in args.files:
        require_weights(path)
    announce(f"reading {' and '.join(map(str, args.files))}")
    from .work.inspect_weights import run

    return run


def main(argv: Sequence[str] | None = None) -> int:
    """The command `python -m training.inspect_weights`."""
    parser = command_parser(
        "python -m training.inspect_weights",
        "Check downloads of weights: whose they are, of which size, and whether all of them are there.",
        """python -m training.inspect_weights sam2.1_hiera_large.pt
        python -m training.inspect_weights sam2.1_hiera_base_plus.pt SHIFNet_FMB.pth""",
    )
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="of SAM 2, SHIFNet or SARTM: .pt, .pth, .safetensors",
    )
    return run_command(parser, _prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
