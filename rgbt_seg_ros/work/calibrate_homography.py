"""What `rgbt_seg_ros.calibrate_homography` does once its arguments are known to be good."""

import argparse
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.whole_files import naming_file, new_file, write_file
from rgbt_seg_ros.images.files import read_pair
from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.masks.overlay import thermal_picture
from rgbt_seg_ros.registration.point_pairs import (
    LEAST_PAIRS,
    HomographyFit,
    PointPairs,
    fit_homography,
    read_point_pairs,
    write_point_pairs,
)
from rgbt_seg_ros.registration.rules import Homography
from rgbt_seg_ros.settings.options import read_settings

_MAGNIFIED = 20
"""How many times longer residuals are drawn than they are."""


def run(args: argparse.Namespace) -> None:
    settings = read_settings(args)
    rgb, found = read_pair(args.rgb, args.thermal, settings.thermal.reading, settings.max_pixels)
    assert rgb is not None
    assert found is not None
    thermal = found.counts
    with naming_file(args.output):
        # Before somebody clicks points that could not be kept.
        args.output.parent.mkdir(parents=True, exist_ok=True)
    clicked = None
    if args.points is not None:
        pairs = read_point_pairs(args.points)
    else:
        clicked = args.output.with_suffix(".points.csv")
        pairs = _clicked(rgb, thermal, clicked)
    print("\n  ".join(_write(args, rgb, thermal, pairs)))
    name_files(("overlay", args.overlay), ("parameter file", args.output), ("points", clicked))


def _write(args: argparse.Namespace, rgb: np.ndarray, thermal: np.ndarray, pairs: PointPairs) -> list[str]:
    """Write parameter file and overlay; what is to be said of them."""
    pairs.check_inside(rgb.shape[:2], thermal.shape[:2])
    fit = fit_homography(pairs, args.threshold)
    laid, valid = Homography(fit.matrix.ravel().tolist())(thermal, rgb.shape[:2])
    if not valid.any():
        raise UserError("with these points no thermal pixel falls onto the RGB image: check them")
    report = _report(fit, args.threshold)
    write_file(args.output, _parameter_file(fit, report, rgb.shape[:2], thermal.shape[:2]))
    if args.overlay is not None:
        with new_file(args.overlay) as picture:
            _overlay(rgb, laid, valid, pairs, fit, report).savefig(picture, format="png")
    findings = [f"{report}; thermal covers {100 * valid.mean():.0f} % of the RGB image"]
    for number in np.flatnonzero(~fit.inliers):
        findings.append(f"pair {number + 1} is left out: it is {fit.errors[number]:.1f} pixels off")
    if len(pairs.rgb) == LEAST_PAIRS:
        findings.append("four pairs always fit: more of them would show how well")
    return findings


def _clicked(rgb: np.ndarray, thermal: np.ndarray, file: Path) -> PointPairs:
    """Points clicked in a window, and kept in a file: it can be mended and given as --points."""
    # Not at the top: it needs a window system that machines with --points may lack.
    from rgbt_seg_ros.registration.point_picker import pick_points

    pairs = pick_points(rgb, thermal_picture(thermal))
    write_point_pairs(file, pairs)
    return pairs


def _report(fit: HomographyFit, threshold: float) -> str:
    errors = fit.errors[fit.inliers]
    return (
        f"{len(errors)} of {len(fit.errors)} pairs agree within {threshold:g} pixels; "
        f"reprojection error {errors.mean():.2f} pixels on average, {errors.max():.2f} at most"
    )


def _parameter_file(
    fit: HomographyFit, report: str, rgb_size: tuple[int, int], thermal_size: tuple[int, int]
) -> str:
    # Always with a decimal point: ROS takes a number without one for an integer.
    numbers = [f"{number:.12f}" for number in fit.matrix.ravel()]
    rows = ",\n        ".join(", ".join(numbers[i : i + 3]) for i in (0, 3, 6))
    return (
        f"# From calibrate_homography: {report}.\n"
        f"# For RGB images of {rgb_size[1]}x{rgb_size[0]} and thermal images of {thermal_size[1]}x{thermal_size[0]}.\n"
        "/**:\n"
        "  ros__parameters:\n"
        "    registration:\n"
        "      mode: homography\n"
        f"      homography: [\n        {rows}]\n"
    )


def _overlay(
    rgb: np.ndarray, laid: np.ndarray, valid: np.ndarray, pairs: PointPairs, fit: HomographyFit, report: str
) -> Figure:
    """Thermal in false colours over the RGB image, and its edges over the grey one with points and residuals."""
    height, width = rgb.shape[:2]
    figure = Figure((16, 8 * height / width + 0.8), dpi=100, layout="constrained")
    colours, edges = figure.subplots(1, 2)
    blended = cv2.addWeighted(rgb, 0.5, thermal_picture(laid), 0.5, 0.0)
    colours.imshow(np.where(valid[..., None], blended, rgb))
    colours.set_title("thermal over RGB")
    grey = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None] // 2, 3, axis=2)
    grey[_edges(laid, valid)] = (255, 170, 40)
    edges.imshow(grey)
    _draw_residuals(edges, pairs, fit)
    for axes in (colours, edges):
        axes.set_xlim(-0.5, width - 0.5)
        axes.set_ylim(height - 0.5, -0.5)
        axes.set_axis_off()
    figure.suptitle(report)
    return figure


def _edges(laid: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Edges of the thermal image, bool [H, W]; not the border of what is known."""
    grey = (255 * ThermalNormalization("percentile")(laid, valid)).astype(np.uint8)
    edges = cv2.Canny(cv2.GaussianBlur(grey, (0, 0), 1.5), 30, 90)
    known = cv2.erode(valid.astype(np.uint8), np.ones((9, 9), np.uint8), borderValue=1)
    return (edges > 0) & (known > 0)


def _draw_residuals(axes: Axes, pairs: PointPairs, fit: HomographyFit) -> None:
    laid = cv2.perspectiveTransform(pairs.thermal[None], fit.matrix)[0]
    axes.set_title(
        f"thermal edges, RGB points, and where the thermal points fall ({_MAGNIFIED} times as far)"
    )
    inliers, (x, y) = fit.inliers, pairs.rgb.T
    dx, dy = (laid - pairs.rgb)[inliers].T
    axes.plot(x[inliers], y[inliers], ".", color="cyan", markersize=5)
    axes.quiver(
        x[inliers],
        y[inliers],
        dx,
        dy,
        color="cyan",
        angles="xy",
        scale_units="xy",
        scale=1 / _MAGNIFIED,
        width=0.003,
    )
    axes.plot(x[~inliers], y[~inliers], "x", color="red", markersize=9, label="left out")
    for number, (point_x, point_y) in enumerate(pairs.rgb, 1):
        axes.annotate(str(number), (point_x, point_y), (5, 5), textcoords="offset points", color="white")
    if not inliers.all():
        axes.legend(loc="lower right")
