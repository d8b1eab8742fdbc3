"""One pair of images becomes a mask, from Python.

    python3 -m examples.one_pair                        # a rendered street at night
    python3 -m examples.one_pair rgb.png thermal.png    # a pair of yours: the same view, whatever the sizes

Writes out/examples/one_pair.png: RGB, thermal, and what the model makes of both.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.files import read_pair
from rgbt_seg_ros.masks.classes import palette_for
from rgbt_seg_ros.masks.detections import find_detections
from rgbt_seg_ros.masks.overlay import draw_overlay, thermal_picture
from rgbt_seg_ros.scenes.still import render_still
from rgbt_seg_ros.segmenter import Segmenter


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("images", nargs="*", type=Path, metavar="RGB THERMAL")
    parser.add_argument("--model", default="default", help="a model file; default: the packaged one")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/examples/one_pair.png"))
    args = parser.parse_args(argv)
    if len(args.images) not in (0, 2):
        parser.error("give an RGB and a thermal image, or neither")
    if args.images:
        # 8 and 16 bits, floats, grey and false colours are read, and images turned as they say.
        rgb, image = read_pair(*args.images)
        thermal, valid = image.counts, image.valid  # valid: False where nothing was measured
    else:
        still = render_still(seed=8, condition="night")
        rgb, thermal, valid = still.rgb, still.thermal, None

    segmenter = Segmenter.load(args.model)  # once; on a GPU if there is one
    result = segmenter(rgb, thermal, valid)  # uint8 [H, W, 3] and any thermal [h, w]; either may be None

    # The mask has a class's id for each pixel of the RGB image, result.confidence its probability.
    names = segmenter.class_names
    for class_id, count in zip(*np.unique(result.mask, return_counts=True), strict=True):
        print(f"{names[class_id]:12} {100 * count / result.mask.size:5.1f} % of the pixels")
    # Classes that can be counted become objects: boxes around connected pixels.
    objects = find_detections(result.mask, result.confidence, names, segmenter.thing_classes)
    overlay = draw_overlay(rgb, result.mask, palette_for(names), objects)
    hot = cv2.resize(thermal_picture(thermal, valid), rgb.shape[1::-1])
    args.output.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(args.output), np.hstack([rgb, hot, overlay])[..., ::-1])  # OpenCV writes blue first
    print(f"objects: {', '.join(each.class_name for each in objects) or 'none'}; look at {args.output}")


if __name__ == "__main__":
    try:
        main()
    except (UserError, OSError) as error:  # UserError: one sentence that says what to do
        raise SystemExit(f"error: {error}") from None
