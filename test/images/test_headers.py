"""Limits before decoding: files that are cut short, headers that tell of more than there is, too large images."""

import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from image_files import HEIGHT, READS_GIF, WIDTH, cut, huge_files, image_files
from places import REPOSITORY

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.codec import (
    UndecodableImage,
    decode_compressed_rgb,
    decode_compressed_thermal,
    decode_rgb,
    decode_thermal,
)
from rgbt_seg_ros.images.files import read_image
from rgbt_seg_ros.images.headers.check import RefusedImage, UnknownFormat, check_image
from rgbt_seg_ros.images.headers.header import MAX_PIXELS
from rgbt_seg_ros.masks.labels import read_label
from training.data.files import read_ids, read_rgb

FILES = image_files()
HUGE = huge_files()


@pytest.mark.parametrize("name", FILES)
def test_a_whole_file_passes_with_its_size(name: str) -> None:
    header = check_image(FILES[name])
    assert (header.width, header.height, header.pictures) == (WIDTH, HEIGHT, 1)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_short_is_refused(name: str) -> None:
    for data in cut(FILES[name]):
        with pytest.raises(RefusedImage, match=r"^(is cut short|is damaged|has no format)"):
            check_image(data)


@pytest.mark.parametrize("name", HUGE)
def test_an_image_of_too_many_pixels_is_refused_by_its_header(name: str) -> None:
    with pytest.raises(RefusedImage, match=r"^is (12000 x 12000 pixels, more than max_pixels|cut short)"):
        check_image(HUGE[name])


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith((".bmp", ".pam", ".pfm", "m"))])
def test_the_limit_is_the_one_that_is_given(name: str) -> None:
    assert check_image(FILES[name], WIDTH * HEIGHT)
    with pytest.raises(RefusedImage, match=f"^is 60 x 40 pixels, more than max_pixels .{WIDTH * HEIGHT - 1}"):
        check_image(FILES[name], WIDTH * HEIGHT - 1)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PN",
        b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 40 +X 60\n",
        b"\x76\x2f\x31\x01" + bytes(99),
        b"\0\0\0\x1cftypavif" + bytes(99),
        b"Y\xa6j\x95" + bytes(99),
    ],
)
def test_formats_whose_headers_are_not_read_are_not_decoded(data: bytes) -> None:
    with pytest.raises(UnknownFormat):
        check_image(data)


# --- headers that lie ---


def png_with(kind: bytes, length: int) -> bytes:
    """A PNG with a chunk behind its header that says of itself that it is so long."""
    return FILES["grey16.png"][:33] + struct.pack(">I", length) + kind + FILES["grey16.png"][33:]


LIES = {
    **{f"{kind.decode()} {length}": png_with(kind, length) for kind in (b"IDAT", b"tEXt", b"eXIf") for length in (
        1 << 26, 1 << 30, (1 << 31) - 1, (1 << 32) - 1)},
    "segment": FILES["rgb.jpg"][:2] + b"\xff\xe1\xff\xff" + FILES["rgb.jpg"][2:],
    "no segment": FILES["rgb.jpg"][:2] + b"\xff\xe1\x00\x01" + FILES["rgb.jpg"][2:],
    "scans": FILES["progressive.jpg"][:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 200 + b"\xff\xd9",
    "chunk": FILES["lossy.webp"][:16] + b"\xff\xff\xff\x7f" + FILES["lossy.webp"][20:],
    "box": b"\0\0\0\x0cjP  \r\n\x87\n\x7f\xff\xff\xffjp2h" + bytes(50),
    "tiles": FILES["stream.j2k"][:8] + struct.pack(">6I", 1000, 1000, 0, 0, 1, 1) + FILES["stream.j2k"][32:],
    "loop": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    "values": b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 273, 4, 0x40000000, 8) + bytes(4),
    "rows": b"BM" + struct.pack("<IIIIiiHHIIiiII", 0, 0, 54, 40, 60000, -60000, 1, 24, 0, 0, 0, 0, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_lengths_are_checked_against_the_file(name: str) -> None:
    with pytest.raises(RefusedImage, match=r"^is (cut short|damaged)"):
        check_image(LIES[name])


_MEASURE = """
import resource, sys, time
from pathlib import Path
from rgbt_seg_ros.images.codec import UndecodableImage, decode_compressed_rgb, decode_compressed_thermal
from rgbt_seg_ros.images.files import read_image
from rgbt_seg_ros.base.errors import UserError
class Message: format = "png"
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before, started = peak(), time.process_time()
for file in sorted(Path(sys.argv[1]).iterdir()):
    for read in (read_image, decode_compressed_rgb, decode_compressed_thermal):
        message = Message()
        message.data = file.read_bytes()
        try:
            read(file if read is read_image else message)
        except (UserError, UndecodableImage) as error:
            assert len(str(error).splitlines()) == 1
        else:
            raise SystemExit(f"{file} is read")
print(peak() - before, time.process_time() - started)
"""


def test_a_small_file_never_costs_much_memory(tmp_path: Path) -> None:
    for number, data in enumerate([*LIES.values(), *HUGE.values()]):
        (tmp_path / str(number)).write_bytes(data)
    command = [sys.executable, "-c", _MEASURE, str(tmp_path)]
    found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    megabytes, seconds = map(float, found.stdout.split())
    assert megabytes < 60
    assert seconds < 20


_DECODE = """
import resource, sys
from pathlib import Path
from rgbt_seg_ros.images.codec import decode_compressed_rgb, decode_compressed_thermal
from rgbt_seg_ros.images.files import read_image, to_rgb, to_thermal
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
class Message: format = ""
file, kind = Path(sys.argv[1]), sys.argv[2]
Message.data = file.read_bytes()
before = peak()
if kind == "rgb":
    to_rgb(read_image(file))
    decode_compressed_rgb(Message)
else:
    to_thermal(read_image(file))
    decode_compressed_thermal(Message)
print(peak() - before)
"""


@pytest.mark.parametrize("kind", ["rgb", "thermal", "false colours"])
def test_the_largest_image_takes_600_megabytes_to_decode(tmp_path: Path, kind: str) -> None:
    """A quarter of one, of the most bytes: four channels of 16 bits, or colours that are undone."""
    size = 3000
    assert 4 * size * size <= MAX_PIXELS
    grey = np.tile(np.linspace(0, 255, size).astype(np.uint8), (size, 1))
    wide = grey.astype(np.uint16) * 257
    image = np.dstack([wide, wide, wide, np.full_like(wide, 65535)])
    if kind == "false colours":
        image = cv2.applyColorMap(grey, cv2.COLORMAP_JET)
    file = tmp_path / "image.png"
    assert cv2.imwrite(str(file), image)
    command = [sys.executable, "-c", _DECODE, str(file), kind]
    found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert float(found.stdout) < 600 / 4


# --- wherever an image is opened ---


@pytest.mark.parametrize("read", [read_image, read_label, read_ids, read_rgb])
@pytest.mark.parametrize("name", FILES)
def test_no_reader_takes_a_part_of_a_file_or_a_huge_one(tmp_path: Path, read: Any, name: str) -> None:
    file = tmp_path / name
    for data in (*cut(FILES[name], 4), HUGE[name]):
        file.write_bytes(data)
        with pytest.raises(
            UserError, match=r"cannot be read.*(is cut short|is damaged|max_pixels|8 or 16 bit)"
        ):
            read(file)


@pytest.mark.parametrize("name", FILES)
def test_whole_files_are_still_read(tmp_path: Path, name: str) -> None:
    if name.endswith(".gif") and not READS_GIF:
        pytest.skip("this OpenCV reads no GIF")
    file = tmp_path / name
    file.write_bytes(FILES[name])
    assert read_image(file).shape[:2] == (HEIGHT, WIDTH)


def test_a_file_larger_than_any_image_is_not_even_read(tmp_path: Path) -> None:
    file = tmp_path / "huge.png"
    with file.open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(UserError, match="1099511627776 bytes, more than an image of max_pixels"):
        read_image(file)


def test_a_device_and_a_pipe_are_no_images() -> None:
    for path in ("/dev/zero", "/dev/stdin"):
        with pytest.raises(UserError, match="there is no image"):
            read_image(Path(path))


# --- raw messages ---


@dataclass(frozen=True)
class Raw:
    height: int = 40
    width: int = 60
    encoding: str = "mono8"
    is_bigendian: int = 0
    step: int = 60
    data: bytes = bytes(2400)


LARGEST = (1 << 32) - 1


@pytest.mark.parametrize("decode", [decode_rgb, decode_thermal])
@pytest.mark.parametrize(
    "message",
    [
        Raw(height=LARGEST),
        Raw(width=LARGEST, step=LARGEST),
        Raw(height=LARGEST, width=LARGEST, step=LARGEST),
        Raw(step=LARGEST),
        Raw(height=0, width=LARGEST),
        Raw(height=LARGEST, width=1, step=0),
        Raw(12_000, 12_000, step=12_000, data=bytes(144_000_000)),
        Raw(encoding="no_such" * 20_000),
        Raw(encoding="\x1b[2J\n[FATAL] forged"),
    ],
    ids=range(9),
)
def test_absurd_messages_are_refused_in_a_short_line(decode: Any, message: Raw) -> None:
    with pytest.raises(UndecodableImage) as error:
        decode(message)
    assert len(str(error.value)) < 500
    assert str(error.value).isprintable()


def test_the_limit_holds_for_messages() -> None:
    limit = WIDTH * HEIGHT
    data = FILES["rgb.png"]
    message = type("Message", (), {"format": "png", "data": data})()
    for decode, allowed in ((decode_compressed_rgb, message), (decode_rgb, Raw())):
        assert decode(allowed, limit).shape[:2] == (HEIGHT, WIDTH)  # type: ignore[operator]
        with pytest.raises(UndecodableImage, match=r"more than max_pixels \(2399\): send or save it smaller"):
            decode(allowed, limit - 1)  # type: ignore[operator]
    assert decode_thermal(Raw(), max_pixels=limit).shape == (HEIGHT, WIDTH)
    with pytest.raises(UndecodableImage, match="more than max_pixels"):
        decode_thermal(Raw(), max_pixels=limit - 1)
    with pytest.raises(UndecodableImage, match="more than max_pixels"):
        decode_compressed_thermal(message, max_pixels=limit - 1)


def test_an_image_of_8k_is_within_the_default() -> None:
    assert MAX_PIXELS >= 7680 * 4320
    black = cv2.imencode(".png", np.zeros((4320, 7680), np.uint8))[1].tobytes()
    assert check_image(black).width == 7680
