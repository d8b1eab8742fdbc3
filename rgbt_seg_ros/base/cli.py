"""What every command shares: help with examples, exit codes 0/1/2, errors in one sentence."""

import argparse
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from rgbt_seg_ros.base import interrupts
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.text import printable, quoted, shortened
from rgbt_seg_ros.base.whole_files import disk_error, is_full_or_locked

SMALLEST, LARGEST = 1e-3, 1e6
"""Of rates, seconds and pixels: beyond these, times overflow and nothing would ever end."""

MOST = 10**9

Work = Callable[[argparse.Namespace], None]
"""What a command does with its arguments once they are known to be good."""

_SILENT_S = 0.5
"""What is over by then need not be told of: most mistakes are found earlier, and then their sentence stands alone."""

_announcements: list[threading.Timer] = []

_ROS = re.compile(r"rclpy|rosidl|rpyutils|launch|ament_|tf2_|cv_bridge|message_filters|.*_(msgs|interfaces)$")
"""Packages that come with ROS 2."""

_EXTRAS = {
    "transformers": "training",
    "huggingface_hub": "training",
    "peft": "training",
    "sklearn": "figures",
    "wandb": "wandb",
    "rerun": "rerun",
    "onnx": "export",
    "onnxscript": "export",
    "onnxruntime": "export",
}
"""Packages that a plain installation leaves out, and what brings them."""


def command_parser(prog: str, description: str, examples: str) -> argparse.ArgumentParser:
    """An argument parser with an examples section and `--debug`.

    Args:
        prog: how the command is called, for instance ``python -m rgbt_seg_ros.offline``; `rgbt` has it its own way.
        description: one sentence saying what the command does.
        examples: example invocations, one a line.
    """
    if sys.argv[0].startswith("rgbt "):
        examples, prog = examples.replace(prog, sys.argv[0]), sys.argv[0]
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
    prepare: Callable[[argparse.Namespace], Work],
    argv: Sequence[str] | None = None,
) -> int:
    """Parse, prepare, work, and return the exit code.

    0 is done, 1 failed, 2 wrong usage (raised by argparse), 130 interrupted by SIGINT, 143 ended by SIGTERM.

    Args:
        parser: of the arguments.
        prepare: refuses arguments that cannot be used, as far as that is known without slow imports; says what will
            be done (`announce`); imports what does it, and returns that. Signals end the process at once meanwhile.
        argv: the arguments; None: those of the process.
    """
    args = parser.parse_args(argv)
    try:
        work = prepare(args)
        with interrupts.raised() as signals:
            return _run(work, args, signals)
    except interrupts.Interrupted as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except Exception as error:
        return _failed(error, args)
    finally:
        _be_silent()


def announce(text: str) -> None:
    """Tell on stderr what a command is about to do, unless it has ended within half a second; results are on stdout.

    Of several processes of one run, as torchrun starts them, the first one speaks.
    """
    if os.environ.get("RANK", "0") == "0":
        _be_silent()
        timer = threading.Timer(_SILENT_S, print, (printable(text),), {"file": sys.stderr, "flush": True})
        timer.daemon = True
        timer.start()
        _announcements.append(timer)


def name_files(*files: tuple[str, str | Path | None]) -> None:
    """End a command with a line for each file that it wrote, as ``overlay: out/mask_overlay.png``.

    Args:
        files: what each is and where, those for people first; a folder stands for all in it and gets a ``/``. What is
            None was not asked for.
    """
    for what, path in files:
        if path is not None:
            print(printable(f"{what}: {path}{'/' if os.path.isdir(path) else ''}"))


def _be_silent() -> None:
    while _announcements:
        _announcements.pop().cancel()


def _run(work: Work, args: argparse.Namespace, signals: interrupts.Raising | None) -> int:
    try:
        work(args)
    except Exception:
        if signals is not None and signals.taken is not None and not args.debug:
            # What was interrupted may fail in its own words: an import, or the end of a child process.
            raise interrupts.Interrupted(signals.taken) from None
        raise
    except KeyboardInterrupt as error:
        if args.debug:
            raise
        raise (
            error if isinstance(error, interrupts.Interrupted) else interrupts.Interrupted(signal.SIGINT)
        ) from None
    return 0


def _failed(error: Exception, args: argparse.Namespace) -> int:
    if args.debug:
        raise error
    print(f"error: {_sentence(error)}", file=sys.stderr)
    return 1


def _sentence(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and (missing := missing_package(error)):
        return missing
    if isinstance(error, OSError) and is_full_or_locked(error):
        # Libraries write as well, and do not name the place.
        return str(disk_error(error, error.filename or "all files"))
    return f"{type(error).__name__}: {printable(error)} (--debug shows where)"


def require_ros() -> None:
    """Raise `UserError` where there is no ROS 2, for commands that need it."""
    try:
        found = find_spec("rclpy") is not None
    except (ValueError, ModuleNotFoundError):
        found = False
    if not found:
        raise UserError(missing_package(ModuleNotFoundError(name="rclpy")))


def missing_package(error: ModuleNotFoundError) -> str:
    """What to say of a package that is not installed; empty where it is a module of ours."""
    name = (error.name or "").partition(".")[0]
    if _ROS.match(name):
        return (
            f"this command needs ROS 2, and its Python package {name} is not there: source /opt/ros/jazzy/setup.bash, "
            "or use the environment of `make setup`; segment, offline, train and evaluate need no ROS"
        )
    if not name or name in ("rgbt_seg_ros", "training"):
        return ""
    what = f"rgbt_seg_ros[{_EXTRAS[name]}]" if name in _EXTRAS else name
    return f"the Python package {name} is not installed: run `pip install '{what}'`"


def number(text: str) -> float:
    """A number, for argparse, whose own words for a wrong one are those of programmers."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {quoted(text, 40)}") from None


def whole_number(text: str) -> int:
    """A whole number, for argparse."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {quoted(text, 40)}") from None


def positive_number(text: str) -> float:
    """A number above 0 of a size that rates, seconds and pixels can have."""
    value = number(text)
    if not SMALLEST <= value <= LARGEST:
        raise argparse.ArgumentTypeError(f"must be {SMALLEST:g} to {LARGEST:g}, not {shortened(text, 40)}")
    return value


def positive_count(text: str) -> int:
    """A whole number of at least 1, and at most a thousand million."""
    value = whole_number(text)
    if not 1 <= value <= MOST:
        raise argparse.ArgumentTypeError(f"must be at least 1 and at most {MOST}, not {shortened(text, 40)}")
    return value


def seed(text: str) -> int:
    """A whole number that fixes random choices."""
    value = whole_number(text)
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
