"""People: jointed figures with clothes, warm skin and a walking pose, on foot or on a saddle."""

from dataclasses import dataclass, replace

import numpy as np

from rgbt_seg_ros.scenes.paint.canvas import PERSON, Canvas, Paint, scaled
from rgbt_seg_ros.scenes.paint.geometry import Pose, capsule, ellipse
from rgbt_seg_ros.scenes.paint.textures import CLOTH, FINE
from rgbt_seg_ros.scenes.things.postures import UPRIGHT, in_posture

_SKIN = ((0.55, 0.36, 0.26), (0.45, 0.28, 0.19), (0.22, 0.13, 0.09), (0.62, 0.44, 0.34))
_CLOTHES = (
    (0.02, 0.02, 0.025),
    (0.035, 0.035, 0.045),
    (0.04, 0.05, 0.09),
    (0.09, 0.09, 0.1),
    (0.2, 0.19, 0.18),
    (0.06, 0.05, 0.04),
    (0.3, 0.24, 0.16),
    (0.6, 0.6, 0.6),
    (0.08, 0.12, 0.25),
    (0.45, 0.04, 0.05),
    (0.1, 0.2, 0.1),
    (0.7, 0.6, 0.15),
)
_CLOTHES_WEIGHT = np.array([5, 5, 4, 3, 2, 2, 1.5, 1.5, 2, 0.8, 0.6, 0.3])
_HAIR = ((0.015, 0.012, 0.01), (0.03, 0.02, 0.015), (0.12, 0.07, 0.03), (0.3, 0.3, 0.3))


@dataclass(frozen=True)
class Person:
    """A person, walking forward at `speed` metres per second; lengths in metres, angles in radians."""

    pose: Pose
    speed: float
    span: float
    """Metres after which the person turns round and walks back."""
    height: float
    girth: float
    phase: float
    stride: float
    skin: Paint
    hair: Paint
    top: Paint
    sleeve: Paint
    forearm: Paint
    trousers: Paint
    shoes: Paint
    coat_length: float
    bare_calves: bool
    backpack: Paint | None
    bag: Paint | None
    hat: Paint | None
    riding: bool = False
    posture: str = UPRIGHT

    def at(self, t: float) -> Pose:
        """Where the person is after t seconds."""
        turns, along = divmod(self.speed * t, self.span)
        if turns % 2 == 0:
            return self.pose.moved(along)
        there = self.pose.moved(self.span - along)
        return replace(there, heading=there.heading + np.pi)

    def on_bike(self, speed: float) -> "Person":
        """The same person carried along at `speed`."""
        return replace(self, speed=speed, span=1e6)

    def _joints(self, t: float) -> dict[str, np.ndarray]:
        """Joints in the body's frame: (right, up, forward), in units of the body height."""
        swing = 0.0 if self.riding else self.stride * np.sin(self.phase + 6.5 * t * min(self.speed, 1.6))
        middle = {"neck": (0.0, 0.83, 0.0), "head": (0.0, 0.925, 0.015), "hip": (0.0, 0.51, 0.0)}
        joints = {name: np.array(place) for name, place in middle.items()}
        for side, sign in (("l", -1.0), ("r", 1.0)):
            leg = sign * swing
            knee_bend = max(0.0, -leg) * 1.1 + 0.05
            hip = np.array([sign * 0.05 * self.girth, 0.51, 0.0])
            if self.riding:
                pedal = self.phase + 5.0 * t + (np.pi if sign > 0 else 0.0)
                ankle = np.array([sign * 0.06, 0.12 + 0.09 * np.sin(pedal), 0.16 + 0.09 * np.cos(pedal)])
                knee = (hip + ankle) / 2 + (0.0, 0.05, 0.13)
            else:
                knee = hip + 0.245 * np.array([0.0, -np.cos(leg), np.sin(leg)])
                ankle = knee + 0.23 * np.array([0.0, -np.cos(leg - knee_bend), np.sin(leg - knee_bend)])
            shoulder = np.array([sign * 0.105 * self.girth, 0.8, 0.0])
            arm = -0.9 * leg
            if self.riding:
                hand = np.array([sign * 0.13, 0.57, 0.28])
                elbow = (shoulder + hand) / 2 + (sign * 0.03, -0.03, -0.02)
            else:
                elbow = shoulder + 0.17 * np.array([sign * 0.2, -np.cos(arm), np.sin(arm)])
                hand = elbow + 0.15 * np.array([0.0, -np.cos(arm + 0.35), np.sin(arm + 0.35)])
            toe = ankle + np.array([0.0, -0.02, 0.07])
            parts = (hip, knee, ankle, toe, shoulder, elbow, hand)
            names = ("hip", "knee", "ankle", "toe", "shoulder", "elbow", "hand")
            joints |= {side + name: joint for name, joint in zip(names, parts, strict=True)}
        if self.riding:
            for name in ("neck", "head", "lshoulder", "rshoulder"):
                joints[name] = joints[name] + np.array([0.0, -0.01, 0.1])
        return in_posture(joints, self.posture)

    def draw(self, canvas: Canvas, t: float) -> None:
        """Paint the figure, far limbs first."""
        pose = self.at(t)
        scale = canvas.stand_at(pose.x, pose.z, pose.ground)
        if scale == 0.0:
            return
        joints = self._joints(t)
        body = np.stack(list(joints.values())) * self.height
        body[:, 1] = np.maximum(body[:, 1], 0.0) + (0.3 if self.riding else 0.0)
        world = pose.world(body)
        pixels = dict(zip(joints, canvas.see(world), strict=True))
        unit = scale * self.height
        turn = pose.heading - canvas.camera.yaw
        self._shadow(canvas, pose)
        left_is_far = np.sin(turn) < 0
        order = ("l", "r") if left_is_far else ("r", "l")
        away = np.cos(turn) > 0
        far, near = order
        self._arm(canvas, pixels, far, unit, 0.75)
        if self.backpack is not None and not away:
            self._pack(canvas, pixels, unit, turn)
        self._leg(canvas, pixels, far, unit, 0.8)
        self._leg(canvas, pixels, near, unit, 1.0)
        self._torso(canvas, pixels, unit, turn)
        self._head(canvas, pixels, unit, turn)
        if self.backpack is not None and away:
            self._pack(canvas, pixels, unit, turn)
        self._arm(canvas, pixels, near, unit, 1.1)

    def _shadow(self, canvas: Canvas, pose: Pose) -> None:
        around = np.linspace(0, 2 * np.pi, 10, endpoint=False)
        for radius, strength in ((0.45, 0.3), (0.25, 0.55)):
            ring = np.stack(
                [
                    pose.x + radius * np.cos(around),
                    np.full(10, pose.ground),
                    pose.z + radius * np.sin(around),
                ],
                axis=1,
            )
            canvas.cast_shadow(ring, strength)

    def _leg(self, canvas: Canvas, at: dict[str, np.ndarray], side: str, unit: float, tone: float) -> None:
        hip, knee, ankle, toe = (at[side + name] for name in ("hip", "knee", "ankle", "toe"))
        cloth = scaled(self.trousers, tone)
        calf = (
            self.skin._replace(heat=self.skin.heat * 0.75) if self.bare_calves else scaled(cloth, 1.0, -0.8)
        )
        canvas.fill(capsule(ankle, 0.017 * unit, toe, 0.014 * unit), self.shoes, PERSON)
        slim = 0.8 if self.bare_calves else 1.0
        canvas.fill(capsule(knee, 0.035 * unit * slim, ankle, 0.024 * unit * slim), calf, PERSON)
        canvas.fill(capsule(hip, 0.055 * unit * self.girth, knee, 0.04 * unit), cloth, PERSON)

    def _arm(self, canvas: Canvas, at: dict[str, np.ndarray], side: str, unit: float, tone: float) -> None:
        shoulder, elbow, hand = (at[side + name] for name in ("shoulder", "elbow", "hand"))
        cloth = scaled(self.sleeve, tone)
        canvas.fill(ellipse(hand, 0.02 * unit, 0.024 * unit), scaled(self.skin, tone, -3.0), PERSON)
        if self.bag is not None and side == "r":
            low = hand + np.array([0.0, 0.1 * unit])
            canvas.fill(capsule(hand * 0.7 + low * 0.3, 0.03 * unit, low, 0.05 * unit), self.bag, PERSON)
        canvas.fill(capsule(elbow, 0.026 * unit, hand, 0.018 * unit), scaled(self.forearm, tone), PERSON)
        canvas.fill(capsule(shoulder, 0.034 * unit, elbow, 0.028 * unit), cloth, PERSON)

    def _torso(self, canvas: Canvas, at: dict[str, np.ndarray], unit: float, turn: float) -> None:
        narrow = 1.0 - 0.3 * abs(np.sin(turn))
        wide = 0.118 * unit * self.girth * narrow
        neck, hip = at["neck"], at["hip"]
        along = hip - neck
        across = np.array([1.0, 0.0])
        if self.posture != UPRIGHT:
            across = np.array([along[1], -along[0]]) / max(float(np.hypot(*along)), 1e-6)
        hem = neck + along * self.coat_length
        flare = 1.0 + 0.25 * max(0.0, self.coat_length - 1.1)
        outline = [
            neck - across * 0.35 * wide - along * 0.06,
            neck - across * wide + along * 0.12,
            neck - across * wide * 0.95 + along * 0.6,
            hem - across * wide * 0.88 * flare,
            hem + across * wide * 0.88 * flare,
            neck + across * wide * 0.95 + along * 0.6,
            neck + across * wide + along * 0.12,
            neck + across * 0.35 * wide - along * 0.06,
        ]
        canvas.fill(np.array(outline), self.top, PERSON)
        if np.cos(turn) < 0 and self.phase > 3.0:
            shirt = neck + np.array([[-0.3, -0.03], [0.3, -0.03], [0.12, 0.6], [-0.12, 0.6]]) * (
                wide,
                float(np.hypot(*along)),
            )
            canvas.fill(shirt, scaled(self.top, 2.5, 3.0), PERSON)
        canvas.fill(
            capsule(neck + along * 0.05, 0.033 * unit, at["head"], 0.03 * unit),
            scaled(self.skin, 0.8),
            PERSON,
        )

    def _pack(self, canvas: Canvas, at: dict[str, np.ndarray], unit: float, turn: float) -> None:
        assert self.backpack is not None
        neck, hip = at["neck"], at["hip"]
        behind = -np.sin(turn) * 0.09 * unit
        width = (0.085 - 0.03 * abs(np.sin(turn))) * unit
        top = neck + (hip - neck) * 0.22 + (behind, 0.0)
        bottom = neck + (hip - neck) * 0.75 + (behind, 0.0)
        canvas.fill(capsule(top, width * 0.9, bottom, width), self.backpack, PERSON)

    def _head(self, canvas: Canvas, at: dict[str, np.ndarray], unit: float, turn: float) -> None:
        head = at["head"]
        radius_u, radius_v = 0.052 * unit, 0.068 * unit
        canvas.fill(ellipse(head, radius_u, radius_v), self.skin, PERSON)
        back = np.cos(turn)
        shift = np.array([-np.sin(turn) * 0.4 * radius_u, -0.28 * radius_v])
        if back > 0.6:
            canvas.fill(
                ellipse(head - (0, 0.08 * radius_v), radius_u * 1.05, radius_v * 0.95), self.hair, PERSON
            )
        else:
            cap = ellipse(head + shift, radius_u * 1.02, radius_v * 0.8)
            cap[:, 1] = np.minimum(cap[:, 1], head[1] - (0.35 - 0.3 * abs(np.sin(turn))) * radius_v)
            canvas.fill(cap, self.hair, PERSON)
        if self.hat is not None:
            dome = ellipse(head - (0, 0.3 * radius_v), radius_u * 1.25, radius_v * 0.85)
            dome[:, 1] = np.minimum(dome[:, 1], head[1] - 0.3 * radius_v)
            canvas.fill(dome, self.hat, PERSON)


def make_person(rng: np.random.Generator, pose: Pose, warmth: float, riding: bool = False) -> Person:
    """A random person; `warmth` scales how far skin and clothes lie above the air's temperature (1: a cool evening)."""
    child = rng.random() < 0.06
    height = rng.uniform(1.1, 1.45) if child else rng.normal(1.68, 0.08)
    weights = _CLOTHES_WEIGHT / _CLOTHES_WEIGHT.sum()

    def cloth(heat: float) -> Paint:
        color = np.array(_CLOTHES[rng.choice(len(_CLOTHES), p=weights)]) * rng.uniform(0.7, 1.5)
        grain = rng.uniform(0.15, 0.35)
        return Paint(tuple(color.tolist()), heat * warmth, grain, 1.6 * warmth, CLOTH)

    insulation = rng.uniform(0.55, 1.15)
    top = cloth(8.0 * insulation + rng.normal(0, 1.0))
    trousers = cloth(8.5 * rng.uniform(0.7, 1.15))
    face = rng.uniform(13.0, 17.0) * warmth
    skin_color = np.array(_SKIN[rng.choice(4, p=[0.5, 0.25, 0.1, 0.15])]) * rng.uniform(0.85, 1.1)
    arm = Paint(tuple(skin_color.tolist()), face * 0.8, 0.1, 1.0 * warmth, FINE)
    bare = rng.random()
    standing = not riding and rng.random() < 0.25
    return Person(
        pose=pose,
        speed=0.0 if standing else float(rng.uniform(0.8, 1.6)),
        span=float(rng.uniform(6.0, 25.0)),
        height=float(height),
        girth=float(rng.uniform(0.88, 1.25)),
        phase=float(rng.uniform(0, 2 * np.pi)),
        stride=0.06 if standing else float(rng.uniform(0.3, 0.5)),
        skin=Paint(tuple(skin_color.tolist()), face, 0.1, 1.0 * warmth, FINE),
        hair=Paint(
            _HAIR[rng.choice(4, p=[0.6, 0.2, 0.12, 0.08])], face * rng.uniform(0.45, 0.75), 0.3, 1.2, CLOTH
        ),
        top=top,
        sleeve=arm if bare > 0.96 else top,
        forearm=arm if bare > 0.82 else top,
        trousers=trousers,
        shoes=cloth(3.0),
        coat_length=float(rng.choice([1.05, 1.15, 1.3, 1.6, 1.9], p=[0.4, 0.3, 0.15, 0.1, 0.05])),
        bare_calves=bool(rng.random() < 0.15),
        backpack=cloth(2.5) if rng.random() < 0.25 else None,
        bag=cloth(0.8) if rng.random() < 0.2 else None,
        hat=cloth(4.0) if rng.random() < 0.12 else None,
        riding=riding,
    )
