"""CLIP's text tower from the layouts that it is published in, as transformers' model: offline, nothing unpickled.

- transformers: `config.json` (model type `clip` or `clip_text_model`), `model.safetensors` or `pytorch_model.bin`
- LanguageBind: the same under model types of its own, `LanguageBindImage` and others, which need its code to be loaded
- OpenCLIP: `open_clip_config.json`, `open_clip_model.safetensors` or `open_clip_pytorch_model.bin`
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.json_files import read_json

from .tensor_file import read_weights

CONFIG, OPEN_CLIP_CONFIG = "config.json", "open_clip_config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_OPEN_CLIP_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
PICKLED_WEIGHTS = tuple(name for name in (*_WEIGHTS, *_OPEN_CLIP_WEIGHTS) if name.endswith(".bin"))
"""Read as plain tensors, and only where there is no `.safetensors` of the same."""

_LANGUAGE_BIND = re.compile(r"LanguageBind\w*")
_BLOCK = re.compile(r"^transformer\.resblocks\.(\d+)\.(.*)$")
_BLOCK_PARTS = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_OPEN_CLIP_NAMES = {
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
}
# Of OpenCLIP's text_cfg: what transformers' text model can be, and what changes nothing.
_TEXT_CFG = {
    "context_length",
    "vocab_size",
    "width",
    "heads",
    "layers",
    "mlp_ratio",
    "output_tokens",
    "variable_text",
}
_TEXT_CFG_DEFAULTS = {"pool_type": "argmax", "proj_type": "linear", "text_arch": "clip"}


@dataclass(frozen=True)
class TextTower:
    """A text tower that is to be built.

    Attributes:
        config: arguments of transformers' `CLIPTextConfig`.
        tensors: of `CLIPTextModelWithProjection`, by its names.
        weights: the file that they come from.
    """

    config: dict[str, Any]
    tensors: dict[str, Tensor]
    weights: Path

    def encode(self, folder: Path, sentences: Iterable[str]) -> Tensor:
        """Text features [S, D] of sentences, not normalised.

        Args:
            folder: with the tokenizer's files.
            sentences: what is embedded.

        Raises:
            UserError: no tokenizer, or weights that do not fit the configuration; names one.
        """
        from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

        _check_tokenizer(folder)
        # Not AutoTokenizer, which asks the configuration for a model type that it knows.
        try:
            tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UserError(
                f"the tokenizer in {folder} cannot be read ({str(error).splitlines()[0]})"
            ) from error
        # Of texts that end in the end token: OpenCLIP and LanguageBind mean it by the highest id.
        ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
        config = CLIPTextConfig(**{**self.config, **ends, "pad_token_id": tokenizer.pad_token_id})
        model = CLIPTextModelWithProjection(config).eval()
        self._check(model.state_dict())
        model.load_state_dict(self.tensors)
        length = config.max_position_embeddings
        tokens = tokenizer(
            list(sentences), padding=True, truncation=True, max_length=length, return_tensors="pt"
        )
        if int(tokens["input_ids"].max()) >= config.vocab_size:
            raise UserError(f"the tokenizer in {folder} has more words than the model: it is another model's")
        with torch.inference_mode():
            features: Tensor = model(
                input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
            ).text_embeds
        return features

    def _check(self, expected: Mapping[str, Tensor]) -> None:
        for name in sorted(expected.keys() | self.tensors.keys()):
            theirs = list(self.tensors[name].shape) if name in self.tensors else "missing"
            ours = list(expected[name].shape) if name in expected else "unknown to CLIP's text tower"
            if theirs != ours:
                raise UserError(
                    f"{self.weights}: {name} is {theirs}, but by the configuration {ours}: it is damaged, or not CLIP's"
                )


def _check_tokenizer(folder: Path) -> None:
    """Transformers makes a tokenizer that knows no word where there is none."""
    files = (("tokenizer.json",), ("vocab.json", "merges.txt"))
    if not any(all((folder / name).is_file() for name in names) for names in files):
        raise UserError(
            f"{folder} has no tokenizer (tokenizer.json, or vocab.json and merges.txt): copy these files of "
            "openai/clip-vit-large-patch14 there, which CLIP, OpenCLIP and LanguageBind share"
        )


def read_text_tower(folder: Path) -> TextTower | None:
    """The text tower in a folder; None if it is none of CLIP's layouts.

    Raises:
        UserError: it is one, but weights are missing or damaged, or it has parts that CLIP's text tower has not.
    """
    transformers = _config(folder / CONFIG)
    kind = str(transformers.get("model_type", ""))
    weights = weights_file(folder, _WEIGHTS)
    if kind in ("clip", "clip_text_model") or _LANGUAGE_BIND.fullmatch(kind):
        if weights is not None:
            return _of_transformers(transformers, kind, weights)
        if not (folder / OPEN_CLIP_CONFIG).is_file():
            raise UserError(f"{folder} has no weights: expected {' or '.join(_WEIGHTS)}")
    if not (folder / OPEN_CLIP_CONFIG).is_file() or (transformers and weights is not None):
        return None
    open_clip_weights = weights_file(folder, _OPEN_CLIP_WEIGHTS)
    if open_clip_weights is None:
        raise UserError(f"{folder} has no weights: expected {' or '.join(_OPEN_CLIP_WEIGHTS)}")
    return _of_open_clip(_config(folder / OPEN_CLIP_CONFIG), folder / OPEN_CLIP_CONFIG, open_clip_weights)


def weights_file(folder: Path, names: Iterable[str] = (*_WEIGHTS, *_OPEN_CLIP_WEIGHTS)) -> Path | None:
    """The first of these files that there is."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _config(path: Path) -> dict[str, Any]:
    return read_json(path, dict[str, Any], "download the encoder again") if path.is_file() else {}


def _of_transformers(config: Mapping[str, Any], kind: str, weights: Path) -> TextTower:
    text = dict(config if kind == "clip_text_model" else config.get("text_config") or {})
    # A part's own value is a default that nobody has set; the model's holds.
    text["projection_dim"] = config.get("projection_dim", text.get("projection_dim", 512))
    tensors = {
        name: tensor
        for name, tensor in read_weights(weights).tensors.items()
        if name.startswith(("text_model.", "text_projection.")) and not name.endswith(".position_ids")
    }
    if tensors and "text_projection.weight" not in tensors:
        raise UserError(
            f"{weights.parent} is a text tower without its projection: give the folder of the whole model"
        )
    return TextTower(_known(text), tensors, weights)


def _known(text: Mapping[str, Any]) -> dict[str, Any]:
    keys = (
        "vocab_size", "hidden_size", "intermediate_size", "projection_dim", "num_hidden_layers",
        "num_attention_heads", "max_position_embeddings", "hidden_act", "layer_norm_eps",
    )  # fmt: skip
    return {key: text[key] for key in keys if key in text}


def _of_open_clip(config: Mapping[str, Any], path: Path, weights: Path) -> TextTower:
    model = config.get("model_cfg") or config
    text = model.get("text_cfg")
    if not isinstance(text, Mapping) or "embed_dim" not in model:
        raise UserError(f"{path} has no model_cfg with embed_dim and text_cfg: download it again")
    other = {
        key: value
        for key, value in text.items()
        if key not in _TEXT_CFG and value not in (None, False, _TEXT_CFG_DEFAULTS.get(key))
        and not key.startswith(("hf_tokenizer", "tokenizer"))
    }  # fmt: skip
    if other:
        key, value = next(iter(other.items()))
        raise UserError(
            f"{path}: its text tower has {key}={value}, which CLIP's own has not: choose another encoder"
        )
    width = int(text.get("width", 512))
    mapped = {
        "vocab_size": text.get("vocab_size", 49408),
        "hidden_size": width,
        "intermediate_size": int(width * text.get("mlp_ratio", 4.0)),
        "projection_dim": model["embed_dim"],
        "num_hidden_layers": text.get("layers", 12),
        "num_attention_heads": text.get("heads", 8),
        "max_position_embeddings": text.get("context_length", 77),
        "hidden_act": "quick_gelu" if model.get("quick_gelu") else "gelu",
    }
    return TextTower(mapped, convert_open_clip(read_weights(weights).tensors), weights)


def convert_open_clip(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """OpenCLIP's text tower under transformers' names; what belongs to images is left out.

    Query, key and value are one matrix there, and the projection is transposed.
    """
    prefix = "text." if any(name.startswith("text.") for name in tensors) else ""
    ours: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not name.startswith(prefix):
            continue
        name = name.removeprefix(prefix)
        if match := _BLOCK.match(name):
            ours |= _block(f"text_model.encoder.layers.{match[1]}", match[2], tensor)
        elif name in _OPEN_CLIP_NAMES:
            ours[_OPEN_CLIP_NAMES[name]] = tensor
        elif name in ("text_projection", "text_projection.weight"):
            is_matrix = name == "text_projection"
            ours["text_projection.weight"] = tensor.T.contiguous() if is_matrix else tensor
    return ours


def _block(layer: str, rest: str, tensor: Tensor) -> dict[str, Tensor]:
    if rest in ("attn.in_proj_weight", "attn.in_proj_bias"):
        kind = rest.rsplit("_", 1)[1]
        return {
            f"{layer}.self_attn.{part}_proj.{kind}": rows.clone()
            for part, rows in zip("qkv", tensor.chunk(3), strict=True)
        }
    part, _, kind = rest.rpartition(".")
    return {f"{layer}.{_BLOCK_PARTS.get(part, part)}.{kind}": tensor}
