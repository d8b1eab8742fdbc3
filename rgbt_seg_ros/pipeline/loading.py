"""The segmenter that settings ask for."""

from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.settings import Settings


def load_segmenter(settings: Settings) -> Segmenter:
    """Load the model of the settings, on their device, in their precision and by their runtime.

    Raises:
        UserError: see `Segmenter.load`.
    """
    return Segmenter.load(
        settings.model,
        settings.device,
        settings.precision,
        thermal=settings.thermal.normalizer,
        runtime=settings.runtime,
    )
