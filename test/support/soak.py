"""A soak run: real cameras and a real node for as long as asked, every image accounted for, nothing that grows.

`make soak` runs it as a program; test/ros/test_soak.py runs the same for less than a minute.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from node_process import NodeProcess
from places import REPOSITORY
from soak_checks import (
    P99,
    P99_LIMIT_MS,
    P99_TIMES,
    P99_TREND,
    TREND_LIMIT,
    Check,
    Held,
    Plan,
    accounting,
    figures_of,
    growth,
    growth_of,
    numbers,
    page,
)
from waiting import wait_for

from rgbt_seg_ros.base.diagnostics import Drop, Key
from rgbt_seg_ros.ros.dds import private_graph_environment

WARM_UP_S = 120.0
"""What is held only grows for so long, or for a third of a shorter run."""

CALIBRATION_S = 12.0
HELD = 0.02
"""A rate is held if no more than this share of the pairs is superseded."""

MOST_HZ = 60.0
LAST_MASKS_S = 1.0


class Listener:
    """Subscribes to masks and diagnostics; `ages_ms` is by the stamps of the masks."""

    def __init__(self) -> None:
        # Not at the top: nothing may import rclpy before the environment is set.
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from rclpy.executors import SingleThreadedExecutor
        from sensor_msgs.msg import Image

        self.ages_ms: dict[int, float] = {}
        self.masks = 0
        self.reports: list[tuple[int, str, dict[str, str]]] = []
        self._node = rclpy.create_node("soak")
        self._node.create_subscription(Image, "/rgbt_segmenter/mask", self._take_mask, 100)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._take_report, 10)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin)
        self._thread.start()

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join()
        self._node.destroy_node()

    def next_values(self) -> dict[str, float]:
        """The numbers of the next report."""
        seen = len(self.reports)
        wait_for(lambda: len(self.reports) > seen, "diagnostics")
        return numbers(self.reports[-1][2])

    def settled_values(self) -> dict[str, float]:
        """The numbers once nothing waits and no image comes any more."""
        before: dict[str, float] = {}

        def settled() -> dict[str, float] | None:
            nonlocal before
            values = self.next_values()
            counts = {
                key: value for key, value in values.items() if key in (*Key, *Drop) and "_hz" not in key
            }
            counts.pop(Key.DEVICE_MEMORY_MB, None)
            same, before = counts == before, counts
            return values if same and values[Key.WAITING] == 0 else None

        return wait_for(settled, "a node that has answered everything")

    def _take_mask(self, message: Any) -> None:
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        self.masks += 1
        self.ages_ms[stamp] = (time.time_ns() - stamp) / 1e6

    def _take_report(self, message: Any) -> None:
        status = message.status[0]
        self.reports.append(
            (status.level[0], status.message, {each.key: each.value for each in status.values})
        )


@contextmanager
def cameras(plan: Plan, hz: float, seconds: float) -> "Iterator[subprocess.Popen[str]]":
    """The cameras' process."""
    height, width = plan.size
    options = ["--hz", hz, "--seconds", seconds, "--height", height, "--width", width]
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("soak_cameras.py")), *map(str, options)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def stamps_of(sent: dict[str, int]) -> set[int]:
    """The stamps of all images that the cameras have sent."""
    first, regular = sent["first_ns"], sent["regular"]
    stamps = {first + index * sent["period_ns"] for index in range(regular)}
    last = first + (regular - 1) * sent["period_ns"]
    return stamps | {last + index * sent["last_period_ns"] for index in range(1, sent["sent"] - regular + 1)}


def sent_by(process: "subprocess.Popen[str]") -> dict[str, int]:
    """What the cameras say at their end."""
    output, _ = process.communicate()
    assert process.returncode == 0, f"the cameras ended with {process.returncode}"
    counts: dict[str, int] = json.loads(output.splitlines()[-1])
    return counts


@contextmanager
def busy_processes(number: int) -> Iterator[None]:
    processes = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def find_rate(plan: Plan, listener: Listener) -> float:
    """The highest rate of pairs at which hardly one is superseded."""

    def run(hz: float) -> Callable[[Key | Drop], float]:
        before = listener.settled_values()
        with cameras(plan, hz, CALIBRATION_S) as process:
            sent_by(process)
        return growth(before, listener.settled_values())

    hz = min(MOST_HZ, 0.9 * run(MOST_HZ)(Key.MASKS) / CALIBRATION_S)
    for _ in range(5):
        hz = max(0.5, round(hz, 1))
        grown = run(hz)
        print(
            f"{hz:g} Hz: {grown(Drop.SUPERSEDED):.0f} of {grown(Key.PAIRS):.0f} pairs superseded", flush=True
        )
        if grown(Drop.SUPERSEDED) <= HELD * grown(Key.PAIRS):
            break
        hz *= 0.8
    return hz


def soak(plan: Plan, log: Path) -> tuple[list[Check], dict[str, Any]]:
    """Run it; the environment must name a ROS graph of its own, and rclpy be initialised.

    Returns:
        What must hold, and what else was measured.
    """
    listener = Listener()
    topics: dict[str, str] = {}
    try:
        with NodeProcess(log, topics=topics, environment=plan.environment, **plan.parameters) as node:
            node.wait_for_output("active:")
            hz = plan.hz or find_rate(plan, listener)
            before, masks, reports = listener.settled_values(), listener.masks, len(listener.reports)
            held: list[Held] = []
            with busy_processes(plan.busy), cameras(plan, hz, plan.seconds) as process:
                started = time.monotonic()
                while process.poll() is None:
                    held.append(Held.by(node.process.pid))
                    time.sleep(1.0 if plan.seconds > 100 else 0.25)
                sent = sent_by(process)
                after = listener.settled_values()
            time.sleep(LAST_MASKS_S)
            node.process.terminate()
            code = node.wait()
    finally:
        listener.close()
    warm = started + min(WARM_UP_S, plan.seconds / 3)
    checks = [
        *accounting(sent, growth(before, after)),
        # Of a reliable topic of depth 1 a subscriber that is kept from its turn gets the newest.
        Check(
            "masks published and not received", growth(before, after)(Key.MASKS) - (listener.masks - masks)
        ),
        Check("exit code of the node", code, 0),
        *growth_of([each for each in held if warm < each.time < started + plan.seconds]),
    ]
    ages = {stamp: age for stamp, age in listener.ages_ms.items() if stamp >= sent["first_ns"]}
    checks.append(Check("masks of images that nobody sent", len(ages.keys() - stamps_of(sent)), 0))
    figures = figures_of(hz, [ages[stamp] for stamp in sorted(ages)], listener.reports[reports:])
    limit_ms = P99_LIMIT_MS + P99_TIMES * figures["mask_age_ms"]["p50"]
    first, *_, last = figures["mask_age_p99_ms_by_thirds"]
    checks.append(Check(P99, figures["mask_age_ms"]["p99"], limit_ms, "ms"))
    checks.append(Check(P99_TREND, last / first, TREND_LIMIT))
    return checks, {"plan": vars(plan), "sent": sent, "counts": after, "before": before, **figures}


def main() -> int:
    """Exit code 1 if something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument(
        "--hz", type=float, help="rate of the cameras; the highest that the machine holds if not given"
    )
    parser.add_argument("--busy", type=int, default=0, help="processes that load the processor beside")
    parser.add_argument("--model", default="default")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "out" / "soak")
    args = parser.parse_args()
    os.environ.update(private_graph_environment())
    import rclpy

    args.output.mkdir(parents=True, exist_ok=True)
    plan = Plan(
        60.0 * args.minutes,
        args.hz,
        busy=args.busy,
        parameters={"model": args.model, "device": args.device},
        environment={"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(os.cpu_count()))},
    )
    rclpy.init()
    try:
        checks, figures = soak(plan, args.output / "node.log")
    finally:
        rclpy.try_shutdown()
    text = page(plan, checks, figures)
    (args.output / "soak.txt").write_text(text)
    result = {"checks": [{**vars(check), "holds": check.holds} for check in checks], **figures}
    (args.output / "soak.json").write_text(json.dumps(result, indent=2))
    print(text, end="")
    return 0 if all(check.holds for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
