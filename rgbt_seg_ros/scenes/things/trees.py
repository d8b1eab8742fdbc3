"""Trees and bushes: a bank of crowns and branches, drawn in each tree's own size and colours."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rgbt_seg_ros.scenes.paint.canvas import NOTHING, Canvas, Paint, scaled
from rgbt_seg_ros.scenes.paint.geometry import Pose
from rgbt_seg_ros.scenes.paint.textures import FOLIAGE, fractal

_CORNERS = 72
_DESIGNS = 40
_LEAVES = (
    (0.1, 0.16, 0.03),
    (0.05, 0.09, 0.025),
    (0.03, 0.06, 0.02),
    (0.16, 0.2, 0.04),
    (0.42, 0.3, 0.04),
    (0.3, 0.13, 0.04),
)
_LEAVES_WEIGHT = (0.3, 0.25, 0.15, 0.12, 0.1, 0.08)


@dataclass(frozen=True)
class Design:
    """The shape of a tree of height 1; places are (right, up)."""

    clumps: np.ndarray
    """Outlines of clumps of leaves [N,corners,2], the dark ones first."""
    tones: tuple[float, ...]
    """Brightness of each clump."""
    limbs: np.ndarray
    """Branches [M,2,2]."""


@lru_cache(maxsize=2 * _DESIGNS)
def _design(bush: bool, number: int) -> Design:
    rng = np.random.default_rng([20240604, bush, number])
    count = int(rng.integers(3, 7) if bush else rng.integers(7, 14))
    around = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    ripple = fractal(rng, 128, 8, 0.8)[:count, :_CORNERS]
    radius = 1.0 + 0.3 * ripple + 0.07 * rng.standard_normal((count, _CORNERS))
    radius += 0.14 * np.sin(around * rng.integers(2, 5, (count, 1)) + rng.uniform(0, 6, (count, 1)))
    radius *= rng.uniform(0.3, 0.45, (count, 1)) if bush else rng.uniform(0.09, 0.22, (count, 1))
    centers = np.column_stack(
        [
            rng.normal(0, 0.5 if bush else 0.2, count),
            rng.uniform(0.25, 0.6, count) if bush else rng.uniform(0.45, 0.95, count),
        ]
    )
    rim = np.stack([np.cos(around), np.sin(around)], axis=1)
    tones = np.sort(rng.uniform(0.5, 1.25, count))
    clumps = centers[:, None] + rim * radius[..., None]
    if not bush and rng.random() < 0.15:
        clumps, tones = clumps[:0], tones[:0]
    starts = np.column_stack([np.zeros(7), rng.uniform(0.3, 0.45, 7)])
    ends = starts + np.column_stack([rng.normal(0, 0.18, 7), rng.uniform(0.15, 0.45, 7)])
    return Design(clumps, tuple(tones.tolist()), np.stack([starts, ends], axis=1))


@dataclass(frozen=True)
class Tree:
    """A trunk with branches and clumps of leaves; without a trunk it is a bush. Lengths in metres."""

    pose: Pose
    height: float
    trunk: float
    """Half of the trunk's thickness; 0 for a bush."""
    bark: Paint
    leaves: Paint
    design: Design
    mirror: int
    """1, or -1 for the design seen in a mirror."""

    def at(self, t: float) -> Pose:
        """Where the tree stands."""
        return self.pose

    def draw(self, canvas: Canvas, t: float) -> None:
        """Paint trunk, branches, then clumps of leaves."""
        scale = canvas.stand_at(self.pose.x, self.pose.z, self.pose.ground)
        if scale == 0.0:
            return
        foot = canvas.see(np.array([[self.pose.x, self.pose.ground, self.pose.z]]))[0]
        unit = self.height * scale * np.array([self.mirror, -1.0])
        if self.trunk > 0.0:
            thick, fork = self.trunk * scale, 0.45 * unit[1]
            right = np.array([-1.4, 1.4, 1.0, 0.7, -0.7, -1.0]) * thick
            up = np.array([0.0, 0.0, 0.14, 1.0, 1.0, 0.14]) * fork
            canvas.fill(foot + np.stack([right, up], axis=1), self.bark, NOTHING)
            canvas.lines(list(foot + self.design.limbs * unit), 0.7 * thick, self.bark, NOTHING)
        for outline, tone in zip(foot + self.design.clumps * unit, self.design.tones, strict=True):
            canvas.fill(outline, scaled(self.leaves, tone, 0.8 * (tone - 1.0)), NOTHING)


def make_tree(rng: np.random.Generator, pose: Pose, bush: bool, size: float = 1.0) -> Tree:
    """A random tree or bush; `size` enlarges it."""
    leaf = np.array(_LEAVES[rng.choice(len(_LEAVES), p=_LEAVES_WEIGHT)]) * rng.uniform(0.6, 1.3)
    bark = np.array([0.08, 0.065, 0.05]) * rng.uniform(0.5, 1.8)
    warm_bark, warm_leaves, spread = rng.uniform((0.5, -0.2, 0.3), (3.0, 2.0, 0.8)).tolist()
    return Tree(
        pose=pose,
        height=size * float(rng.uniform(0.6, 1.8) if bush else rng.uniform(4.0, 13.0)),
        trunk=0.0 if bush else float(rng.uniform(0.1, 0.38)),
        bark=Paint(tuple(bark.tolist()), warm_bark, 0.5, 0.6, FOLIAGE),
        leaves=Paint(tuple(leaf.tolist()), warm_leaves, 0.75, spread, FOLIAGE),
        design=_design(bush, int(rng.integers(_DESIGNS))),
        mirror=int(rng.choice((-1, 1))),
    )
