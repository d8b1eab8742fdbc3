"""The live view of a real node, both processes of their own over real DDS; this process is the cameras and the browser.

The tests of this file share node and view and run in order.
"""

import re
import signal
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from node_bench import Bench
from node_process import NodeProcess, active_node
from waiting import wait_for
from watch_client import Stream

from rgbt_seg_ros.masks.classes import MFNET

WATCH = ("-m", "rgbt_seg_ros.watch", "--port", "0")
OVERLAY, DETECTIONS = "/rgbt_segmenter/overlay", "/rgbt_segmenter/detections"
THINGS = {"detections__min_area": 1, "detections__score_threshold": 0.0}
"""Every mask has detections."""


@pytest.fixture(scope="module")
def node(bench: Bench, node_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with active_node(tmp_path_factory.mktemp("node") / "log.txt", model=node_model, **THINGS) as node:
        bench.new_mask()
        yield node


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with NodeProcess(tmp_path_factory.mktemp("watch") / "log.txt", *WATCH) as watch:
        yield watch


@pytest.fixture(scope="module")
def port(watch: NodeProcess) -> int:
    return port_of(watch)


def port_of(watch: NodeProcess) -> int:
    """Where it listens, as it says."""
    return int(wait_for(lambda: re.search(r"open http://[^ ]*:(\d+)/", watch.output), "listening")[1])


def watched_topics(bench: Bench) -> set[str]:
    """What the view subscribes to."""
    return {topic for topic, _ in bench.node.get_subscriber_names_and_types_by_node("rgbt_watch", "/")}


def new_item(bench: Bench, stream: Stream) -> Any:
    """The first item that comes from now on, while the cameras send."""
    seen = len(stream.items)
    bench.send_until(lambda: len(stream.items) > seen, "a new item")
    return stream.items[-1]


def test_while_nobody_looks_nothing_is_subscribed(bench: Bench, node: NodeProcess, port: int) -> None:
    wait_for(lambda: "rgbt_watch" in bench.node.get_node_names(), "the view in the graph")
    bench.new_mask()
    assert watched_topics(bench) == set()
    assert bench.node.count_subscribers(OVERLAY) == 0


def test_the_overlay_comes_in_its_size_and_only_it_is_subscribed(
    bench: Bench, node: NodeProcess, port: int
) -> None:
    with Stream(port, "/overlay.mjpg") as overlay:
        assert new_item(bench, overlay).shape == (48, 64, 3)
        assert watched_topics(bench) == {OVERLAY}
        with Stream(port, "/overlay.mjpg") as second:
            assert new_item(bench, second).shape == (48, 64, 3)
            assert bench.node.count_subscribers(OVERLAY) == 1
        assert new_item(bench, overlay).shape == (48, 64, 3)
    wait_for(lambda: bench.node.count_subscribers(OVERLAY) == 0, "unsubscribing")
    wait_for(lambda: watched_topics(bench) == set(), "unsubscribing from everything")


def test_the_cameras_come_as_received(bench: Bench, node: NodeProcess, port: int) -> None:
    with Stream(port, "/rgb.mjpg") as rgb, Stream(port, "/thermal.mjpg") as thermal:
        wait_for(lambda: watched_topics(bench) == {"/cam", "/boson"}, "subscribing")
        new_item(bench, rgb)
        assert new_item(bench, thermal).shape == (24, 32, 3)
        wait_for(lambda: rgb.items, "RGB")
        sent = [pair[0] for pair in bench.sent.values()]
        error = min(abs(rgb.items[-1].astype(float) - image).mean() for image in sent)
        assert error < 12, "JPEG halves the colours' resolution"


def test_numbers_are_those_of_the_diagnostics(bench: Bench, node: NodeProcess, port: int) -> None:
    with Stream(port, "/numbers") as numbers, Stream(port, "/mask.mjpg") as mask:
        assert new_item(bench, mask).shape == (48, 64, 3)
        seen = len(numbers.items)
        bench.send_until(
            lambda: any(item["values"] and item["detections"] for item in numbers.items[seen:]), "a report"
        )
        told = next(item for item in reversed(numbers.items) if item["values"] and item["detections"])
        reports = [message.status[0] for message in bench.received["/diagnostics"]]
        values = [{item.key: item.value for item in report.values} for report in reports]
        report = reports[values.index(told["values"])]
        assert (told["level"], told["sentence"]) == (("ok", "warn", "error")[report.level[0]], report.message)
        assert float(told["values"]["masks"]) > 0
        assert (told["node"], told["pair"]) == ("/rgbt_segmenter", "")
        assert [entry["name"] for entry in told["classes"]] == list(MFNET.names)
        detections = [
            [item.results[0].hypothesis.class_id for item in message.detections]
            for message in bench.received["detections"]
        ]
        assert told["detections"] in detections
        picture = told["pictures"]["mask"]
        assert (picture["size"], picture["waiting"]) == ([64, 48], "")
        assert picture["topic"] == "/rgbt_segmenter/mask"
        assert "overlay" not in told["pictures"], "nobody looks at it"
    wait_for(lambda: bench.node.count_subscribers(DETECTIONS) == 1, "unsubscribing")


def test_other_classes_are_shown_at_once(bench: Bench, node: NodeProcess, port: int) -> None:
    with Stream(port, "/numbers") as numbers:
        wait_for(lambda: numbers.items and len(numbers.items[-1]["classes"]) == 9, "all classes")
        assert bench.set_parameter("classes", "bike,person").successful
        wait_for(lambda: names(numbers) == ["bike", "person"], "other classes")
        assert bench.set_parameter("classes", "").successful
        wait_for(lambda: names(numbers) == list(MFNET.names), "all classes again")


def names(numbers: Stream) -> list[str]:
    return [entry["name"] for entry in numbers.items[-1]["classes"]]


def test_a_node_that_ends_is_waited_for_and_its_return_is_shown(
    bench: Bench, node: NodeProcess, port: int, node_model: Path, tmp_path: Path
) -> None:
    with Stream(port, "/numbers") as numbers, Stream(port, "/overlay.mjpg") as overlay:
        new_item(bench, overlay)
        bench.send_until(lambda: numbers.items[-1]["values"], "a report")
        node.process.send_signal(signal.SIGINT)
        assert node.wait() == 0
        told = wait_for(
            lambda: numbers.items[-1]["level"] == "waiting" and numbers.items[-1], "waiting for the node"
        )
        assert told["sentence"].startswith("waiting for /rgbt_segmenter: no report of it for ")
        assert told["values"] == {}
        told = wait_for(
            lambda: numbers.items[-1]["pictures"]["overlay"]["waiting"] and numbers.items[-1], "no picture"
        )
        assert told["pictures"]["overlay"]["waiting"] == f"waiting for {OVERLAY}: nobody publishes it"
        with active_node(tmp_path / "log.txt", model=node_model, **THINGS):
            assert new_item(bench, overlay).shape == (48, 64, 3)
            bench.send_until(lambda: numbers.items[-1]["level"] != "waiting", "a report again")
            wait_for(lambda: numbers.items[-1]["pictures"]["overlay"]["waiting"] == "", "pictures again")
        assert not numbers.ended
        assert not overlay.ended


def test_a_port_in_use_is_one_sentence(watch: NodeProcess, port: int, tmp_path: Path) -> None:
    with NodeProcess(tmp_path / "log.txt", "-m", "rgbt_seg_ros.watch", "--port", str(port)) as second:
        assert second.wait() == 1
        assert second.output == (
            f"error: port {port} of 127.0.0.1 is in use: give another --port, or 0 for any free one\n"
        )


def test_ctrl_c_ends_it_with_its_streams(bench: Bench, tmp_path: Path) -> None:
    with (
        NodeProcess(tmp_path / "log.txt", *WATCH) as watch,
        Stream(port_of(watch), "/overlay.mjpg") as overlay,
    ):
        watch.process.send_signal(signal.SIGINT)
        time.sleep(0.01)
        watch.process.send_signal(signal.SIGINT)
        assert watch.wait() == 0
        wait_for(lambda: overlay.ended, "the end of the stream")
        assert watch.output.splitlines() == [
            f"watching /rgbt_segmenter: open http://127.0.0.1:{port_of(watch)}/ in a browser, Ctrl-C ends it"
        ]


def test_on_a_network_it_says_who_can_see_the_pictures(tmp_path: Path) -> None:
    with NodeProcess(tmp_path / "log.txt", *WATCH, "--host", "0.0.0.0", "--name", "robot.example") as watch:
        port = port_of(watch)
        assert watch.output.startswith(
            f"anyone who can reach port {port} of this machine can see the pictures\n"
        )
        connection = HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/", headers={"Host": f"robot.example:{port}"})
        assert connection.getresponse().status == 200
        connection.close()
        watch.process.send_signal(signal.SIGTERM)
        assert watch.wait() == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--port", "70000"),
        ("--port", "http"),
        ("--node", "my node"),
        ("--pair", "a/b"),
        ("--name", "robot:8080"),
    ],
)
def test_wrong_usage_is_refused(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    from rgbt_seg_ros.watch import main

    with pytest.raises(SystemExit) as exit_:
        main([option, value])
    assert exit_.value.code == 2
    assert f"argument {option}: " in capsys.readouterr().err
