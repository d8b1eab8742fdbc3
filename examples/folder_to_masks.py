"""A folder of pairs becomes a folder of masks.

    python3 -m examples.folder_to_masks                  # eight rendered streets
    python3 -m examples.folder_to_masks RGB THERMAL      # folders of yours; files of one moment have one name

Writes NAME.png (ids of classes, for programs) and NAME_overlay.jpg (for people) into out/examples/masks.
Recordings with times are for `python3 -m rgbt_seg_ros.offline`, which pairs images by their stamps.
"""

import argparse
from pathlib import Path

import cv2

from examples.rendered_pairs import write_pairs
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.files import read_pair
from rgbt_seg_ros.masks.classes import palette_for
from rgbt_seg_ros.masks.overlay import draw_overlay
from rgbt_seg_ros.segmenter import Segmenter


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="RGB THERMAL")
    parser.add_argument("--model", default="default", help="a model file; default: the packaged one")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/examples/masks"))
    args = parser.parse_args(argv)
    if len(args.folders) not in (0, 2):
        parser.error("give a folder of RGB and one of thermal images, or neither")
    if not args.folders:
        write_pairs(args.output.with_name("pairs"), 8)
        args.folders = [args.output.with_name("pairs") / kind for kind in ("rgb", "thermal")]
    rgb_folder, thermal_folder = args.folders

    # A pair is two files of one name; their endings may differ (a.jpg and a.tiff).
    thermal_files = {path.stem: path for path in thermal_folder.iterdir()}
    rgb_files = [path for path in sorted(rgb_folder.iterdir()) if path.stem in thermal_files]
    if not rgb_files:
        raise UserError(f"no file in {rgb_folder} has the name of one in {thermal_folder}: rename them alike")

    segmenter = Segmenter.load(args.model)
    palette = palette_for(segmenter.class_names)
    args.output.mkdir(parents=True, exist_ok=True)
    for rgb_file in rgb_files:
        rgb, thermal = read_pair(rgb_file, thermal_files[rgb_file.stem])
        result = segmenter(rgb, thermal.counts, thermal.valid)
        # PNG keeps ids exactly; a JPEG would make others of them.
        cv2.imwrite(str(args.output / f"{rgb_file.stem}.png"), result.mask)
        overlay = draw_overlay(rgb, result.mask, palette)
        cv2.imwrite(str(args.output / f"{rgb_file.stem}_overlay.jpg"), overlay[..., ::-1])
        print(f"{rgb_file.name}: {sum(result.stage_ms.values()):.0f} ms")
    print(f"{len(rgb_files)} masks and overlays in {args.output}")


if __name__ == "__main__":
    try:
        main()
    except (UserError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
