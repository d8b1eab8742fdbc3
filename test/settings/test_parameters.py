"""The parameter table: rules, reading into settings, and the files made from it."""

import array
import contextlib
import re

import numpy as np
import pytest
import yaml

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.thermal_image import ThermalReading
from rgbt_seg_ros.settings import PARAMETERS, Settings
from rgbt_seg_ros.settings.parameter import parameter_file
from rgbt_seg_ros.settings.synonyms import SYNONYMS


def test_what_is_not_given_has_its_default() -> None:
    settings = Settings.read({"sync.max_dt": 0.1, "mode": "lossless"})
    assert settings.sync.max_dt == 0.1
    assert settings.is_lossless
    assert settings.detections.min_area == PARAMETERS["detections.min_area"].default


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "fast"),
        ("sync.max_dt", -0.1),
        ("sync.max_dt", 1),
        ("sync.max_dt", float("nan")),
        ("detections.min_area", 0),
        ("detections.min_area", True),
        ("detections.score_threshold", 1.5),
        ("autostart", "yes"),
        ("model", 3),
        ("registration.homography", (1.0, 0.0, 0.0)),
        ("registration.plane.translation", (0.0, float("inf"), 0.0)),
        ("registration.plane.translation", (0, 0, 1)),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(
        UserError, match=re.escape(f"parameter {name} must be {PARAMETERS[name].wanted}, not {value!r}")
    ):
        Settings.read({name: value})


@pytest.mark.parametrize(
    ("former", "today"), [("float32", "fp32"), ("bfloat16", "bf16"), ("float16", "fp16"), ("auto", "auto")]
)
def test_former_names_of_precisions_are_read_as_todays(former: str, today: str) -> None:
    assert Settings.read({"precision": former}).precision == today
    assert Settings.read({"precision": today}).precision == today


def test_a_former_name_is_no_choice_to_offer() -> None:
    assert PARAMETERS["precision"].rule == "one of auto, fp32, bf16, fp16"
    with pytest.raises(
        UserError, match="parameter precision must be one of auto, fp32, bf16, fp16, not 'float64'"
    ):
        Settings.read({"precision": "float64"})
    for parameter in PARAMETERS.values():
        assert parameter.aliases.keys().isdisjoint(parameter.choices)
        assert set(parameter.aliases.values()) <= set(parameter.choices)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UserError, match=r"there is no parameter sync\.maxdt"):
        Settings.read({"sync.maxdt": 0.1})


@pytest.mark.parametrize("name", ["thermal.range", "thermal.percentile"])
def test_a_range_upside_down_is_refused_by_name(name: str) -> None:
    with pytest.raises(UserError, match=f"parameter {name}.low"):
        Settings.read({f"{name}.low": 60.0, f"{name}.high": 40.0})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("registration.homography", {"registration.homography": (1.0,) * 9}),
        ("registration.plane.rotation", {"registration.plane.rotation": (0.0,) * 4}),
        ("thermal.on_missing", {"mode": "lossless", "thermal.on_missing": "rgb_only"}),
        ("rgb.on_missing", {"mode": "lossless", "rgb.on_missing": "thermal_only"}),
        ("camera_pairs", {"camera_pairs": "front,front"}),
        ("camera_pairs", {"camera_pairs": "front/left"}),
    ],
)
def test_values_that_make_no_sense_together_are_refused_by_name(name: str, values: dict) -> None:
    with pytest.raises(UserError, match=f"parameter {name}"):
        Settings.read(values)


def test_arrays_are_read_from_what_yaml_and_ros_give() -> None:
    values = [2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 1.0]
    for given in (values, array.array("d", values)):
        assert Settings.read({"registration.homography": given}).registration.homography == tuple(values)


def test_lists_of_names_are_split() -> None:
    settings = Settings.read({"camera_pairs": "front, rear", "classes": " traffic light,person"})
    assert settings.pair_names == ("front", "rear")
    assert settings.class_list == ("traffic light", "person")
    assert Settings().pair_names == ("",)


def test_thermal_parameters_reach_the_normalization() -> None:
    values = {"thermal.normalization": "fixed", "thermal.range.low": 7000.0, "thermal.range.high": 8500.0}
    normalization = Settings.read(values).thermal.normalizer
    assert (normalization.mode, normalization.low, normalization.high) == ("fixed", 7000.0, 8500.0)


def test_what_thermal_images_do_not_say_is_a_setting() -> None:
    assert Settings().thermal.reading == ThermalReading("auto", "kelvin")
    said = Settings.read({"thermal.palette": "iron", "thermal.float_unit": "celsius"}).thermal.reading
    assert said == ThermalReading("ironbow", "celsius")


def test_a_range_in_kelvin_reaches_the_normalization() -> None:
    values = {
        "thermal.normalization": "fixed",
        "thermal.range.unit": "kelvin",
        "thermal.kelvin_per_count": 0.04,
    }
    values |= {"thermal.range.low": 280.0, "thermal.range.high": 320.0, "thermal.kelvin_offset": 10.0}
    normalized = Settings.read(values).thermal.normalizer(np.array([[6750, 7250, 7750]], np.uint16))
    np.testing.assert_allclose(normalized, [[0.0, 0.5, 1.0]])


def test_every_parameter_is_described_and_bounded() -> None:
    for parameter in PARAMETERS.values():
        assert parameter.description.endswith("."), parameter.name
        if isinstance(parameter.default, float | int) and not isinstance(parameter.default, bool):
            assert parameter.minimum is not None, parameter.name
            assert parameter.maximum is not None, parameter.name


def test_the_committed_parameter_file_is_made_from_the_table(repository) -> None:
    assert (repository / "config" / "segment.yaml").read_text() == parameter_file(PARAMETERS.values()), (
        "run python -m rgbt_seg_ros.settings > config/segment.yaml"
    )


def test_the_parameter_file_gives_every_default() -> None:
    def flatten(tree: dict, prefix: str = "") -> dict:
        flat = {}
        for key, value in tree.items():
            flat |= (
                flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
            )
        return flat

    values = flatten(yaml.safe_load(parameter_file(PARAMETERS.values()))["/**"]["ros__parameters"])
    assert values.keys() == PARAMETERS.keys()
    assert {name: PARAMETERS[name].checked(value) for name, value in values.items()} == {
        name: parameter.default for name, parameter in PARAMETERS.items()
    }
    assert Settings.read(values) == Settings()


BOUNDLESS = {
    **{"large": 10**400, "digits": -(10**5000), "nan": float("nan"), "infinite": float("inf")},
    **{"text": "x" * 100_000, "array": [1.0] * 100_000},
}


@pytest.mark.parametrize("value", BOUNDLESS)
@pytest.mark.parametrize("name", ["max_pixels", "max_age", "mode", "registration.homography"])
def test_values_without_bounds_are_refused_in_a_short_sentence(name: str, value: str) -> None:
    with pytest.raises(UserError, match=f"^parameter {name} must be ") as error:
        Settings.read({name: BOUNDLESS[value]})
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("name", ["thermal.invalid", "camera_pairs", "classes", "model"])
def test_text_without_bounds_is_refused_or_taken(name: str) -> None:
    for text in ("9" * 5000, "\x00", "a/" * 5000, ",".join(map(str, range(9999)))):
        with contextlib.suppress(UserError):
            Settings.read({name: text})


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("slop", "sync.max_dt"),
        ("threshold", "detections.score_threshold"),
        ("weights", "model"),
        ("max_dt", "sync.max_dt"),
        ("sync.tolerance", "sync.max_dt"),
        ("Thermal-Offset", "sync.thermal_time_offset"),
        ("precison", "precision"),
    ],
)
def test_a_wrong_name_gets_the_parameter_that_was_meant(name: str, meaning: str) -> None:
    with pytest.raises(
        UserError, match=rf"there is no parameter {name} \(the nearest is {re.escape(meaning)}\)"
    ):
        Settings.read({name: 1})


def test_synonyms_lead_to_parameters_and_are_none_themselves() -> None:
    assert set(SYNONYMS.values()) <= PARAMETERS.keys()
    assert SYNONYMS.keys() & PARAMETERS.keys() == set()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("max_pixels", "a whole number from 1 to 1e+09 [pixels]"),
        ("sync.max_dt", "a number from 0 to 10 [s]"),
        ("autostart", "true or false"),
        ("model", "a text"),
        ("registration.homography", "a list of 9 numbers"),
        ("mode", "one of latest, lossless"),
    ],
)
def test_what_a_value_must_be_is_said_in_plain_words(name: str, words: str) -> None:
    with pytest.raises(UserError, match=f"^parameter {name} must be {re.escape(words)}, not "):
        Settings.read({name: {}})
