"""SIGINT and SIGTERM: the right exit code, no traceback, nothing left, whatever the process does at that moment."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from argparse import Namespace
from pathlib import Path

import pytest

from rgbt_seg_ros.base import interrupts
from rgbt_seg_ros.base.cli import command_parser, run_command

BOTH = pytest.mark.parametrize("number", interrupts.SIGNALS)

COMMAND = """
import sys, time
from rgbt_seg_ros.base.cli import command_parser, run_command
{before}
def command(args):
    {body}
code = run_command(command_parser("command", "", ""), lambda _: command, [])
sys.exit(code)
"""


def end(number: signal.Signals, body: str, before: str = "", twice_s: float | None = None) -> tuple[int, str]:
    """Exit code and output of a command that says when it is ready, and then gets the signal."""
    code = COMMAND.format(body=body, before=before)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    if twice_s is not None:
        time.sleep(twice_s)
        process.send_signal(number)
    rest, _ = process.communicate(timeout=60)
    return process.returncode, rest


@BOTH
def test_a_command_is_ended_with_its_files_and_says_so_in_a_word(
    tmp_path: Path, number: signal.Signals
) -> None:
    body = "\n    ".join(
        [
            f"out = Path({str(tmp_path)!r})",
            "with new_file(out / 'file') as path, new_folder(out / 'folder') as folder:",
            "    path.write_text('half'); folder.mkdir(); (folder / 'half').write_text('half')",
            "    print('ready', flush=True); time.sleep(60)",
        ]
    )
    before = "from pathlib import Path; from rgbt_seg_ros.base.whole_files import new_file, new_folder"
    code, said = end(number, body, before)
    assert (code, said) == (128 + number, {2: "interrupted\n", 15: "terminated\n"}[number])
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_does_not_cut_the_end_short_and_a_late_one_does(tmp_path: Path) -> None:
    body = (
        "try: print('ready', flush=True); time.sleep(60)\n"
        f"    finally: time.sleep({{seconds}}); open({str(tmp_path / 'ended')!r}, 'x')"
    )
    code, said = end(signal.SIGINT, body.format(seconds=1), twice_s=0.3)
    assert (code, said) == (130, "interrupted\n")
    assert (tmp_path / "ended").exists()
    (tmp_path / "ended").unlink()
    code, said = end(signal.SIGINT, body.format(seconds=60), twice_s=interrupts.PATIENCE_S + 0.5)
    assert (code, said) == (130, "interrupted\n")
    assert not (tmp_path / "ended").exists()


# An alarm stands for a signal of a terminal: it can come at any bytecode, thousands of times.
LOCKS = """
import random, signal, threading
from rgbt_seg_ros.base import interrupts

interrupts.SIGNALS = (signal.SIGALRM,)
condition, rng, taken = threading.Condition(threading.Lock()), random.Random(15), 0
for trial in range(30):
    try:
        with interrupts.raised():
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, 2e-4))
            while True:
                with condition:
                    pass
    except interrupts.Interrupted:
        if condition.acquire(blocking=False):
            condition.release()
        else:
            taken, condition = taken + 1, threading.Condition(threading.Lock())
print(taken)
"""


def test_no_lock_stays_taken() -> None:
    done = subprocess.run([sys.executable, "-c", LOCKS], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_what_hangs_is_ended_after_a_while() -> None:
    body = "try: print('ready', flush=True); time.sleep(60)\n    finally: time.sleep(60)"
    started = time.monotonic()
    before = "from rgbt_seg_ros.base import interrupts; interrupts.GRACE_S = 0.5"
    assert end(signal.SIGTERM, body, before) == (143, "terminated\n")
    assert time.monotonic() - started < 50


@BOTH
def test_a_signal_that_a_destructor_would_swallow_is_not_lost(number: signal.Signals) -> None:
    before = "class Slow:\n    def __del__(self):\n        print('ready', flush=True); time.sleep(1)\n"
    assert end(number, "slow = Slow(); del slow; time.sleep(60)", before)[0] == 128 + number


@BOTH
def test_an_error_of_something_interrupted_is_no_error(number: signal.Signals) -> None:
    body = (
        "try: print('ready', flush=True); time.sleep(60)\n"
        "    except BaseException: raise ImportError('initialization failed') from None"
    )
    code, said = end(number, body)
    assert (code, said) == (128 + number, {2: "interrupted\n", 15: "terminated\n"}[number])


def test_who_ends_in_order_is_not_disturbed() -> None:
    body = (
        "import signal; stop = []; signal.signal(2, lambda *_: stop.append(1)); print('ready', flush=True)\n"
        "    while not stop: time.sleep(0.01)\n"
        "    time.sleep(0.6)"
    )
    assert end(signal.SIGINT, body, twice_s=0.2) == (0, "")


def test_children_are_ended_with_the_command(tmp_path: Path) -> None:
    """Also where the signal comes at the moment of their start, and where the parent ends at once."""
    before = (
        "import os, pathlib; from rgbt_seg_ros.base import interrupts\n"
        "from rgbt_seg_ros.base.child_process import ChildProcess\n"
        f"log = pathlib.Path({str(tmp_path / 'log')!r})\n"
        "arguments = ['--stills', '100000', '-o', f'{log}.set']\n"
        "def child(): return ChildProcess('child', 'scenes', arguments, os.environ, log)"
    )
    bodies = {
        130: "with child() as each:\n        print(each._process.pid, file=open(str(log) + '.pid', 'w'), flush=True)"
        "\n        print('ready', flush=True); time.sleep(60)",
        143: "interrupts.end_at_once()\n    with child() as each:"
        "\n        print(each._process.pid, file=open(str(log) + '.pid', 'w'), flush=True)"
        "\n        print('ready', flush=True); time.sleep(60)",
    }
    for expected, body in bodies.items():
        code, said = end(signal.Signals(expected - 128), body, before)
        assert code == expected, said
        child = int((tmp_path / "log.pid").read_text())
        deadline = time.monotonic() + 30
        while _runs(child) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _runs(child)


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_starting_is_not_torn_from_noting() -> None:
    seen = []

    def start_and_note() -> None:
        with interrupts.raised():
            with interrupts.deferred():
                signal.raise_signal(signal.SIGTERM)
                seen.append("noted")
            seen.append("gone on")

    with pytest.raises(interrupts.Interrupted) as caught:
        start_and_note()
    assert caught.value.exit_code == 143
    assert seen == ["noted"]


def test_handlers_are_put_back_and_other_threads_take_none() -> None:
    before = [signal.getsignal(number) for number in interrupts.SIGNALS]
    codes = []

    def run() -> None:
        codes.append(run_command(command_parser("command", "", ""), lambda _: lambda _: None, []))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    run()
    assert codes == [0, 0]
    assert [signal.getsignal(number) for number in interrupts.SIGNALS] == before


def test_a_forked_worker_leaves_the_signal_to_its_parent() -> None:
    def fork_and_signal(_: Namespace) -> None:
        worker = os.fork()
        if worker == 0:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 7

    assert run_command(command_parser("command", "", ""), lambda _: fork_and_signal, []) == 0


def test_a_program_that_imports_the_package_keeps_its_handlers(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import signal, rgbt_seg_ros.base.cli\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
        "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL\n"
    )
    package = tmp_path / "foreign"
    package.mkdir()
    for name in ("__init__", "__main__"):
        (package / f"{name}.py").write_text(program.read_text())
    path = {**os.environ, "PYTHONPATH": os.pathsep.join([".", str(tmp_path)])}
    for arguments in ([str(program)], ["-c", program.read_text()], ["-m", "foreign"]):
        subprocess.run([sys.executable, *arguments], check=True, env=path)


@pytest.mark.parametrize(
    ("options", "module"),
    [
        (["-m", "rgbt_seg_ros.play", "-m", "other"], "rgbt_seg_ros.play"),
        (["-u", "-X", "importtime", "-W", "ignore", "-um", "training.train"], "training.train"),
        (["-Ximporttime", "-mrgbt_seg_ros.node"], "rgbt_seg_ros.node"),
        (["script.py"], ""),
    ],
)
def test_the_module_is_found_in_the_command_line(options: list[str], module: str) -> None:
    assert interrupts._module_of_m(options) == module


SCRIPTS = {
    "pip": "#!python\nimport sys\nfrom rgbt_seg_ros.make_bag import main\nsys.exit(main())\n",
    "colcon": "#!python\n# EASY-INSTALL-ENTRY-SCRIPT: 'rgbt-seg-ros==0.1.0','console_scripts','make_bag'\n"
    "import sys\nfrom rgbt_seg_ros.make_bag import main\nsys.exit(main())\n",
}


@pytest.mark.parametrize("how", ["module", "training", *SCRIPTS])
def test_imports_are_ended_without_a_traceback(tmp_path: Path, how: str) -> None:
    """At random moments of a seed, from when Python itself has started."""
    rng = random.Random(how)
    arguments = {"module": ["-m", "rgbt_seg_ros.segment"], "training": ["-m", "training.evaluate"]}.get(how)
    if arguments is None:
        script = tmp_path / "make_bag"
        script.write_text(SCRIPTS[how])
        arguments = [str(script)]
    for number in interrupts.SIGNALS:
        process = subprocess.Popen(
            [sys.executable, "-X", "importtime", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": "."},
        )
        assert process.stderr is not None
        # Once these are read the handlers are there; then somewhere in what the commands import.
        for line in process.stderr:
            if line.split("|")[-1].strip() == "rgbt_seg_ros":
                break
        time.sleep(rng.uniform(0.0, 0.5))
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
        assert "Traceback" not in error
        # A fast machine may have come to argparse, which misses arguments, or to the end, where Python has put its
        # handlers away.
        assert process.returncode in (128 + number, -number, 2)
