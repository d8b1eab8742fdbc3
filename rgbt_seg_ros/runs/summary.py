"""The numbers of a run, as summary.json and metrics.json hold them; `rgbt_seg_ros.runs.summarize` counts them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypedDict

import msgspec

from rgbt_seg_ros.base.diagnostics import PERCENTILES, Drop, Stage, own_cost
from rgbt_seg_ros.base.json_files import Count, Nanoseconds, Share, encode_json
from rgbt_seg_ros.base.whole_files import write_file
from rgbt_seg_ros.masks.classes import UNLABELED_NAME, by_current_name
from rgbt_seg_ros.masks.scores import Scores
from rgbt_seg_ros.runs.evaluation import Evaluation, EvaluationJson

_NOT_RECEIVED = "not_received"

Number = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]


class ClassCountsJson(TypedDict, total=False):
    """What is read of a class."""

    pixel_share: Share
    detections: Count


class SummaryJson(EvaluationJson, total=False):
    """What is read of `Summary.to_json`; older versions wrote less."""

    pairs: Count | None
    masks: Count
    detections: Count
    dropped: dict[str, Count]
    latency_ms: dict[str, Number | None]
    skew_ms: dict[str, Number | None]
    masks_hz: Number | None
    duration_s: Number
    rgb_in: Count | None
    thermal_in: Count | None
    stages_ms: dict[str, dict[str, Number | None]]
    possible_hz: Number | None
    device: str | None
    confidence: Share | None
    flicker: Share | None
    classes: dict[str, ClassCountsJson]
    miou: Share | None
    labelled_masks: Count
    frame_miou: dict[Nanoseconds, Share | None]
    recording: str | None
    playback_rate: Number | None
    note: str | None
    settings: dict[str, str] | None
    host: dict[str, str] | None
    mask_hash: str | None
    bag_hash: str | None
    missing: dict[str, Count] | None
    alone: Count | None


@dataclass(frozen=True)
class Percentiles:
    """Of times in milliseconds; None if none is known."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Percentiles":
        return cls(**{name: values.get(name) for name in PERCENTILES})


@dataclass(frozen=True)
class SkewPercentiles:
    """Of the absolute time between the images of a pair in milliseconds; None if none is known."""

    p50: float | None = None
    max: float | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "SkewPercentiles":
        return cls(values.get("p50"), values.get("max"))


@dataclass(frozen=True)
class ClassCounts:
    """What was found of a class: its share of all mask pixels, 0 to 1, and its detections."""

    pixel_share: float
    detections: int


@dataclass(frozen=True)
class Dropped:
    """Images and pairs that were not used.

    Attributes:
        by_cause: by the node's own count, in its order.
        not_received: masks that the node sent and the recorder did not get; None without the node's count.
    """

    by_cause: Mapping[Drop, int] = field(default_factory=dict)
    not_received: int | None = None

    @property
    def surplus(self) -> int:
        """Images of the faster camera that the slower one has no partner for; nothing is lost with them."""
        return self.by_cause.get(Drop.SURPLUS, 0)

    @property
    def lost(self) -> dict[str, int]:
        """All but the surplus, by the name of the cause."""
        return {cause: count for cause, count in self.to_json().items() if cause != Drop.SURPLUS.cause}

    def to_json(self) -> dict[str, int]:
        """By the name of the cause; masks that were not received are the last."""
        named = {drop.cause: count for drop, count in self.by_cause.items()}
        return named if self.not_received is None else {**named, _NOT_RECEIVED: self.not_received}

    @classmethod
    def from_json(cls, values: Mapping[str, int]) -> "Dropped":
        causes = {drop.cause: drop for drop in Drop}
        by_cause = {causes[name]: count for name, count in values.items() if name in causes}
        return cls(by_cause, values.get(_NOT_RECEIVED))


@dataclass(frozen=True)
class LabelledMasks:
    """The masks that have a label.

    Attributes:
        count: how many they are; of a data set, images.
        scores, confusion: over all of them; the latter, see `ConfusionMatrix.matrix`, is not written.
        frame_miou: of each by its stamp, None if its whole label is ignored; of a data set, those on the page.
    """

    count: int
    scores: Scores
    frame_miou: Mapping[int, float | None] = field(default_factory=dict)
    confusion: Sequence[Sequence[int]] = field(default=(), compare=False)


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    Attributes:
        pairs: that the node made, by its own count; None if its diagnostics never came.
        masks, detections: received by the recorder.
        dropped: images and pairs that were not used.
        latency_ms: from receiving an RGB image to receiving its mask, both in the recorder.
        skew_ms: between the images of a pair.
        masks_hz: masks a second of wall-clock time.
        duration_s: time between the first and the last stamp.
        rgb_in, thermal_in: images that the node received.
        stages_ms: of the masks where their times are known, else as the node says.
        possible_hz: masks a second if the node were always busy: 1 / sum of the stages' medians; None if unknown.
        model, model_hash, device: as the node says.
        confidence: mean probability of the chosen class, 0 to 1; None if it was not received.
        flicker: share of the appearances of classes that last one mask, see `rgbt_seg_ros.runs.quality.flicker_of`.
        classes: by name.
        labelled: where there are labels.
        evaluation: of a run over a data set.
        recording: its name.
        playback_rate: times the recording's own speed.
        note: a sentence for people.
        settings, host: that it ran with and on, by name.
        mask_hash, bag_hash: of all masks in order, and of the recording.
        missing: images of the recording that the node did not get, by camera.
        alone: images that were answered without the other camera's; None if there were none.
    """

    pairs: int | None = None
    masks: int = 0
    detections: int = 0
    dropped: Dropped = field(default_factory=Dropped)
    latency_ms: Percentiles = field(default_factory=Percentiles)
    skew_ms: SkewPercentiles = field(default_factory=SkewPercentiles)
    masks_hz: float | None = None
    duration_s: float = 0.0
    rgb_in: int | None = None
    thermal_in: int | None = None
    stages_ms: Mapping[Stage, Percentiles] = field(default_factory=dict)
    possible_hz: float | None = None
    model: str | None = None
    model_hash: str | None = None
    device: str | None = None
    confidence: float | None = None
    flicker: float | None = None
    classes: Mapping[str, ClassCounts] = field(default_factory=dict)
    labelled: LabelledMasks | None = None
    evaluation: Evaluation | None = None
    recording: str | None = None
    playback_rate: float | None = None
    note: str | None = None
    settings: Mapping[str, str] | None = None
    host: Mapping[str, str] | None = None
    mask_hash: str | None = None
    bag_hash: str | None = None
    missing: Mapping[str, int] | None = None
    alone: int | None = None

    @property
    def own_cost_ms(self) -> tuple[float, float] | None:
        return own_cost({stage: times.p50 or 0.0 for stage, times in self.stages_ms.items()})

    @property
    def scores(self) -> Scores | None:
        """Scores against labels, where there are any."""
        return None if self.labelled is None else self.labelled.scores

    def to_json(self) -> dict[str, Any]:
        """The content of summary.json; of what was not counted but noted, only what there is."""
        counted = {
            "pairs": self.pairs,
            "masks": self.masks,
            "detections": self.detections,
            "dropped": self.dropped.to_json(),
            "latency_ms": asdict(self.latency_ms),
            "skew_ms": asdict(self.skew_ms),
            "masks_hz": self.masks_hz,
            "duration_s": self.duration_s,
            "rgb_in": self.rgb_in,
            "thermal_in": self.thermal_in,
            "stages_ms": {stage.value: asdict(times) for stage, times in self.stages_ms.items()},
            "possible_hz": self.possible_hz,
            "model": self.model,
            "model_hash": self.model_hash,
            "device": self.device,
            "confidence": self.confidence,
            "flicker": self.flicker,
            "classes": {name: asdict(counts) for name, counts in self.classes.items()},
        }
        noted = {name: getattr(self, name) for name in _NOTED if getattr(self, name) is not None}
        return {**counted, **self._scores_to_json(), **noted}

    def _scores_to_json(self) -> dict[str, Any]:
        if self.labelled is None:
            return {}
        scores = self.labelled.scores.to_json()
        frames = {"frame_miou": {str(stamp): miou for stamp, miou in self.labelled.frame_miou.items()}}
        number = {"labelled_masks": self.labelled.count}
        if self.evaluation is not None:
            return {**self.evaluation.to_json(), **frames, **number}
        return {**{name: scores[name] for name in ("miou", "iou", "acc")}, **number, **frames}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Summary":
        """From what `to_json` made; stages and causes that are not known here are left out."""
        stages = {stage.value: stage for stage in Stage}
        evaluation = Evaluation.from_json(values) if "split" in values else None
        labelled = None
        if "miou" in values:
            scores = evaluation.scores if evaluation else Scores.from_json(values)
            frames = values.get("frame_miou", {}).items()
            labelled = LabelledMasks(values["labelled_masks"], scores, {int(k): miou for k, miou in frames})
        return cls(
            **{name: values[name] for name in (*_PLAIN, *_NOTED) if name in values},
            dropped=Dropped.from_json(values["dropped"]),
            latency_ms=Percentiles.from_json(values["latency_ms"]),
            skew_ms=SkewPercentiles.from_json(values["skew_ms"]),
            stages_ms={
                stages[name]: Percentiles.from_json(times)
                for name, times in values["stages_ms"].items()
                if name in stages
            },
            classes={
                name: ClassCounts(counts.get("pixel_share", 0.0), counts.get("detections", 0))
                for name, counts in _by_current_name(values["classes"]).items()
            },
            labelled=labelled,
            evaluation=evaluation,
        )

    def write(self, path: Path) -> None:
        """Write it as JSON.

        Raises:
            UserError: it cannot be written; a file that is there stays as it is.
        """
        write_file(path, encode_json(self.to_json(), indent=2) + "\n")


_PLAIN = (
    *("pairs", "masks", "detections", "masks_hz", "duration_s", "rgb_in", "thermal_in", "possible_hz"),
    *("model", "model_hash", "device", "confidence", "flicker"),
)
_NOTED = (
    *("recording", "playback_rate", "note", "settings", "host", "mask_hash", "bag_hash", "missing", "alone"),
)


def _by_current_name(classes: dict[str, ClassCountsJson]) -> dict[str, ClassCountsJson]:
    *named, last = classes or [""]
    if not named or last not in (UNLABELED_NAME, "no class"):
        return by_current_name(classes)
    # Pixels of 255 stand behind the classes, in older runs by another name.
    return by_current_name({name: classes[name] for name in named}) | {UNLABELED_NAME: classes[last]}
