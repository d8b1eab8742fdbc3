"""The command make_bag: videos and folders to a recording, through its command line."""

import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from rgbt_seg_ros.bags.from_images import START_NS
from rgbt_seg_ros.bags.reader import RecordedImage, Recording, read_images
from rgbt_seg_ros.images.codec import decode_rgb, decode_thermal
from rgbt_seg_ros.make_bag import main
from rgbt_seg_ros.masks.labels import find_labels, read_label
from rgbt_seg_ros.runs.video import ffmpeg_program

Command = Callable[..., int]


@pytest.fixture
def make_bag(tmp_path: Path) -> Command:
    """``make_bag("--rate", "5")`` makes tmp_path/bag of tmp_path/rgb and tmp_path/thermal."""

    def run(*options: str, rgb: str = "rgb", thermal: str = "thermal") -> int:
        sources = ["--rgb", str(tmp_path / rgb), "--thermal", str(tmp_path / thermal)]
        return main([*sources, "-o", str(tmp_path / "bag"), *options])

    return run


def write_images(folder: Path, images: dict[str, np.ndarray]) -> None:
    """Images in OpenCV's order of channels by file name."""
    folder.mkdir()
    for name, image in images.items():
        assert cv2.imwrite(str(folder / name), image)


def write_video(path: Path, levels: list[int], fps: float) -> None:
    """A video of plain images: red in level, green and blue dark."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), fps, (64, 48))
    for level in levels:
        image = np.zeros((48, 64, 3), np.uint8)
        image[..., 2] = level
        video.write(image)
    video.release()


def bag_images(bag: Path) -> tuple[list[RecordedImage], list[RecordedImage]]:
    """RGB and thermal images of a bag."""
    images = list(read_images(bag))
    return [i for i in images if i.kind == "rgb"], [i for i in images if i.kind == "thermal"]


def test_folders_of_equal_names(
    tmp_path: Path, make_bag: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pairs by name in natural order; what has no partner is left out and said; 16 bits are kept."""
    blue = np.zeros((4, 6, 3), np.uint8)
    blue[..., 0] = 200
    thermal = {f"f{i}.png": np.full((4, 6), 1000 * i, np.uint16) for i in (2, 10, 11)}
    write_images(tmp_path / "rgb", {f"f{i}.png": blue + np.uint8(i) for i in (10, 9, 2)})
    write_images(tmp_path / "thermal", thermal)
    assert make_bag() == 0
    assert "2 images have no partner" in capsys.readouterr().out
    rgb, infrared = bag_images(tmp_path / "bag")
    assert [image.stamp_ns for image in rgb] == [START_NS, START_NS + 100_000_000]
    assert [image.stamp_ns for image in infrared] == [START_NS, START_NS + 100_000_000]
    assert [decode_rgb(image.message)[0, 0].tolist() for image in rgb] == [[2, 2, 202], [10, 10, 210]]
    assert [image.message.encoding for image in infrared] == ["mono16", "mono16"]
    assert [int(decode_thermal(image.message)[0, 0]) for image in infrared] == [2000, 10000]


def test_folders_of_other_names_are_paired_by_order(tmp_path: Path, make_bag: Command) -> None:
    write_images(tmp_path / "rgb", {f"vis_{i}.png": np.full((4, 6, 3), i, np.uint8) for i in (1, 2, 10)})
    write_images(tmp_path / "thermal", {f"ir-{i}.jpg": np.full((8, 8), 20 * i, np.uint8) for i in (3, 4, 5)})
    assert make_bag("--rate", "4") == 0
    rgb, thermal = bag_images(tmp_path / "bag")
    assert [image.stamp_ns - START_NS for image in rgb] == [0, 250_000_000, 500_000_000]
    assert [int(decode_rgb(image.message)[0, 0, 0]) for image in rgb] == [1, 2, 10]
    assert [int(decode_thermal(image.message)[0, 0]) for image in thermal] == [60, 80, 100]


def test_different_numbers_of_unlike_names_are_refused(
    tmp_path: Path, make_bag: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path / "rgb", {f"v{i}.png": np.zeros((4, 6, 3), np.uint8) for i in (1, 2)})
    write_images(tmp_path / "thermal", {"t1.png": np.zeros((4, 6), np.uint8)})
    assert make_bag() == 1
    assert "holds 2 images" in capsys.readouterr().err
    assert not (tmp_path / "bag").exists()


def test_videos_run_at_their_own_rates(tmp_path: Path, make_bag: Command) -> None:
    write_video(tmp_path / "rgb.mp4", [40, 80, 120, 160, 200, 240], fps=20)
    write_video(tmp_path / "thermal.mp4", [50, 150, 250], fps=10)
    assert make_bag(rgb="rgb.mp4", thermal="thermal.mp4") == 0
    images = list(read_images(tmp_path / "bag"))
    stamps = [(image.stamp_ns - START_NS) // 1_000_000 for image in images]
    assert stamps == sorted(stamps) == [0, 0, 50, 100, 100, 150, 200, 200, 250]
    rgb, thermal = bag_images(tmp_path / "bag")
    for image, level in zip(rgb, [40, 80, 120, 160, 200, 240], strict=True):
        red, green, blue = decode_rgb(image.message)[24, 32].astype(int)
        # Lossy video: near, but clearly red.
        assert abs(red - level) < 12
        assert max(green, blue) < 12
    assert [image.message.encoding for image in thermal] == ["mono8"] * 3


VARYING_MS = [0, 100, 150, 500, 600, 1300, 1350, 1400, 2000, 2100, 3000, 3040]
"""Times of the images of a video whose rate varies between 1 and 25 a second."""

CONTAINERS = [
    ("mp4", "libx264", ()),
    ("mov", "mpeg4", ()),
    ("mkv", "libx264", ()),
    ("mkv", "ffv1", ()),
    ("webm", "libvpx-vp9", ()),
    ("mp4", "libx264", ("-movflags", "frag_keyframe+empty_moov")),
    ("mp4", "libx264", ("-bf", "0", "-output_ts_offset", "7.5")),
]


def write_varying_video(path: Path, times_ms: list[int], codec: str, options: tuple[str, ...] = ()) -> None:
    """Grey images, 20 brighter each, at the given times."""
    times = "".join(f"if(eq(N,{index}),{time},0)+" for index, time in enumerate(times_ms)) + "0"
    images = b"".join(np.full((48, 64, 3), 20 * index, np.uint8).tobytes() for index in range(len(times_ms)))
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-i", "-"]
    filters = [
        "-vf",
        f"settb=1/1000,setpts='{times}'",
        "-fps_mode",
        "passthrough",
        "-enc_time_base",
        "1/1000",
    ]
    command = [ffmpeg_program(), "-y", "-loglevel", "error", *source, *filters, "-pix_fmt", "yuv420p"]
    subprocess.run([*command, "-c:v", codec, *options, str(path)], input=images, check=True)


@pytest.mark.parametrize(("suffix", "codec", "options"), CONTAINERS)
def test_videos_of_varying_rate_keep_their_times(
    tmp_path: Path,
    make_bag: Command,
    suffix: str,
    codec: str,
    options: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_varying_video(tmp_path / f"rgb.{suffix}", VARYING_MS, codec, options)
    write_video(tmp_path / "thermal.mp4", list(range(0, 240, 8)), fps=10)
    assert make_bag(rgb=f"rgb.{suffix}", thermal="thermal.mp4") == 0
    rgb, thermal = bag_images(tmp_path / "bag")
    assert [(image.stamp_ns - START_NS) / 1e6 for image in rgb] == VARYING_MS
    for index, image in enumerate(rgb):
        assert abs(int(decode_rgb(image.message)[24, 32, 0]) - 20 * index) < 6
    assert [(image.stamp_ns - START_NS) / 1e6 for image in thermal] == [100 * index for index in range(30)]
    assert "12 RGB images at the video's own times, 30 thermal" in capsys.readouterr().out


def test_both_videos_may_vary(tmp_path: Path, make_bag: Command) -> None:
    write_varying_video(tmp_path / "rgb.mkv", VARYING_MS, "ffv1")
    write_varying_video(tmp_path / "thermal.mp4", VARYING_MS[::2], "libx264")
    assert make_bag(rgb="rgb.mkv", thermal="thermal.mp4") == 0
    rgb, thermal = bag_images(tmp_path / "bag")
    assert [image.stamp_ns for image in thermal] == [image.stamp_ns for image in rgb[::2]]


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "webm"])
@pytest.mark.parametrize("rate", ["24000/1001", "30", "9", "22"])
def test_the_rounding_of_a_container_is_no_varying_rate(
    tmp_path: Path, make_bag: Command, suffix: str, rate: str
) -> None:
    """Some count whole milliseconds."""
    source = ["-f", "lavfi", "-i", f"testsrc=size=64x48:rate={rate}", "-frames:v", "40"]
    codec = "libvpx-vp9" if suffix == "webm" else "libx264"
    command = [ffmpeg_program(), "-y", "-loglevel", "error", *source, "-c:v", codec, "-pix_fmt", "yuv420p"]
    subprocess.run([*command, str(tmp_path / f"rgb.{suffix}")], check=True)
    write_images(tmp_path / "thermal", {"0.png": np.zeros((4, 6), np.uint8)})
    assert make_bag(rgb=f"rgb.{suffix}") == 0
    rgb, _ = bag_images(tmp_path / "bag")
    period_ns = 1e9 / float(Fraction(rate))
    assert [image.stamp_ns - START_NS for image in rgb] == [round(index * period_ns) for index in range(40)]


def test_a_given_rate_overrides_the_times_of_a_video(tmp_path: Path, make_bag: Command) -> None:
    write_varying_video(tmp_path / "rgb.mkv", VARYING_MS, "libx264")
    write_varying_video(tmp_path / "thermal.mkv", VARYING_MS, "libx264")
    assert make_bag("--rate", "4", rgb="rgb.mkv", thermal="thermal.mkv") == 0
    rgb, _ = bag_images(tmp_path / "bag")
    assert [image.stamp_ns - START_NS for image in rgb] == [index * 250_000_000 for index in range(12)]


def test_a_stream_without_times_runs_at_its_rate(tmp_path: Path, make_bag: Command) -> None:
    """A bare stream of H.264, as some recorders write it, has neither times nor a number of images."""
    write_varying_video(tmp_path / "rgb.h264", [40 * index for index in range(12)], "libx264")
    write_video(tmp_path / "thermal.mp4", [50, 150], fps=25)
    assert make_bag(rgb="rgb.h264", thermal="thermal.mp4") == 0
    rgb, _ = bag_images(tmp_path / "bag")
    assert [image.stamp_ns - START_NS for image in rgb] == [index * 40_000_000 for index in range(12)]


def test_a_varying_video_that_breaks_off_is_named(
    tmp_path: Path, make_bag: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (12, 48, 64, 3), np.uint8)
    times = "".join(f"if(eq(N,{index}),{time},0)+" for index, time in enumerate(VARYING_MS)) + "0"
    command = [
        ffmpeg_program(),
        "-y",
        "-loglevel",
        "error",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        "64x48",
    ]
    command += [
        "-i",
        "-",
        "-vf",
        f"settb=1/1000,setpts='{times}'",
        "-fps_mode",
        "passthrough",
        "-c:v",
        "ffv1",
    ]
    subprocess.run([*command, str(tmp_path / "rgb.mkv")], input=images.tobytes(), check=True)
    content = (tmp_path / "rgb.mkv").read_bytes()
    (tmp_path / "rgb.mkv").write_bytes(content[: len(content) // 2])
    write_video(tmp_path / "thermal.mp4", [50, 150], fps=10)
    assert make_bag(rgb="rgb.mkv", thermal="thermal.mp4") == 1
    assert "rgb.mkv breaks off after" in capsys.readouterr().err
    assert not (tmp_path / "bag").exists()


def test_images_of_a_folder_are_right_side_up_in_both_cameras(tmp_path: Path, make_bag: Command) -> None:
    """See test_orientation: here as users meet it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = np.zeros((40, 60, 3), np.uint8)
    upright[:20, :30] = 200
    for name in ("rgb", "thermal"):
        (tmp_path / name).mkdir()
        stored = Image.fromarray(upright).transpose(Image.Transpose.ROTATE_90)
        stored.save(tmp_path / name / "0.jpg", exif=exif, quality=97)
    assert make_bag() == 0
    (rgb,), (thermal,) = bag_images(tmp_path / "bag")
    for image in (decode_rgb(rgb.message)[..., 0], decode_thermal(thermal.message)):
        assert image.shape == (40, 60)
        assert np.abs(image.astype(int) - upright[..., 0]).max() < 16


def test_an_animation_among_the_images_is_named(
    tmp_path: Path, make_bag: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rgb").mkdir()
    frames = [Image.fromarray(np.full((4, 6, 3), 50 * index, np.uint8)) for index in range(3)]
    frames[0].save(tmp_path / "rgb" / "0.png", save_all=True, append_images=frames[1:])
    write_images(tmp_path / "thermal", {"0.png": np.zeros((4, 6), np.uint8)})
    assert make_bag() == 1
    assert "0.png holds 3 pictures" in capsys.readouterr().err


def test_a_given_rate_overrides_the_videos_own(tmp_path: Path, make_bag: Command) -> None:
    write_video(tmp_path / "rgb.mp4", [40, 80], fps=20)
    write_video(tmp_path / "thermal.mp4", [50, 150], fps=10)
    assert make_bag("--rate", "2", rgb="rgb.mp4", thermal="thermal.mp4") == 0
    assert [(i.stamp_ns - START_NS) // 1_000_000 for i in read_images(tmp_path / "bag")] == [0, 0, 500, 500]


def test_thermal_encoding_widens_and_narrows(tmp_path: Path, make_bag: Command) -> None:
    ramp = np.tile(np.arange(0, 256, dtype=np.uint8), (4, 1))
    write_images(tmp_path / "rgb", {"0.png": np.zeros((4, 256, 3), np.uint8)})
    write_images(tmp_path / "thermal", {"0.png": ramp})
    assert make_bag("--thermal-encoding", "mono16") == 0
    _, (wide,) = bag_images(tmp_path / "bag")
    np.testing.assert_array_equal(decode_thermal(wide.message), ramp.astype(np.uint16) * 257)

    write_images(tmp_path / "thermal16", {"0.png": 20000 + 10 * ramp.astype(np.uint16)})
    assert make_bag("--thermal-encoding", "mono8", "-o", str(tmp_path / "narrow"), thermal="thermal16") == 0
    _, (narrow,) = bag_images(tmp_path / "narrow")
    row = decode_thermal(narrow.message)[0].astype(int)
    assert narrow.message.encoding == "mono8"
    assert (row[0], row[-1]) == (0, 255)
    assert (np.diff(row) >= 0).all()


def test_labels_are_kept_by_stamp(tmp_path: Path, make_bag: Command) -> None:
    labels = {f"{i}.png": np.full((4, 6), i, np.uint8) for i in (1, 2)}
    write_images(tmp_path / "rgb", {name: np.zeros((4, 6, 3), np.uint8) for name in labels})
    write_images(tmp_path / "thermal", labels)
    write_images(tmp_path / "labels", labels)
    assert make_bag("--labels", str(tmp_path / "labels")) == 0
    found = find_labels(tmp_path / "bag" / "labels")
    assert {stamp: int(read_label(file)[0, 0]) for stamp, file in found.items()} == {
        START_NS: 1,
        START_NS + 100_000_000: 2,
    }
    (tmp_path / "labels" / "2.png").unlink()
    assert make_bag("--labels", str(tmp_path / "labels"), "-o", str(tmp_path / "other")) == 1
    assert not (tmp_path / "other").exists()


def test_same_images_give_the_same_recording(tmp_path: Path, make_bag: Command) -> None:
    write_images(tmp_path / "rgb", {"0.png": np.zeros((4, 6, 3), np.uint8)})
    write_images(tmp_path / "thermal", {"0.png": np.zeros((4, 6), np.uint8)})
    hashes = []
    for parent in ("a", "b"):
        (tmp_path / parent).mkdir()
        assert make_bag("-o", str(tmp_path / parent / "bag")) == 0
        hashes.append(Recording(tmp_path / parent / "bag").content_hash())
    assert hashes[0] == hashes[1]


def test_bad_sources_are_named(tmp_path: Path, make_bag: Command, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(tmp_path / "good", {"0.png": np.zeros((4, 6), np.uint8)})
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "0.png").write_text("no image")
    expected = {
        "absent": "give a video file or a folder of images",
        "empty": "holds no images",
        "text.mp4": "is not a video that OpenCV can read",
        "broken": "0.png cannot be read as an 8 or 16 bit image",
    }
    for source, sentence in expected.items():
        assert make_bag(rgb=source, thermal="good") == 1
        error = capsys.readouterr().err
        assert sentence in error
        assert "Traceback" not in error
        assert not (tmp_path / "bag").exists()


def test_a_damaged_video_is_named(
    tmp_path: Path, make_bag: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """A video whose container promises images that its stream no longer holds."""
    random = np.random.default_rng(0)
    for name in ("rgb.mp4", "thermal.mp4"):
        video = cv2.VideoWriter(str(tmp_path / name), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 48))
        for _ in range(40):
            video.write(random.integers(0, 256, (48, 64, 3), np.uint8))
        video.release()
    content = bytearray((tmp_path / "rgb.mp4").read_bytes())
    start = content.find(b"mdat") + 200
    content[start : start + len(content) // 2] = bytes(len(content) // 2)
    (tmp_path / "rgb.mp4").write_bytes(content)
    assert make_bag(rgb="rgb.mp4", thermal="thermal.mp4") == 1
    assert "rgb.mp4 breaks off after" in capsys.readouterr().err


def test_wrong_usage_exits_with_2(tmp_path: Path, make_bag: Command) -> None:
    for options in (["--rate", "0"], ["--rate", "-3"], ["--thermal-encoding", "rgb8"]):
        with pytest.raises(SystemExit) as caught:
            make_bag(*options)
        assert caught.value.code == 2


def smooth(shift: int = 0) -> np.ndarray:
    return np.tile(np.roll(np.linspace(10, 240, 64).astype(np.uint8), shift), (48, 1))


def photograph() -> np.ndarray:
    rows, columns = np.mgrid[:48, :64]
    return np.dstack([120 + rows, 60 + columns // 2, 200 - rows]).astype(np.uint8)


def test_one_folder_of_four_channels_gives_both_streams(tmp_path: Path, make_bag: Command) -> None:
    thermal = [smooth(0), smooth(9), np.full((48, 64), 90, np.uint8)]
    write_images(
        tmp_path / "images", {f"{i}N.png": np.dstack([photograph(), t]) for i, t in enumerate(thermal)}
    )
    assert make_bag(rgb="images", thermal="images") == 0
    rgb, infrared = bag_images(tmp_path / "bag")
    assert len(rgb) == 3
    for image in rgb:
        np.testing.assert_array_equal(decode_rgb(image.message), photograph()[..., ::-1])
    for image, expected in zip(infrared, thermal, strict=True):
        assert image.message.encoding == "mono8"
        np.testing.assert_array_equal(decode_thermal(image.message), expected)
    write_images(tmp_path / "rgb", {f"{i}N.png": photograph() for i in range(3)})
    assert make_bag("-o", str(tmp_path / "alone"), thermal="images") == 0
    _, infrared = bag_images(tmp_path / "alone")
    np.testing.assert_array_equal(decode_thermal(infrared[1].message), thermal[1])


@pytest.mark.parametrize("colormap", [cv2.COLORMAP_JET, cv2.COLORMAP_INFERNO])
def test_false_colours_are_undone(
    tmp_path: Path, make_bag: Command, capsys: pytest.CaptureFixture[str], colormap: int
) -> None:
    write_images(tmp_path / "rgb", {f"{i}.png": photograph() for i in range(3)})
    write_images(tmp_path / "thermal", {f"{i}.png": cv2.applyColorMap(smooth(i), colormap) for i in range(3)})
    assert make_bag() == 0
    assert capsys.readouterr().out.count("thermal is in the false colours of") == 1
    _, thermal = bag_images(tmp_path / "bag")
    for i, image in enumerate(thermal):
        np.testing.assert_array_equal(decode_thermal(image.message), smooth(i))
    assert make_bag("--thermal-palette", "none", "-o", str(tmp_path / "grey")) == 0
    _, (first, *_) = bag_images(tmp_path / "grey")
    by_brightness = cv2.cvtColor(cv2.applyColorMap(smooth(), colormap), cv2.COLOR_BGR2GRAY)
    np.testing.assert_array_equal(decode_thermal(first.message), by_brightness)


def test_a_video_in_false_colours_is_undone(tmp_path: Path, make_bag: Command) -> None:
    video = cv2.VideoWriter(str(tmp_path / "t.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 48))
    for i in range(4):
        video.write(cv2.applyColorMap(smooth(i), cv2.COLORMAP_INFERNO))
    video.release()
    write_video(tmp_path / "rgb.mp4", [40, 80, 120, 160], fps=10)
    assert make_bag(rgb="rgb.mp4", thermal="t.mp4") == 0
    _, thermal = bag_images(tmp_path / "bag")
    for i, image in enumerate(thermal):
        assert np.median(np.abs(decode_thermal(image.message).astype(int) - smooth(i))) <= 6


def test_temperatures_are_recorded_as_counts_and_missing_ones_as_0(tmp_path: Path, make_bag: Command) -> None:
    counts = 29_000 + smooth().astype(np.uint16)
    celsius = (counts / 100 - 273.15).astype(np.float32)
    celsius[0, :5] = np.nan
    write_images(tmp_path / "rgb", {"0.png": photograph()})
    write_images(tmp_path / "thermal", {"0.tiff": celsius})
    assert make_bag("--thermal-float-unit", "celsius") == 0
    _, (image,) = bag_images(tmp_path / "bag")
    counts[0, :5] = 0
    np.testing.assert_array_equal(decode_thermal(image.message), counts)


@pytest.mark.parametrize(
    ("rgb", "thermal", "sentence"),
    [
        (
            photograph(),
            photograph()[::-1],
            "thermal/0.png is in colours that are those of no palette known here",
        ),
        (photograph(), photograph()[::-1], "set thermal.palette"),
        (smooth(), photograph(), "rgb/0.png looks like a thermal image: swap RGB and thermal"),
        (
            smooth().astype(np.uint16),
            photograph(),
            "rgb/0.png is one channel of uint16, as thermal images are",
        ),
        (
            np.dstack([photograph(), smooth()]),
            smooth(),
            "rgb/0.png has a fourth channel that is no opaque alpha",
        ),
    ],
)
def test_what_is_not_what_it_is_given_as_is_named(
    tmp_path: Path,
    make_bag: Command,
    capsys: pytest.CaptureFixture[str],
    rgb: np.ndarray,
    thermal: np.ndarray,
    sentence: str,
) -> None:
    write_images(tmp_path / "rgb", {"0.png": rgb})
    write_images(tmp_path / "thermal", {"0.png": thermal})
    assert make_bag() == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert not (tmp_path / "bag").exists()


def test_images_above_the_limit_are_refused(
    tmp_path: Path, make_bag: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    write_video(tmp_path / "rgb.mp4", [10, 20], 10)
    write_images(tmp_path / "thermal", {"0.png": np.zeros((48, 64), np.uint8)})
    for rgb, thermal in (("rgb.mp4", "thermal"), ("thermal", "rgb.mp4"), ("thermal", "thermal")):
        assert make_bag("--max-pixels", str(64 * 48 - 1), rgb=rgb, thermal=thermal) == 1
        error = capsys.readouterr().err
        assert "is 64 x 48 pixels, more than max_pixels (3071)" in error
        assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "bag").exists()


def test_real_video(tmp_path: Path, samples: Path) -> None:
    """A real pair of videos: number of images, rate, sizes, and that thermal is grey."""
    video = samples / "video"
    name = "1230_1202.mp4"
    arguments = ["--rgb", str(video / "rgb" / name), "--thermal", str(video / "thermal" / name)]
    assert main([*arguments, "-o", str(tmp_path / "bag")]) == 0
    topics = Recording(tmp_path / "bag").topics
    assert {topic.name: topic.count for topic in topics.values()} == {
        "/rgb/image": 205,
        "/thermal/image": 205,
    }
    first_rgb, first_thermal, second_rgb, *_ = read_images(tmp_path / "bag")
    assert second_rgb.stamp_ns - first_rgb.stamp_ns == round(1e9 / 22)
    assert decode_rgb(first_rgb.message).shape == (480, 640, 3)
    assert decode_thermal(first_thermal.message).shape == (480, 640)
