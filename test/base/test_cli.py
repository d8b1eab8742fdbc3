"""Numbers on the command line that no rate, time, count or size can have are wrong usage, in one short sentence."""

import argparse
from collections.abc import Callable

import pytest

from rgbt_seg_ros.base.cli import image_size, positive_count, positive_number, seed


@pytest.mark.parametrize("text", ["0.001", "1e6", "30", "0.5", "1e3"])
def test_numbers_that_rates_and_times_have(text: str) -> None:
    assert positive_number(text) == float(text)


@pytest.mark.parametrize("reader", [positive_number, positive_count, seed, image_size])
@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "1e300",
        "1e-300",
        "5e-324",
        "9" * 30,
        "9" * 5000,
        "",
        "x",
        "\0",
        "1e999",
    ],
)
def test_what_is_no_such_number_is_refused(reader: Callable[[str], object], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as error:
        reader(text)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("text", ["480x640", "32x32", "16384x16384"])
def test_sizes_that_images_have(text: str) -> None:
    height, width = image_size(text)
    assert f"{height}x{width}" == text


@pytest.mark.parametrize(
    "text", ["31x640", "480x16385", "²x640", "480x", "x", "99999999x640", "480x640x3", "-480x640"]
)
def test_sizes_that_no_image_has_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a size such as 480x640"):
        image_size(text)


def test_seeds_start_at_0() -> None:
    assert (seed("0"), seed("7")) == (0, 7)
    with pytest.raises(argparse.ArgumentTypeError, match="must be 0 to 1000000000, not -1"):
        seed("-1")
