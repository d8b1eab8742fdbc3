"""What `rgbt_seg_ros.play` does once its arguments are known to be good."""

import argparse
import sys
import time

import rclpy

from rgbt_seg_ros.bags.image_topics import (
    IMAGE_TYPES,
    find_image_topics,
    image_transports,
    recorded_reliability,
)
from rgbt_seg_ros.bags.recording import Recording
from rgbt_seg_ros.bags.stamps import useless_stamps
from rgbt_seg_ros.base.json_files import encode_json
from rgbt_seg_ros.base.text import printable
from rgbt_seg_ros.ros.arguments import check_arguments
from rgbt_seg_ros.ros.graph import init_ros
from rgbt_seg_ros.ros.player import Player


def _restamped_topics(recording: Recording, choice: str) -> list[str]:
    """Topics whose images get the time of reception for a stamp; says what it finds."""
    images = [topic.name for topic in recording.topics.values() if topic.type in IMAGE_TYPES and topic.count]
    fault = useless_stamps(recording, images) if choice != "receive" else ""
    if choice == "header" and fault:
        print(
            f"{printable(fault)}: whoever pairs images by them finds few, see --stamps receive",
            file=sys.stderr,
        )
    if choice == "auto" and fault:
        print(
            f"{printable(fault)}: images are played with the time of reception as their stamps",
            file=sys.stderr,
        )
    return images if choice == "receive" or (choice == "auto" and fault) else []


def _describe(recording: Recording, rgb_topic: str | None, thermal_topic: str | None) -> str:
    """JSON with the cameras' topics, how their images are stored, and the reliability that was recorded."""
    topics = find_image_topics(recording, rgb_topic, thermal_topic)
    transports = {f"{kind}_transport": name for kind, name in image_transports(recording, topics).items()}
    return encode_json({**topics, **transports, "input_reliability": recorded_reliability(recording, topics)})


def run(args: argparse.Namespace, recording: Recording) -> None:
    """Play a recording, or describe it."""
    if args.describe:
        print(_describe(recording, args.rgb_topic, args.thermal_topic))
        return
    restamped_topics = _restamped_topics(recording, args.stamps)
    init_ros()
    try:
        node = rclpy.create_node("rgbt_player", start_parameter_services=False)
        player = Player(node, recording, not args.best_effort, args.clock, restamped_topics)
        check_arguments(node, [*recording.topics, "/clock"])
        for topic in player.skipped:
            print(printable(f"not played: {topic.name} ({topic.type})"))
        if args.wait_for_subscribers > 0:
            player.wait_for_subscribers(args.wait_for_subscribers, args.subscriptions)
        print(f"playing {args.bag}", flush=True)
        started = time.monotonic()
        for _ in range(args.loop):
            player.play(args.rate, args.playback_duration)
        player.wait_for_acknowledgement()
        print(f"played {player.played} messages in {time.monotonic() - started:.1f} s")
    finally:
        rclpy.try_shutdown()
