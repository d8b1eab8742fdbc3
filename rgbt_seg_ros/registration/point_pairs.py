"""Points that were found in both images of a pair: their file, and the homography between them."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.file_limits import is_file, read_bounded
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.base.yaml_files import read_yaml

COLUMNS = ("rgb_x", "rgb_y", "thermal_x", "thermal_y")
LEAST_PAIRS = 4

MAX_CSV_BYTES = 4 << 20
FARTHEST = 1e6
"""Pixels from the corner that a point may have: homographies of larger ones are of no use, and overflow."""

# Singular values of the equations for a homography: the smallest of those that must not vanish, over the largest.
# Four spread points have 0.05 and more, points on a line (give or take half a pixel) mostly less than 0.01.
_LEAST_SPREAD = 0.01


@dataclass(frozen=True)
class PointPairs:
    """The same points in two images, float64 [N, 2] each: (x, y) in pixels, pixel centres at integers."""

    rgb: np.ndarray
    thermal: np.ndarray

    def check_inside(self, rgb_size: tuple[int, int], thermal_size: tuple[int, int]) -> None:
        """Refuse points outside their images, as when two columns of a file were exchanged.

        Raises:
            UserError: naming the first such pair, counted from 1.
        """
        for name, points, (height, width) in (
            ("RGB", self.rgb, rgb_size),
            ("thermal", self.thermal, thermal_size),
        ):
            outside = ~((points >= -0.5) & (points <= (width - 0.5, height - 0.5))).all(axis=1)
            if outside.any():
                number = int(np.argmax(outside))
                x, y = points[number]
                raise UserError(
                    f"pair {number + 1}: the {name} point ({x:g}, {y:g}) lies outside its image of {width}x{height}"
                )


@dataclass(frozen=True)
class HomographyFit:
    """A homography estimated from point pairs.

    Attributes:
        matrix: float64 [3, 3], from thermal to RGB positions; its last element is 1.
        errors: float64 [N], distance of each RGB point from where the homography lays the thermal point [pixels].
        inliers: bool [N], the pairs that it was estimated from.
    """

    matrix: np.ndarray
    errors: np.ndarray
    inliers: np.ndarray


def read_point_pairs(file: Path) -> PointPairs:
    """Read a CSV file with the columns rgb_x, rgb_y, thermal_x, thermal_y, or a YAML list of such mappings.

    Raises:
        UserError: no such file, or what is wrong in it.
    """
    if not is_file(file):
        raise UserError(f"the point file {file} cannot be read: there is no such file")
    is_yaml = file.suffix.lower() in (".yaml", ".yml")
    remedy = f"write a list of mappings with {', '.join(COLUMNS)}"
    rows: Any = read_yaml(file, remedy) if is_yaml else _csv_rows(file)
    if not isinstance(rows, list):
        raise UserError(f"{file} must hold a list of points, each with {', '.join(COLUMNS)}")
    numbers = np.array([_numbers(file, number, row) for number, row in enumerate(rows, 1)]).reshape(-1, 4)
    return PointPairs(rgb=numbers[:, :2], thermal=numbers[:, 2:])


def _csv_rows(file: Path) -> list[dict[str, str]]:
    try:
        text = read_bounded(file, MAX_CSV_BYTES).decode("utf-8-sig")
        return list(csv.DictReader(text.splitlines(), skipinitialspace=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"the point file {file} is no text with commas ({error}): write it as CSV") from error


def _numbers(file: Path, number: int, row: Any) -> list[float]:
    try:
        numbers = [float(row[column]) for column in COLUMNS]
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise UserError(
            f"{file}, pair {number}: it needs a number for each of {', '.join(COLUMNS)}"
        ) from error
    if not (np.abs(numbers) <= FARTHEST).all():
        raise UserError(f"{file}, pair {number}: its numbers must be finite and at most {FARTHEST:g} pixels")
    return numbers


def write_point_pairs(file: Path, pairs: PointPairs) -> None:
    """Write the CSV file that `read_point_pairs` reads, to a hundredth of a pixel.

    Raises:
        UserError: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([f"{x:.2f}" for x in row] for row in np.hstack([pairs.rgb, pairs.thermal]))
    write_file(file, text.getvalue())


def fit_homography(pairs: PointPairs, threshold: float = 3.0) -> HomographyFit:
    """Estimate the homography from thermal to RGB positions that most pairs agree with (MAGSAC, then least squares).

    Args:
        pairs: at least four, spread over the images.
        threshold: a pair agrees if its RGB point is no farther than this from where it should be [pixels].

    Raises:
        UserError: too few pairs, pairs that do not determine a homography, or no agreement among them.
    """
    count = len(pairs.rgb)
    if count < LEAST_PAIRS:
        raise UserError(f"a homography needs at least {LEAST_PAIRS} pairs of points, there are {count}")
    _check_spread(pairs, np.ones(count, bool))
    matrix, found = cv2.findHomography(pairs.thermal, pairs.rgb, cv2.USAC_MAGSAC, threshold)
    # Any four pairs agree with some homography: only more of them say something.
    needed = LEAST_PAIRS if count == LEAST_PAIRS else max(LEAST_PAIRS + 1, count // 2)
    agreeing = 0 if matrix is None else int(np.count_nonzero(found))
    if agreeing < needed:
        raise UserError(
            f"only {agreeing} of {count} pairs agree within {threshold:g} pixels, {needed} are needed: check the "
            "points, add more, or raise --threshold"
        )
    inliers = found.ravel().astype(bool)
    _check_spread(pairs, inliers)
    matrix, _ = cv2.findHomography(pairs.thermal[inliers], pairs.rgb[inliers], 0)
    laid = cv2.perspectiveTransform(pairs.thermal[None], matrix)[0]
    return HomographyFit(matrix, np.linalg.norm(laid - pairs.rgb, axis=1), inliers)


def _check_spread(pairs: PointPairs, chosen: np.ndarray) -> None:
    """Refuse pairs that several homographies agree with."""
    (x, y), (u, v) = _normalized(pairs.thermal[chosen]).T, _normalized(pairs.rgb[chosen]).T
    one, zero = np.ones_like(x), np.zeros_like(x)
    horizontal = np.column_stack([x, y, one, zero, zero, zero, -u * x, -u * y, -u])
    vertical = np.column_stack([zero, zero, zero, x, y, one, -v * x, -v * y, -v])
    strengths = np.linalg.svd(np.vstack([horizontal, vertical]), compute_uv=False)
    if strengths[7] < _LEAST_SPREAD * strengths[0]:
        raise UserError(
            "the points lie on one line, or all but one do, which determines no homography: "
            "spread them over the whole image"
        )


def _normalized(points: np.ndarray) -> np.ndarray:
    """Points around 0 with a mean square distance of 2."""
    centred = points - points.mean(axis=0)
    scale = np.sqrt((centred**2).sum(axis=1).mean() / 2)
    normalized: np.ndarray = centred / (scale or 1.0)
    return normalized
