"""Formats of image files by their first bytes, to name those that are not read."""

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"

_SIGNATURES = {
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"P5": "PGM",
    b"P6": "PPM",
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"SIMPLE  =": "FITS",
}


def format_name(data: bytes) -> str:
    """The name of a format that is neither JPEG nor PNG, such as ``TIFF``; empty if it is not known."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:12] in (b"ftypavif", b"ftypheic"):
        return "AVIF" if data[8:12] == b"avif" else "HEIC"
    return next((name for start, name in _SIGNATURES.items() if data.startswith(start)), "")
