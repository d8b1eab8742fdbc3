"""The demo's drive is chosen by its labels."""

import numpy as np
import pytest

from rgbt_seg_ros.scenes import demo_drive

# background, car, person, bike, curb, car stop, guardrail, color cone, bump
_FITTING = [0.82, 0.06, 0.02, 0.04, 0.03, 0.0, 0.03, 0.0, 0.0]


def test_the_demo_plays_the_first_drive_that_fits() -> None:
    assert demo_drive.first_fitting_seed() == demo_drive.SEED


@pytest.mark.parametrize(
    ("changed", "value"),
    [(1, 0.04), (1, 0.16), (2, 0.009), (3, 0.0005)],
    ids=["few cars", "cars all over", "few people", "a class of some pixels"],
)
def test_each_part_of_the_rule_counts(changed: int, value: float) -> None:
    shares = np.array(_FITTING)
    assert demo_drive.fits(shares)
    shares[changed] = value
    assert not demo_drive.fits(shares)
