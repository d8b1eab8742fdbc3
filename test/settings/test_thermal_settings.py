"""Rows and columns that are cut off, and counts that are no temperatures."""

from array import array

import numpy as np
import pytest
from settings_of import settings_of

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.codec import encode_image

IMAGE = np.arange(12 * 16, dtype=np.uint16).reshape(12, 16)


def test_each_side_is_cut_off() -> None:
    crop = {"top": 1, "bottom": 2, "left": 3, "right": 4}
    settings = settings_of(**{f"thermal__crop__{side}": number for side, number in crop.items()})
    np.testing.assert_array_equal(settings.thermal.cropped(IMAGE), IMAGE[1:10, 3:12])
    assert settings_of().thermal.cropped(IMAGE).shape == IMAGE.shape


@pytest.mark.parametrize("crop", [{"top": 12}, {"top": 6, "bottom": 6}, {"left": 9, "right": 9}])
def test_something_must_be_left(crop: dict[str, int]) -> None:
    settings = settings_of(**{f"thermal__crop__{side}": number for side, number in crop.items()})
    with pytest.raises(ValueError, match=r"thermal\.crop leaves nothing of a thermal image of 16x12"):
        settings.thermal.cropped(IMAGE)


@pytest.mark.parametrize("kind", [bytes, bytearray, lambda data: array("B", data)])
def test_rows_that_are_kept_are_those_of_the_message(kind: type) -> None:
    message = encode_image(IMAGE)
    padded = np.full((12, 40), 255, np.uint8)
    padded[:, :32] = np.frombuffer(message.data, np.uint8).reshape(12, 32)

    class Padded:
        step, data = 40, kind(padded.tobytes())

    settings = settings_of(thermal__crop__top=1, thermal__crop__bottom=3)
    assert bytes(settings.thermal.rows_kept(Padded)) == padded[1:9].tobytes()
    assert settings_of().thermal.rows_kept(Padded) is Padded.data
    assert bytes(settings_of(thermal__crop__top=20).thermal.rows_kept(Padded)) == b""


def test_counts_that_are_no_temperatures_are_a_list_of_numbers() -> None:
    assert settings_of(thermal__invalid=" 0, 65535 ,").thermal.normalizer.invalid == (0, 65_535)
    for value in ("-1", "65536", "zero", "1.5"):
        with pytest.raises(UserError, match=r"thermal\.invalid"):
            settings_of(thermal__invalid=value).thermal.normalizer.invalid  # noqa: B018
