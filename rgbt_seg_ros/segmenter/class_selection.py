"""The classes that a model is asked for: all of its own, some of them, or others by their text vectors."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import torch
from torch import Tensor

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import BACKGROUND, UNLABELED, UNLABELED_16, find_name
from rgbt_seg_ros.models.model_file import WEAK_IOU, ModelCard
from rgbt_seg_ros.segmenter.class_embeddings import ClassEmbeddings


@dataclass(frozen=True, eq=False)
class ClassSelection:
    """A list of classes, and how the network is made to answer with their ids.

    Attributes:
        names: class names; the position is the id in masks.
        thing_classes: those that are countable objects and become detections.
        vectors: float32 [N, D], what the network compares pixels with; None: its own class embeddings.
        ids: uint8 or uint16 [N], the id of each of the network's answers; None: the answers are ids.
        off: names that are not looked for: they keep their ids, and their pixels are unlabeled.
    """

    names: tuple[str, ...]
    thing_classes: tuple[str, ...]
    vectors: Tensor | None = None
    ids: np.ndarray | None = None
    off: tuple[str, ...] = ()

    @property
    def unlabeled(self) -> int:
        """Id of a pixel whose class is not in the list."""
        return UNLABELED if len(self.names) <= UNLABELED else UNLABELED_16

    @property
    def mask_type(self) -> type[np.unsignedinteger]:
        """Type of the masks: uint8, or uint16 for more than 255 classes."""
        return np.uint8 if len(self.names) <= UNLABELED else np.uint16


def own_classes(card: ModelCard) -> ClassSelection:
    """All the classes that a model was trained on."""
    return ClassSelection(card.class_names, card.thing_classes)


def default_classes(card: ModelCard) -> ClassSelection:
    """The classes that a node looks for unless it is told: all but the model's weak ones, which become unlabeled.

    Ids stay those of the model's own list, which labels of a data set have, too.
    """
    own = own_classes(card)
    strong = [name for name in card.class_names if name not in card.weak_classes]
    # A model that finds nothing at all, of a first short run, is shown as it is.
    if not card.weak_classes or all(name in BACKGROUND for name in strong):
        return own
    ids = [i if name in strong else own.unlabeled for i, name in enumerate(own.names)]
    things = tuple(name for name in own.thing_classes if name in strong)
    return ClassSelection(own.names, things, ids=np.array(ids, own.mask_type), off=card.weak_classes)


def weak_classes(iou: Mapping[str, float | None]) -> tuple[str, ...]:
    """The classes of which a model finds next to nothing, by their IoU on real images; background is none of them."""
    return tuple(
        name
        for name, value in iou.items()
        if value is not None and value < WEAK_IOU and name not in BACKGROUND
    )


def select_classes(
    card: ModelCard,
    own_vectors: Tensor,
    names: Sequence[str],
    embeddings: ClassEmbeddings | None = None,
) -> ClassSelection:
    """Choose the classes of a model.

    Only names of the model's own: the network goes on telling all its own classes apart, and pixels of those that are
    not listed become unlabeled. With any other name: exactly the listed classes compete for every pixel, and other
    names count as things. Other spellings of a known name (`car_stop`) are that name.

    Args:
        card: of the model.
        own_vectors: its class embeddings, float32 [N, D].
        names: what to look for, in the order of the ids; empty: the model's own list, see `default_classes`.
        embeddings: where other names are looked up; made by the text encoder of the model's own.

    Raises:
        UserError: a name that is unknown or occurs twice, or embeddings that do not belong to the model.
    """
    if embeddings is not None:
        _check_belongs(card, own_vectors, embeddings)
    if not names:
        return default_classes(card)
    known = dict.fromkeys((*card.class_names, *(embeddings.names if embeddings is not None else ())))
    names = [find_name(name, known) or name for name in names]
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise UserError(f"the class {repeated[0]!r} is listed twice: give each once")
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise _unknown_class(unknown, list(known), embeddings is None and compares_with_text(card))
    if set(names) <= set(card.class_names):
        return _own_subset(card, names)
    assert embeddings is not None
    rows = dict(zip(embeddings.names, embeddings.vectors.to(own_vectors), strict=True))
    # A name in both lists means what the model was trained with.
    rows |= zip(card.class_names, own_vectors, strict=True)
    things = (name for name in names if name in card.thing_classes or name not in card.class_names)
    return ClassSelection(tuple(names), tuple(things), vectors=torch.stack([rows[name] for name in names]))


def _own_subset(card: ModelCard, names: Sequence[str]) -> ClassSelection:
    things = tuple(name for name in names if name in card.thing_classes)
    selection = ClassSelection(tuple(names), things)
    ids = [names.index(name) if name in names else selection.unlabeled for name in card.class_names]
    return ClassSelection(tuple(names), things, ids=np.array(ids, selection.mask_type))


def compares_with_text(card: ModelCard) -> bool:
    """Whether a model tells classes apart by text vectors alone, so that it can be asked for others."""
    return card.arch == "shifnet" and card.config.get("decoder", "hpd") == "hpd"


def _check_belongs(card: ModelCard, own_vectors: Tensor, embeddings: ClassEmbeddings) -> None:
    if not compares_with_text(card):
        model = "SARTM" if card.arch == "sartm" else f"a model with the decoder {card.config['decoder']}"
        raise UserError(
            f"{model} knows only the classes it was trained on: "
            "take the class embeddings away, or choose a SHIFNet with the decoder hpd"
        )
    encoder, own_hash = card.embeddings.get("encoder", "unknown"), card.embeddings.get("encoder_hash")
    if own_hash != embeddings.encoder_hash or embeddings.vectors.shape[1] != own_vectors.shape[1]:
        raise UserError(
            f"the class embeddings come from the text encoder {embeddings.encoder} (width "
            f"{embeddings.vectors.shape[1]}), but the model's own from {encoder} (width {own_vectors.shape[1]}): "
            "make them with the same encoder (training.embed_classes --encoder)"
        )


def _unknown_class(name: str, known: Sequence[str], file_helps: bool) -> UserError:
    nearest = get_close_matches(name, known, n=1, cutoff=0.0)[0]
    advice = "; other classes need a class embedding file" if file_helps else ""
    return UserError(
        f"there is no class {name!r} (the nearest is {nearest!r}): choose among {', '.join(known)}{advice}"
    )
