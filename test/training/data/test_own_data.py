"""Own data sets: what their file says, how labels are read, which pairs belong to which split."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.files import read_pair
from training import evaluate, inspect_data
from training.config.schema import DataConfig
from training.data.files import read_thermal
from training.data.own_data import read_description
from training.data.sources import class_set_of, open_dataset, training_sources, validation_source
from training.weights.class_texts import class_names

SIZE = (12, 16)
NAMES = tuple("abcdefghij")
FOLDERS = "rgb: rgb\nthermal: thermal\nlabels: labels\n"
BY_ID = "classes: [background, person, car]\n"
SHARES = "splits: {val: 0.2, test: 0.2}\n"
CVAT = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:0,0,142::\nperson:220,20,60::\n"
COLORS = np.array([(0, 0, 0), (0, 0, 142), (220, 20, 60)], np.uint8)
IDS = np.arange(SIZE[0] * SIZE[1], dtype=np.uint8).reshape(SIZE) % 3


def save(path: Path, image: np.ndarray | Image.Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path)
    return path


def pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (*SIZE, 3), np.uint8), random.integers(1, 256, SIZE, np.uint8)


def write(root: Path, description: str, label: np.ndarray | Image.Image = IDS) -> Path:
    for seed, name in enumerate(NAMES):
        rgb, thermal = pair(seed)
        for folder, image in (("rgb", rgb), ("thermal", thermal), ("labels", label)):
            save(root / folder / f"{name}.png", image)
    (root / "dataset.yaml").write_text(description)
    return root


def indexed(ids: np.ndarray, colors: np.ndarray) -> Image.Image:
    image = Image.fromarray(ids)
    image.putpalette(colors.tobytes())
    return image


def label_of(root: Path) -> np.ndarray:
    return open_dataset("folder", root, "train")[0].label


# --- labels ---

KINDS = {
    "ids": (BY_ID, IDS, IDS),
    "three equal channels": (BY_ID, np.dstack([IDS] * 3), IDS),
    "indexed by id": (BY_ID, indexed(IDS, COLORS), IDS),
    "other ids": ("classes: {road: 7, car: 26, sky: 23}\n", np.array([7, 26, 23], np.uint8)[IDS], IDS),
    "ids of 16 bits": (
        "classes: {road: 7, car: 26000, sky: 23}\n",
        np.array([7, 26000, 23], np.uint16)[IDS],
        IDS,
    ),
    "a mask": ("classes: {background: 0, person: 255}\n", (IDS == 1).astype(np.uint8) * 255, IDS == 1),
    "one bit": ("classes: [background, person]\n", IDS == 1, IDS == 1),
    "ignored by default": (
        BY_ID,
        np.where(IDS == 1, 255, IDS).astype(np.uint8),
        np.where(IDS == 1, 255, IDS),
    ),
    "ignored ids": ("classes: [a, b]\nignore: [2, 255]\n", IDS, np.where(IDS == 2, 255, IDS)),
    "an ignored class": (BY_ID + "ignore: background\n", IDS, np.array([255, 0, 1])[IDS]),
    "an ignored class by its other name": (
        BY_ID + "ignore: unlabeled\n",
        IDS,
        np.array([255, 0, 1])[IDS],
    ),
    "colours": (
        "classes: {background: '#000000', car: [0, 0, 142], person: '#DC143C'}\n",
        COLORS[IDS],
        IDS,
    ),
    "colours in an index": (
        "classes: {person: '#DC143C', car: [0, 0, 142], background: '#000000'}\n",
        indexed(IDS, COLORS),
        np.array([2, 1, 0])[IDS],
    ),
    "an ignored colour": (
        "classes: {car: [0, 0, 142], person: '#DC143C'}\nignore: [0, 0, 0]\n",
        COLORS[IDS],
        np.array([255, 0, 1])[IDS],
    ),
    "ignored colours": (
        "classes: {car: [0, 0, 142], person: '#DC143C'}\nignore: [[0, 0, 0], '#e0e0c0']\n",
        np.dstack([COLORS[IDS], np.full(SIZE, 255, np.uint8)]),
        np.array([255, 0, 1])[IDS],
    ),
    "cvat": ("classes: labelmap.txt\n", COLORS[IDS], IDS),
    "cvat without its background": (
        "classes: labelmap.txt\nignore: [background]\n",
        COLORS[IDS],
        np.array([255, 0, 1])[IDS],
    ),
    "labelme": (
        "classes: class_names.txt\n",
        indexed(np.where(IDS == 2, 255, IDS).astype(np.uint8), np.repeat(COLORS, 86, axis=0)[:256]),
        np.where(IDS == 2, 255, IDS),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_read_as_they_were_exported(tmp_path: Path, kind: str) -> None:
    classes, stored, expected = KINDS[kind]
    (tmp_path / "labelmap.txt").write_text(CVAT)
    (tmp_path / "class_names.txt").write_bytes(b"\xef\xbb\xbf__ignore__\r\n_background_\r\nperson\r\n")
    root = write(tmp_path, FOLDERS + classes + SHARES, stored)
    label = label_of(root)
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, expected)


def test_names_and_things_are_those_of_the_class_list(tmp_path: Path) -> None:
    (tmp_path / "class_names.txt").write_text("__ignore__\n_background_\nperson\ncar\n")
    root = write(tmp_path, FOLDERS + "classes: class_names.txt\n" + SHARES)
    classes = class_set_of("folder", root)
    assert classes.names == ("background", "person", "car")
    assert classes.things == ("person", "car")
    assert class_set_of("folder", root / "dataset.yaml").names == classes.names
    (root / "dataset.yaml").write_text(FOLDERS + BY_ID + SHARES + "things: [car]\n")
    assert class_set_of("folder", root).things == ("car",)
    spelled = "classes: [unlabeled, car_stop, curve]\nthings: [car_stop]\n"
    (root / "dataset.yaml").write_text(FOLDERS + spelled + SHARES)
    assert class_set_of("folder", root).names == ("background", "car stop", "curb")
    assert class_set_of("folder", root).things == ("car stop",)


@pytest.mark.parametrize(
    ("classes", "stored", "sentence"),
    [
        (
            "classes: [a, b]\n",
            IDS,
            r"labels/a\.png has the id 2 in 64 pixels, which .*dataset\.yaml says nothing of",
        ),
        ("classes: labelmap.txt\n", COLORS[IDS] // 2, r"has the colour \(0, 0, 71\) in 64 pixels"),
        (BY_ID, COLORS[IDS], "is in colours, not in ids: give classes by their colours"),
        ("classes: labelmap.txt\n", IDS.astype(np.uint16), "not colours: give classes by their ids"),
        (BY_ID, IDS.astype(np.float32), "ids are whole numbers"),
    ],
)
def test_a_value_that_stands_for_nothing_is_said(
    tmp_path: Path, classes: str, stored: np.ndarray, sentence: str
) -> None:
    (tmp_path / "labelmap.txt").write_text(CVAT)
    root = write(tmp_path, FOLDERS + classes + SHARES)
    suffix = "tif" if stored.dtype == np.float32 else "png"
    for name in NAMES:
        (root / "labels" / f"{name}.png").unlink()
        save(root / "labels" / f"{name}.{suffix}", stored)
    with pytest.raises(UserError, match=sentence.replace("a\\.png", "[a-j]\\.png")):
        label_of(root)


def test_labels_stored_with_losses_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path, FOLDERS + BY_ID + SHARES)
    for name in NAMES:
        (root / "labels" / f"{name}.png").unlink()
        save(root / "labels" / f"{name}.jpg", IDS)
    with pytest.raises(UserError, match=r"\.jpg is a JPEG, whose pixels are not exact: export labels as PNG"):
        label_of(root)


# --- the file ---


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (FOLDERS + "clases: [a, b]\n" + SHARES, "there is no key clases, did you mean classes?"),
        (FOLDERS + BY_ID, r"not a data set's file \(.*splits"),
        (FOLDERS + BY_ID + "splits: {}\n", "splits is empty"),
        (FOLDERS + BY_ID + "splits: {val: 20}\n", "splits.val is 20"),
        (FOLDERS + BY_ID + "splits: {train: 0.8}\n", "splits.train is 0.8"),
        (FOLDERS + BY_ID + "splits: {val: 0.6, test: 0.6}\n", "too few images to train on: 10 in"),
        (FOLDERS + BY_ID + "splits: {val: val.txt}\n", "there is no list of the split val"),
        (FOLDERS + "classes: [a]\n" + SHARES, "has 1 classes"),
        (FOLDERS + "classes: [a, a]\n" + SHARES, "classes has a twice"),
        (FOLDERS + "classes: {a: 1, b: 1}\n" + SHARES, "a and b both have 1"),
        (FOLDERS + "classes: {a: 1, b: '#00ff00'}\n" + SHARES, "some classes have an id and some a colour"),
        (FOLDERS + "classes: {a: 1, b: 70000}\n" + SHARES, "ids are 0 to 65535"),
        (FOLDERS + "classes: {a: '#00ff0', b: '#00ff00'}\n" + SHARES, "give an id, '#rrggbb'"),
        (FOLDERS + "classes: {a: [0, 0, 256], b: '#00ff00'}\n" + SHARES, "a colour is"),
        (FOLDERS + "classes: [no, yes]\n" + SHARES, r"classes\[0\]: expected text, got true or false"),
        (FOLDERS + "classes: none.txt\n" + SHARES, r"classes names .*none\.txt, which cannot be read"),
        (FOLDERS + "classes: ['a,b', c]\n" + SHARES, "is no name of a class"),
        (FOLDERS + BY_ID + SHARES + "ignore: sky\n", "ignore has 'sky'"),
        (FOLDERS + BY_ID + SHARES + "things: [sky]\n", "things has 'sky', which is no class"),
        (FOLDERS + BY_ID + SHARES + "thermal_bits: 12\n", "thermal_bits"),
        (
            "rgb: images\nthermal: thermal\nlabels: labels\n" + BY_ID + SHARES,
            r"there is no folder .*images, found",
        ),
        ("rgb: [\n", "is not YAML"),
    ],
)
def test_a_fault_in_the_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    root = write(tmp_path, text)
    with pytest.raises(UserError, match=sentence) as error:
        open_dataset("folder", root, "train")
    assert "\n" not in str(error.value)


def test_a_folder_without_the_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=r"there is no .*dataset\.yaml: write one"):
        read_description(tmp_path)
    for command in (
        ["--data", "folder", "--root", str(tmp_path)],
        ["--data", "folder", "--root", str(tmp_path), "--model", "default"],
    ):
        main = evaluate.main if "--model" in command else inspect_data.main
        assert main(command) == 1
        assert "there is no" in capsys.readouterr().err
    with pytest.raises(UserError, match="needs its folder"):
        open_dataset("folder", None, "train")


# --- splits and names ---


def test_shares_are_taken_by_the_seed(tmp_path: Path) -> None:
    root = write(tmp_path, FOLDERS + BY_ID + SHARES)

    def splits() -> list[tuple[str, ...]]:
        return [open_dataset("folder", root, split).names for split in ("train", "val", "test", "train_all")]

    train, val, test, train_all = splits()
    assert (len(train), len(val), len(test)) == (6, 2, 2)
    assert sorted([*train, *val, *test]) == list(train_all) == list(NAMES)
    assert splits() == [train, val, test, train_all]
    (root / "dataset.yaml").write_text(FOLDERS + BY_ID + SHARES + "seed: 1\n")
    assert splits()[1:3] != [val, test]
    with pytest.raises(UserError, match="has no split 'night': choose train, val, test, train_all"):
        open_dataset("folder", root, "night")


def test_lists_and_shares_go_together(tmp_path: Path) -> None:
    root = write(tmp_path, FOLDERS + BY_ID + "splits: {train: train.txt, val: 0.2, test: lists/test.txt}\n")
    (root / "train.txt").write_bytes(b"\xef\xbb\xbfrgb/a.png\r\nb\r\nc\r\nd\r\ne.png\r\n")
    (root / "lists").mkdir()
    (root / "lists/test.txt").write_text("i\nj\n")
    assert open_dataset("folder", root, "test").names == ("i", "j")
    train, val = (open_dataset("folder", root, split).names for split in ("train", "val"))
    assert (len(train), len(val)) == (4, 1)
    assert sorted([*train, *val]) == list("abcde")
    (root / "dataset.yaml").write_text(FOLDERS + BY_ID + "splits: {val: 0.1, test: lists/test.txt}\n")
    assert not {"i", "j"} & set(open_dataset("folder", root, "train").names)


def test_names_are_patterns_and_endings_are_free(tmp_path: Path) -> None:
    for seed, name in enumerate(NAMES):
        rgb, thermal = pair(seed)
        save(tmp_path / "images" / f"{name}_rgb.jpg", rgb)
        save(tmp_path / "images" / f"{name}_ir.tiff", thermal.astype(np.uint16) * 100)
        save(tmp_path / "masks" / f"mask-{name}.PNG", IDS)
    (tmp_path / "images" / "notes.txt").write_text("no image")
    patterns = "rgb: images/{}_rgb\nthermal: images/{}_ir.tiff\nlabels: masks/mask-{}.png\nthermal_bits: 16\n"
    (tmp_path / "dataset.yaml").write_text(patterns + BY_ID + SHARES)
    dataset = open_dataset("folder", tmp_path, "train_all")
    assert dataset.names == NAMES
    assert dataset[3].thermal.dtype == np.uint16
    np.testing.assert_array_equal(dataset[3].thermal, pair(3)[1].astype(np.uint16) * 100)
    save(tmp_path / "images" / "a_rgb.png", pair(0)[0])
    with pytest.raises(UserError, match=r"a_rgb\.jpg and .*a_rgb\.png are of one sample: keep one"):
        open_dataset("folder", tmp_path, "train")


def test_four_channels_are_rgb_and_thermal(tmp_path: Path) -> None:
    root = write(tmp_path, "rgb: rgb\nthermal: rgb\nlabels: labels\n" + BY_ID + SHARES)
    for seed, name in enumerate(NAMES):
        save(root / "rgb" / f"{name}.png", np.dstack(pair(seed)))
    sample = open_dataset("folder", root, "train_all")[4]
    np.testing.assert_array_equal(sample.rgb, pair(4)[0])
    np.testing.assert_array_equal(sample.thermal, pair(4)[1])


def test_missing_files_and_wrong_sizes_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path, FOLDERS + BY_ID + SHARES)
    (root / "thermal/c.png").unlink()
    save(root / "thermal/d.png", np.ones((6, 8), np.uint8))
    save(root / "rgb/unlabelled.png", pair(0)[0])
    assert (
        inspect_data.main(["--data", "folder", "--root", str(root), "--json", str(tmp_path / "found.json")])
        == 1
    )
    output = capsys.readouterr().out
    assert f"problem: {root}/thermal/c.* is missing" in output
    assert (
        "d.png is 8x6 pixels, but its RGB image is 16x12: lay thermal and label onto it, pixel on pixel"
        in output
    )
    assert "holds 1 file of no sample: unlabelled.png" in output
    assert "8 images readable: 8 of 16x12" in output
    with pytest.raises(UserError, match=r"thermal/c\.\* is missing though its split names it"):
        [open_dataset("folder", root, split) for split in ("train", "val", "test")]


def test_thermal_bits_and_holes_are_kept_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path, FOLDERS + BY_ID + SHARES + "thermal_bits: 16\n")
    with pytest.raises(UserError, match=r"has 8 bits, but thermal images of .* are to have 16"):
        open_dataset("folder", root, "train")[0]
    assert inspect_data.main(["--data", "folder", "--root", str(root)]) == 1
    assert capsys.readouterr().out.count("problem: ") == 10
    with pytest.raises(UserError, match="give thermal_bits there"):
        open_dataset("folder", root, "train", "16bit")
    (root / "dataset.yaml").write_text(FOLDERS + BY_ID + SHARES + "thermal_holes: true\n")
    valid = open_dataset("folder", root, "train")[0].thermal_valid
    assert valid is not None
    assert valid.all()


def test_classes_that_a_split_does_not_show_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write(tmp_path, FOLDERS + BY_ID + "splits: {train: train.txt, test: test.txt}\n")
    (root / "train.txt").write_text("a\nb\n")
    (root / "test.txt").write_text("c\n")
    save(root / "labels/c.png", np.zeros(SIZE, np.uint8))
    assert inspect_data.main(["--data", "folder", "--root", str(root)]) == 0
    output = capsys.readouterr().out
    assert "warning: test shows no person, car, which is not tested: give other lists or shares" in output
    assert "train shows no" not in output


def test_a_configuration_trains_and_validates_on_own_data(tmp_path: Path) -> None:
    root = write(tmp_path, FOLDERS + BY_ID + SHARES)
    real, _ = training_sources(DataConfig(name="folder", root=str(root)))
    assert real is not None
    assert (len(real), len(validation_source(DataConfig(name="folder", root=str(root))))) == (6, 2)
    with pytest.raises(
        UserError, match="rendered scenes are labelled with MFNet's classes, which are not folder's"
    ):
        training_sources(DataConfig(name="folder", root=str(root), rendered_share=0.5))


def test_class_names_of_own_data_are_embedded(tmp_path: Path) -> None:
    root = write(tmp_path, FOLDERS + BY_ID + SHARES)
    for place in (root, root / "dataset.yaml"):
        assert class_names(str(place)) == ("background", "person", "car")


# --- grey thermal images ---


def grey_images() -> dict[str, np.ndarray]:
    grey = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8), (0, 0), 2)
    noisy = np.clip(
        np.dstack([grey] * 3).astype(int) + np.random.default_rng(1).integers(-2, 3, (48, 64, 3)), 0, 255
    ).astype(np.uint8)
    opaque, half = (
        np.full((48, 64), 255, np.uint8),
        np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1)),
    )
    return {
        "nearly equal": noisy,
        "nearly equal, opaque": np.dstack([noisy, opaque]),
        "grey and opaque": np.dstack([grey, opaque]),
        "nearly equal, hidden": np.dstack([noisy, half]),
        "grey and hidden": np.dstack([grey, half]),
    }


@pytest.mark.parametrize("kind", grey_images())
def test_grey_thermal_is_the_same_in_training_and_service(tmp_path: Path, kind: str) -> None:
    path = save(tmp_path / "grey.png", grey_images()[kind])
    if "hidden" in kind:
        for read in (lambda: read_thermal(path), lambda: read_pair(None, path)):
            with pytest.raises(UserError, match=r"grey\.png has an alpha channel that hides parts of it"):
                read()
        return
    _, served = read_pair(None, path)
    assert served is not None
    np.testing.assert_array_equal(read_thermal(path), served.counts)
    assert np.abs(served.counts.astype(int) - grey_images()["grey and opaque"][..., 0]).max() <= 2
