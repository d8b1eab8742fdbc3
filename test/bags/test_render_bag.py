"""A rendered recording: the renderer's frames, with labels by stamp, the same each time."""

from pathlib import Path

import numpy as np
import pytest

from rgbt_seg_ros.bags.from_images import START_NS
from rgbt_seg_ros.bags.reader import Recording, read_images
from rgbt_seg_ros.bags.rendered import write_rendered_bag
from rgbt_seg_ros.images.codec import decode_rgb, decode_thermal
from rgbt_seg_ros.masks.labels import find_labels, read_label
from rgbt_seg_ros.render_bag import main
from rgbt_seg_ros.scenes.sequence import render_sequence

SIZES = {"size": (96, 128), "thermal_size": (48, 64)}


def test_frames_and_labels_are_the_renderers(tmp_path: Path) -> None:
    write_rendered_bag(tmp_path / "bag", 5, 0.6, 10.0, 5.0, thermal_bits=16, conditions=["night"], **SIZES)
    frames = list(render_sequence(5, 0.6, 10.0, 5.0, thermal_bits=16, condition=["night"], **SIZES))
    labels = find_labels(tmp_path / "bag" / "labels")
    images = list(read_images(tmp_path / "bag"))
    assert [image.stamp_ns - START_NS for image in images] == [frame.stamp_ns for frame in frames]
    for image, frame in zip(images, frames, strict=True):
        assert image.kind == frame.kind
        decode = decode_rgb if image.kind == "rgb" else decode_thermal
        np.testing.assert_array_equal(decode(image.message), frame.image)
        if frame.label is not None:
            np.testing.assert_array_equal(read_label(labels.pop(image.stamp_ns)), frame.label)
    assert not labels


def test_a_seed_gives_one_recording(tmp_path: Path) -> None:
    hashes = []
    for parent, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / parent).mkdir()
        write_rendered_bag(tmp_path / parent / "bag", seed, 0.3, **SIZES)
        hashes.append(Recording(tmp_path / parent / "bag").content_hash())
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--duration",
        "0.2",
        "--thermal-rate",
        "10",
        "--conditions",
        "smoke",
        "--thermal-bits",
        "16",
        "-o",
        str(tmp_path / "bag"),
    ]
    assert main(arguments) == 0
    topics = Recording(tmp_path / "bag").topics
    assert {topic.name: topic.count for topic in topics.values()} == {"/rgb/image": 2, "/thermal/image": 2}
    assert main(arguments) == 1
    assert "exists already" in capsys.readouterr().err
