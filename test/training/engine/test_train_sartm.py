"""What is special to a run of SARTM: several terms, prototypes, LoRA, and weights that are shared or frozen."""

import json
import re
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from training_runs import REPOSITORY, SARTM, metrics, train_tiny, write_msrs

from rgbt_seg_ros.models import ModelCard, build_model, load_model
from training import evaluate
from training.config import Config
from training.config.schema import ModelConfig
from training.engine import trainer
from training.engine.checkpoint import load_state
from training.engine.gradients import accumulate_gradients
from training.engine.optimizer import decay_groups
from training.engine.trained_state import trained_parameters, trained_state
from training.losses.build import build_criterion
from training.weights.initial_model import initial_model

SARTM_NANO = ModelConfig(arch="sartm")
TERMS = ["mask", "auxiliary", "prototype", "similarity"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_msrs(tmp_path_factory.mktemp("data") / "msrs")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A run as in the sizes of SAM 2: their part is frozen, in the recipe's precision; it logs every second step."""

    def frozen_nano(config: Config) -> tuple[nn.Module, ModelCard]:
        network, card = initial_model(config)
        network.encoder.freeze_base()
        network.decoder.freeze_base()
        torch.save(network.state_dict(), run.with_suffix(".pt"))
        return network, card

    run = tmp_path_factory.mktemp("sartm") / "run"
    steps = ("train.max_steps=4", "train.log_every=2", "train.checkpointing=true", "train.precision=bf16")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "initial_model", frozen_nano)
        assert train_tiny(run, *SARTM, *steps, "data.name=msrs", f"data.root={data}") == 0
    return run


def test_terms_and_their_gradient_norms_are_logged(run: Path) -> None:
    first, second = (line for line in metrics(run) if "terms" in line)
    assert (first["step"], second["step"]) == (2, 4)
    assert list(second["terms"]) == list(second["gradient_norms"]) == TERMS
    assert all(norm > 0 for norm in second["gradient_norms"].values())
    board = EventAccumulator(str(run / "tensorboard"))
    board.Reload()
    for name in TERMS:
        (_, logged) = (event.value for event in board.Scalars(f"train/gradient_norms/{name}"))
        assert logged == pytest.approx(second["gradient_norms"][name], rel=1e-6)


def test_prototypes_are_in_the_state_and_nothing_of_the_loss_in_the_model(run: Path) -> None:
    state, model = load_state(run).tensors, load_file(run / "best.safetensors")
    assert state["loss"].keys() == {"prototypes.prototypes", "prototypes.seen"}
    assert state["loss"]["prototypes.prototypes"][state["loss"]["prototypes.seen"]].abs().min() > 0
    assert model.keys() == load_model(run / "best.safetensors").state_dict().keys()
    assert not [name for name in model if "prototype" in name or "teacher" in name]


def test_frozen_weights_are_neither_changed_nor_kept_and_all_others_move(run: Path) -> None:
    start = torch.load(run.with_suffix(".pt"), weights_only=True)
    state, model = load_state(run).tensors, load_file(run / "best.safetensors")
    moved = {name for name, tensor in start.items() if not torch.equal(model[name], tensor)}
    trained = state["network"].keys()
    assert trained == state["average"].keys()
    assert moved <= trained
    assert not [name for name in trained - moved if not name.endswith("num_batches_tracked")]
    for part in ("lora_A", "lora_B", "fusion.", "auxiliary.", "hypernetwork", "conv_s0"):
        assert [name for name in moved if part in name], part
    assert not [name for name in trained if name.endswith(".qkv.weight") or "decoder.transformer." in name]


def test_model_of_a_run_is_evaluated(run: Path, data: Path, tmp_path: Path) -> None:
    arguments = ["--data", "msrs", "--root", str(data), "--split", "val", "--device", "cpu"]
    path = tmp_path / "scores.json"
    assert evaluate.main(["--model", str(run / "best.safetensors"), *arguments, "--json", str(path)]) == 0
    scores, of_the_run = json.loads(path.read_text()), metrics(run)[-1]["val"]
    assert scores["images"] == of_the_run["images"] == 1
    for measure in ("miou", "iou", "acc"):
        assert scores[measure] == pytest.approx(of_the_run[measure], abs=1e-3), measure


def test_the_head_that_answers_can_be_chosen(run: Path, data: Path, tmp_path: Path) -> None:
    """`official` asks SARTM's mask decoder, as its paper did; the model file of this run says mean."""
    common = ["--data", "msrs", "--root", str(data), "--split", "val", "--device", "cpu"]

    def confusion(*options: str, model: str = str(run / "best.safetensors")) -> list[list[int]]:
        path = tmp_path / "scores.json"
        assert evaluate.main(["--model", model, *common, *options, "--json", str(path)]) == 0
        matrix: list[list[int]] = json.loads(path.read_text())["confusion"]
        return matrix

    native = {head: confusion("--head", head) for head in ("mask", "auxiliary", "mean")}
    assert confusion() == native["mean"]
    assert native["mask"] != native["auxiliary"]
    official = {head: confusion("--protocol", "official", "--head", head) for head in ("mask", "mean")}
    assert confusion("--protocol", "official") == official["mask"] != official["mean"]


def test_a_network_of_one_head_has_none_to_choose(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "default", "--data", "msrs", "--root", str(data), "--split", "val"]
    assert evaluate.main([*arguments, "--head", "mask"]) == 1
    assert "is a shifnet, which has one head alone: leave the head out" in capsys.readouterr().err


def test_a_term_that_leaves_nothing_to_cross_entropy_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights = ("loss.prototype_means=printed", "loss.prototype=1e6")
    assert train_tiny(tmp_path / "run", *SARTM, *weights, "train.max_steps=5") == 0
    told = [message for message in caplog.messages if "times that of mask" in message]
    # Warm-up is two steps.
    (sentence,) = told
    assert re.fullmatch(
        r"warning: at step [345] the gradient of the loss term prototype is \d+ times that of mask, so hardly anything "
        r"else is trained: lower loss\.prototype",
        sentence,
    )


def test_gradient_norms_leave_the_gradient_as_it_is() -> None:
    """Terms are measured by backward passes of their own, before the one that counts."""
    gradients = []
    for measure in (False, True):
        torch.manual_seed(0)
        network = build_model("sartm", {"size": "nano"}, torch.eye(9, 12)).train()
        loss = build_criterion(Config(model=SARTM_NANO), network)
        batch = {"rgb": torch.ones(2, 3, 32, 32), "thermal": torch.zeros(2, 3, 32, 32)}
        batch["label"] = torch.arange(32).div(8, rounding_mode="floor").expand(2, 32, 32).clone()
        step = accumulate_gradients(Accelerator(cpu=True), network, loss, [batch], measure)
        assert list(step.gradient_norms) == (TERMS if measure else [])
        gradients.append({name: p.grad for name, p in network.named_parameters()})
    norm = torch.stack([gradient.norm() for gradient in gradients[0].values() if gradient is not None]).norm()
    assert 0 < norm <= sum(step.gradient_norms.values()) * 1.001
    for name, gradient in gradients[0].items():
        assert torch.equal(gradient, gradients[1][name]), name


@pytest.fixture(scope="module")
def base_plus() -> nn.Module:
    return build_model("sartm", {"size": "base_plus"}, torch.eye(9, 384))


def test_optimizer_holds_exactly_what_is_trained_of_base_plus(base_plus: nn.Module) -> None:
    optimizer = torch.optim.AdamW(decay_groups(base_plus, weight_decay=0.01))
    held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    trained = trained_parameters(base_plus)
    assert len(held) == len(trained)
    assert {id(parameter) for parameter in held} == {id(parameter) for parameter in trained.values()}
    for modality in ("rgb", "thermal"):
        lora = [p.numel() for name, p in trained.items() if ".lora_" in name and f".{modality}." in name]
        assert sum(lora) == 663_040
    base = [name for name in trained if name.startswith("encoder.") and ".lora_" not in name]
    assert base == []
    counts = (sum(p.numel() for p in weights) / 1e6 for weights in (base_plus.parameters(), held))
    row = "| SARTM `base_plus` | {:.2f} M | {:.2f} M |".format(*counts)
    assert row in (REPOSITORY / "docs/reproduce.md").read_text()


def test_shared_weights_survive_what_data_parallel_training_does(base_plus: nn.Module) -> None:
    """Parameters are the same objects afterwards, and the state that a run keeps has every name once."""
    before = {name: id(parameter) for name, parameter in base_plus.named_parameters()}
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(base_plus)
    assert {name: id(parameter) for name, parameter in converted.named_parameters()} == before
    assert any(isinstance(module, nn.SyncBatchNorm) for module in converted.modules())
    assert before.keys() <= converted.state_dict().keys()
    assert trained_state(converted).keys() <= converted.state_dict().keys()
    attention = converted.encoder.trunk.blocks[0].attn.qkv
    with torch.no_grad():
        attention.weight.zero_()
    assert not attention.q.rgb(torch.ones(1, 112)).sub(attention.bias[:112]).any()
