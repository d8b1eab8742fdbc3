"""Images of every encoding, layout and container, and what is said of those that cannot be read."""

import array
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np
import pytest

from rgbt_seg_ros.images.codec import (
    UndecodableImage,
    decode_compressed_rgb,
    decode_compressed_thermal,
    decode_compressed_thermal_image,
    decode_rgb,
    decode_thermal,
    decode_thermal_image,
    encode_image,
    encode_png,
)
from rgbt_seg_ros.images.thermal_image import ThermalReading


@dataclass(frozen=True)
class Message:
    height: int
    width: int
    encoding: str
    step: int
    data: Any
    is_bigendian: int = 0


def message(pixels: np.ndarray, encoding: str, padding: int = 0, big_endian: bool = False) -> Message:
    """A message whose rows are followed by `padding` bytes of 0xEE."""
    stored = pixels.astype(pixels.dtype.newbyteorder(">" if big_endian else "<"))
    rows = [row.tobytes() + b"\xee" * padding for row in stored]
    return Message(len(rows), pixels.shape[1], encoding, len(rows[0]), b"".join(rows), int(big_endian))


def random_image(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


SIZES = [(1, 1), (3, 5), (7, 1), (48, 64)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("padding", [0, 1, 6])
def test_every_colour_encoding_becomes_rgb(size: tuple[int, int], padding: int) -> None:
    rgb = random_image(*size, 3)
    alpha = random_image(*size, 1)
    grey = random_image(*size)
    bgr = rgb[..., ::-1]
    for encoding, pixels, expected in [
        ("rgb8", rgb, rgb),
        ("bgr8", bgr, rgb),
        ("8UC3", bgr, rgb),
        ("rgba8", np.concatenate([rgb, alpha], 2), rgb),
        ("bgra8", np.concatenate([bgr, alpha], 2), rgb),
        ("8UC4", np.concatenate([bgr, alpha], 2), rgb),
        ("mono8", grey, np.dstack([grey] * 3)),
        ("8UC1", grey, np.dstack([grey] * 3)),
    ]:
        decoded = decode_rgb(message(pixels, encoding, padding))
        assert decoded.dtype == np.uint8, encoding
        np.testing.assert_array_equal(decoded, expected, encoding)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("padding", [0, 1, 6])
@pytest.mark.parametrize("big_endian", [False, True])
def test_thermal_keeps_its_counts(size: tuple[int, int], padding: int, big_endian: bool) -> None:
    for encoding, dtype in [
        ("mono8", np.uint8),
        ("8UC1", np.uint8),
        ("mono16", np.uint16),
        ("16UC1", np.uint16),
    ]:
        counts = random_image(*size, dtype=dtype)
        decoded = decode_thermal(message(counts, encoding, padding, big_endian))
        assert decoded.dtype == np.dtype(dtype), encoding
        assert decoded.dtype.isnative
        np.testing.assert_array_equal(decoded, counts, encoding)


def test_thermal_in_pseudo_grey_keeps_its_values() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(8, 32)
    for encoding in ("rgb8", "bgr8"):
        np.testing.assert_array_equal(decode_thermal(message(np.dstack([grey] * 3), encoding, 2)), grey)


def test_pseudo_grey_of_unequal_channels_weighs_them_in_their_order() -> None:
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 255
    brightness = ThermalReading("none")
    as_rgb, as_bgr = (decode_thermal(message(red, encoding), brightness) for encoding in ("rgb8", "bgr8"))
    # Rec. 601: red counts more than blue.
    assert (as_rgb[0, 0], as_bgr[0, 0]) == (76, 29)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("padding", [0, 1, 6])
@pytest.mark.parametrize("big_endian", [False, True])
def test_thermal_of_other_numbers_becomes_counts(
    size: tuple[int, int], padding: int, big_endian: bool
) -> None:
    counts = random_image(*size, dtype=np.uint16).clip(10_001, 65_534)
    for encoding, stored in [
        ("16SC1", (counts.astype(np.int32) - 32768).astype(np.int16)),
        ("32FC1", (counts / 100).astype(np.float32)),
        ("64FC1", counts / 100),
    ]:
        found = decode_thermal_image(message(stored, encoding, padding, big_endian))
        assert (found.counts.dtype, found.valid, found.palette) == (np.uint16, None, ""), encoding
        assert found.counts.dtype.isnative
        np.testing.assert_array_equal(found.counts, counts, encoding)
    celsius = message((counts / 100 - 273.15).astype(np.float32), "32FC1", padding, big_endian)
    reading = ThermalReading(float_unit="celsius")
    np.testing.assert_array_equal(decode_thermal(celsius, reading), counts)


def test_missing_floats_are_missing_pixels() -> None:
    kelvin = np.full((4, 6), 300, np.float32)
    kelvin[2, 1] = np.nan
    found = decode_thermal_image(message(kelvin, "32FC1", 5))
    assert found.valid is not None
    assert np.argwhere(~found.valid).tolist() == [[2, 1]]


@pytest.mark.parametrize("padding", [0, 1, 6])
@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "8UC3", "rgba8", "bgra8", "8UC4"])
@pytest.mark.parametrize("size", [(32, 64), (33, 61)])
def test_false_colours_are_undone_in_every_order_of_channels(
    size: tuple[int, int], encoding: str, padding: int
) -> None:
    values = np.tile(np.linspace(0, 255, size[1]).astype(np.uint8), (size[0], 1))
    pixels = cv2.applyColorMap(values, cv2.COLORMAP_JET)
    if encoding.startswith("rgb"):
        pixels = pixels[..., ::-1]
    if "a" in encoding or encoding.endswith("4"):
        pixels = np.dstack([pixels, np.full(size, 255, np.uint8)])
    found = decode_thermal_image(message(pixels, encoding, padding))
    assert (found.palette, found.valid) == ("jet", None)
    np.testing.assert_array_equal(found.counts, values)
    np.testing.assert_array_equal(decode_thermal(message(pixels, encoding, padding)), values)


def test_colours_of_no_palette_name_encoding_and_parameter() -> None:
    photograph = message(random_image(32, 48, 3), "rgb8")
    with pytest.raises(
        UndecodableImage, match=r"thermal image with encoding 'rgb8' is in colours.*thermal\.palette"
    ):
        decode_thermal(photograph)
    assert decode_thermal(photograph, ThermalReading("none")).shape == (32, 48)
    with pytest.raises(
        UndecodableImage, match="thermal image with encoding '32FC1' has temperatures of 1 at most"
    ):
        decode_thermal(message(np.ones((4, 4), np.float32), "32FC1"))


@pytest.mark.parametrize(
    "container",
    [
        bytes,
        bytearray,
        memoryview,
        lambda data: array.array("B", data),
        lambda data: np.frombuffer(data, np.uint8),
    ],
)
def test_data_may_be_in_any_buffer(container: Any) -> None:
    rgb, counts = random_image(5, 7, 3), random_image(5, 7, dtype=np.uint16)
    colour, thermal = message(rgb, "rgb8", 3), message(counts, "mono16", 3)
    np.testing.assert_array_equal(decode_rgb(replace(colour, data=container(colour.data))), rgb)
    np.testing.assert_array_equal(decode_thermal(replace(thermal, data=container(thermal.data))), counts)


def test_nothing_is_copied_where_the_layout_allows_it() -> None:
    for decode, pixels, encoding in [
        (decode_rgb, random_image(5, 7, 3), "rgb8"),
        (decode_thermal, random_image(5, 7), "mono8"),
        (decode_thermal, random_image(5, 7, dtype=np.uint16), "mono16"),
    ]:
        data = array.array("B", message(pixels, encoding, 4).data)
        decoded = decode(replace(message(pixels, encoding, 4), data=data))
        assert np.shares_memory(decoded, np.frombuffer(data, np.uint8)), encoding
        assert decoded.flags.writeable


def test_data_after_the_last_row_is_ignored_and_its_padding_may_be_missing() -> None:
    rgb = random_image(4, 5, 3)
    padded = message(rgb, "rgb8", 6)
    for data in (padded.data + b"more", padded.data[:-6]):
        np.testing.assert_array_equal(decode_rgb(replace(padded, data=data)), rgb)


GOOD = message(random_image(4, 6), "mono8", 2)


@pytest.mark.parametrize(("decode", "side"), [(decode_rgb, "RGB"), (decode_thermal, "thermal")])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"height": 0}, r"is empty \(6 x 0 pixels\)"),
        ({"width": 0, "step": 0, "data": b""}, r"is empty \(0 x 4 pixels\)"),
        ({"data": b""}, "has 0 bytes of data, but 6 x 4 pixels of mono8 with step 8 take 32"),
        ({"data": GOOD.data[:29]}, "has 29 bytes of data, but 6 x 4 pixels of mono8 with step 8 take 32"),
        ({"step": 5}, "has step 5, but 6 pixels of mono8 take 6 bytes"),
        ({"step": 0}, "has step 0, but 6 pixels of mono8 take 6 bytes"),
        ({"encoding": "no_such"}, "(has|with) encoding 'no_such'"),
        ({"encoding": ""}, "(has|with) encoding ''"),
    ],
)
def test_unreadable_images_are_refused_with_side_and_reason(
    decode: Any, side: str, change: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UndecodableImage, match=f"^the {side} image {reason}"):
        decode(replace(GOOD, **change))


def test_the_encodings_of_thermal_are_listed() -> None:
    with pytest.raises(UndecodableImage, match=r"'bayer_rggb8': it must be one of .*mono8.*16UC1"):
        decode_thermal(message(random_image(2, 2), "bayer_rggb8"))


@pytest.mark.skipif(find_spec("cv_bridge") is not None, reason="cv_bridge is installed")
@pytest.mark.parametrize("encoding", ["bayer_rggb8", "yuv422_yuy2", "rgb16", "mono16"])
def test_other_colours_are_said_to_need_cv_bridge(encoding: str) -> None:
    with pytest.raises(UndecodableImage, match=f"'{encoding}': it must be one of .*cv_bridge is installed$"):
        decode_rgb(message(random_image(4, 4), encoding))


def test_other_colours_are_read_by_cv_bridge() -> None:
    pytest.importorskip("cv_bridge", reason="needs the ROS package cv_bridge")
    rgb = random_image(6, 8, 3)
    wide = rgb.astype(np.uint16) * 256
    np.testing.assert_allclose(decode_rgb(message(wide, "rgb16")).astype(int), rgb, atol=1)
    assert decode_rgb(message(random_image(6, 8), "bayer_rggb8")).shape == (6, 8, 3)
    with pytest.raises(UndecodableImage, match="'no_such' cannot be read by cv_bridge"):
        decode_rgb(message(random_image(4, 4), "no_such"))


def test_alpha_is_no_thermal() -> None:
    with pytest.raises(UndecodableImage, match=r"thermal.*'rgba8'"):
        decode_thermal(message(random_image(2, 2, 4), "rgba8"))


@pytest.mark.parametrize("size", [*SIZES, (720, 1280)])
def test_encoded_images_come_back_to_the_bit(size: tuple[int, int]) -> None:
    for image, encoding, decode in [
        (random_image(*size), "mono8", decode_thermal),
        (random_image(*size, dtype=np.uint16), "mono16", decode_thermal),
        (random_image(*size, 3), "rgb8", decode_rgb),
    ]:
        encoded = encode_image(image)
        assert (encoded.encoding, encoded.is_bigendian) == (encoding, 0)
        assert encoded.step * encoded.height == len(encoded.data) == image.nbytes
        np.testing.assert_array_equal(decode(encoded), image)


def test_views_are_encoded_by_value() -> None:
    counts = random_image(6, 8, dtype=np.uint16)
    np.testing.assert_array_equal(decode_thermal(encode_image(counts[::2, ::-1])), counts[::2, ::-1])


@pytest.mark.parametrize(
    "image", [np.zeros((2, 2), np.float32), np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3), np.uint16)]
)
def test_other_arrays_have_no_encoding(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="has no encoding here"):
        encode_image(image)


@dataclass(frozen=True)
class Compressed:
    format: str
    data: Any


def compressed(image: np.ndarray, kind: str = "png", format: str = "png") -> Compressed:
    """A message with an image in OpenCV's order of channels."""
    return Compressed(format, cv2.imencode(f".{kind}", image)[1].tobytes())


@pytest.mark.parametrize("size", [*SIZES, (480, 640)])
@pytest.mark.parametrize("format", ["png", "rgb8; png compressed bgr8", "bgr8; png compressed bgr8", ""])
def test_colours_of_a_png_are_kept_whatever_its_publisher_calls_them(
    size: tuple[int, int], format: str
) -> None:
    rgb = random_image(*size, 3)
    np.testing.assert_array_equal(decode_compressed_rgb(compressed(rgb[..., ::-1], format=format)), rgb)


def test_a_colour_image_is_made_of_any_depth_and_number_of_channels() -> None:
    rgb = random_image(6, 8, 3)
    bgr, grey = rgb[..., ::-1], rgb[..., 0]
    for image, expected in [
        (np.dstack([bgr, grey]), rgb),
        (grey, np.dstack([grey] * 3)),
        (bgr.astype(np.uint16) * 257, rgb),
    ]:
        np.testing.assert_array_equal(decode_compressed_rgb(compressed(image)), expected)


@pytest.mark.parametrize("format", ["jpeg", "rgb8; jpeg compressed bgr8"])
def test_a_jpeg_is_almost_what_it_was(format: str) -> None:
    ramp = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8)
    rgb = np.dstack([ramp, 2 * ramp, 200 - ramp])
    decoded = decode_compressed_rgb(compressed(rgb[..., ::-1], "jpg", format))
    assert np.abs(decoded.astype(int) - rgb).mean() < 4
    thermal = decode_compressed_thermal(compressed(ramp, "jpg", "mono8; jpeg compressed "))
    assert thermal.shape == (48, 64)
    assert np.abs(thermal.astype(int) - ramp).mean() < 2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("container", [bytes, lambda data: array.array("B", data), np.frombuffer])
def test_thermal_counts_of_a_png_are_kept(dtype: type, container: Any) -> None:
    counts = random_image(48, 64, dtype=dtype)
    data = compressed(counts).data
    data = np.frombuffer(data, np.uint8) if container is np.frombuffer else container(data)
    decoded = decode_compressed_thermal(Compressed("mono16; png compressed ", data))
    assert decoded.dtype == dtype
    np.testing.assert_array_equal(decoded, counts)


def test_compressed_pseudo_grey_keeps_its_values() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(8, 32)
    np.testing.assert_array_equal(decode_compressed_thermal(compressed(np.dstack([grey] * 3))), grey)


@pytest.mark.parametrize(("kind", "error"), [("png", 0), ("jpg", 3)])
@pytest.mark.parametrize("format", ["jpeg", "rgb8; jpeg compressed bgr8", "bgr8; png compressed bgr8"])
def test_compressed_false_colours_are_undone(kind: str, error: int, format: str) -> None:
    values = np.tile(np.linspace(0, 255, 160).astype(np.uint8), (96, 1))
    image = cv2.applyColorMap(values, cv2.COLORMAP_INFERNO)
    found = decode_compressed_thermal_image(compressed(image, kind, format))
    assert found.palette == "inferno"
    assert np.median(np.abs(found.counts.astype(int) - values)) <= error


def test_an_opaque_alpha_channel_of_a_png_is_passed_over() -> None:
    grey = random_image(8, 12)
    opaque = np.dstack([grey, grey, grey, np.full(grey.shape, 255, np.uint8)])
    np.testing.assert_array_equal(decode_compressed_thermal(compressed(opaque)), grey)


@pytest.mark.parametrize(
    "format",
    [
        "16UC1; jpeg compressed ",
        "16UC1;jpeg",
        "mono16; jpeg compressed mono8",
        "mono16; jpeg compressed bgr8",
        "16SC1; jpeg compressed ",
        "32FC1; jpeg compressed ",
        "16UC1",
    ],
)
def test_a_jpeg_of_16_bits_is_refused_as_a_png_of_them_is_not(format: str) -> None:
    white = np.full((8, 8), 255, np.uint8)
    for container in (bytes, lambda data: array.array("B", data), lambda data: np.frombuffer(data, np.uint8)):
        squeezed = compressed(white, "jpg", format)
        with pytest.raises(
            UndecodableImage, match=f"'{format}'.* is a JPEG, whose 8 bits cannot hold its values: have"
        ):
            decode_compressed_thermal(replace(squeezed, data=container(squeezed.data)))
    counts = random_image(8, 8, dtype=np.uint16)
    np.testing.assert_array_equal(decode_compressed_thermal(compressed(counts, format=format)), counts)


@pytest.mark.parametrize(
    "format", ["mono8; jpeg compressed ", "8UC1; jpeg compressed ", "jpeg", "rgb8; jpeg"]
)
def test_a_jpeg_of_8_bits_is_taken(format: str) -> None:
    assert decode_compressed_thermal(compressed(np.full((8, 8), 200, np.uint8), "jpg", format))[0, 0] == 200


DEPTH_PNG = b"\0" * 12 + compressed(random_image(8, 8, dtype=np.uint16)).data


@pytest.mark.parametrize("decode", [decode_compressed_rgb, decode_compressed_thermal])
@pytest.mark.parametrize(
    "format",
    ["16UC1; compressedDepth png", "16UC1; compressedDepth", "32FC1; compressedDepth rvl", "16UC1; png", ""],
)
def test_depth_images_are_refused_by_format_or_header(decode: Any, format: str) -> None:
    with pytest.raises(
        UndecodableImage, match="is a depth image: subscribe to the transport 'compressed' instead"
    ):
        decode(Compressed(format, DEPTH_PNG))


@pytest.mark.parametrize("decode", [decode_compressed_rgb, decode_compressed_thermal])
@pytest.mark.parametrize(
    ("data", "name"),
    [
        (cv2.imencode(".tiff", random_image(8, 8, dtype=np.uint16))[1].tobytes(), "TIFF"),
        (b"MM\0*" + bytes(60), "TIFF"),
        (b"\xff\x0a" + bytes(60), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(60), "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(60), "JPEG 2000"),
        (cv2.imencode(".webp", random_image(8, 8, 3))[1].tobytes(), "WebP"),
        (b"\0\0\0\x20ftypavif" + bytes(60), "AVIF"),
        (cv2.imencode(".bmp", random_image(8, 8, 3))[1].tobytes(), "BMP"),
    ],
)
def test_other_formats_are_named(decode: Any, data: bytes, name: str) -> None:
    with pytest.raises(
        UndecodableImage, match=f"is neither JPEG nor PNG but {name}: have it published as PNG, or raw$"
    ):
        decode(Compressed("16UC1; jxl", data))


JPEG = compressed(random_image(40, 50, 3), "jpg").data
PNG = compressed(random_image(40, 50, 3)).data
# An APP1 segment that holds a whole JPEG, as cameras put a preview in: its end is not the picture's.
PREVIEW = JPEG[:2] + b"\xff\xe1" + (len(JPEG) + 2).to_bytes(2, "big") + JPEG + JPEG[2:]


def test_a_preview_inside_a_jpeg_is_passed_over() -> None:
    np.testing.assert_array_equal(
        decode_compressed_rgb(Compressed("jpeg", PREVIEW)), decode_compressed_rgb(Compressed("jpeg", JPEG))
    )


@pytest.mark.parametrize("padding", [b"\0" * 7, b"\xee" * 100])
def test_bytes_after_the_end_are_ignored(padding: bytes) -> None:
    for data in (JPEG, PNG):
        expected = decode_compressed_rgb(Compressed("", data))
        np.testing.assert_array_equal(decode_compressed_rgb(Compressed("", data + padding)), expected)


@pytest.mark.parametrize(
    ("decode", "side"), [(decode_compressed_rgb, "RGB"), (decode_compressed_thermal, "thermal")]
)
@pytest.mark.parametrize(
    ("format", "data", "reason"),
    [
        ("jpeg", b"", "is empty"),
        ("png", array.array("B"), "is empty"),
        ("jpeg", JPEG[:-1], "is cut short: its .* bytes have no end marker"),
        ("jpeg", JPEG[: len(JPEG) // 2], "is cut short"),
        ("jpeg", JPEG[:20], "is cut short"),
        ("jpeg", PREVIEW[: -len(JPEG) // 2], "is cut short"),
        ("jpeg", PREVIEW[: len(JPEG) + 20], "is damaged"),
        ("jpeg", JPEG[:3] + JPEG[-2:], "is damaged"),
        ("png", PNG[:-5], "is cut short"),
        ("png", PNG[: len(PNG) // 2], "is cut short"),
        ("png", PNG[:60] + b"\0" * 40 + PNG[100:], "is damaged"),
        ("jpeg", b"GIF89a and more", "is neither JPEG nor PNG"),
        ("16UC1; compressedDepth png", PNG, "is a depth image"),
    ],
)
def test_unreadable_compressed_images_are_refused_with_side_and_reason(
    decode: Any, side: str, format: str, data: Any, reason: str
) -> None:
    with pytest.raises(UndecodableImage, match=rf"^the compressed {side} image \('{format}'\) {reason}"):
        decode(Compressed(format, data))


@pytest.mark.parametrize(
    ("image", "finding"),
    [
        (random_image(4, 6, 4), "has 4 channels of 8 bits"),
        (random_image(4, 6, 3, dtype=np.uint16), "is in colours"),
    ],
)
def test_channels_that_make_no_thermal_image_are_refused(image: np.ndarray, finding: str) -> None:
    with pytest.raises(UndecodableImage, match=f"compressed thermal image {finding}"):
        decode_compressed_thermal(compressed(image))


def test_equal_channels_of_16_bits_are_grey_as_they_are_in_a_file() -> None:
    grey = random_image(4, 6, dtype=np.uint16)
    np.testing.assert_array_equal(decode_compressed_thermal(compressed(np.dstack([grey] * 3))), grey)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [*SIZES, (720, 1280)])
def test_masks_come_back_from_a_png_to_the_bit(size: tuple[int, int], dtype: type) -> None:
    mask = random_image(*size, dtype=dtype)
    for image in (mask, mask[::-1, ::-1]):
        decoded = decode_compressed_thermal(Compressed("mono8; png compressed ", encode_png(image)))
        assert decoded.dtype == dtype
        np.testing.assert_array_equal(decoded, image)


@pytest.mark.parametrize(
    "mask", [np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2)), np.zeros((0, 4), np.uint8)]
)
def test_only_masks_become_png(mask: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"must be uint8 or uint16 \[H, W\]"):
        encode_png(mask)
