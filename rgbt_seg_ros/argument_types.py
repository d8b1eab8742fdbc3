"""Argument types that several commands share."""

import argparse


def positive_number(text: str) -> float:
    """A finite number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return value


def positive_count(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return value


def image_size(text: str) -> tuple[int, int]:
    """HxW in pixels, at least 32x32, as (height, width)."""
    height, cross, width = text.partition("x")
    if not (cross and height.isdigit() and width.isdigit() and min(int(height), int(width)) >= 32):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 480x640, at least 32x32")
    return int(height), int(width)
