"""The smallest models learn real pairs by heart, so data, network, loss and optimizer work together."""

from pathlib import Path

import pytest
from training_runs import SARTM, load_state, train_here

# Day and night, with large cars, people and bicycles.
PAIRS = ("01310N", "01352N", "01417D", "01599D")
PLAIN = (
    "augment.min_scale=1",
    "augment.max_scale=1",
    "augment.flip=0",
    "augment.jitter=0",
    "augment.blur=0",
    "augment.thermal_gain=0",
    "augment.thermal_offset=0",
    "augment.thermal_noise=0",
)
SHORT = (
    # Steps at a quarter of the images' width take a twentieth of the time.
    "model.short_side=128",
    "augment.crop_height=128",
    "augment.crop_width=171",
    "train.batch_size=4",
    "train.warmup_steps=10",
    "train.weight_decay=0",
    "train.log_every=25",
    # So small steps gain little by a second thread, and a busy machine makes the two wait for each other.
    "train.threads=1",
    "data.workers=0",
)
SARTM_STEPS = ("train.max_steps=110", "train.eval_every=110", "train.lr=3e-3", "loss.auxiliary=0.4")
OF_ARCHITECTURE = {
    "shifnet": (
        "train.max_steps=75",
        "train.eval_every=75",
        "train.lr=3e-3",
        "train.class_weights=[0.5,1,1.5,1,1,1,1,1,1]",
    ),
    # For pretrained features the paper's weights hold; random ones are to move far, and both heads to learn.
    "sartm": (*SARTM, *SARTM_STEPS, "loss.prototype=100"),
    "sartm, printed means": (*SARTM, *SARTM_STEPS, "loss.prototype_means=printed", "loss.prototype=1"),
}


@pytest.mark.parametrize("arch", OF_ARCHITECTURE)
def test_nano_overfits_four_real_pairs(tmp_path: Path, samples: Path, arch: str) -> None:
    root = tmp_path / "four"
    root.mkdir()
    for folder in ("vi", "ir", "Segmentation_labels"):
        (root / folder).symlink_to(samples / "msrs70" / folder)
    for split in ("train", "val"):
        (root / f"{split}.txt").write_text("\n".join(PAIRS))
    run, config = tmp_path / "run", tmp_path / "overfit.yaml"
    config.write_text("data: {name: msrs}\n")
    data = (f"data.root={root}", f"run.dir={run}")
    assert train_here("--config", str(config), *data, *PLAIN, *SHORT, *OF_ARCHITECTURE[arch]) == 0
    # At the labels' 480x640.
    assert load_state(run).numbers["best"] >= 0.9
