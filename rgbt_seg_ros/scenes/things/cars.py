"""Cars: a side profile drawn out to the car's width, with windows, wheels, lights and warm parts."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rgbt_seg_ros.scenes.paint.canvas import CAR, Canvas, Color, Lamp, Paint, scaled
from rgbt_seg_ros.scenes.paint.geometry import Pose
from rgbt_seg_ros.scenes.paint.textures import CLOUDS, FINE, PANELS


@dataclass(frozen=True)
class Shape:
    """A body: half width and wheel radius in metres, outline (forward, up) from the rear over the roof.

    `rear_glass` and `windscreen` number the outline's edges that are windows; `side_glass` are windows of the flank.
    """

    half: float
    wheel: float
    outline: tuple[tuple[float, float], ...]
    rear_glass: int
    windscreen: int
    side_glass: tuple[tuple[tuple[float, float], ...], ...]


# fmt: off
_SEDAN = Shape(
    0.88, 0.32,
    ((-2.3, .3), (-2.3, .75), (-2.15, 1.), (-1.6, 1.05), (-.95, 1.43), (.35, 1.45), (1.1, 1.02), (2.1, .86),
     (2.3, .62), (2.3, .25)),
    3, 5,
    (((-1.4, 1.03), (-.85, 1.36), (-.3, 1.38), (-.3, 1.)), ((-.2, 1.), (-.2, 1.38), (.32, 1.38), (.95, 1.))),
)
_HATCH = Shape(
    0.85, 0.31,
    ((-2., .3), (-2., .8), (-1.85, 1.1), (-1.45, 1.48), (.25, 1.53), (1.05, 1.05), (1.8, .9), (2., .65), (2., .25)),
    2, 4,
    (((-1.6, 1.02), (-1.35, 1.4), (-.5, 1.45), (-.5, 1.)), ((-.4, 1.), (-.4, 1.45), (.2, 1.45), (.9, 1.))),
)
_MINIVAN = Shape(
    0.88, 0.33,
    ((-2.35, .3), (-2.35, .9), (-2.25, 1.15), (-2., 1.8), (.55, 1.85), (1.5, 1.12), (2.15, .95),
     (2.35, .7), (2.35, .25)),
    2, 4,
    (((-2.1, 1.1), (-1.9, 1.7), (-.75, 1.74), (-.75, 1.08)), ((-.65, 1.08), (-.65, 1.74), (.45, 1.74), (1.25, 1.08))),
)
_BOXVAN = Shape(
    0.78, 0.29,
    ((-1.8, .3), (-1.8, .95), (-1.78, 1.15), (-1.65, 1.88), (1.1, 1.9), (1.62, 1.1), (1.78, .9), (1.8, .25)),
    2, 4,
    (((-1.6, 1.12), (-1.5, 1.75), (-.45, 1.77), (-.45, 1.1)), ((-.35, 1.1), (-.35, 1.77), (.95, 1.77), (1.4, 1.1))),
)
_TRUCK = Shape(
    1.05, 0.42,
    ((-3.2, .65), (-3.2, .7), (-3.2, 3.), (1.5, 3.05), (1.55, 2.2), (2.7, 2.15), (3.1, 1.25), (3.2, .9), (3.2, .35)),
    -1, 5,
    (((1.8, 1.3), (1.8, 2.), (2.55, 2.), (2.9, 1.3)),),
)
_BUS = Shape(
    1.2, 0.48,
    ((-4.5, .4), (-4.5, 1.2), (-4.5, 1.4), (-4.4, 2.95), (4.3, 3.), (4.5, 1.2), (4.5, 1.), (4.5, .35)),
    2, 4,
    tuple(((f, 1.3), (f, 2.5), (f + 1.3, 2.5), (f + 1.3, 1.3)) for f in (-4.2, -2.75, -1.3, 0.15, 1.6)),
)
_SHAPES = (_SEDAN, _HATCH, _MINIVAN, _BOXVAN, _TRUCK, _BUS)
_SHAPE_WEIGHT = (.24, .22, .24, .2, .07, .03)
_BODY = (
    (.7, .7, .7), (.45, .46, .48), (.2, .2, .21), (.02, .02, .022), (.04, .05, .1),
    (.35, .03, .03), (.08, .1, .18), (.3, .27, .2), (.1, .3, .5), (.7, .5, .1),
)
_BODY_WEIGHT = (.24, .18, .12, .16, .09, .07, .06, .04, .02, .02)
# fmt: on


def _across(
    shape: Shape, rear: tuple[float, float], front: tuple[float, float], width: float = 1.0
) -> np.ndarray:
    """Corners (right, up, forward) of a strip across the car between two points (forward, up) of its outline."""
    half = shape.half * width
    return np.array(
        [
            (-half, rear[1], rear[0]),
            (half, rear[1], rear[0]),
            (half, front[1], front[0]),
            (-half, front[1], front[0]),
        ]
    )


def _box(right: float, up: float, wide: float, high: float, forward: float) -> np.ndarray:
    """Corners of an upright rectangle facing forward, centred at (right, up)."""
    signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) / 2
    return np.stack([right + wide * signs[:, 0], up + high * signs[:, 1], np.full(4, forward)], axis=1)


@dataclass(frozen=True)
class Car:
    """A car driving forward at `speed` metres per second."""

    pose: Pose
    speed: float
    shape: Shape
    body: Paint
    glass: Paint
    engine: float
    """Degrees above the air of the grille; bonnet, wheels and underside follow."""
    lights: float
    """Brightness of head and tail lights, 0 for off."""

    def at(self, t: float) -> Pose:
        """Where the car is after t seconds."""
        return self.pose.moved(self.speed * t)

    def draw(self, canvas: Canvas, t: float) -> None:
        """Paint shadow, far wheels, the strips that face the camera, the near flank, lights."""
        pose, shape = self.at(t), self.shape
        scale = canvas.stand_at(pose.x, pose.z, reach=shape.outline[-1][0])
        if scale == 0.0:
            return
        eye_right, eye_forward = pose.local(np.array([[canvas.camera.x, canvas.camera.z]]))[0].tolist()
        near = shape.half if eye_right > 0 else -shape.half
        rear, front = shape.outline[0][0], shape.outline[-1][0]
        self._shadow(canvas, pose)
        self._underside(canvas, pose)
        # Seen below the car and between its other wheels; from the side too small to matter farther away.
        if abs(eye_right) <= 2.0 * shape.half or scale > 25.0:
            self._wheels(canvas, pose, -near * 0.96)
            self._wheels(canvas, pose, near * 0.9)
        self._strips(canvas, pose, eye_forward)
        if eye_forward > front:
            self._front(canvas, pose)
        elif eye_forward < rear:
            self._rear(canvas, pose)
        if abs(eye_right) > shape.half:
            self._flank(canvas, pose, near)
            self._wheels(canvas, pose, near)

    def _shadow(self, canvas: Canvas, pose: Pose) -> None:
        ends = self.shape.outline[0][0], self.shape.outline[-1][0]
        for margin, strength in ((0.3, 0.5), (0.0, 0.9)):
            corners = _across(self.shape, (ends[0] - margin, 0.0), (ends[1] + margin, 0.0), 1.0 + margin)
            canvas.cast_shadow(pose.world(corners), strength)

    def _underside(self, canvas: Canvas, pose: Pose) -> None:
        """The dark gap below the sills, warm from exhaust and road."""
        dark = Paint((0.01, 0.01, 0.01), 1.0 + 0.5 * self.engine, 0.3, 1.5, FINE)
        rear, front = self.shape.outline[0][0] * 0.9, self.shape.outline[-1][0] * 0.9
        half = 0.92 * self.shape.half
        low, high = 0.1, self.shape.outline[0][1] + 0.16
        for forward in (rear, front):
            canvas.face(pose.world(_box(0.0, (low + high) / 2, 2 * half, high - low, forward)), dark, CAR)
        for right in (-half, half):
            side = np.array(
                [(right, low, rear), (right, low, front), (right, high, front), (right, high, rear)]
            )
            canvas.face(pose.world(side), dark, CAR)

    def _strips(self, canvas: Canvas, pose: Pose, eye_forward: float) -> None:
        """Rear, roof, windscreen, bonnet and front as far as they face the camera."""
        outline = self.shape.outline
        for edge, (rear, front) in enumerate(pairwise(outline)):
            df, du = front[0] - rear[0], front[1] - rear[1]
            facing = -du * (eye_forward - rear[0]) + df * (canvas.camera.y - rear[1])
            if facing <= 0:
                continue
            tilt = df / float(np.hypot(df, du))
            warm = (
                self.engine * (0.35 if edge == self.shape.windscreen + 1 else 0.0) - 1.5 * max(tilt, 0.0) ** 2
            )
            canvas.face(
                pose.world(_across(self.shape, rear, front)), scaled(self.body, 0.75 + 0.45 * tilt, warm), CAR
            )
            if edge in (self.shape.rear_glass, self.shape.windscreen):
                inner = (
                    np.array(rear) * 0.93 + np.array(front) * 0.07,
                    np.array(rear) * 0.08 + np.array(front) * 0.92,
                )
                glass = scaled(self.glass, 1.0, -1.0 * tilt)
                canvas.face(
                    pose.world(_across(self.shape, tuple(inner[0]), tuple(inner[1]), 0.88)), glass, CAR
                )

    def _flank(self, canvas: Canvas, pose: Pose, right: float) -> None:
        def upright(points: np.ndarray, out: float = 1.0) -> np.ndarray:
            """Flank points (forward, up); the upper body leans inwards."""
            lean = np.clip((points[:, 1] - 1.0) * 0.12, 0.0, None)
            return pose.world(np.stack([right * out * (1.0 - lean), points[:, 1], points[:, 0]], axis=1))

        outline = np.array(self.shape.outline)
        canvas.face(upright(outline), scaled(self.body, 0.85), CAR)
        for window in self.shape.side_glass:
            canvas.face(upright(np.array(window)), self.glass, CAR)
        rear, front = outline[0, 0], outline[-1, 0]
        sill = np.array([(rear, 0.28), (front, 0.28), (front, 0.42), (rear, 0.42)])
        canvas.face(upright(sill), scaled(self.body, 0.45, 0.3 * self.engine * 0.3), CAR)
        seam = np.array([(-0.28, 0.42), (-0.24, 0.42), (-0.24, 1.0), (-0.28, 1.0)])
        canvas.face(upright(seam), scaled(self.body, 0.3), CAR)
        ahead = self.shape.side_glass[-1][-1][0]
        mirror = np.array(
            [(ahead - 0.05, 0.98), (ahead + 0.15, 0.98), (ahead + 0.15, 1.16), (ahead - 0.05, 1.16)]
        )
        canvas.face(upright(mirror, 1.12), scaled(self.body, 0.6), CAR)

    def _wheels(self, canvas: Canvas, pose: Pose, right: float) -> None:
        radius = self.shape.wheel
        around = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        rubber = Paint((0.012, 0.012, 0.013), 1.0 + 0.65 * self.engine, 0.2, 1.0, FINE)
        rim = Paint((0.3, 0.3, 0.31), 0.5 + 0.8 * self.engine, 0.5, 1.0, FINE)
        rear, front = self.shape.outline[0][0], self.shape.outline[-1][0]
        for forward in (rear + 0.19 * (front - rear), front - 0.19 * (front - rear)):
            disc = np.stack([np.zeros(14), np.sin(around), np.cos(around)], axis=1) * radius
            for size, paint in ((1.18, scaled(rubber, 0.5)), (1.0, rubber), (0.62, rim)):
                ring = disc * size + (right, radius, forward)
                np.maximum(ring[:, 1], 0.0, out=ring[:, 1])
                canvas.face(pose.world(ring), paint, CAR)

    def _front(self, canvas: Canvas, pose: Pose) -> None:
        front, half = self.shape.outline[-1][0] + 0.01, self.shape.half
        grille = Paint((0.02, 0.02, 0.02), self.engine, 0.4, 1.5, PANELS)
        canvas.face(pose.world(_box(0.0, 0.55, 1.1 * half, 0.22, front)), grille, CAR)
        canvas.face(
            pose.world(_box(0.0, 0.34, 1.5 * half, 0.12, front)), scaled(grille, 1.0, -0.4 * self.engine), CAR
        )
        plate = Paint((0.7, 0.7, 0.65), 0.5 * self.engine)
        canvas.face(pose.world(_box(0.0, 0.42, 0.34, 0.17, front)), plate, CAR)
        self._lights(canvas, pose, front, 0.66, (1.0, 0.95, 0.8), 24.0 * self.lights, 3.0)

    def _rear(self, canvas: Canvas, pose: Pose) -> None:
        rear, half = self.shape.outline[0][0] - 0.01, self.shape.half
        plate = Paint((0.75, 0.75, 0.7), 0.5, glow=(0.25 * self.lights,) * 3)
        canvas.face(pose.world(_box(0.0, 0.72, 0.36, 0.18, rear)), plate, CAR)
        canvas.face(pose.world(_box(0.0, 0.4, 1.8 * half, 0.2, rear)), scaled(self.body, 0.5), CAR)
        exhaust = Paint((0.02, 0.02, 0.02), 1.6 * self.engine)
        canvas.face(pose.world(_box(0.6 * half, 0.27, 0.5 * half, 0.16, rear)), exhaust, CAR)
        self._lights(canvas, pose, rear, 0.8, (0.8, 0.03, 0.02), 2.5 * self.lights, 0.05)

    def _lights(
        self,
        canvas: Canvas,
        pose: Pose,
        forward: float,
        up: float,
        color: Color,
        brightness: float,
        throw: float,
    ) -> None:
        """A pair of lights, with their glow and, if they are on, the light they throw on the surroundings."""
        glow = tuple(brightness * channel for channel in color)
        reflector = tuple(0.3 + 0.4 * channel for channel in color) if throw > 1 else color
        lamp = Paint(reflector, 0.4 * self.engine, 0.5, 0.5, FINE, glow)
        for right in (-0.8 * self.shape.half, 0.8 * self.shape.half):
            corners = pose.world(_box(right, up, 0.3 * self.shape.half, 0.16, forward))
            canvas.face(corners, lamp, CAR)
        if brightness > 0.0:
            ahead = pose.moved(forward + np.sign(forward) * 2.0)
            place = canvas.camera.to_camera(np.array([[ahead.x, 0.5, ahead.z]]))[0]
            canvas.lamps.append(Lamp(place, power=throw * self.lights, color=color))


def make_car(rng: np.random.Generator, pose: Pose, moving: bool, sunlit: float) -> Car:
    """A random car; `sunlit` is how many degrees the sun has warmed its body above the air."""
    warm = moving or rng.random() < 0.3
    shade = rng.uniform(0.8, 1.15)
    color = np.array(_BODY[rng.choice(len(_BODY), p=_BODY_WEIGHT)]) * shade
    glass_tone = rng.uniform(0.01, 0.09)
    has_lights = moving and rng.random() < 0.9
    return Car(
        pose=pose,
        speed=float(rng.uniform(2.5, 8.0)) if moving else 0.0,
        shape=_SHAPES[rng.choice(len(_SHAPES), p=_SHAPE_WEIGHT)],
        body=Paint(
            tuple(color.tolist()), float(rng.uniform(-0.5, 2.5)) + sunlit + 1.0 * warm, 0.25, 1.0, CLOUDS
        ),
        glass=Paint(
            (glass_tone, glass_tone * 1.1, glass_tone * 1.2), float(rng.uniform(-4.0, 0.5)), 0.7, 1.2, CLOUDS
        ),
        engine=float(rng.uniform(3.0, 14.0)) if warm else float(rng.uniform(-0.5, 1.5)),
        lights=float(rng.uniform(0.5, 1.3)) if has_lights else 0.0,
    )
