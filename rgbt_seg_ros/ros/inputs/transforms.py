"""Static transforms from /tf_static."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.subscription import Subscription

from rgbt_seg_ros.base.errors import UserError

TF_STATIC = "/tf_static"
TF_TYPE = "tf2_msgs/msg/TFMessage"
TF_QOS = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""As tf2's own listener asks: whatever was said before comes as well."""

Take = Callable[[str, str, tuple[float, ...], tuple[float, ...]], None]
"""Told parent, child, translation [m] and rotation (quaternion x, y, z, w) of each transform."""


def check_transforms() -> None:
    """Raise `UserError` where the messages of /tf_static are not installed."""
    if find_spec("tf2_msgs") is None:
        raise UserError(
            "the messages of /tf_static are missing: install ros-jazzy-tf2-msgs, or run `make setup` again"
        )


def subscribe_transforms(node: Node, take: Take, end: Callable[[], None]) -> Subscription:
    """Have all static transforms told.

    Args:
        node: that subscribes.
        take: see `Take`.
        end: called after the transforms of one message.
    """
    # Not at the top: those who do not use it need not have it.
    from tf2_msgs.msg import TFMessage

    def receive(message: Any) -> None:
        for stamped in message.transforms:
            move, turn = stamped.transform.translation, stamped.transform.rotation
            take(
                stamped.header.frame_id,
                stamped.child_frame_id,
                (move.x, move.y, move.z),
                (turn.x, turn.y, turn.z, turn.w),
            )
        end()

    return node.create_subscription(TFMessage, TF_STATIC, receive, TF_QOS)
