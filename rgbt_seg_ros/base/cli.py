"""What every command shares: help with examples, exit codes 0/1/2, errors in one sentence."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence

from rgbt_seg_ros.base import interrupts
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.text import printable, quoted, shortened
from rgbt_seg_ros.base.whole_files import disk_error, is_full_or_locked

SMALLEST, LARGEST = 1e-3, 1e6
"""Of rates, seconds and pixels: beyond these, times overflow and nothing would ever end."""

MOST = 10**9


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
    """Parse, run and return the exit code.

    0 is done, 1 failed, 2 wrong usage (raised by argparse), 130 interrupted by SIGINT, 143 ended by SIGTERM.
    """
    try:
        with interrupts.raised() as signals:
            return _run(parser, command, argv, signals)
    except interrupts.Interrupted as error:
        print(error, file=sys.stderr)
        return error.exit_code


def _run(
    parser: argparse.ArgumentParser,
    command: Callable[[argparse.Namespace], None],
    argv: Sequence[str] | None,
    signals: interrupts.Raising | None,
) -> int:
    args = parser.parse_args(argv)
    try:
        command(args)
    except Exception as error:
        if args.debug:
            raise
        if signals is not None and signals.taken is not None:
            # What was interrupted may fail in its own words: an import, or the end of a child process.
            raise interrupts.Interrupted(signals.taken) from None
        print(f"error: {_sentence(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as error:
        if args.debug:
            raise
        raise (
            error if isinstance(error, interrupts.Interrupted) else interrupts.Interrupted(signal.SIGINT)
        ) from None
    return 0


def _sentence(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError) and is_full_or_locked(error):
        # Libraries write as well, and do not name the place.
        return str(disk_error(error, error.filename or "all files"))
    return f"{type(error).__name__}: {printable(error)} (--debug shows where)"


def positive_number(text: str) -> float:
    """A number above 0 of a size that rates, seconds and pixels can have."""
    value = float(text)
    if not SMALLEST <= value <= LARGEST:
        raise argparse.ArgumentTypeError(f"must be {SMALLEST:g} to {LARGEST:g}, not {shortened(text, 40)}")
    return value


def positive_count(text: str) -> int:
    """A whole number of at least 1, and at most a thousand million."""
    value = int(text)
    if not 1 <= value <= MOST:
        raise argparse.ArgumentTypeError(f"must be at least 1 and at most {MOST}, not {shortened(text, 40)}")
    return value


def seed(text: str) -> int:
    """A whole number that fixes random choices."""
    value = int(text)
    if not 0 <= value <= MOST:
        raise argparse.ArgumentTypeError(f"must be 0 to {MOST}, not {shortened(text, 40)}")
    return value


def image_size(text: str) -> tuple[int, int]:
    """HxW in pixels, 32x32 to 16384x16384, as (height, width)."""
    height, cross, width = text.partition("x")
    sides = (height, width)
    if not (
        cross and all(side.isdecimal() and len(side) <= 5 and 32 <= int(side) <= 16384 for side in sides)
    ):
        raise argparse.ArgumentTypeError(
            f"{quoted(text, 40)} is not a size such as 480x640, at least 32x32 and at most 16384x16384"
        )
    return int(height), int(width)
