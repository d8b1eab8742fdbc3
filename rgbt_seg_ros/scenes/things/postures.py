"""How people hold themselves: upright, bent, crouching, sitting or lying."""

import numpy as np

UPRIGHT = "upright"
POSTURES = (UPRIGHT, "bent", "crouching", "sitting", "lying")

_LEG = ("hip", "knee", "ankle", "toe")
_BENT = np.deg2rad(62.0)
_LEAN = {"crouching": np.deg2rad(25.0), "sitting": np.deg2rad(5.0)}
_SEAT = {"crouching": 0.2, "sitting": 0.28}
"""Height of the hips, in body heights."""


def in_posture(joints: dict[str, np.ndarray], posture: str) -> dict[str, np.ndarray]:
    """Joints (right, up, forward) of somebody who stands or walks, in units of the body height, in another posture."""
    if posture == UPRIGHT:
        return joints
    if posture == "lying":
        # On the back, the head towards where the person looked.
        return {name: np.array([place[0], 0.07 + place[2], place[1] - 0.5]) for name, place in joints.items()}
    hips = joints["hip"]
    if posture == "bent":
        return {
            name: place if name[1:] in _LEG else _leaning(place, hips, _BENT)
            for name, place in joints.items()
        }
    seated = {}
    drop = np.array([0.0, _SEAT[posture] - hips[1], 0.0])
    for name, place in joints.items():
        if name[1:] not in _LEG:
            seated[name] = _leaning(place, hips, _LEAN[posture]) + drop
    for side in "lr":
        hip = joints[side + "hip"] + drop
        knee = hip + np.array((0.0, 0.02, 0.24) if posture == "sitting" else (0.0, 0.12, 0.18))
        ankle = np.array([knee[0], 0.03, knee[2] + (0.03 if posture == "sitting" else -0.1)])
        seated |= {side + "hip": hip, side + "knee": knee, side + "ankle": ankle}
        seated[side + "toe"] = ankle + np.array([0.0, -0.02, 0.07])
    return {name: seated[name] for name in joints}


def _leaning(place: np.ndarray, hips: np.ndarray, angle: float) -> np.ndarray:
    """A place of the upper body, turned forward about the hips."""
    _, up, forward = place - hips
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([place[0], hips[1] + cos * up - sin * forward, hips[2] + sin * up + cos * forward])
