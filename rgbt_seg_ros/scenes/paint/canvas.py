"""Canvas and paints: polygons are drawn far to near into a map of part numbers, then shaded by table.

Every polygon gets a part number with its own row of properties: colour, heat, light it sends out, depth, texture. So
one fill per polygon serves the RGB image, the thermal image, the depth and the labels. Labelled areas through which
one sees, such as the open wheels of a bicycle, are drawn into a second map of part numbers. As numbers grow with time,
the larger one is in front.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np

from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.scenes.paint.geometry import NEAR, Camera, clip_near

SKY, GROUND, SOLID = 0, 1, 2
"""Surfaces of a part: sky, ground (texture in world coordinates) and everything else."""

_SUBPIXEL_BITS = 4


Color = tuple[float, ...]
"""RGB."""


class Paint(NamedTuple):
    """What a surface looks like to both cameras."""

    color: Color
    """Reflectance per channel, RGB, linear, 0..1."""
    heat: float
    """Degrees Celsius above the temperature of the air."""
    grain: float = 0.12
    """Relative amplitude of the texture in reflectance."""
    heat_grain: float = 0.4
    """Amplitude of the texture in degrees."""
    tile: int = 0
    """Texture tile, an index of `textures.TILES`."""
    glow: Color = (0.0, 0.0, 0.0)
    """Light sent out when lamps are on, RGB, where 1 is a surface that just saturates the image."""


def scaled(paint: Paint, brightness: float, heat: float = 0.0) -> Paint:
    """The paint with its reflectance multiplied and degrees added."""
    red, green, blue = paint.color
    return paint._replace(
        color=(red * brightness, green * brightness, blue * brightness), heat=paint.heat + heat
    )


def _fixed(outline: np.ndarray) -> np.ndarray:
    """Pixels [N,2] as the fixed-point integers that OpenCV draws with."""
    return np.rint(outline * (1 << _SUBPIXEL_BITS)).astype(np.int32)


_INVISIBLE = Paint((0.0, 0.0, 0.0), 0.0)


class Table(NamedTuple):
    """Properties by part number: float32 columns of a canvas, grouped by four for a quick look-up."""

    albedo: np.ndarray
    """Reflectance RGB and grain."""
    thermal: np.ndarray
    """Heat, heat grain, and inverse depth (1/m) as slope per image column and constant."""
    texture: np.ndarray
    """Anchor u and v, tile pixels per image pixel, number of the tile."""
    glow: np.ndarray
    """RGB."""
    surface: np.ndarray
    is_wall: np.ndarray


@dataclass
class Lamp:
    """A light source for the shading of what is around it, in camera coordinates."""

    place: np.ndarray
    """Right, up, forward, in metres."""
    power: float
    color: Color


@dataclass
class Canvas:
    """Collects the parts of one view; see the module's description.

    After drawing, `part` [H,W] numbers the rows of `table()`. `wall` and `wall_extra` hold the pictures of textured
    walls. `shade` [H,W] says how much of the sky's light objects take from the ground.
    """

    camera: Camera
    part: np.ndarray = field(init=False)
    veil: np.ndarray = field(init=False)
    wall: np.ndarray = field(init=False)
    wall_extra: np.ndarray = field(init=False)
    shade: np.ndarray = field(init=False)
    lamps: list[Lamp] = field(default_factory=list)
    _rows: list[tuple[float, ...]] = field(default_factory=list)
    _labels: list[int] = field(default_factory=list)
    _begun: list[tuple[int, int]] = field(default_factory=list)
    _place: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        size = (self.camera.height, self.camera.width)
        self.part = np.zeros(size, np.uint16)
        self.veil = np.zeros(size, np.uint16)
        self.wall = np.zeros((*size, 3), np.uint8)
        self.wall_extra = np.zeros((*size, 2), np.uint8)
        self.shade = np.zeros(size, np.uint8)
        self._add_row(SKY, Paint((0.0, 0.0, 0.0), 0.0, 0.0, 0.0), 0)

    def _add_row(self, surface: int, paint: Paint, label: int, is_wall: bool = False) -> int:
        self._labels.append(label)
        self._rows.append(
            (
                *paint.color,
                paint.grain,
                paint.heat,
                paint.heat_grain,
                *self._place,
                paint.tile,
                *paint.glow,
                surface,
                is_wall,
            )
        )
        return len(self._rows) - 1

    def table(self) -> "Table":
        """Properties by part number."""
        rows = np.array(self._rows, np.float32)
        return Table(rows[:, 0:4], rows[:, 4:8], rows[:, 8:12], rows[:, 12:15], rows[:, 15], rows[:, 16] > 0)

    def label(self) -> np.ndarray:
        """Class ids uint8 [H,W]."""
        return np.array(self._labels, np.uint8).take(np.maximum(self.part, self.veil))

    def begin(self, thing: int) -> None:
        """What is drawn from now on belongs to this thing, numbered from 1."""
        self._begun.append((len(self._rows), thing))

    def instance(self) -> np.ndarray:
        """Which thing each pixel belongs to: uint16 [H,W], 0 for ground, buildings and sky."""
        owners = np.zeros(len(self._rows), np.uint16)
        for first, thing in self._begun:
            owners[first:] = thing
        return owners.take(np.maximum(self.part, self.veil))

    def repaint(self, change: Callable[[Paint, int, int], Paint]) -> None:
        """Give every part but the sky another paint: `change(paint, class id, thing)`; thing 0 is what stands still."""
        owners = np.zeros(len(self._rows), np.int64)
        for first, thing in self._begun:
            owners[first:] = thing
        for number, row in enumerate(self._rows):
            if row[-2] == SKY:
                continue
            paint = Paint(row[0:3], row[4], row[3], row[5], int(row[11]), row[12:15])
            new = change(paint, self._labels[number], int(owners[number]))
            self._rows[number] = (
                *new.color, new.grain, new.heat, new.heat_grain, *row[6:11], new.tile, *new.glow, *row[15:]
            )  # fmt: skip

    def stand_at(self, x: float, z: float, y: float = 0.0, reach: float = 0.0) -> float:
        """Start an object at a place in the world: sets depth and texture anchor; returns pixels per metre there.

        0 means that the object, `reach` metres around the place, lies behind the camera and is not to be drawn.
        """
        point = self.camera.to_camera(np.array([[x, y, z]]))
        if point[0, 2] + reach < NEAR:
            return 0.0
        point[0, 2] = forward = max(float(point[0, 2]), 2 * NEAR)
        (u, v) = self.camera.project(point)[0]
        scale = self.camera.focal / forward
        self._place = (0.0, 1.0 / forward, float(u), float(v), 90.0 / scale)
        return scale

    def see(self, points: np.ndarray) -> np.ndarray:
        """World points [N,3] to pixels [N,2]; points behind the camera are moved to its near plane."""
        seen = self.camera.to_camera(points)
        seen[:, 2] = np.maximum(seen[:, 2], NEAR)
        return self.camera.project(seen)

    def fill(self, outline: np.ndarray, paint: Paint, label: int, surface: int = SOLID) -> None:
        """Fill a polygon given in pixels [N,2]."""
        cv2.fillPoly(self.part, [_fixed(outline)], self._add_row(surface, paint, label), shift=_SUBPIXEL_BITS)

    def mark(self, outline: np.ndarray, label: int) -> None:
        """Label a polygon [N,2] without painting it: the background stays visible."""
        number = self._add_row(SOLID, _INVISIBLE, label)
        cv2.fillPoly(self.veil, [_fixed(outline)], number, shift=_SUBPIXEL_BITS)

    def lines(
        self, strokes: Sequence[np.ndarray], thickness: float, paint: Paint, label: int, closed: bool = False
    ) -> None:
        """Draw polylines, each [N,2] pixels; thinner than a pixel is drawn as one pixel."""
        fixed, number = [_fixed(stroke) for stroke in strokes], self._add_row(SOLID, paint, label)
        cv2.polylines(self.part, fixed, closed, number, max(1, round(thickness)), shift=_SUBPIXEL_BITS)

    def face(self, corners: np.ndarray, paint: Paint, label: int, surface: int = SOLID) -> None:
        """Fill a polygon given in the world [N,3], cut at the near plane."""
        seen = clip_near(self.camera.to_camera(corners))
        if len(seen) >= 3:
            self.fill(self.camera.project(seen), paint, label, surface)

    def cast_shadow(self, corners: np.ndarray, strength: float) -> None:
        """Darken the ground within a polygon in the world [N,3]; strength 0..1."""
        seen = clip_near(self.camera.to_camera(corners))
        if len(seen) >= 3:
            fixed = _fixed(self.camera.project(seen))
            cv2.fillPoly(self.shade, [fixed], round(255 * strength), shift=_SUBPIXEL_BITS)

    def textured_wall(
        self, foot: np.ndarray, top: float, levels: Sequence[tuple[np.ndarray, np.ndarray]], tint: Paint
    ) -> None:
        """Hang a picture on an upright wall.

        Args:
            foot: [2,3] world points of the lower left and lower right corner.
            top: height of the upper edge, metres.
            levels: the picture at full, half, quarter ... resolution, each as uint8 [h,w,3] reflectance and
                uint8 [h,w,2] heat code (`HEAT_ZERO` + degrees * `HEAT_STEP`) and glow.
            tint: multiplies the reflectance and adds to the heat.
        """
        seen = self.camera.to_camera(foot)
        share = np.array([0.0, 1.0])
        for i in (0, 1):
            if seen[i, 2] < NEAR <= seen[1 - i, 2]:
                share[i] = i + (1 - 2 * i) * (NEAR - seen[i, 2]) / (seen[1 - i, 2] - seen[i, 2])
        ends = seen[0] + share[:, None] * (seen[1] - seen[0])
        if ends[:, 2].min() < NEAR - 1e-6:
            return
        upper = ends.copy()
        upper[:, 1] = top - self.camera.y
        corners = self.camera.project(np.concatenate([ends, upper[::-1]]))
        low = np.maximum(np.floor(corners.min(0)).astype(int), 0)
        high = np.minimum(np.ceil(corners.max(0)).astype(int) + 1, (self.camera.width, self.camera.height))
        if (high - low).min() < 1 or abs(corners[1, 0] - corners[0, 0]) < 0.5:
            return
        shrink = levels[0][0].shape[0] / max(1.0, float(np.abs(corners[:2, 1] - corners[:1:-1, 1]).max()))
        picture, extra = levels[int(np.clip(np.log2(shrink) + 0.3, 0, len(levels) - 1))]
        rows, columns = picture.shape[:2]
        source = np.array(
            [
                [share[0] * columns, rows],
                [share[1] * columns, rows],
                [share[1] * columns, 0],
                [share[0] * columns, 0],
            ],
            np.float32,
        )
        warp = cv2.getPerspectiveTransform(source, (corners - low).astype(np.float32))
        window = (slice(low[1], high[1]), slice(low[0], high[0]))
        size = (int(high[0] - low[0]), int(high[1] - low[1]))
        inverse_depth = 1.0 / ends[:, 2]
        slope = (inverse_depth[1] - inverse_depth[0]) / (corners[1, 0] - corners[0, 0])
        self._place = (slope, inverse_depth[0] - slope * corners[0, 0], 0.0, 0.0, 1.0)
        number = self._add_row(SOLID, tint, 0, is_wall=True)
        stencil = np.zeros(size[::-1], np.uint8)
        cv2.fillPoly(stencil, [_fixed(corners - low)], 1, shift=_SUBPIXEL_BITS)
        for target, image in ((self.wall, picture), (self.wall_extra, extra)):
            warped = cv2.warpPerspective(
                image, warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            cv2.copyTo(warped, stencil, target[window])
        self.part[window][stencil > 0] = number


HEAT_ZERO, HEAT_STEP = 100.0, 6.0
"""Heat code of a wall's texture: uint8 = HEAT_ZERO + degrees * HEAT_STEP."""


NOTHING, CAR, PERSON, BIKE, KERB, CAR_STOP, GUARDRAIL, CONE, BUMP = range(len(MFNET.names))
