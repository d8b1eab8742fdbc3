"""Static transforms, composed along the tree of frames."""

import numpy as np
import pytest

from rgbt_seg_ros.registration.rules import rotation_matrix
from rgbt_seg_ros.registration.transforms import TransformTree, quaternion

HALF = 0.5**0.5
Z90 = (0.0, 0.0, HALF, HALF)
NO_TURN = (0.0, 0.0, 0.0, 1.0)


def test_poses_are_composed_over_any_path() -> None:
    tree = TransformTree()
    assert tree.pose("a", "b") is None
    assert tree.add("base", "mast", (1.0, 0.0, 2.0), Z90)
    assert tree.add("mast", "rgb", (0.5, 0.0, 0.0), NO_TURN)
    assert tree.add("base", "thermal", (0.0, 0.0, 0.0), NO_TURN)
    assert not tree.add("base", "thermal", (0.0, 0.0, 0.0), NO_TURN), "no news"
    origin = (0.0, 0.0, 0.0, 1.0)
    # Down the tree, up the tree, and across; frames with a slash are the same ones.
    np.testing.assert_allclose((tree.pose("rgb", "base") @ origin)[:3], (1.0, 0.5, 2.0), atol=1e-12)
    np.testing.assert_allclose((tree.pose("/base", "/mast") @ origin)[:3], (0.0, 1.0, -2.0), atol=1e-12)
    np.testing.assert_allclose((tree.pose("thermal", "rgb") @ origin)[:3], (-0.5, 1.0, -2.0), atol=1e-12)
    np.testing.assert_allclose(
        tree.pose("rgb", "thermal") @ tree.pose("thermal", "rgb"), np.eye(4), atol=1e-12
    )
    np.testing.assert_allclose(tree.pose("rgb", "rgb"), np.eye(4))
    assert tree.pose("rgb", "elsewhere") is None


def test_a_frame_is_where_it_was_last_said_to_be() -> None:
    tree = TransformTree()
    tree.add("base", "rgb", (1.0, 0.0, 0.0), NO_TURN)
    assert tree.add("other", "rgb", (2.0, 0.0, 0.0), NO_TURN)
    assert tree.pose("rgb", "base") is None
    np.testing.assert_allclose(tree.pose("rgb", "other")[:3, 3], (2.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("translation", "rotation"),
    [
        ((np.nan, 0.0, 0.0), NO_TURN),
        ((0.0, 0.0, 0.0), (0.0,) * 4),
        ((0.0, 0.0, 0.0), (np.inf, 0.0, 0.0, 1.0)),
    ],
)
def test_what_is_no_pose_is_left_out(translation: tuple[float, ...], rotation: tuple[float, ...]) -> None:
    tree = TransformTree()
    assert not tree.add("base", "rgb", translation, rotation)
    assert tree.pose("rgb", "base") is None


def test_frames_in_a_circle_end() -> None:
    tree = TransformTree()
    tree.add("a", "b", (1.0, 0.0, 0.0), NO_TURN)
    tree.add("b", "a", (1.0, 0.0, 0.0), NO_TURN)
    assert not tree.add("a", "a", (1.0, 0.0, 0.0), NO_TURN)
    assert tree.pose("a", "c") is None


def test_a_rotation_comes_back_from_its_matrix() -> None:
    draw = np.random.default_rng(4)
    turns = [*draw.standard_normal((50, 4)), (1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), NO_TURN, Z90]
    for turn in turns:
        matrix = rotation_matrix(turn)
        np.testing.assert_allclose(rotation_matrix(quaternion(matrix)), matrix, atol=1e-12)
