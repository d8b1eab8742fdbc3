"""Text: JSON, YAML, point pairs, lists of names, settings, configurations of training, data sets of one's own."""

import json
from pathlib import Path

import numpy as np

from fuzz.target import Target
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.json_files import MalformedJson, decode_json
from rgbt_seg_ros.base.text import printable, quoted
from rgbt_seg_ros.base.yaml_files import MalformedYaml, parse_yaml
from rgbt_seg_ros.registration.point_pairs import fit_homography, read_point_pairs
from rgbt_seg_ros.runs.evaluation import EvaluationJson
from rgbt_seg_ros.settings import PARAMETERS, Settings
from training.config import load_config
from training.data.name_lists import read_names
from training.data.own_data import read_description

_POINTS = [(10, 10, 5, 5), (90, 12, 45, 6), (88, 70, 44, 35), (12, 66, 6, 33), (50, 40, 25, 20)]
_COLUMNS = ("rgb_x", "rgb_y", "thermal_x", "thermal_y")


def _points() -> list[bytes]:
    lines = [",".join(_COLUMNS), *(",".join(map(str, point)) for point in _POINTS)]
    mappings = [dict(zip(_COLUMNS, point, strict=True)) for point in _POINTS]
    return [b"c" + "\n".join(lines).encode(), b"y" + json.dumps(mappings).encode()]


def _read_points(data: bytes, folder: Path) -> None:
    file = folder / ("points.csv" if data[:1] == b"c" else "points.yaml")
    file.write_bytes(data[1:])
    pairs = read_point_pairs(file)
    fit = fit_homography(pairs)
    assert np.isfinite(fit.matrix).all()


def _read_names(data: bytes, folder: Path) -> None:
    file = folder / "train.txt"
    file.write_bytes(data)
    for name in read_names(file, lambda name: name in ("00001D", "a b")):
        assert name


def _read_settings(data: bytes, folder: Path) -> None:
    try:
        values = decode_json(data, dict)
    except MalformedJson as error:
        raise UserError(str(error)) from None
    settings = Settings.read(values)
    _ = settings.class_list, settings.pair_names, settings.thermal.normalizer, settings.thermal.reading


def _settings() -> list[bytes]:
    defaults = {name: parameter.default for name, parameter in PARAMETERS.items()}
    return [json.dumps({name: value}).encode() for name, value in defaults.items()] + [
        json.dumps(defaults).encode()
    ]


def _read_config(data: bytes, folder: Path) -> None:
    file = folder / "config.yaml"
    first, _, rest = data.partition(b"\n")
    file.write_bytes(rest)
    override = first.decode("utf-8", "replace")
    load_config(file, [override] if override else [])


def _read_description(data: bytes, folder: Path) -> None:
    (folder / "dataset.yaml").write_bytes(data)
    for place in ("rgb", "thermal", "labels"):
        (folder / place).mkdir(exist_ok=True)
        for name in "abc":
            (folder / place / f"{name}.png").touch()
    (folder / "list.txt").write_bytes(b"a\nb:1,2,3::\n" + data[-20:])
    description = read_description(folder)
    description.class_set()
    description.files()


def _read_json(data: bytes, folder: Path) -> None:
    decode_json(data, EvaluationJson)


def _read_yaml(data: bytes, folder: Path) -> None:
    parse_yaml(data.decode("utf-8", "replace"))


def _say(data: bytes, folder: Path) -> None:
    text = data.decode("utf-8", "surrogateescape")
    for said in (printable(text), quoted(text), str(UserError(text))):
        assert said.isprintable()
        assert len(said) < 20_000
        said.encode()


_CONFIG = (
    b"train.epochs=3\nmodel:\n  arch: shifnet\n  size: nano\ndata:\n  name: scenes\n"
    b"train:\n  epochs: 2\n  lr: 1e-4\n"
)
_FOLDERS = b"rgb: rgb\nthermal: thermal/{}.png\nlabels: labels\n"
_DATASETS = (
    _FOLDERS + b"splits: {val: 0.2, test: 0.2}\nignore: ['#ffffff']\n"
    b"classes: {background: '#000000', person: '#40e0d0', car: [220, 20, 60]}\n",
    _FOLDERS + b"splits: {train: list.txt, val: list.txt}\nignore: [255]\nclasses: [background, person]\n",
    _FOLDERS + b"classes: list.txt\nsplits: {val: 0.5}\nthings: [b]\nthermal_bits: 16\nthermal_holes: true\n",
)

TARGETS = (
    Target("json", _read_json, lambda: [b'{"split": "test", "miou": 0.5, "iou": {"car": null}}'],
           ("rgbt_seg_ros.base.json_files",), (b'"miou": ', b'"iou": '), (MalformedJson,)),
    Target("yaml", _read_yaml, lambda: [b"a: [1, 2.5, x]\nb: &x {c: 2020-01-01}\nd: *x\n<<: *x\n", _DATASETS[0]],
           ("rgbt_seg_ros.base.yaml_files",), (b"!!int ", b"!!binary ", b"!!timestamp ", b"? "), (MalformedYaml,)),
    Target("points", _read_points, _points, ("rgbt_seg_ros.registration.point_pairs",), (b"rgb_x", b"thermal_y")),
    Target("names", _read_names, lambda: [b"\xef\xbb\xbf00001D\r\nfolder\\00002N.png label.png\na b\n00001D_flip\n"],
           ("training.data.name_lists",), (b"_flip", b".png", b"\t")),
    Target("settings", _read_settings, _settings, ("rgbt_seg_ros.settings.parameter", "rgbt_seg_ros.settings.table",
           "rgbt_seg_ros.settings.thermal"), tuple(f'"{name}": '.encode() for name in PARAMETERS)),
    Target("configs", _read_config, lambda: [_CONFIG, b"\n"], ("training.config.load", "training.config.checks"),
           (b"base: config.yaml", b"train:", b"model:", b"${train.epochs}", b"loss:", b"augment:")),
    Target("own_data", _read_description, lambda: _DATASETS, ("training.data.own_data", "training.data.class_labels"),
           (b"{}", b"ignore: ", b"classes: ", b"[255, 0, 0]")),
    Target("sentences", _say, lambda: [b"the image has encoding 'x': give another"], ("rgbt_seg_ros.base.text",)),
)  # fmt: skip
