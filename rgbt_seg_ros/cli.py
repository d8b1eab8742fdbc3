"""What every command shares: help with examples, exit codes 0/1/2, errors in one sentence."""

import argparse
import sys
from collections.abc import Callable, Sequence

from rgbt_seg_ros.errors import UserError


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
        print(f"error: {type(error).__name__}: {error} (--debug shows where)", file=sys.stderr)
        return 1
    return 0
