"""Where a camera's calibration is published, by the topic of its images."""

from rclpy.node import Node


def camera_info_topics(node: Node, camera_info: str, image: str, transport: str) -> tuple[str, ...]:
    """Topics on which a camera's sensor_msgs/CameraInfo may come, the one to believe first.

    A remapped camera_info is where it was put. Else it is the sibling of the remapped image topic, as image_transport
    has it: ``/cam/camera_info`` of ``/cam/image_raw`` or ``/cam/image_raw/compressed``. What comes under the name
    before remapping is taken as well, where nothing comes from the sibling.

    Args:
        node: that subscribes.
        camera_info: its own name of the topic, before remapping.
        image: the resolved name of the image topic.
        transport: of the images, raw or compressed.

    Returns:
        Resolved names, one or two.
    """
    own = node.resolve_topic_name(camera_info, only_expand=True)
    resolved = node.resolve_topic_name(camera_info)
    if resolved != own:
        return (resolved,)
    folder = _base(image, transport).rpartition("/")[0]
    # At the root of all names every camera would have the same one.
    sibling = f"{folder}/camera_info" if folder else own
    return (sibling,) if sibling == own else (sibling, own)


def _base(image: str, transport: str) -> str:
    """The name of an image topic without that of its transport."""
    return image.removesuffix("/compressed") if transport == "compressed" else image
