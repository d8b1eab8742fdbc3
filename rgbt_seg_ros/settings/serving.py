"""The node's parameters that say which model runs, how pairs wait for it, and what becomes of its answers."""

from dataclasses import dataclass

from rgbt_seg_ros.settings.parameter import declare


@dataclass(frozen=True)
class ServingSettings:
    """Part of `rgbt_seg_ros.settings.Settings`; each field carries its `Parameter`."""

    model: str = declare(
        "model", "default", "Model file (.safetensors), or 'default' for the packaged model."
    )
    device: str = declare(
        "device", "auto", "Where the model runs: auto (a GPU if there is one), cpu, cuda or cuda:N."
    )
    precision: str = declare(
        "precision",
        "auto",
        "Arithmetic of the model: auto is bfloat16 on a GPU (float16 on an older one) and float32 on the CPU.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    classes: str = declare(
        "classes",
        "",
        "Names of the classes to look for, separated by commas: some of the model's own, or any of "
        "class_embeddings; empty takes the model's own list. Ids in the mask follow this list.",
        live=True,
    )
    class_embeddings: str = declare(
        "class_embeddings",
        "",
        "File with embeddings of further class names (see embed_classes); empty: the model's own names only.",
    )
    autostart: bool = declare(
        "autostart",
        True,
        "Configure and activate at start, and exit with 1 if that fails; false waits for a lifecycle manager.",
        read_only=True,
    )
    mode: str = declare(
        "mode",
        "latest",
        "latest: a newer pair replaces a waiting one, for a robot; lossless: every pair is answered and any loss is "
        "an error, for evaluation on recordings.",
        choices=("latest", "lossless"),
        read_only=True,
    )
    lossless_depth: int = declare(
        "lossless.depth",
        300,
        "Images a topic and pairs kept waiting in lossless mode; a waiting VGA pair takes about 1.3 MB.",
        minimum=8,
        maximum=10_000,
        read_only=True,
    )
    input_reliability: str = declare(
        "input_reliability",
        "best_effort",
        "Reliability asked of the image topics in mode latest; mode lossless always asks for reliable.",
        choices=("best_effort", "reliable"),
        read_only=True,
    )
    max_age: float = declare(
        "max_age",
        1.0,
        "In mode latest, pairs that waited longer than this for inference are dropped as stale; 0 keeps all.",
        unit="s",
        minimum=0.0,
        maximum=60.0,
        live=True,
    )
    detections_min_area: int = declare(
        "detections.min_area",
        50,
        "Smallest connected component that is reported as a detection.",
        unit="pixels",
        minimum=1,
        maximum=100_000,
        live=True,
    )
    detections_score_threshold: float = declare(
        "detections.score_threshold",
        0.5,
        "Smallest mean probability of a component that is reported as a detection.",
        minimum=0.0,
        maximum=1.0,
        live=True,
    )
    overlay_alpha: float = declare(
        "overlay.alpha",
        0.5,
        "Weight of the class colours in ~/overlay: 0 shows the RGB image, 1 the colours alone.",
        minimum=0.0,
        maximum=1.0,
        live=True,
    )

    @property
    def lossless(self) -> bool:
        """Whether every pair must be answered."""
        return self.mode == "lossless"

    @property
    def class_list(self) -> tuple[str, ...]:
        """The names in `classes`; empty: the model's own."""
        return split_names(self.classes)


def split_names(text: str) -> tuple[str, ...]:
    """The names in a comma-separated list."""
    return tuple(name.strip() for name in text.split(",") if name.strip())
