"""What every command shares: help with examples, exit codes 0/1/2, errors in one sentence."""

import argparse
import sys
from collections.abc import Callable, Sequence

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.text import printable
from rgbt_seg_ros.base.whole_files import disk_error, is_full_or_locked


def command_parser(prog: str, description: str, examples: str) -> argparse.ArgumentParser:
    """An argument parser with an examples section and `--debug`.

    Args:
        prog: how the command is called, for instance ``python -m rgbt_seg_ros.offline``.
        description: one sentence saying what the command does.
        examples: example invocations, one a line.
    """
    parser = argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog="examples:\n" + "\n".join("  " + line.strip() for line in examples.strip().splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def run_command(
    parser: argparse.ArgumentParser,
    command: Callable[[argparse.Namespace], None],
    argv: Sequence[str] | None = None,
) -> int:
    """Parse, run and return the exit code: 0 done, 1 failed, 2 wrong usage (raised by argparse), 130 interrupted."""
    args = parser.parse_args(argv)
    try:
        command(args)
    except UserError as error:
        if args.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        if args.debug:
            raise
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if args.debug:
            raise
        if isinstance(error, OSError) and is_full_or_locked(error):
            # Libraries write as well, and do not name the place.
            error = disk_error(error, error.filename or "all files")
            print(f"error: {error}", file=sys.stderr)
            return 1
        print(f"error: {type(error).__name__}: {printable(error)} (--debug shows where)", file=sys.stderr)
        return 1
    return 0


def positive_number(text: str) -> float:
    """A finite number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return value


def positive_count(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return value


def image_size(text: str) -> tuple[int, int]:
    """HxW in pixels, at least 32x32, as (height, width)."""
    height, cross, width = text.partition("x")
    if not (cross and height.isdigit() and width.isdigit() and min(int(height), int(width)) >= 32):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 480x640, at least 32x32")
    return int(height), int(width)
