import dataclasses
import re
from pathlib import Path

import pytest

from rgbt_seg_ros.base.errors import UserError
from training.config import Config, load_config, save_config
from training.config.synonyms import SYNONYMS


def test_overrides_come_after_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("train: {lr: 0.5, seed: 7}\n")
    config = load_config(path, ["train.lr=0.25", "data.root=/some/where", "model.short_side=240"])
    assert (config.train.lr, config.train.seed) == (0.25, 7)
    assert (config.data.root, config.model.short_side) == ("/some/where", 240)


@pytest.mark.parametrize(
    ("former", "today"), [("float32", "fp32"), ("bfloat16", "bf16"), ("float16", "fp16")]
)
def test_former_names_of_precisions_are_read(tmp_path: Path, former: str, today: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"train: {{precision: {former}}}\n")
    assert load_config(path).train.precision == today
    assert load_config(None, [f"train.precision={former}"]) == load_config(None, [f"train.precision={today}"])


def test_a_file_changes_the_one_that_it_is_based_on(tmp_path: Path) -> None:
    (tmp_path / "paper.yaml").write_text("model: {size: large}\ntrain: {lr: 0.5, seed: 7}\n")
    (tmp_path / "row.yaml").write_text("base: paper.yaml\ntrain: {seed: 8}\n")
    (tmp_path / "short.yaml").write_text("base: row.yaml\ntrain: {max_steps: 3}\n")
    config = load_config(tmp_path / "short.yaml")
    assert (config.model.size, config.train.lr, config.train.seed, config.train.max_steps) == (
        "large",
        0.5,
        8,
        3,
    )


def test_a_base_is_checked_like_any_file(tmp_path: Path) -> None:
    (tmp_path / "paper.yaml").write_text("train: {leanring_rate: 1}\n")
    (tmp_path / "row.yaml").write_text("base: paper.yaml\n")
    with pytest.raises(UserError, match=r"paper\.yaml: there is no key train\.leanring_rate"):
        load_config(tmp_path / "row.yaml")
    (tmp_path / "row.yaml").write_text("base: absent.yaml\n")
    with pytest.raises(UserError, match=r"no configuration file .*absent\.yaml"):
        load_config(tmp_path / "row.yaml")
    (tmp_path / "row.yaml").write_text("base: row.yaml\n")
    with pytest.raises(UserError, match="is its own base"):
        load_config(tmp_path / "row.yaml")


def test_configuration_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_config().train.lr = 1.0  # type: ignore[misc]


def test_saved_configuration_reads_back_equal(tmp_path: Path) -> None:
    config = load_config(None, ["train.class_weights=[1,2.5]", "data.root=a", "run.half=true"])
    save_config(tmp_path / "config.yaml", config)
    assert load_config(tmp_path / "config.yaml") == config


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ("train.batchsize=2", "no key train.batchsize, did you mean train.batch_size?"),
        ("trian.lr=2", "no key trian, did you mean train?"),
        ("train.max_steps=many", "train.max_steps=many"),
        ("train.max_steps", "is not an override"),
        ("train=3", "train must hold keys"),
        ("train.max_steps=0", "train.max_steps is 0: it must be at least 1"),
        ("augment.paste=1.5", "augment.paste is 1.5: it must be within 0 and 1"),
        ("data.name=scenes augment.close_up=0.5", "augment.close_up needs a data set to take objects from"),
        ("data.name=fmb augment.paste=0.5", "augment.paste needs a class 0 of everything else"),
        ("augment.smoke=-1", "augment.smoke is -1: it must be within 0 and 1"),
        ("data.name=scenes augment.paste=0.5", "augment.paste needs a data set to take objects from"),
        ("train.precision=fp8", "it must be one of auto, fp32, bf16, fp16"),
        (
            "data.thermal_palette=blue",
            "data.thermal_palette is 'blue': it must be one of auto, none, white-hot",
        ),
        ("train.lr=nan", "train.lr is not a number"),
        ("train.class_weights=[1,nan]", "train.class_weights is not a number"),
        ("train.lr=${model.size}", "refers to values that there are not"),
        ("train.lr=${oc.env:NOBODY_HAS_SET_THIS}", "refers to values that there are not"),
        ("train.max_steps=${train.max_steps}", "refers to values that there are not"),
        ("train.max_steps=${a", "is not an override: "),
        ("train.max_steps=!!python/object:os.system", "is not an override: "),
        ("train.lr=" + "9" * 400, "train.lr=999"),
        ("train.schedule=step", "train.schedule is 'step': it must be one of poly, cosine"),
        ("model.fusion=mean", "model.fusion is 'mean'"),
        ("model.decoder=fcn", "model.decoder is 'fcn'"),
        ("model.arch=fcn", "model.arch is 'fcn': it must be one of shifnet, sartm"),
        ("model.neck=max", "model.neck is 'max'"),
        ("model.auxiliary=ppm", "model.auxiliary is 'ppm'"),
        ("model.prediction=both", "model.prediction is 'both'"),
        ("model.arch=sartm model.rank=0", "model.rank is 0: it must be at least 1"),
        ("model.arch=sartm loss.prototype=-1", "loss.prototype is -1: it must be at least 0"),
        ("model.arch=sartm loss.ohem=7", "loss.ohem is 7: it must be above 0 and at most 1"),
        ("train.accumulate=0", "train.accumulate is 0"),
        ("data.rendered_share=1.5", "data.rendered_share is 1.5"),
        ("augment.min_scale=3", "augment.min_scale"),
    ],
)
def test_wrong_override_is_one_sentence(overrides: str, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        load_config(None, overrides.split())
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arch", "other", "overrides"),
    [
        ("shifnet", "sartm", ["model.rank=8", "model.neck=sum", "loss.prototype=0", "loss.ramp=true"]),
        ("sartm", "shifnet", ["model.sem=false", "model.fusion=add", "train.class_weights=[1,2]"]),
    ],
)
def test_keys_of_the_other_architecture_are_refused(arch: str, other: str, overrides: list[str]) -> None:
    for override in overrides:
        key = override.split("=")[0]
        with pytest.raises(UserError) as error:
            load_config(None, [f"model.arch={arch}", override])
        assert str(error.value) == f"{key} belongs to {other}: leave it out, or set model.arch={other}"
        load_config(None, [f"model.arch={other}", override])


def test_an_auxiliary_head_that_is_off_predicts_nothing() -> None:
    sartm = ["model.arch=sartm", "model.auxiliary=off"]
    assert load_config(None, sartm).model.prediction == "mean"
    with pytest.raises(UserError, match=r"model\.prediction is 'aux', but model\.auxiliary is 'off'"):
        load_config(None, [*sartm, "model.prediction=aux"])


def test_misspelt_key_in_a_file_names_the_file_and_the_right_key(tmp_path: Path) -> None:
    path = tmp_path / "typo.yaml"
    path.write_text("augment: {crop_hight: 3}\n")
    with pytest.raises(UserError, match=r"typo\.yaml.*augment\.crop_hight.*augment\.crop_height"):
        load_config(path)


def test_missing_or_broken_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no configuration file .*none\.yaml"):
        load_config(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("train: [1, {\n")
    with pytest.raises(UserError, match=r"broken\.yaml is not a YAML configuration") as error:
        load_config(broken)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("learning_rate=1", "train.lr"),
        ("Learning-Rate=1", "train.lr"),
        ("train.learning_rate=1", "train.lr"),
        ("train.leanring_rate=1", "train.lr"),
        ("lr=1", "train.lr"),
        ("model.lr=1", "train.lr"),
        ("epochs=1", "train.epochs"),
        ("batch=1", "train.batch_size"),
        ("train.batchsize=1", "train.batch_size"),
        ("dataset=mfnet", "data.name"),
        ("data.path=x", "data.root"),
        ("crop_hight=1", "augment.crop_height"),
        ("augment.crop_hight=1", "augment.crop_height"),
        ("trian.lr=1", "train"),
        ("optimizer.lr=1", "train"),
    ],
)
def test_a_wrong_key_gets_the_one_that_was_meant(override: str, key: str) -> None:
    with pytest.raises(UserError, match=f", did you mean {re.escape(key)}\\?$"):
        load_config(None, [override])


def test_synonyms_lead_to_keys_and_are_none_themselves() -> None:
    keys = {f"{section}.{key}" for section, keys in dataclasses.asdict(Config()).items() for key in keys}
    sections = {key.partition(".")[0] for key in keys}
    assert set(SYNONYMS.values()) <= keys | sections
    assert [word for word in SYNONYMS if f"{SYNONYMS[word].partition('.')[0]}.{word}" in keys] == []
    assert SYNONYMS.keys() & sections == set()


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("train.batch_size=abc", "train.batch_size must be a whole number, not 'abc'"),
        ("train.batch_size=1.5", "train.batch_size must be a whole number, not 1.5"),
        ("train.lr=x", "train.lr must be a number, not 'x'"),
        ("train.epochs=x", "train.epochs must be a whole number or null, not 'x'"),
        ("data.keep_in_memory=maybe", "data.keep_in_memory must be true or false, not 'maybe'"),
        ("data.name=[1]", "data.name must be a text, not [1]"),
        ("train.class_weights=[1,b]", "train.class_weights must be a list of numbers or null, not [1, 'b']"),
    ],
)
def test_a_value_of_a_wrong_type_is_said_in_plain_words(override: str, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        load_config(None, [override])
    assert str(error.value) == f"{override}: {sentence}"
