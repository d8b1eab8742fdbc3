"""A node's states, its start and its end: what it keeps, what it frees, how it refuses and how it leaves."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faulty_node import END, HANG, mark
from lifecycle_msgs.msg import State, Transition
from node_bench import (
    Bench,
    load_segmenter,
    pixels,
    stamp_of,
    told,
)
from node_process import FAULTY_NODE, NodeProcess, active_node
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from waiting import TIMEOUT_S, wait_for

from rgbt_seg_ros.registration.rules import Homography
from rgbt_seg_ros.ros.messages import ROS_MESSAGES
from rgbt_seg_ros.settings import PARAMETERS

CYCLES = 20
END_S = 15.0
"""A node ends in one second; `ros2 launch` sends SIGTERM 5 s after SIGINT, and SIGKILL 5 s later."""
MESSAGE_FILTERS = find_spec("message_filters") is not None


@pytest.fixture(scope="module")
def node(bench: Bench, node_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """An active node; the tests that use it run in the order of this file."""
    log = tmp_path_factory.mktemp("node") / "log.txt"
    with active_node(log, model=node_model, thermal__on_missing="rgb_only") as node:
        bench.new_mask()
        yield node


def test_twenty_rounds_through_all_states_leave_no_memory_and_no_threads_behind(
    bench: Bench, node: NodeProcess
) -> None:
    used: list[tuple[int, int]] = []
    for _ in range(CYCLES):
        assert bench.change_state(Transition.TRANSITION_DEACTIVATE)
        assert bench.change_state(Transition.TRANSITION_CLEANUP)
        assert bench.state() == State.PRIMARY_STATE_UNCONFIGURED
        assert bench.change_state(Transition.TRANSITION_CONFIGURE)
        assert bench.change_state(Transition.TRANSITION_ACTIVATE)
        bench.new_mask()
        used.append((node.memory_kb, node.threads))
    # It goes up and down by a few MB; a model is 9 MB, one kept a round would be 140.
    first, last = max(used[:5]), max(used[-5:])
    assert last[0] - first[0] < 30_000, used
    assert last[1] == first[1], used
    assert node.output.count("loading model") == 1 + CYCLES


def test_cleanup_and_configure_take_new_parameters(bench: Bench, node: NodeProcess, node_model: Path) -> None:
    assert bench.change_state(Transition.TRANSITION_DEACTIVATE)
    assert bench.change_state(Transition.TRANSITION_CLEANUP)
    wait_for(lambda: bench.node.count_publishers("/rgbt_segmenter/mask") == 0, "the end of the topic")
    assert bench.set_parameter("model", "/no/such.safetensors").successful
    assert not bench.change_state(Transition.TRANSITION_CONFIGURE)
    reason = "parameter model: there is no model file /no/such.safetensors"
    assert f"cannot configure: {reason}" in node.output
    assert bench.state() == State.PRIMARY_STATE_UNCONFIGURED
    level, sentence, _ = bench.next_diagnostics()
    assert (level, sentence[: len(reason)]) == (2, reason)
    assert bench.set_parameter("model", str(node_model)).successful
    assert bench.set_parameter("classes", "person,unicorn").successful
    assert not bench.change_state(Transition.TRANSITION_CONFIGURE)
    assert "cannot configure: parameter classes: there is no class 'unicorn'" in node.output
    assert bench.set_parameter("classes", "").successful
    # The RGB images are twice as large as the thermal ones and see a little more on the left.
    matrix = [2.0, 0.0, 8.5, 0.0, 2.0, 0.5, 0.0, 0.0, 1.0]
    assert bench.set_parameter("registration.mode", "homography").successful
    assert bench.set_parameter("registration.homography", matrix).successful
    assert bench.change_state(Transition.TRANSITION_CONFIGURE)
    assert bench.change_state(Transition.TRANSITION_ACTIVATE)
    segmenter, registration = load_segmenter(node_model), Homography(matrix)

    def is_registered(mask: Image) -> bool:
        rgb, thermal = bench.sent[stamp_of(mask)]
        expected = segmenter(rgb, *registration(thermal, rgb.shape[:2])).mask
        return np.array_equal(pixels(mask), expected)

    mask = bench.new("mask", accept=is_registered)
    assert not np.array_equal(pixels(mask), segmenter(*bench.sent[stamp_of(mask)]).mask)


def test_two_sigints_end_the_node_cleanly(bench: Bench, node: NodeProcess) -> None:
    end_by_two(signal.SIGINT, node)
    assert bench.diagnostics()[2]["masks"] != "0"


def end_by_two(what: signal.Signals, node: NodeProcess) -> None:
    """Send a signal, and again while the node shuts down."""
    node.process.send_signal(what)
    node.wait_for_output(f"{what.name}: shutting down", END_S)
    node.process.send_signal(what)
    assert node.wait(END_S) == 0, node.output
    assert "Traceback" not in node.output


def test_sigterms_in_an_inference_end_the_node_cleanly(
    bench: Bench, node_model: Path, tmp_path: Path
) -> None:
    environment = {"INFERENCE_S": "1.0"}
    log = tmp_path / "log.txt"
    with active_node(log, FAULTY_NODE, environment=environment, model=node_model) as node:
        bench.new_mask()
        bench.send_until(lambda: bench.diagnostics()[2]["waiting"] == "2", "a pair under way")
        end_by_two(signal.SIGTERM, node)


def test_deactivation_waits_for_a_slow_inference_and_says_so(
    bench: Bench, node_model: Path, tmp_path: Path
) -> None:
    environment = {"INFERENCE_S": "7", "HANG_S": "60"}
    with active_node(tmp_path / "log.txt", FAULTY_NODE, environment=environment, model=node_model) as node:
        bench.received["/diagnostics"].clear()
        bench.send_until(
            lambda: bench.last("/diagnostics") and bench.diagnostics()[2].get("waiting", "0") != "0",
            "a pair under way",
        )
        assert bench.change_state(Transition.TRANSITION_DEACTIVATE)
        sentence = "waiting for the inference under way, 20 s at most"
        assert sentence in node.output
        assert (1, sentence) in [told(report)[:2] for report in bench.received["/diagnostics"]]
        assert "[FATAL]" not in node.output
        assert bench.change_state(Transition.TRANSITION_ACTIVATE)


def test_a_hung_inference_does_not_keep_a_deactivation_waiting_for_ever(
    bench: Bench, node_model: Path, tmp_path: Path
) -> None:
    with active_node(
        tmp_path / "log.txt", FAULTY_NODE, environment={"HANG_S": "4"}, model=node_model
    ) as node:
        bench.new_mask()
        rgb, thermal = bench.next_arrays()
        mark(rgb, HANG)
        bench.received["/diagnostics"].clear()
        bench.send_until(
            lambda: bench.last("/diagnostics") and bench.diagnostics()[2].get("waiting") not in (None, "0"),
            "a hung inference",
            lambda: bench.send(ROS_MESSAGES.image(Header(), rgb), ROS_MESSAGES.image(Header(), thermal)),
        )
        bench.change_state(Transition.TRANSITION_DEACTIVATE)
        assert node.wait() == 1
        # Longer than 4 s where the machine made the first inference slow.
        assert re.search(r"inference did not end within \d+ s: leaving with exit code 1", node.output), (
            node.output
        )


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (END, "the inference thread has ended (SystemExit: the driver is gone)"),
        (HANG, "inference has been at the same images for"),
    ],
    ids=["ends", "hangs"],
)
def test_without_its_inference_the_node_leaves_with_1_and_the_reason(
    bench: Bench, node_model: Path, tmp_path: Path, fault: int, reason: str
) -> None:
    def send_fault() -> None:
        rgb, thermal = bench.next_arrays()
        mark(rgb, fault)
        bench.send(ROS_MESSAGES.image(Header(), rgb), ROS_MESSAGES.image(Header(), thermal))

    with active_node(tmp_path / "log.txt", FAULTY_NODE, model=node_model) as node:
        bench.new_mask()
        bench.received["/diagnostics"].clear()
        bench.send_until(lambda: reason in node.output, "the loss of the inference thread", send_fault)
        assert node.wait() == 1
        assert f"{reason}" in next(line for line in node.output.splitlines() if "[FATAL]" in line)
        wait_for(
            lambda: bench.last("/diagnostics") and bench.diagnostics()[1].startswith(reason),
            "its last report",
        )
        assert bench.diagnostics()[0] == 2


def test_a_broken_model_file_ends_the_node_with_1_and_a_sentence(tmp_path: Path, node_model: Path) -> None:
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(node_model.read_bytes()[:100_000])
    with NodeProcess(tmp_path / "log.txt", model=broken) as node:
        assert node.wait() == 1
        (line,) = [line for line in node.output.splitlines() if "cannot configure" in line]
        assert str(broken) in line
        assert "Traceback" not in node.output


def bad_values() -> list[tuple[str, dict[str, Any]]]:
    """Parameters given as on the command line, and the name of the one at fault, for every rule there is."""
    bad: list[tuple[str, dict[str, Any]]] = []
    for name, parameter in PARAMETERS.items():
        # Another type: no string parameter takes a list, and no other parameter a word.
        bad.append((name, {name: "[1, 2]" if isinstance(parameter.default, str) else "word"}))
        if parameter.choices:
            bad.append((name, {name: "no_such_choice"}))
        for limit, beyond in ((parameter.minimum, -1), (parameter.maximum, 1)):
            if limit is not None:
                value = limit + beyond
                text = f"{value:.0f}" if isinstance(parameter.default, int) else f"{value:.1f}"
                bad.append((name, {name: text}))
        if isinstance(parameter.default, tuple):
            bad.append((name, {name: "[1.0]"}))
    return [
        *bad,
        ("thermal.range.low", {"thermal.range.low": 300.0}),
        ("thermal.percentile.low", {"thermal.percentile.low": 99.5}),
        ("registration.homography", {"registration.homography": str([0.0] * 9)}),
        ("registration.plane.rotation", {"registration.plane.rotation": str([0.0] * 4)}),
        ("thermal.on_missing", {"mode": "lossless", "thermal.on_missing": "rgb_only"}),
        ("rgb.on_missing", {"mode": "lossless", "rgb.on_missing": "thermal_only"}),
        ("camera_pairs", {"camera_pairs": "front,front"}),
        ("modle", {"modle": "/no/such.safetensors"}),
        ("detection.min_area", {"detection.min_area": 5}),
        ("max_rate", {"mode": "lossless", "max_rate": 5.0}),
        ("model", {"model": "/no/such.safetensors"}),
        ("device", {"device": "abacus"}),
        ("device", {"device": "cuda:99"}),
        ("class_embeddings", {"class_embeddings": "/no/such.safetensors"}),
        ("classes", {"classes": "person,unicorn"}),
        *([] if MESSAGE_FILTERS else [("sync.method", {"sync.method": "approximate"})]),
    ]


BAD_QOS = {"reliability": "no_such", "depth": "many"}
QOS_NAME = "qos_overrides./thermal/image.subscription"


@pytest.fixture(scope="module")
def outcomes(repository: Path, node_model: Path) -> list[dict[str, str]]:
    """What becomes of nodes with `bad_values`, then with `BAD_QOS`, see `parameter_trials.bring_up_and_end`."""
    # The values come last: some are of these two parameters.
    trials = [{"model": str(node_model), "device": "cpu", **overrides} for _, overrides in bad_values()]
    for kind, value in BAD_QOS.items():
        trials.append({"model": str(node_model), "device": "cpu", f"{QOS_NAME}.{kind}": value})
    output = subprocess.run(
        [sys.executable, "test/support/parameter_trials.py", json.dumps(trials)],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=2 * TIMEOUT_S,
        check=True,
    ).stdout
    outcomes = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    assert len(outcomes) == len(trials)
    return outcomes


def test_every_bad_parameter_fails_configure_by_name(outcomes: list[dict[str, str]]) -> None:
    failed = {"configure": "FAILURE", "shutdown": "SUCCESS"}
    wrong = [
        (name, overrides, outcome)
        for (name, overrides), outcome in zip(bad_values(), outcomes, strict=False)
        if outcome != {**failed, "reason": outcome["reason"]}
        or not outcome["reason"].startswith((f"parameter {name}: ", f"parameter {name} "))
    ]
    assert wrong == []


def test_qos_overrides_that_cannot_be_taken_fail_activate_and_leave_a_node_that_can_be_ended(
    outcomes: list[dict[str, str]],
) -> None:
    ends = {"cleanup": "SUCCESS", "shutdown": "SUCCESS"}
    for (kind, value), outcome in zip(BAD_QOS.items(), outcomes[-len(BAD_QOS) :], strict=True):
        reason = outcome["reason"]
        assert outcome == {"configure": "SUCCESS", "activate": "FAILURE", **ends, "reason": reason}
        assert reason.startswith(f"parameter {QOS_NAME}: ")
        assert kind in reason
        assert value in reason
