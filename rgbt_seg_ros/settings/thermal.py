"""The node's parameters about thermal images: `settings.thermal.range.low` is parameter `thermal.range.low`."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.text import quoted
from rgbt_seg_ros.images.choices import FLOAT_UNITS, PALETTES
from rgbt_seg_ros.settings.parameter import declare

if TYPE_CHECKING:
    # The table is read for the options of commands, before anything slow is imported.
    import numpy as np

    from rgbt_seg_ros.images.thermal import ThermalNormalization
    from rgbt_seg_ros.images.thermal_image import ThermalReading


@dataclass(frozen=True)
class ThermalRange:
    """Values that become 0 and 1 with normalization fixed."""

    unit: str = declare(
        "counts",
        "Unit of thermal.range; kelvin is for radiometric cameras, see thermal.kelvin_per_count.",
        choices=("counts", "kelvin"),
    )
    low: float = declare(
        0.0,
        "Thermal value that becomes 0 with normalization fixed.",
        unit="counts or K",
        minimum=0.0,
        maximum=65535.0,
    )
    high: float = declare(
        255.0,
        "Thermal value that becomes 1 with normalization fixed.",
        unit="counts or K",
        minimum=0.0,
        maximum=65535.0,
    )


@dataclass(frozen=True)
class ThermalPercentile:
    """Percentiles that become 0 and 1 with normalization percentile."""

    low: float = declare(
        1.0,
        "Percentile of each thermal image that becomes 0 with normalization percentile.",
        unit="%",
        minimum=0.0,
        maximum=100.0,
    )
    high: float = declare(
        99.0,
        "Percentile of each thermal image that becomes 1 with normalization percentile.",
        unit="%",
        minimum=0.0,
        maximum=100.0,
    )


@dataclass(frozen=True)
class ThermalCrop:
    """Rows and columns of a thermal image that are none of the picture, and are cut off."""

    top: int = declare(
        0,
        "Rows at the top of each thermal image to cut off, as of telemetry.",
        unit="pixels",
        minimum=0,
        maximum=4096,
    )
    bottom: int = declare(
        0,
        "Rows at the bottom of each thermal image to cut off, as of telemetry.",
        unit="pixels",
        minimum=0,
        maximum=4096,
    )
    left: int = declare(
        0, "Columns at the left of each thermal image to cut off.", unit="pixels", minimum=0, maximum=4096
    )
    right: int = declare(
        0, "Columns at the right of each thermal image to cut off.", unit="pixels", minimum=0, maximum=4096
    )


@dataclass(frozen=True)
class ThermalSettings:
    """What a missing thermal camera means, and how its counts become 0..1."""

    stale_after: float = declare(
        1.0,
        "Time without an image after which the thermal camera is missing, and with the same image after which it is "
        "frozen. It must be longer than the camera's period and its shutter pauses. 0 never judges it.",
        unit="s",
        minimum=0.0,
        maximum=60.0,
    )
    on_missing: str = declare(
        "drop",
        "Answer while the thermal camera is missing or frozen. drop: no masks. rgb_only: masks from RGB images alone.",
        choices=("drop", "rgb_only"),
    )
    normalization: str = declare(
        "auto",
        "Rule by which thermal values become 0..1. auto: 8 bit divided by 255, 16 bit by percentile. fixed: by "
        "thermal.range. percentile: by thermal.percentile of each image. minmax: by each image's own limits.",
        choices=("auto", "fixed", "percentile", "minmax"),
    )
    range: ThermalRange = dataclasses.field(default_factory=ThermalRange)
    percentile: ThermalPercentile = dataclasses.field(default_factory=ThermalPercentile)
    min_span: float = declare(
        0.0,
        "Smallest range of thermal values that becomes 0..1, so that noise is not stretched; in thermal.range.unit. "
        "0 is 40 times the noise of a 16-bit image, and 2 K at least where the unit is kelvin.",
        unit="counts or K",
        minimum=0.0,
        maximum=65535.0,
    )
    time_constant: float = declare(
        1.0,
        "Time in which limits that are the image's own follow a new scene, so that masks do not flicker when a hot "
        "thing enters. 0 takes those of each image.",
        unit="s",
        minimum=0.0,
        maximum=60.0,
    )
    invalid: str = declare(
        "",
        "Counts that are no temperatures, separated by commas, such as 0,65535. Others that are far from all values "
        "of a 16-bit image are found, unless normalization is fixed.",
    )
    crop: ThermalCrop = dataclasses.field(default_factory=ThermalCrop)
    kelvin_per_count: float = declare(
        0.01,
        "Temperature step of a radiometric camera, for thermal.range.unit kelvin.",
        unit="K",
        minimum=1e-6,
        maximum=100.0,
    )
    kelvin_offset: float = declare(
        0.0,
        "Temperature of count 0 of a radiometric camera, for thermal.range.unit kelvin.",
        unit="K",
        minimum=-10_000.0,
        maximum=10_000.0,
    )

    palette: str = declare(
        "auto",
        "False colours of thermal images of three channels, which are undone. auto finds them, and takes grey as "
        "white-hot. none takes the brightness. black-hot also inverts one channel. rainbow is OpenCV's, whose red is "
        "cold; -reversed is a palette from hot to cold.",
        choices=PALETTES,
        aliases={"iron": "ironbow"},
    )
    float_unit: str = declare(
        "kelvin",
        "Unit of thermal images of floats (32FC1). They become counts of 0.01 K, see thermal.kelvin_per_count; what is "
        "not finite is missing.",
        choices=FLOAT_UNITS,
    )

    @property
    def reading(self) -> ThermalReading:
        """What thermal images do not say of themselves."""
        from rgbt_seg_ros.images.thermal_image import ThermalReading

        return ThermalReading(self.palette, self.float_unit)

    @property
    def normalizer(self) -> ThermalNormalization:
        """How thermal images become 0..1."""
        from rgbt_seg_ros.images.thermal import ThermalNormalization

        return ThermalNormalization(
            mode=self.normalization,
            low=self.range.low,
            high=self.range.high,
            low_percentile=self.percentile.low,
            high_percentile=self.percentile.high,
            unit=self.range.unit,
            kelvin_per_count=self.kelvin_per_count,
            kelvin_offset=self.kelvin_offset,
            min_span=self.min_span,
            invalid=self.invalid_counts,
        )

    @property
    def invalid_counts(self) -> tuple[int, ...]:
        """The counts in `invalid`.

        Raises:
            UserError: one is no number from 0 to 65535.
        """
        words = [word.strip() for word in self.invalid.split(",") if word.strip()]
        for word in words:
            if not re.fullmatch("0*[0-9]{1,5}", word) or int(word[-5:]) > 65535:
                raise UserError(f"parameter thermal.invalid: {quoted(word)} is no count from 0 to 65535")
        return tuple(int(word[-5:]) for word in words)

    def rows_kept(self, message: Any) -> Any:
        """Data of a raw image message (any buffer of bytes) without the rows of `crop`."""
        top, bottom = self.crop.top * message.step, self.crop.bottom * message.step
        if top == bottom == 0:
            return message.data
        return memoryview(message.data)[top : max(top, len(message.data) - bottom)]

    def cropped(self, thermal: np.ndarray) -> np.ndarray:
        """A thermal image [H, W] without the rows and columns of `crop`, a view.

        Raises:
            ValueError: nothing would be left.
        """
        crop, (height, width) = self.crop, thermal.shape
        rows, columns = height - crop.top - crop.bottom, width - crop.left - crop.right
        if rows <= 0 or columns <= 0:
            raise ValueError(f"thermal.crop leaves nothing of a thermal image of {width}x{height}")
        return thermal[crop.top : height - crop.bottom, crop.left : width - crop.right]
