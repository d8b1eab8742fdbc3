"""A run as a Rerun recording, read back by Rerun's own reader."""

import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded_runs import LATENCIES_MS, PERIOD_NS, START_NS, mask, stamp, write_labels, write_run
from small_disk import small_disk

from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.report import main
from rgbt_seg_ros.report_page.write import write_report
from rgbt_seg_ros.runs.writer import RunWriter

MASKS = 10
FRAME = ("/camera/rgb", "/camera/mask", "/camera/detections", "/thermal", "/confidence", "/label")
NUMBERS = ("/numbers/latency_ms", "/numbers/skew_ms", "/numbers/confidence")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with labels; the person is not in them."""
    root = tmp_path_factory.mktemp("runs")
    write_report(write_run(root / "run", MASKS), write_labels(root / "labels", MASKS))
    return root / "run"


@pytest.fixture(scope="module")
def rerun() -> None:
    """Skips where Rerun is not installed, as on Ubuntu 24.04's own packages."""
    pytest.importorskip("rerun", reason="needs rerun-sdk, the extra of `report --rerun`")


@pytest.fixture(scope="module")
def chunks(folder: Path, rerun: None) -> list[Any]:
    """What the command wrote."""
    path = folder.parent / "out.rrd"
    assert main([str(folder), "--rerun", str(path)]) == 0
    return read(path)


def read(path: Path) -> list[Any]:
    chunk = pytest.importorskip("rerun.chunk", reason="needs a rerun-sdk with a reader of its own")
    found: list[Any] = chunk.RrdReader(path).stream().to_chunks()
    return found


def column(chunks: list[Any], entity: str, name: str) -> list[Any]:
    """Values of a component of an entity by row, in the order of time."""
    rows = []
    for chunk in chunks:
        batch = chunk.to_record_batch()
        names = [each for each in batch.schema.names if each.endswith(name)]
        if chunk.entity_path != entity or not names:
            continue
        places = [0] * chunk.num_rows if chunk.is_static else batch.column("stamp").cast("int64").to_pylist()
        rows += list(zip(places, batch.column(names[0]).to_pylist(), strict=True))
    return [value for _, value in sorted(rows, key=lambda row: row[0]) if value is not None]


def test_every_frame_and_every_number_is_there(chunks: list[Any]) -> None:
    rows: Counter[str] = Counter()
    for chunk in chunks:
        rows[chunk.entity_path] += 0 if chunk.is_static else chunk.num_rows
        assert chunk.is_static or "stamp" in chunk.timeline_names
    assert {entity: rows[entity] for entity in (*FRAME, *NUMBERS)} == dict.fromkeys((*FRAME, *NUMBERS), MASKS)


def test_classes_have_the_names_and_colours_of_the_palette(chunks: list[Any]) -> None:
    ((context,),) = column(chunks, "/", "AnnotationContext:context")
    infos = [entry["class_description"]["info"] for entry in context]
    assert [(info["id"], info["label"]) for info in infos] == [
        *enumerate(MFNET.names),
        (255, "unlabeled"),
        (65535, "unlabeled"),
    ]
    colors = [tuple(info["color"].to_bytes(4, "big")) for info in infos]
    assert colors[1:-2] == [(*color, 255) for color in MFNET.palette[1:]]
    assert colors[0] == colors[-1] == (0, 0, 0, 0), "what is not shown over images is clear"


def test_masks_boxes_and_numbers_are_those_of_the_run(chunks: list[Any]) -> None:
    masks = column(chunks, "/camera/mask", "SegmentationImage:buffer")
    for index, (data,) in enumerate(masks):
        assert (np.array(data, np.uint8).reshape(48, 64) == mask(index)).all()
    ((label,), *_) = column(chunks, "/label", "SegmentationImage:buffer")
    assert not (np.array(label) == 2).any()
    boxes = column(chunks, "/camera/detections", "Boxes2D:centers")
    # Pixel centres are at halves.
    assert boxes[1] == [[4.5, 24.5], [55.5, 25.5]]
    assert column(chunks, "/camera/detections", "Boxes2D:labels")[1] == ["car 0.90", "person 0.80"]
    assert column(chunks, "/camera/detections", "Boxes2D:class_ids")[1] == [1, 2]
    assert column(chunks, "/numbers/latency_ms", "Scalars:scalars") == [[value] for value in LATENCIES_MS]
    times = sorted(
        time
        for chunk in chunks
        if chunk.entity_path == "/numbers/latency_ms" and not chunk.is_static
        for time in chunk.to_record_batch().column("stamp").cast("int64").to_pylist()
    )
    assert times == [START_NS + index * PERIOD_NS for index in range(MASKS)]


@pytest.mark.usefixtures("rerun")
def test_what_a_frame_lacks_is_cleared(tmp_path: Path) -> None:
    """Or the picture of the frame before would stand for it."""
    folder = write_run(tmp_path / "run", 2)
    (folder / "pictures" / f"{stamp(1)}_thermal.jpg").unlink()
    assert main([str(folder), "--rerun", str(tmp_path / "out.rrd")]) == 0
    chunks = read(tmp_path / "out.rrd")
    assert len(column(chunks, "/thermal", "EncodedImage:blob")) == 1
    assert len(column(chunks, "/thermal", "Clear:is_recursive")) == 1


@pytest.mark.usefixtures("rerun")
def test_images_of_a_data_set_are_a_sequence(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "run")
    writer.add_classes(MFNET.names)
    for index in range(2):
        writer.add_mask(index, mask(index), 0.1, 5.0, None, {}, f"0000{index}N")
        writer.add_picture(index, "rgb", np.zeros((24, 32, 3), np.uint8))
    writer.close()
    assert main([str(tmp_path / "run"), "--rerun", str(tmp_path / "out.rrd")]) == 0
    chunks = read(tmp_path / "out.rrd")
    places = [
        place
        for chunk in chunks
        if chunk.entity_path == "/camera/rgb"
        for place in chunk.to_record_batch().column("stamp").to_pylist()
    ]
    assert sorted(places) == [0, 1]


def test_without_rerun_it_is_one_sentence(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    assert main([str(folder), "--rerun", str(tmp_path / "out.rrd")]) == 1
    error = capsys.readouterr().err
    assert (
        error == "error: the Python package rerun is not installed: run `pip install 'rgbt_seg_ros[rerun]'`\n"
    )
    assert not (tmp_path / "out.rrd").exists()


@pytest.mark.usefixtures("rerun")
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import_module("rerun")
    with small_disk(tmp_path / "disk", kilobytes=16) as disk:
        assert main([str(folder), "--rerun", str(disk / "out.rrd")]) == 1
        error = capsys.readouterr().err
        assert f"error: cannot write {disk / 'out.rrd'} (" in error
        assert "free in" in error
        assert list(disk.iterdir()) == []


def test_two_runs_have_no_one_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([str(folder), str(folder), "--rerun", "out.rrd"])
    assert exit_.value.code == 2
    assert "--rerun is for one run" in capsys.readouterr().err
