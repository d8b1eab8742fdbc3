"""Text encoders in the layouts that they are published in, small and random, against what their own code computes."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from places import REPOSITORY
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.segmenter.class_embeddings import load_class_embeddings
from training.embed_classes import main
from training.weights.text_tower import read_text_tower
from training.work.embed_classes import _features, embed_classes, encoder_folder, hash_encoder

LETTERS = "abcdefghijklmnopqrstuvwxyz."
WORDS = [*LETTERS, *(letter + "</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
NAMES, TEMPLATE = ["car", "person", "traffic light"], "a photo of a {}."
TEXT = {
    "hidden_size": 16,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": len(WORDS),
    "max_position_embeddings": 77,
    "hidden_act": "gelu",
}
VISION = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}


def save_tokenizer(folder: Path) -> CLIPTokenizer:
    tokenizer = CLIPTokenizer(vocab={word: i for i, word in enumerate(WORDS)}, merges=[])
    tokenizer.save_pretrained(folder)
    return tokenizer


def clip_model(width: int = 16, projection: int = 24) -> CLIPModel:
    torch.manual_seed(0)
    ends = {"bos_token_id": len(WORDS) - 2, "eos_token_id": len(WORDS) - 1}
    config = CLIPConfig(
        text_config={**TEXT, **ends, "hidden_size": width},
        vision_config={**VISION, "image_size": 32, "patch_size": 16},
        projection_dim=projection,
    )
    return CLIPModel(config).eval()


class OpenClipText(nn.Module):
    """OpenCLIP's text tower with its names, written for this test from its description."""

    def __init__(self, width: int, heads: int, layers: int, dim: int, quick: bool) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.quick = quick
        self.token_embedding = nn.Embedding(len(WORDS), width)
        self.positional_embedding = nn.Parameter(torch.randn(77, width))
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(self._block(width, heads) for _ in range(layers))
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.randn(width, dim))

    @staticmethod
    def _block(width: int, heads: int) -> nn.Module:
        block = nn.Module()
        block.ln_1, block.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        block.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        nn.init.normal_(block.attn.in_proj_bias)
        block.mlp = nn.Module()
        block.mlp.c_fc, block.mlp.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        return block

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.token_embedding(ids) + self.positional_embedding[: ids.shape[1]]
        mask = torch.full((ids.shape[1], ids.shape[1]), -torch.inf).triu(1)
        for block in self.transformer.resblocks:
            normed = block.ln_1(x)
            x = x + block.attn(normed, normed, normed, attn_mask=mask, need_weights=False)[0]
            hidden = block.mlp.c_fc(block.ln_2(x))
            hidden = hidden * torch.sigmoid(1.702 * hidden) if self.quick else nn.functional.gelu(hidden)
            x = x + block.mlp.c_proj(hidden)
        return self.ln_final(x)[torch.arange(len(ids)), ids.argmax(dim=1)] @ self.text_projection


def expected_of(features) -> torch.Tensor:
    return nn.functional.normalize(features, dim=-1)


def token_ids(folder: Path) -> torch.Tensor:
    sentences = [TEMPLATE.format(name) for name in NAMES]
    return CLIPTokenizer.from_pretrained(folder)(sentences, padding=True, return_tensors="pt")["input_ids"]


def save_weights(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    if path.suffix == ".bin":
        torch.save(tensors, path)
    else:
        save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, path)


# --- layouts ---


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize(("width", "projection"), [(512, 512), (768, 768), (16, 24)])
def test_clip_as_transformers_saves_it(tmp_path: Path, weights: str, width: int, projection: int) -> None:
    """ViT-B/32 has widths of 512, ViT-L/14 of 768."""
    model = clip_model(width, projection)
    save_tokenizer(tmp_path)
    model.config.save_pretrained(tmp_path)
    old = {"text_model.embeddings.position_ids": torch.arange(77)[None]}  # a buffer that older versions saved
    save_weights(tmp_path / weights, {**model.state_dict(), **old})
    found = embed_classes(str(tmp_path), NAMES, [TEMPLATE])
    assert found.vectors.shape == (3, projection)
    with torch.inference_mode():
        answer = model.get_text_features(input_ids=token_ids(tmp_path))
    torch.testing.assert_close(found.vectors, expected_of(_features(answer)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["LanguageBindImage", "LanguageBindThermal", "LanguageBindVideo"])
def test_language_bind_with_its_own_model_types(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    save_tokenizer(tmp_path)
    # As published: the projection's width beside the parts' own, and 2 for the end token.
    text = {
        **TEXT,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "projection_dim": 512,
        "add_time_attn": False,
    }
    config = {"model_type": kind, "architectures": [kind], "projection_dim": 768, "text_config": text}
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = CLIPTextModelWithProjection(
        CLIPTextConfig(**{**TEXT, "eos_token_id": 2, "projection_dim": 768})
    ).eval()
    vision = {
        "vision_model.encoder.base_model.model.layers.0.self_attn.k_proj.lora_A.default.weight": torch.ones(2)
    }
    save_weights(
        tmp_path / "pytorch_model.bin", {**model.state_dict(), **vision, "logit_scale": torch.ones(())}
    )
    found = embed_classes(str(tmp_path), NAMES, [TEMPLATE])
    assert found.vectors.shape == (3, 768)
    with torch.inference_mode():
        expected = model(input_ids=token_ids(tmp_path)).text_embeds
    torch.testing.assert_close(found.vectors, expected_of(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("weights", ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"])
@pytest.mark.parametrize("prefix", ["", "text."])
@pytest.mark.parametrize("quick", [False, True])
def test_open_clip_repositories(tmp_path: Path, weights: str, prefix: str, quick: bool) -> None:
    save_tokenizer(tmp_path)
    text = {"context_length": 77, "vocab_size": len(WORDS), "width": 16, "heads": 2, "layers": 2}
    model_cfg = {"embed_dim": 24, "vision_cfg": {"width": 16}, "text_cfg": text}
    model_cfg |= {"quick_gelu": True} if quick else {}
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": model_cfg, "preprocess_cfg": {}})
    )
    model = OpenClipText(16, 2, 2, 24, quick).eval()
    tensors = {prefix + name: tensor for name, tensor in model.state_dict().items()}
    save_weights(
        tmp_path / weights, {**tensors, "visual.proj": torch.ones(2, 2), "logit_scale": torch.ones(())}
    )
    found = embed_classes(str(tmp_path), NAMES, [TEMPLATE])
    with torch.inference_mode():
        expected = model(token_ids(tmp_path))
    torch.testing.assert_close(found.vectors, expected_of(expected), atol=1e-5, rtol=0)


def test_a_repository_of_both_kinds_is_taken_by_the_weights_that_it_has(tmp_path: Path) -> None:
    """LAION's repositories have config.json beside open_clip_config.json, some without weights of transformers."""
    test_open_clip_repositories(tmp_path, "open_clip_model.safetensors", "", False)
    tower = embed_classes(str(tmp_path), NAMES, [TEMPLATE]).vectors
    clip_model().config.save_pretrained(tmp_path)
    torch.testing.assert_close(embed_classes(str(tmp_path), NAMES, [TEMPLATE]).vectors, tower)
    save_weights(tmp_path / "model.safetensors", clip_model().state_dict())
    assert not torch.allclose(embed_classes(str(tmp_path), NAMES, [TEMPLATE]).vectors, tower)


def test_features_are_read_from_old_and_new_transformers() -> None:
    class Answer:
        pooler_output = torch.ones(2, 3)

    assert torch.equal(_features(torch.ones(2, 3)), _features(Answer()))


# --- faults ---


@pytest.fixture
def open_clip(tmp_path: Path) -> Path:
    test_open_clip_repositories(tmp_path, "open_clip_pytorch_model.bin", "", False)
    return tmp_path


def change_config(folder: Path, **text: object) -> None:
    path = folder / "open_clip_config.json"
    config = json.loads(path.read_text())
    config["model_cfg"]["text_cfg"] |= text
    path.write_text(json.dumps(config))


def test_other_text_towers_are_refused_by_name(open_clip: Path) -> None:
    change_config(open_clip, hf_model_name="xlm-roberta-base")
    with pytest.raises(
        UserError, match="its text tower has hf_model_name=xlm-roberta-base, which CLIP's own has not"
    ):
        embed_classes(str(open_clip), NAMES)


def test_weights_of_another_size_are_refused_by_name(open_clip: Path) -> None:
    change_config(open_clip, layers=3)
    with pytest.raises(
        UserError, match=r"open_clip_pytorch_model\.bin: text_model\.encoder\.layers\.2\..* is missing"
    ):
        embed_classes(str(open_clip), NAMES)


def test_missing_weights_and_tokenizers_are_said(open_clip: Path) -> None:
    for file in (
        "vocab.json",
        "merges.txt",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
    ):
        (open_clip / file).unlink(missing_ok=True)
    with pytest.raises(UserError, match=r"has no tokenizer \(tokenizer.json"):
        embed_classes(str(open_clip), NAMES)
    (open_clip / "open_clip_pytorch_model.bin").unlink()
    with pytest.raises(UserError, match=r"has no weights: expected open_clip_model\.safetensors or"):
        embed_classes(str(open_clip), NAMES)
    (open_clip / "open_clip_config.json").write_text("{}")
    (open_clip / "open_clip_model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="has no model_cfg with embed_dim and text_cfg"):
        embed_classes(str(open_clip), NAMES)


def test_a_tower_without_its_projection_is_refused(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    model = clip_model()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip_text_model", **TEXT}))
    tensors = {name: t for name, t in model.state_dict().items() if name.startswith("text_model.")}
    save_weights(tmp_path / "model.safetensors", tensors)
    with pytest.raises(
        UserError, match="is a text tower without its projection: give the folder of the whole model"
    ):
        embed_classes(str(tmp_path), NAMES)


def test_pickled_weights_are_not_unpickled_and_hashed_where_they_count(
    open_clip: Path, tmp_path: Path
) -> None:
    assert encoder_folder(str(open_clip)) == open_clip
    before = hash_encoder(open_clip)
    copy = tmp_path.parent / f"{tmp_path.name}_copy"
    shutil.copytree(open_clip, copy)
    torch.save({"weights": print}, copy / "open_clip_pytorch_model.bin")
    assert hash_encoder(copy) != before
    with pytest.raises(UserError, match="cannot be read as plain tensors"):
        read_text_tower(copy)


# --- the page ---


def test_the_commands_of_the_page_run_on_folders_of_its_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (REPOSITORY / "docs/text_encoders.md").read_text()
    blocks = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    commands = [shlex.split(line)[3:] for block in blocks for line in block.splitlines()]
    assert len(commands) == 3
    monkeypatch.chdir(tmp_path)
    for arguments in commands:
        folder = Path(arguments[arguments.index("--encoder") + 1])
        folder.mkdir()
        test_open_clip_repositories(folder, "open_clip_model.safetensors", "", False)
        assert main(arguments) == 0
        assert load_class_embeddings(arguments[-1]).vectors.shape[1] == 24
