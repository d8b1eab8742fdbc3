"""The training loop: one run from a configuration to a model file."""

import dataclasses
import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.utils.data import DataLoader

from rgbt_seg_ros.classes import MFNET
from rgbt_seg_ros.errors import UserError
from rgbt_seg_ros.models import ModelCard, build_model, save_model
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.share import share_path
from rgbt_seg_ros.thermal import ThermalNormalization

from .augment import Augmentation
from .checkpoint import load_checkpoint, save_checkpoint
from .config import Config
from .datasets import TrainingStream, collate, training_sources, validation_source
from .embed_classes import ClassEmbeddings, load_class_embeddings
from .evaluate import score
from .losses import SegmentationLoss
from .optimizer import decay_groups, lr_schedule, moving_average


class Trainer:
    """One run: builds everything from the configuration, then `fit` trains, validates and saves.

    Raises:
        UserError: data, embeddings or configuration are not usable together.
    """

    def __init__(self, config: Config, resume: bool = False) -> None:
        self.config = config
        self.run = Path(config.run.dir)
        if config.train.threads is not None:
            torch.set_num_threads(config.train.threads)
        self.accelerator = Accelerator(
            mixed_precision={"fp32": "no", "bf16": "bf16"}[config.train.precision],
            # Without this torchrun's processes on a CPU would each train on their own.
            cpu=not torch.cuda.is_available(),
        )
        set_seed(config.train.seed)
        embeddings = _class_embeddings(config)
        self.steps = config.train.max_steps or 1000
        self.card = _model_card(config, embeddings)
        self.validation = validation_source(config.data)
        network = build_model(config.model.arch, self.card.config, embeddings.vectors)
        self.ema = moving_average(network, config.train.ema_decay)
        optimizer = torch.optim.AdamW(decay_groups(network, config.train.weight_decay), lr=config.train.lr)
        self.schedule = lr_schedule(optimizer, config.train, self.steps)
        self.step, self.best = 0, -1.0
        if resume:
            self._restore(network, optimizer)
        self.network, self.optimizer = self.accelerator.prepare(network, optimizer)
        self.batches = self.accelerator.prepare(self._loader())
        self.loss = SegmentationLoss(config.train.class_weights).to(self.accelerator.device)
        self.ema.to(self.accelerator.device)

    def fit(self) -> None:
        """Train to the last step; Ctrl-C saves and stops.

        Raises:
            UserError: a sample cannot be read, or the loss is not finite.
            KeyboardInterrupt: after an interrupt, with everything saved.
        """
        train = self.config.train
        with _interrupts() as interrupted, self._progress() as progress:
            task = progress.add_task("training", total=self.steps, completed=self.step)
            started, recent = time.perf_counter(), []
            for batch in self.batches:
                if isinstance(batch, UserError):
                    raise batch
                recent.append(self._train_step(batch))
                progress.update(task, completed=self.step)
                if self.step % train.log_every == 0:
                    seconds = time.perf_counter() - started
                    self._log(
                        loss=sum(recent) / len(recent), lr=self._lr(), seconds_per_step=seconds / len(recent)
                    )
                    started, recent = time.perf_counter(), []
                if self.step % train.eval_every == 0 or self.step == self.steps:
                    if self.accelerator.is_main_process:
                        progress.console.print(self._validate())
                        self._save()
                    started, recent = time.perf_counter(), []
                if interrupted.is_set():
                    if self.accelerator.is_main_process:
                        self._save()
                    raise KeyboardInterrupt

    def _train_step(self, batch: dict[str, Tensor]) -> float:
        self.network.train()
        with self.accelerator.autocast():
            logits = self.network(batch["rgb"], batch["thermal"])
        loss = self.loss(logits, batch["label"])
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        norm = self.accelerator.clip_grad_norm_(self.network.parameters(), self.config.train.clip_norm)
        value = float(loss.detach())
        if not (torch.isfinite(loss) and (norm is None or torch.isfinite(norm))):
            raise UserError(
                f"the loss or its gradient is not finite at step {self.step + 1} (loss {value}): "
                f"lower train.lr; {self.run / 'last'} keeps the last validated state"
            )
        self.optimizer.step()
        self.schedule.step()
        self.ema.update_parameters(self.accelerator.unwrap_model(self.network))
        self.step += 1
        return value

    def _validate(self) -> str:
        """Score the averaged weights, keep them if they are the best so far, and say so in one line."""
        network = self.ema.module.eval()
        segmenter = Segmenter(
            network, self.card, "", self.accelerator.device, "float32", ThermalNormalization()
        )
        scores = score(segmenter, self.validation)
        self._log(val=scores)
        miou = scores["miou"] or 0.0
        if miou > self.best:
            self.best = miou
            summary = {"steps": self.step, "scores": {**scores, "on": self._validation_name()}}
            card = dataclasses.replace(self.card, training={**self.card.training, **summary})
            save_model(self.run / "best.safetensors", network, card, half=self.config.run.half)
        classes = " ".join(
            f"{name} {value:.2f}" for name, value in scores["iou"].items() if value is not None
        )
        return f"step {self.step}: mIoU {miou:.3f} (best {self.best:.3f}): {classes}"

    def _validation_name(self) -> str:
        data = self.config.data
        return "rendered stills" if data.name == "scenes" else f"{data.name} {data.val_split}"

    def _loader(self) -> DataLoader:
        """All batches that are left; `train.batch_size` is that of one process."""
        config, scaling = self.config, self.card.scaling
        step_samples = config.train.batch_size * self.accelerator.num_processes
        real, rendered = training_sources(config.data)
        stream = TrainingStream(
            real,
            rendered,
            (config.data.rendered_share, config.data.rendered_share_end),
            Augmentation(config.augment, config.model.short_side, scaling),
            self.steps * step_samples,
            config.train.seed,
        )
        return DataLoader(
            stream,
            batch_size=config.train.batch_size,
            sampler=range(self.step * step_samples, len(stream)),
            num_workers=config.data.workers,
            collate_fn=collate,
            worker_init_fn=_start_worker,
            # An own generator: starting the loader draws a number, which a resumed run must not draw twice.
            generator=torch.Generator().manual_seed(config.train.seed),
        )

    def _lr(self) -> float:
        return float(self.schedule.get_last_lr()[0])

    def _log(self, **values: Any) -> None:
        if self.accelerator.is_main_process:
            with open(self.run / "metrics.jsonl", "a") as file:
                file.write(json.dumps({"step": self.step, **values}) + "\n")

    def _progress(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        return Progress(*columns, disable=not self.accelerator.is_main_process)

    def _save(self) -> None:
        state = {
            "step": self.step,
            "best": self.best,
            "network": self.accelerator.unwrap_model(self.network).state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(),
        }
        save_checkpoint(self.run, state)

    def _restore(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        state = load_checkpoint(self.run)
        self.step, self.best = state["step"], state["best"]
        network.load_state_dict(state["network"])
        self.ema.load_state_dict(state["ema"])
        optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])


def _class_embeddings(config: Config) -> ClassEmbeddings:
    path = Path(config.model.embeddings)
    if path.parts[0] == "config" and not path.exists():
        path = share_path(config.model.embeddings)
    embeddings = load_class_embeddings(path)
    if embeddings.names != MFNET.names:
        raise UserError(
            f"{config.model.embeddings} embeds {', '.join(embeddings.names)}, but {config.data.name} has the classes "
            f"{', '.join(MFNET.names)}: make the file with training.embed_classes"
        )
    weights = config.train.class_weights
    if weights is not None and len(weights) != len(MFNET.names):
        raise UserError(f"train.class_weights has {len(weights)} values for {len(MFNET.names)} classes")
    return embeddings


def _model_card(config: Config, embeddings: ClassEmbeddings) -> ModelCard:
    values = dataclasses.asdict(config)
    # Where the data lies and the run goes is of the machine, not of the model.
    del values["data"]["root"], values["run"]
    return ModelCard(
        arch=config.model.arch,
        config={"size": config.model.size},
        class_names=MFNET.names,
        thing_classes=MFNET.things,
        embeddings={
            "encoder": embeddings.encoder,
            "encoder_hash": embeddings.encoder_hash,
            "templates": list(embeddings.templates),
        },
        short_side=config.model.short_side,
        training={"data": config.data.name, "config": values},
    )


def _start_worker(_: int) -> None:
    # Ctrl-C reaches the whole process group; the training process decides when workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, so that a run stops between steps and never within one."""
    event = threading.Event()
    previous = signal.signal(signal.SIGINT, lambda *_: event.set())
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, previous)
