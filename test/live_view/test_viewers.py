"""The RViz configuration and the Foxglove layout show topics that the node has, in ways that fit its QoS."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
import yaml
from diagnostics_table import documented_keys
from node_process import active_node
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, ReliabilityPolicy, qos_check_compatible
from waiting import wait_for

from rgbt_seg_ros.base.diagnostics import status_name
from rgbt_seg_ros.models import read_card

INPUTS = {"/rgb/image", "/thermal/image"}


@pytest.fixture(scope="module")
def observer(node_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that sees the topics of an active rgbt_segmenter in another process."""
    with active_node(tmp_path_factory.mktemp("node") / "log.txt", topics={}, model=node_model):
        rclpy.init()
        node = rclpy.create_node("observer")
        wait_for(lambda: published(node), "discovery")
        yield node
        node.destroy_node()
        rclpy.shutdown()


def published(observer: Node) -> dict[str, list[str]]:
    """Types by name of what the node publishes; empty until it has been discovered."""
    try:
        return dict(observer.get_publisher_names_and_types_by_node("rgbt_segmenter", "/"))
    except rclpy.node.NodeNameNonExistentError:
        return {}


@pytest.fixture(scope="module")
def displays(repository: Path) -> list[dict[str, Any]]:
    """RViz's displays."""
    config = yaml.safe_load((repository / "config" / "rgbt_seg.rviz").read_text())
    return config["Visualization Manager"]["Displays"]


@pytest.fixture(scope="module")
def layout(repository: Path) -> dict[str, Any]:
    """Foxglove's layout."""
    return json.loads((repository / "config" / "foxglove_layout.json").read_text())


def test_rviz_shows_the_nodes_images_in_a_qos_that_fits(
    observer: Node, displays: list[dict[str, Any]]
) -> None:
    subscribed = dict(observer.get_subscriber_names_and_types_by_node("rgbt_segmenter", "/"))
    shown = {display["Topic"]["Value"]: display for display in displays}
    assert {"/rgbt_segmenter/overlay", "/rgbt_segmenter/mask"} | INPUTS == set(shown)
    for topic, display in shown.items():
        assert display["Class"] == "rviz_default_plugins/Image"
        types = subscribed if topic in INPUTS else published(observer)
        assert types[topic] == ["sensor_msgs/msg/Image"]
        assert display["Topic"]["Durability Policy"] == "Volatile"
        reliability = {"Best Effort": ReliabilityPolicy.BEST_EFFORT, "Reliable": ReliabilityPolicy.RELIABLE}
        asked = QoSProfile(depth=5, reliability=reliability[display["Topic"]["Reliability Policy"]])
        if topic in INPUTS:
            offered = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        else:
            (offered,) = (each.qos_profile for each in observer.get_publishers_info_by_topic(topic))
        assert qos_check_compatible(offered, asked)[0] != QoSCompatibility.ERROR


def test_foxglove_shows_the_nodes_images_and_diagnostics(observer: Node, layout: dict[str, Any]) -> None:
    panels = layout["configById"]
    images = {panel["imageMode"]["imageTopic"] for panel in panels.values() if "imageMode" in panel}
    assert images == {"/rgbt_segmenter/overlay"} | INPUTS
    (summary,) = (panel for panel in panels.values() if "topicToRender" in panel)
    assert published(observer)[summary["topicToRender"]] == ["diagnostic_msgs/msg/DiagnosticArray"]
    assert "/rgbt_segmenter/overlay" in published(observer)


def test_the_semantic_layer_of_nav2_is_fed(observer: Node, repository: Path) -> None:
    """Its parameters are those of semantic_segmentation_layer (nav2), which takes sensor QoS and latched labels."""
    parameters = yaml.safe_load((repository / "config" / "nav2" / "semantic_layer.yaml").read_text())
    costmap = parameters["local_costmap"]["local_costmap"]["ros__parameters"]
    camera = costmap[costmap["plugins"][0]]["camera"]
    assert costmap["semantic_layer"]["observation_sources"] == "camera"
    for parameter, kind in (("segmentation", "Image"), ("confidence", "Image"), ("labels", "LabelInfo")):
        topic = camera[f"{parameter}_topic"]
        (package,) = (name.split("/")[0] for name in published(observer)[topic])
        assert published(observer)[topic] == [f"{package}/msg/{kind}"]
        (offered,) = (each.qos_profile for each in observer.get_publishers_info_by_topic(topic))
        asked = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        if parameter == "labels":
            asked = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        assert qos_check_compatible(offered, asked)[0] != QoSCompatibility.ERROR
    classes = [name for kind in camera["class_types"] for name in camera[kind]["classes"]]
    assert sorted(classes) == sorted(read_card("default").class_names), "each in one type"
    assert all(
        0 <= camera[kind]["base_cost"] <= camera[kind]["max_cost"] <= 254 for kind in camera["class_types"]
    )


@pytest.mark.parametrize("node", ["/rgbt_segmenter", "/robot/front/rgbt_segmenter"])
@pytest.mark.parametrize("pair", ["", "left"])
def test_the_aggregator_finds_the_nodes_status(repository: Path, node: str, pair: str) -> None:
    parameters = yaml.safe_load((repository / "config" / "diagnostic_aggregator.yaml").read_text())
    analyzer = parameters["analyzers"]["ros__parameters"]["segmentation"]
    assert analyzer["type"] == "diagnostic_aggregator/GenericAnalyzer"
    assert any(part in status_name(node, pair) for part in analyzer["contains"])
    assert not any(part in "/camera: driver" for part in analyzer["contains"])


def test_foxglove_arranges_every_panel_once(layout: dict[str, Any]) -> None:
    def leaves(part: Any) -> list[str]:
        return [part] if isinstance(part, str) else leaves(part["first"]) + leaves(part["second"])

    assert sorted(leaves(layout["layout"])) == sorted(layout["configById"])


def test_foxglove_plots_documented_diagnostics_of_the_nodes_status(
    layout: dict[str, Any], repository: Path
) -> None:
    documented = documented_keys(repository)
    paths = [path["value"] for panel in layout["configById"].values() for path in panel.get("paths", ())]
    assert len(paths) >= 5
    for path in paths:
        match = re.fullmatch(
            r'/diagnostics\.status\[:\]\{name=="(.+)"\}\.values\[:\]\{key=="(.+)"\}\.value', path
        )
        assert match is not None, path
        assert match[1] == status_name("/rgbt_segmenter")
        assert match[2] in documented
