"""Switching inference off and on, limiting its rate, and the QoS of what is published.

The tests of this file share one node and run in order.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lifecycle_msgs.msg import Transition
from node_bench import Bench
from node_process import NodeProcess, active_node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from std_srvs.srv import SetBool
from waiting import wait_for

PAUSED = "paused: inference is switched off by ~/enable"
QOS = {
    "qos_overrides./masks.publisher.reliability": "best_effort",
    "qos_overrides./rgbt_segmenter/detections.publisher.durability": "transient_local",
    "qos_overrides./rgbt_segmenter/detections.publisher.depth": 7,
    "qos_overrides./diagnostics.publisher.durability": "transient_local",
}


@pytest.fixture(scope="module")
def node(bench: Bench, node_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    log = tmp_path_factory.mktemp("node") / "log.txt"
    topics = {"rgb/image": "/cam", "thermal/image": "/boson", "~/mask": "/masks"}
    with active_node(log, topics=topics, model=node_model, **QOS) as node:
        bench.new("detections")
        yield node


def enable(bench: Bench, on: bool) -> SetBool.Response:
    return bench.call(SetBool, "enable", SetBool.Request(data=on))


def wait_for_report(bench: Bench, accept: Any) -> dict[str, str]:
    bench.received["/diagnostics"].clear()
    bench.send_until(lambda: bench.last("/diagnostics") and accept(*bench.diagnostics()), "the report")
    return bench.diagnostics()[2]


def test_paused_it_counts_and_does_not_answer(bench: Bench, node: NodeProcess) -> None:
    response = enable(bench, False)
    assert (response.success, response.message) == (True, "inference is paused")
    before = wait_for_report(bench, lambda level, sentence, _: (level, sentence) == (0, PAUSED))
    after = wait_for_report(
        bench, lambda level, sentence, values: int(values["dropped.paused"]) > int(before["dropped.paused"])
    )
    assert after["masks"] == before["masks"]
    assert int(after["pairs"]) > int(before["pairs"])


def test_a_pause_outlasts_deactivation_and_ends_on_request(bench: Bench, node: NodeProcess) -> None:
    assert bench.change_state(Transition.TRANSITION_DEACTIVATE)
    assert bench.change_state(Transition.TRANSITION_ACTIVATE)
    wait_for_report(bench, lambda level, sentence, _: (level, sentence) == (0, PAUSED))
    assert enable(bench, True).message == "inference is enabled"
    bench.new("detections")
    wait_for_report(bench, lambda level, sentence, _: "masks/s" in sentence)


def test_the_rate_is_limited_while_the_node_runs(bench: Bench, node: NodeProcess) -> None:
    assert bench.set_parameter("max_rate", 0.01).successful
    bench.send_until(
        lambda: int(bench.diagnostics()[2].get("dropped.over_max_rate", "0")) > 20, "pairs over the rate"
    )
    masks = bench.next_diagnostics()[2]["masks"]
    bench.next_diagnostics()
    assert bench.diagnostics()[2]["masks"] == masks
    assert bench.set_parameter("max_rate", 0.0).successful
    bench.new("detections")


def test_users_may_override_the_qos_of_outputs(bench: Bench, node: NodeProcess) -> None:
    def offered(topic: str) -> Any:
        (publisher,) = wait_for(lambda: bench.node.get_publishers_info_by_topic(topic), topic)
        return publisher.qos_profile

    assert offered("/masks").reliability == ReliabilityPolicy.BEST_EFFORT
    assert offered("/rgbt_segmenter/detections").durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert offered("/rgbt_segmenter/overlay").reliability == ReliabilityPolicy.RELIABLE
    assert offered("/diagnostics").durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert "is not used" not in node.output


@pytest.mark.parametrize("topic", ["/rgbt_segmenter/mask", "/diagnostics"])
def test_an_override_that_cannot_be_taken_is_named(tmp_path: Path, node_model: Path, topic: str) -> None:
    name = f"qos_overrides.{topic}.publisher"
    with NodeProcess(
        tmp_path / "log.txt", model=node_model, device="cpu", **{f"{name}.reliability": "no"}
    ) as node:
        assert node.wait() == 1
        assert f"parameter {name}: " in node.output
        assert "Traceback" not in node.output
