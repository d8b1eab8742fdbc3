"""Pairs with labels for the examples, drawn by the project's own renderer: no download, the same pixels everywhere.

With images of your own you need nothing of this: put them into the same three folders.
"""

from pathlib import Path

import cv2

from rgbt_seg_ros.scenes.still import render_still


def write_pairs(folder: Path, count: int, size: tuple[int, int] = (240, 320)) -> None:
    """Write `count` pairs: rgb/00.png, thermal/00.png and labels/00.png belong together, and so on."""
    for kind in ("rgb", "thermal", "labels"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        still = render_still(seed=number, size=size)
        # OpenCV writes blue first.
        cv2.imwrite(str(folder / f"rgb/{number:02}.png"), still.rgb[..., ::-1])
        cv2.imwrite(str(folder / f"thermal/{number:02}.png"), still.thermal)
        # A label image holds the id of each pixel's class, so it looks black. 255 would be: unlabeled.
        cv2.imwrite(str(folder / f"labels/{number:02}.png"), still.label)
