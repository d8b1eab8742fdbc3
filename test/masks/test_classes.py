"""Colours of class lists, also of odd ones."""

import numpy as np
import pytest

from rgbt_seg_ros.masks.classes import MFNET, palette_for


@pytest.mark.parametrize("names", [(), ("car",) * 300, MFNET.names * 40, ("thing",) * 300, ("",)])
def test_any_list_of_names_has_colours(names: tuple[str, ...]) -> None:
    palette = palette_for(names)
    assert (palette.shape, palette.dtype) == ((256, 3), np.uint8)


def test_names_of_a_data_set_have_its_colours_in_any_order() -> None:
    assert [tuple(color) for color in palette_for(("person", "car"))[:2]] == [
        MFNET.palette[2],
        MFNET.palette[1],
    ]
