"""Which topics of a recording are segmented."""

from rgbt_seg_ros.bags.image_topics import Kind, NoImages, find_image_topics
from rgbt_seg_ros.bags.recording import Recording
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.settings import Settings


def topics_of(
    recording: Recording, settings: Settings, rgb_topic: str | None, thermal_topic: str | None
) -> dict[Kind, str]:
    """Topics of both cameras, or of one where the other may be missing."""
    dispensable: set[Kind] = set()
    if settings.rgb.on_missing == "thermal_only":
        dispensable.add("rgb")
    if settings.thermal.on_missing == "rgb_only":
        dispensable.add("thermal")
    try:
        return find_image_topics(recording, rgb_topic, thermal_topic, dispensable)
    except NoImages as error:
        given, option = {
            "rgb": (rgb_topic, "--rgb-on-missing thermal_only"),
            "thermal": (thermal_topic, "--thermal-on-missing rgb_only"),
        }[error.kind]
        if given is not None or not _has_other_images(recording, error.kind, rgb_topic, thermal_topic):
            raise
        raise UserError(f"{error}, or segment the other images alone with {option}") from None


def _has_other_images(
    recording: Recording, missing: Kind, rgb_topic: str | None, thermal_topic: str | None
) -> bool:
    try:
        find_image_topics(recording, rgb_topic, thermal_topic, {missing})
    except UserError:
        return False
    return True
