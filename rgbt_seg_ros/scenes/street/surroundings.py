"""The street itself: road, markings, kerbs and pavements on the ground plane, and the buildings along them."""

from dataclasses import dataclass

import numpy as np

from rgbt_seg_ros.scenes.paint.canvas import BUMP, GROUND, KERB, NOTHING, Canvas, Paint
from rgbt_seg_ros.scenes.paint.geometry import Pose
from rgbt_seg_ros.scenes.paint.textures import (
    CLOUDS,
    COBBLES,
    FINE,
    FOLIAGE,
    LEAVES,
    PAVING,
    SETTS,
    Picture,
    facade,
)

FAR = 140.0
"""Metres: where the street is closed by the skyline."""


@dataclass(frozen=True)
class Pavement:
    """One side of the street; `side` is -1 for left and 1 for right."""

    side: int
    offset: float
    """Metres from the middle of the road to the kerb."""
    kerb_width: float
    """0 for none."""
    kerb_height: float
    width: float
    kerb: Paint
    surface: Paint
    gutter: Paint | None


@dataclass(frozen=True)
class Street:
    """Ground plane; the road's middle bends sideways by bend * z**2."""

    bend: float
    road: Paint
    verge: Paint
    pavements: tuple[Pavement, ...]
    lines: tuple[tuple[float, float, Paint, float], ...]
    """Offset from the middle, width, paint, length of a dash (0: solid)."""
    patches: tuple[tuple[np.ndarray, Paint, int], ...]
    """Polygons on the road [N,3], paint and class: crossings, arrows, bumps, covers."""

    def middle(self, z: float | np.ndarray) -> float | np.ndarray:
        """Sideways place of the road's middle at distance z."""
        return self.bend * z * np.abs(z)

    def strip(self, low: float, high: float, start: float, end: float, up: float = 0.0) -> np.ndarray:
        """Polygon [N,3] between two offsets from the road's middle."""
        z = start + (end - start) * np.linspace(0.0, 1.0, 14 if end - start > 12 else 3) ** 2
        x = self.middle(z)
        left = np.stack([x + low, np.full_like(z, up), z], axis=1)
        right = np.stack([x + high, np.full_like(z, up), z], axis=1)
        return np.concatenate([left, right[::-1]])

    def draw(self, canvas: Canvas) -> None:
        """Paint everything that lies on the ground."""
        camera = canvas.camera
        start, end = camera.z - 8.0, camera.z + FAR
        below = np.array(
            [[-9, camera.horizon], [camera.width + 9, camera.horizon], [camera.width + 9, 9e3], [-9, 9e3]]
        )
        canvas.fill(below, self.verge, NOTHING, GROUND)
        widths = [pavement.side * pavement.offset for pavement in self.pavements]
        canvas.face(self.strip(min(widths), max(widths), start, end), self.road, NOTHING, GROUND)
        for offset, width, paint, dash in self.lines:
            if dash == 0.0:
                canvas.face(self.strip(offset, offset + width, start, end), paint, NOTHING, GROUND)
            else:
                for z in np.arange(start - start % (2 * dash), start + 60.0, 2 * dash):
                    canvas.face(self.strip(offset, offset + width, z, z + dash), paint, NOTHING, GROUND)
        for polygon, paint, label in self.patches:
            canvas.face(polygon, paint, label, GROUND)
        for pavement in self.pavements:
            self._pavement(canvas, pavement, start, end)

    def _pavement(self, canvas: Canvas, pavement: Pavement, start: float, end: float) -> None:
        def strip(near: float, far: float, up: float) -> np.ndarray:
            ends = sorted((pavement.side * near, pavement.side * far))
            return self.strip(ends[0], ends[1], start, end, up)

        edge, top = pavement.offset, pavement.kerb_height
        if pavement.gutter is not None:
            canvas.face(strip(edge - 0.35, edge, 0.0), pavement.gutter, NOTHING, GROUND)
        canvas.face(strip(edge, edge + pavement.width, top), pavement.surface, NOTHING, GROUND)
        if pavement.kerb_width == 0.0:
            return
        canvas.face(strip(edge, edge + pavement.kerb_width, top), pavement.kerb, KERB, GROUND)
        z = start + (end - start) * np.linspace(0.0, 1.0, 14) ** 2
        x = self.middle(z) + pavement.side * edge
        low = np.stack([x, np.zeros_like(z), z], axis=1)
        high = np.stack([x, np.full_like(z, top), z], axis=1)
        red, green, blue = pavement.kerb.color
        front = pavement.kerb._replace(color=(red * 0.7, green * 0.7, blue * 0.7))
        canvas.face(np.concatenate([low, high[::-1]]), front, KERB, GROUND)


@dataclass(frozen=True)
class Building:
    """An upright wall with a picture: left and right foot (x, z) as seen from the street."""

    foot: np.ndarray
    height: float
    levels: list[Picture]
    tint: Paint
    """Multiplies the picture's reflectance and adds to its heat."""

    def distance(self, canvas: Canvas) -> float:
        """Metres to its far end, for drawing far walls first."""
        return float(canvas.camera.to_camera(self.foot)[:, 2].max())

    def draw(self, canvas: Canvas) -> None:
        """Hang the picture."""
        canvas.textured_wall(self.foot, self.height, self.levels, self.tint)


def make_building(
    rng: np.random.Generator, left: tuple[float, float], right: tuple[float, float], height: float
) -> Building:
    """A wall between two places (x, z) in metres with a random facade."""
    foot = np.array([[left[0], 0.0, left[1]], [right[0], 0.0, right[1]]])
    width = float(np.hypot(*(foot[1] - foot[0])[[0, 2]]))
    color = rng.uniform(0.6, 1.25) * rng.normal(1.0, 0.05, 3)
    return Building(
        foot, height, facade(rng, width, height), Paint(tuple(color.tolist()), float(rng.uniform(0.0, 2.6)))
    )


def _ground_paint(rng: np.random.Generator, tone: float, heat: float, tile: int, grain: float) -> Paint:
    color = tone * rng.normal(1.0, 0.04, 3)
    return Paint(tuple(color.tolist()), heat, grain, float(rng.uniform(0.05, 0.3)), tile)


def make_street(rng: np.random.Generator, road_heat: float) -> Street:
    """A random street; `road_heat` is how many degrees the road lies above the air (negative on a clear night)."""
    left, right = rng.uniform(1.6, 6.5), rng.uniform(1.6, 6.5)
    tile = int(
        rng.choice(
            [FINE, FINE, FINE, CLOUDS, COBBLES, LEAVES, PAVING], p=[0.2, 0.2, 0.2, 0.1, 0.08, 0.14, 0.08]
        )
    )
    road = _ground_paint(rng, rng.uniform(0.08, 0.26), road_heat, tile, rng.uniform(0.12, 0.35))
    green = np.array([0.09, 0.14, 0.04]) * rng.uniform(0.5, 1.4)
    grass = Paint(tuple(green.tolist()), road_heat + rng.uniform(-1.0, 2.0), 0.6, 0.8, FOLIAGE)
    verge = grass if rng.random() < 0.5 else _ground_paint(rng, rng.uniform(0.1, 0.3), road_heat, FINE, 0.3)
    pavements = tuple(_make_pavement(rng, side, offset, road) for side, offset in ((-1, left), (1, right)))
    white = Paint((0.62, 0.62, 0.6), road_heat - rng.uniform(0.0, 1.0), 0.3, 0.3, CLOUDS)
    yellow = white._replace(color=(0.6, 0.48, 0.14))
    lines = []
    for side, offset in ((-1, left), (1, right)):
        if rng.random() < 0.55:
            inside = side * (offset - rng.uniform(0.4, 1.2))
            lines.append((inside, rng.uniform(0.1, 0.2), white if rng.random() < 0.6 else yellow, 0.0))
    if rng.random() < 0.3:
        lines.append((rng.uniform(-0.5, 0.5), 0.14, white, float(rng.choice([0.0, 3.0, 5.0]))))
    street = Street(float(rng.normal(0, 0.0012)), road, verge, pavements, tuple(lines), ())
    patches = _crossings(rng, street, -left, right, white) + _covers(rng, street, -left, right)
    patches += _bumps(rng, street, -left, right)
    return Street(street.bend, road, verge, pavements, tuple(lines), tuple(patches))


def _make_pavement(rng: np.random.Generator, side: int, offset: float, road: Paint) -> Pavement:
    has_kerb = rng.random() < 0.6
    tone = rng.uniform(0.2, 0.5)
    heat = road.heat + rng.uniform(-0.8, 1.8)
    tile = int(rng.choice([PAVING, PAVING, FINE, LEAVES, COBBLES]))
    surface = _ground_paint(rng, tone * rng.uniform(0.4, 1.1), heat, tile, 0.3)
    if rng.random() < 0.25:
        surface = Paint((0.08, 0.12, 0.04), heat + 0.5, 0.6, 0.8, FOLIAGE)
    return Pavement(
        side=side,
        offset=offset,
        kerb_width=float(rng.uniform(0.14, 0.42)) if has_kerb else 0.0,
        kerb_height=float(rng.uniform(0.07, 0.2)) if has_kerb else 0.0,
        width=float(rng.uniform(1.2, 5.0)),
        kerb=_ground_paint(rng, tone * rng.uniform(0.9, 1.3), heat + rng.uniform(-0.5, 2.5), CLOUDS, 0.3),
        surface=surface,
        gutter=_ground_paint(rng, tone * 0.8, heat - 0.5, CLOUDS, 0.3) if rng.random() < 0.5 else None,
    )


def _crossings(
    rng: np.random.Generator, street: Street, left: float, right: float, white: Paint
) -> list[tuple[np.ndarray, Paint, int]]:
    patches = []
    if rng.random() < 0.3:
        start = rng.uniform(4.0, 25.0)
        for offset in np.arange(left + 0.3, right - 0.4, 0.9):
            patches.append((street.strip(offset, offset + 0.45, start, start + 3.0), white, NOTHING))
    if rng.random() < 0.25:
        z, x = rng.uniform(4.0, 15.0), rng.uniform(left, right) * 0.5
        shaft = [(-0.08, 0), (0.08, 0), (0.08, 1.8), (0.4, 1.8), (0, 3.0), (-0.4, 1.8), (-0.08, 1.8)]
        arrow = np.array([(x + dx, 0.0, z + dz) for dx, dz in shaft])
        patches.append((arrow, white, NOTHING))
    if rng.random() < 0.3:
        z = rng.uniform(3.0, 18.0)
        patches.append((street.strip(left, right, z, z + 0.35), white, NOTHING))
    return patches


def _covers(
    rng: np.random.Generator, street: Street, left: float, right: float
) -> list[tuple[np.ndarray, Paint, int]]:
    """Manhole covers, repaired asphalt and puddles."""
    around = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    patches = []
    for _ in range(rng.integers(0, 4)):
        x, z, size = rng.uniform(left, right), rng.uniform(3.0, 30.0), rng.uniform(0.25, 1.2)
        ring = np.stack([x + size * np.cos(around), np.zeros(16), z + size * np.sin(around)], axis=1)
        tone = rng.uniform(0.6, 1.25)
        paint = street.road._replace(
            color=tuple(tone * c for c in street.road.color), heat=street.road.heat + rng.uniform(-1.0, 3.0)
        )
        patches.append((ring, paint, NOTHING))
    return patches


def _bumps(
    rng: np.random.Generator, street: Street, left: float, right: float
) -> list[tuple[np.ndarray, Paint, int]]:
    """What shakes a car on its way: strips of setts, and humps, some with yellow stripes."""
    patches: list[tuple[np.ndarray, Paint, int]] = []
    if rng.random() > 0.35:
        return patches
    margin = rng.uniform(0.0, 0.8)
    low, high = left + margin, right - margin
    heat = street.road.heat + float(rng.uniform(-1.5, 2.0))
    if rng.random() < 0.65:
        # Their joints show in thermal images even at night.
        tone, z = rng.uniform(0.6, 1.9), rng.uniform(2.0, 16.0)
        paint = Paint(
            tuple(min(0.8, tone * c) for c in street.road.color),
            heat,
            float(rng.uniform(0.2, 0.6)),
            float(rng.uniform(0.5, 3.0)),
            SETTS,
        )
        return [(street.strip(low, high, z, z + rng.uniform(0.6, 3.0)), paint, BUMP)]
    z, depth, tone = rng.uniform(3.0, 14.0), rng.uniform(0.4, 1.3), rng.uniform(0.35, 1.9)
    color = tuple(min(0.8, tone * c) for c in street.road.color)
    for part, (brightness, share) in enumerate(((0.75, 0.5), (1.2, 0.5))):
        paint = street.road._replace(color=tuple(brightness * c for c in color), heat=heat)
        start = z + part * share * depth
        patches.append((street.strip(low, high, start, start + share * depth), paint, BUMP))
    if rng.random() < 0.5:
        yellow = Paint((0.6, 0.42, 0.05), heat, 0.3, 0.3, CLOUDS)
        for offset in np.arange(low, high - 0.4, 0.9):
            patches.append((street.strip(offset, offset + 0.4, z, z + depth), yellow, BUMP))
    return patches


def pavement_place(street: Street, rng: np.random.Generator, side: int, z: float) -> Pose:
    """A random place on the pavement of one side at distance z, at the pavement's height."""
    pavement = next(p for p in street.pavements if p.side == side)
    offset = pavement.offset + rng.uniform(0.4, max(0.6, pavement.width))
    return Pose(float(street.middle(z)) + side * offset, z, 0.0, pavement.kerb_height)
