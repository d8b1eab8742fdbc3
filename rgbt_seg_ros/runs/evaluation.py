"""What a model scores on a split of a data set, as `training.evaluate --json` and its runs' summaries hold it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from rgbt_seg_ros.base.json_files import Count, Share
from rgbt_seg_ros.masks.scores import Scores

SUBSETS = ("day", "night")

# MFNet's guardrails are in a handful of test images and labelled inconsistently: their IoU is close to noise.
NOISY_CLASS = "guardrail"


class ScoresJson(TypedDict, total=False):
    """What is read of `Scores.to_json`."""

    iou: dict[str, Share | None]
    acc: dict[str, Share | None]


class SubsetScoresJson(ScoresJson):
    """What is read of `SubsetScores.to_json`."""

    images: Count


class SplitScoresJson(SubsetScoresJson, total=False):
    """What is read of `SplitScores.to_json`."""

    subsets: dict[str, SubsetScoresJson | None] | None


class ImageScoreJson(TypedDict):
    """One of `per_image`."""

    name: str
    miou: Share | None


class EvaluationJson(ScoresJson, total=False):
    """What is read of `Evaluation.to_json`."""

    images: Count
    subsets: dict[str, SubsetScoresJson | None] | None
    data: str
    split: str
    protocol: str
    tta: bool
    thermal: str
    modality: str
    model: str | None
    model_hash: str | None
    confusion: list[list[Count]]
    per_image: list[ImageScoreJson]
    modalities: dict[str, SplitScoresJson] | None


@dataclass(frozen=True)
class ImageScore:
    """One image's place in its source, name, and mIoU over the classes in it (None: all of it is ignored)."""

    index: int
    name: str
    miou: float | None


@dataclass(frozen=True)
class SubsetScores(Scores):
    """Scores over a number of images, for instance over those by night."""

    images: int

    @property
    def miou_without_guardrail(self) -> float | None:
        """Mean IoU over the other classes than MFNet's guardrail."""
        return self.miou_without(NOISY_CLASS)

    def to_json(self) -> dict[str, Any]:
        """As of `Scores`, `images`, and `miou_without_guardrail` where there is such a class."""
        values = super().to_json()
        if NOISY_CLASS in self.iou:
            values["miou_without_guardrail"] = self.miou_without_guardrail
        return {**values, "images": self.images}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "SubsetScores":
        """From what `to_json` made; means are of the classes again."""
        scores = Scores.from_json(values)
        return cls(scores.iou, scores.acc, values["images"])


@dataclass(frozen=True)
class SplitScores(SubsetScores):
    """Scores over all images of a source, and over each of its subsets, day and night; None for one without images."""

    subsets: Mapping[str, SubsetScores | None]

    def to_json(self) -> dict[str, Any]:
        """As of `SubsetScores`, and `subsets` {name: the same or None}."""
        subsets = {name: part.to_json() if part else None for name, part in self.subsets.items()}
        return {**super().to_json(), "subsets": subsets}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "SplitScores":
        """From what `to_json` made."""
        subsets = {
            name: SubsetScores.from_json(part) if part else None
            for name, part in (values.get("subsets") or {}).items()
        }
        scores = Scores.from_json(values)
        return cls(scores.iou, scores.acc, values["images"], subsets)


@dataclass(frozen=True)
class Evaluation:
    """One run of `training.evaluate`: what was scored, how, and what came of it.

    Attributes:
        scores: of the modality; of the first one if there are several.
        data, split, protocol, tta, thermal, modality, model: the command's options. An older file that lacks one was
            made with its default.
        model_hash: of the model file.
        confusion: [N][N + 1], see `rgbt_seg_ros.masks.scores.ConfusionMatrix`.
        per_image: each image by itself, in the order of the source.
        modalities: scores by modality, if all were asked for.
    """

    scores: SplitScores
    data: str
    split: str
    protocol: str = "native"
    tta: bool = False
    thermal: str = "8bit"
    modality: str = "both"
    model: str = "default"
    model_hash: str | None = None
    confusion: Sequence[Sequence[int]] = ()
    per_image: tuple[ImageScore, ...] = ()
    modalities: Mapping[str, SplitScores] | None = None

    def to_json(self) -> dict[str, Any]:
        """What `training.evaluate --json` writes."""
        values = {
            **self.scores.to_json(),
            "protocol": self.protocol,
            "tta": self.tta,
            "data": self.data,
            "split": self.split,
            "thermal": self.thermal,
            "modality": self.modality,
            "model": self.model,
            "model_hash": self.model_hash,
            "confusion": [[*row] for row in self.confusion],
            "per_image": [{"name": image.name, "miou": image.miou} for image in self.per_image],
        }
        if self.modalities is not None:
            values["modalities"] = {name: part.to_json() for name, part in self.modalities.items()}
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Evaluation":
        """From what `to_json` made, whatever else is there."""
        plain = ("protocol", "tta", "thermal", "modality", "model", "model_hash", "confusion")
        per_image = [
            ImageScore(index, image["name"], image["miou"])
            for index, image in enumerate(values.get("per_image", []))
        ]
        modalities = values.get("modalities")
        return cls(
            SplitScores.from_json(values),
            values["data"],
            values["split"],
            **{name: values[name] for name in plain if name in values},
            per_image=tuple(per_image),
            modalities=modalities
            and {name: SplitScores.from_json(part) for name, part in modalities.items()},
        )
