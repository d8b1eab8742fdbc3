"""Bikes, cones, bollards and barriers, guardrails, poles, lamps and other things that stand in a street."""

from dataclasses import dataclass

import numpy as np

from rgbt_seg_ros.scenes.paint.canvas import BIKE, CONE, NOTHING, Canvas, Color, Lamp, Paint, scaled
from rgbt_seg_ros.scenes.paint.geometry import Pose, capsule, ellipse
from rgbt_seg_ros.scenes.paint.textures import FINE, PANELS
from rgbt_seg_ros.scenes.things.people import Person

_ROUND = np.linspace(0, 2 * np.pi, 14, endpoint=False)


@dataclass(frozen=True)
class Bike:
    """A bicycle or scooter, alone or with a rider."""

    pose: Pose
    speed: float
    frame: Paint
    tyre: Paint
    basket: bool
    rider: Person | None

    def at(self, t: float) -> Pose:
        """Where the bike is after t seconds."""
        return self.pose.moved(self.speed * t)

    def draw(self, canvas: Canvas, t: float) -> None:
        """Paint wheels, frame and rider; the open wheels belong to the bike although one sees through them."""
        pose = self.at(t)
        scale = canvas.stand_at(pose.x, pose.z, pose.ground)
        if scale == 0.0:
            return
        radius = 0.33
        wheels = []
        for forward in (-0.53, 0.53):
            ring = np.stack(
                [np.zeros(14), radius + radius * np.sin(_ROUND), forward + radius * np.cos(_ROUND)], 1
            )
            wheels.append(canvas.see(pose.world(ring)))
        points = np.array(
            [
                (0, 0.33, -0.53), (0, 0.3, -0.05), (0, 0.85, -0.18), (0, 0.82, 0.33), (0, 0.33, 0.53), (0, 1.0, 0.3),
                (-0.27, 1.02, 0.25), (0.27, 1.02, 0.25), (-0.12, 0.93, -0.22), (0.12, 0.9, -0.1),
            ]
        )  # fmt: skip
        hub, crank, seat, head, fork, stem, left, right, saddle, nose = canvas.see(pose.world(points))
        for wheel in wheels:
            canvas.mark(wheel, BIKE)
        canvas.mark(np.array([hub, crank, fork, head, seat]), BIKE)
        canvas.lines(wheels, 0.055 * scale, self.tyre, BIKE, closed=True)
        strokes = [np.array([hub, crank, seat, hub]), np.array([crank, head, seat]), np.array([head, fork])]
        strokes += [np.array([seat, saddle]), np.array([head, stem]), np.array([left, stem, right])]
        canvas.lines(strokes, 0.045 * scale, self.frame, BIKE)
        canvas.fill(capsule(saddle, 0.07 * scale, nose, 0.04 * scale), scaled(self.tyre, 1.0), BIKE)
        if self.basket:
            corners = np.array([(-0.17, 0.75, 0.45), (0.17, 0.75, 0.45), (0.2, 1.0, 0.6), (-0.2, 1.0, 0.6)])
            canvas.fill(canvas.see(pose.world(corners)), self.frame._replace(tile=PANELS, grain=0.6), BIKE)
        ring = np.stack([pose.x + 0.9 * np.cos(_ROUND) * np.sin(pose.heading), np.zeros(14)], axis=1)
        ring = np.column_stack(
            [ring, pose.z + 0.9 * np.cos(_ROUND) * np.cos(pose.heading) + 0.2 * np.sin(_ROUND)]
        )
        canvas.cast_shadow(ring, 0.35)
        if self.rider is not None:
            self.rider.draw(canvas, t)


@dataclass(frozen=True)
class Cone:
    """A traffic cone."""

    pose: Pose
    height: float
    paint: Paint
    bands: int

    def at(self, t: float) -> Pose:
        """Where the cone stands."""
        return self.pose

    def draw(self, canvas: Canvas, t: float) -> None:
        """Paint foot, cone and white bands."""
        scale = canvas.stand_at(self.pose.x, self.pose.z, self.pose.ground)
        if scale == 0.0:
            return
        foot, tip = canvas.see(
            np.array([[self.pose.x, self.pose.ground + up, self.pose.z] for up in (0, self.height)])
        )
        unit = scale * self.height
        base = foot + np.array([[-0.27, -0.06], [0.27, -0.06], [0.3, 0.03], [-0.3, 0.03]]) * unit
        canvas.fill(base, scaled(self.paint, 0.6), CONE)

        def slice_of(low: float, high: float) -> np.ndarray:
            width = [0.2 * (1 - share) + 0.03 * share for share in (low, high)]
            centers = [foot + (tip - foot) * share for share in (low, high)]
            sides = [(-width[0], 0), (width[0], 0), (width[1], 1), (-width[1], 1)]
            return np.array([centers[end] + (side * unit, 0) for side, end in sides])

        canvas.fill(slice_of(0.03, 1.0), self.paint, CONE)
        white = Paint((0.75, 0.75, 0.72), self.paint.heat)
        for band in range(self.bands):
            canvas.fill(slice_of(0.4 + 0.28 * band, 0.55 + 0.28 * band), white, CONE)


@dataclass(frozen=True)
class Bollard:
    """A post that stops cars, or a lamp post or sign where `label` says nothing; may carry a sign or a lamp."""

    pose: Pose
    height: float
    radius: float
    paint: Paint
    label: int
    cap: Paint | None = None
    sign: Paint | None = None
    lamp_power: float = 0.0
    lamp_color: Color = (1.0, 0.9, 0.7)

    def at(self, t: float) -> Pose:
        """Where the post stands."""
        return self.pose

    def draw(self, canvas: Canvas, t: float) -> None:
        """Paint the post, then what it carries."""
        x, z, ground = self.pose.x, self.pose.z, self.pose.ground
        scale = canvas.stand_at(x, z, ground)
        if scale == 0.0:
            return
        up = [0.0, self.height * 0.82, self.height]
        foot, neck, top = canvas.see(np.array([[x, ground + height, z] for height in up]))
        wide = np.array([max(self.radius * scale, 0.5), 0.0])
        canvas.fill(np.array([foot - wide, foot + wide, top + wide, top - wide]), self.paint, self.label)
        bright = wide * 0.3
        canvas.fill(
            np.array([foot - bright, foot + wide, top + wide, top - bright]),
            scaled(self.paint, 0.6),
            self.label,
        )
        if self.cap is not None:
            canvas.fill(np.array([neck - wide, neck + wide, top + wide, top - wide]), self.cap, self.label)
        if self.sign is not None:
            canvas.fill(ellipse(top, 0.32 * scale, 0.32 * scale), self.sign, NOTHING)
            inner = scaled(self.sign, 0.2)._replace(color=(0.7, 0.7, 0.7))
            canvas.fill(ellipse(top, 0.22 * scale, 0.22 * scale), inner, NOTHING)
        if self.lamp_power > 0.0:
            glow = tuple(30.0 * channel for channel in self.lamp_color)
            head = Paint((0.6, 0.6, 0.6), 5.0, 0.1, 0.5, FINE, glow)
            canvas.fill(ellipse(top, max(0.2 * scale, 0.8), max(0.12 * scale, 0.7)), head, NOTHING)
            place = canvas.camera.to_camera(np.array([[x, ground + self.height, z]]))[0]
            canvas.lamps.append(Lamp(place, power=self.lamp_power, color=self.lamp_color))


@dataclass(frozen=True)
class Barrier:
    """Posts with bars between them: a guardrail, or a gate that stops cars; seen from the side or along it."""

    pose: Pose
    length: float
    height: float
    bars: tuple[tuple[float, float], ...]
    """Lower and upper edge of each bar, metres."""
    paint: Paint
    stripe: Paint | None
    label: int
    post_step: float = 2.0
    """Metres between posts; small for a fence."""

    def at(self, t: float) -> Pose:
        """Where the barrier begins; it runs along its heading."""
        return self.pose

    def draw(self, canvas: Canvas, t: float) -> None:
        """Paint the posts, then the bars."""
        middle = self.pose.moved(self.length / 2)
        scale = canvas.stand_at(middle.x, middle.z, reach=self.length / 2)
        if scale == 0.0:
            return
        post = scaled(self.paint, 0.7)
        for forward in np.arange(0.0, self.length + 0.1, self.post_step):
            place = self.pose.moved(float(forward))
            if canvas.camera.distance(place.x, place.z) < 0.5:
                continue
            foot, top = canvas.see(
                np.array([[place.x, place.ground, place.z], [place.x, place.ground + self.height, place.z]])
            )
            wide = (max(min(0.05, 0.15 * self.post_step) * (foot[1] - top[1]) / self.height, 0.5), 0.0)
            canvas.fill(np.array([foot - wide, foot + wide, top + wide, top - wide]), post, self.label)
        for low, high in self.bars:
            self._bar(canvas, 0.0, self.length, low, high, self.paint)
            if self.stripe is not None:
                for start in np.arange(0.0, self.length, 1.0):
                    self._bar(canvas, float(start), float(start) + 0.5, low, high, self.stripe)

    def _bar(self, canvas: Canvas, start: float, end: float, low: float, high: float, paint: Paint) -> None:
        corners = np.array([(0, low, start), (0, low, end), (0, high, end), (0, high, start)])
        canvas.face(self.pose.world(corners), paint, self.label)


@dataclass(frozen=True)
class Crate:
    """A box with two visible faces: a ticket machine, a vending machine, a planter, an outdoor unit, a hedge."""

    pose: Pose
    width: float
    depth: float
    height: float
    paint: Paint
    front: Paint | None
    label: int

    def at(self, t: float) -> Pose:
        """Where the middle of the box stands."""
        return self.pose

    def draw(self, canvas: Canvas, t: float) -> None:
        """Paint the sides that face the camera, then the top."""
        if canvas.stand_at(self.pose.x, self.pose.z, reach=max(self.width, self.depth) / 2) == 0.0:
            return
        eye_right, eye_forward = self.pose.local(np.array([[canvas.camera.x, canvas.camera.z]]))[0].tolist()
        right = self.width / 2 if eye_right > 0 else -self.width / 2
        forward = self.depth / 2 if eye_forward > 0 else -self.depth / 2
        top, half, deep = self.height, self.width / 2, self.depth / 2
        ring = np.array([(-half, -deep), (half, -deep), (half, deep), (-half, deep)])
        canvas.cast_shadow(self.pose.world(np.column_stack([ring[:, 0], np.zeros(4), ring[:, 1]]) * 1.2), 0.5)
        if abs(eye_right) > half:
            side = np.array([(right, 0, -deep), (right, 0, deep), (right, top, deep), (right, top, -deep)])
            canvas.face(self.pose.world(side), scaled(self.paint, 0.75), self.label)
        if abs(eye_forward) > deep:
            face = np.array(
                [(-half, 0, forward), (half, 0, forward), (half, top, forward), (-half, top, forward)]
            )
            canvas.face(self.pose.world(face), self.paint, self.label)
            if self.front is not None:
                inner = face * (0.85, 0.55, 1.0) + (0.0, 0.35 * top, 0.0)
                canvas.face(self.pose.world(inner), self.front, self.label)
        if canvas.camera.y > top:
            lid = np.column_stack([ring[:, 0], np.full(4, top), ring[:, 1]])
            canvas.face(self.pose.world(lid), scaled(self.paint, 1.25), self.label)
