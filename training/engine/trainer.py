"""The training loop: one run from a configuration to a model file."""

import dataclasses
import logging
import math
import time
from collections.abc import Generator, Sequence
from contextlib import closing, nullcontext
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from accelerate.utils import set_seed
from rich.console import Console
from torch import Tensor

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.base.interrupts import Interrupted
from rgbt_seg_ros.images.thermal import ThermalNormalization
from rgbt_seg_ros.models import save_model
from rgbt_seg_ros.segmenter import Segmenter
from rgbt_seg_ros.segmenter.class_selection import weak_classes

from ..config import Config
from ..data.sources import training_sources, validation_source
from ..losses.build import build_criterion
from ..scoring.counts import score
from ..scoring.protocols import protocol_for
from ..weights.initial_model import initial_model
from .batches import Batch, RunBatches, Shard
from .gradients import StepLoss, accumulate_gradients, convert_batch_norm, synchronize_statistics
from .interrupts import Interruption, interrupts
from .kept_models import KeptModels
from .loss_watch import overwhelming_term
from .optimizer import decay_groups, learning_rate
from .plateau import Plateau
from .processes import accelerator_of
from .run_length import Minutes, RunLength
from .run_log import RunLog, progress_bar, tracking
from .run_state import RunState, kept

_LOG = logging.getLogger(__name__)

_PICTURED = 4
"""Samples on a sheet of predictions: the first of the validation split."""


class Trainer:
    """One run: builds everything from the configuration, then `fit` trains, validates and saves.

    Every process of a run has its own; between steps all of them hold the same weights, optimizer and average, and
    only random numbers differ.

    Raises:
        UserError: data, embeddings, weights or configuration are not usable together, or there is no state to resume.
    """

    def __init__(self, config: Config, resume: bool = False) -> None:
        self.config = config
        self.run = Path(config.run.dir)
        self.accelerator = accelerator_of(config)
        self.console = Console(quiet=not self.accelerator.is_main_process)
        set_seed(config.train.seed)
        network, self.card = initial_model(config)
        self.validation = validation_source(config.data)
        self.real, self.rendered = training_sources(config.data)
        self.pairs_a_step = config.train.batch_size * config.train.accumulate * self.accelerator.num_processes
        images = config.data.rendered_stills if self.real is None else len(self.real)
        self.length = RunLength(config.train, images, self.pairs_a_step)
        network = convert_batch_norm(self.accelerator, network)
        optimizer = torch.optim.AdamW(decay_groups(network, config.train.weight_decay), lr=config.train.lr)
        self.parallel, self.optimizer = self.accelerator.prepare(network, optimizer)
        # Without accelerate's autocast around it, so that validation is in float32 whatever training is in.
        self.network = self.accelerator.unwrap_model(self.parallel, keep_fp32_wrapper=False)
        self.loss = build_criterion(config, self.network).to(self.accelerator.device)
        # The same network in each process, but other dropout.
        set_seed(config.train.seed, device_specific=True)
        self.state = RunState(
            self.accelerator,
            self.network,
            self.loss,
            self.optimizer,
            config.train.ema_decay,
            Plateau(config.train.plateau_factor, config.train.plateau_patience),
        )
        self.kept_models = KeptModels(self.run, config.train, images, self.pairs_a_step)
        if resume:
            self.state.restore(self.run)
        self.length.start(self.state.seconds or 0.0)
        self.batches = RunBatches(
            config,
            self.card,
            self.real,
            self.rendered,
            Shard.of(self.accelerator, config.train.accumulate, self.state.step, self.length.steps),
            self.length.done_at_pair,
            self.accelerator.device,
        )
        self._timed_from = (time.perf_counter(), self.state.step)
        self._balance_told = False
        self._evaluations = self.state.step // config.train.eval_every

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to train."""
        return self.length.over(self.state.step)

    def fit(self) -> None:
        """Train to the end; Ctrl-C and SIGTERM save and stop.

        Raises:
            UserError: a sample cannot be read, the loss is not finite or diverges.
            Interrupted: after an interrupt, with everything saved.
        """
        main_process = self.accelerator.is_main_process
        run_log = RunLog(self.run, self.state.step, self.accelerator.log) if main_process else nullcontext()
        tracked = tracking(self.accelerator, self.config)
        with interrupts() as interrupted, tracked, run_log as log, progress_bar(self.console) as progress:
            task = progress.add_task(
                "training", total=1.0, steps=self.state.step, length=str(self.length), loss=math.nan
            )
            if self.state.step == 0:
                self._save()  # before any model file: a run that is killed with that and no state could not go on
            self.length.start(self.state.seconds or 0.0)
            validated, kept_last = (
                Minutes(minutes, self.length.seconds)
                for minutes in (self.config.train.eval_minutes, self.config.train.checkpoint_minutes)
            )
            self._timed_from = (time.perf_counter(), self.state.step)
            with closing(self._items_of_steps()) as steps:
                for items in steps:
                    loss = self._train_step(self._agree_to_go_on(items, interrupted))
                    done = self.length.done(self.state.step)
                    progress.update(task, completed=done, steps=self.state.step, loss=loss.total)
                    self._log_losses(log, loss)
                    seconds = self.length.seconds
                    if self.kept_models.due(self.state.step) or kept_last.passed(seconds):
                        self._keep_model()
                        self._timed_from = (time.perf_counter(), self.state.step)
                    if self.is_over and self.length.steps is None:
                        self._save_averaged(self.run / "last.safetensors")  # before validation: in time
                    if self._is_validated(validated, seconds):
                        self.console.print(self._evaluate(log), soft_wrap=True)
                        self._save()
                        self._timed_from = (time.perf_counter(), self.state.step)
                    if self.is_over:
                        break

    def _is_validated(self, minutes: Minutes, seconds: float) -> bool:
        """Whether this step is followed by a validation: by minutes where they are given, else by steps."""
        train = self.config.train
        by_steps = train.eval_minutes is None and self.state.step % train.eval_every == 0
        return minutes.passed(seconds) or by_steps or self.is_over

    def _items_of_steps(self) -> Generator[list[Batch | UserError], None, None]:
        with closing(iter(self.batches)) as batches:
            while step := list(islice(batches, self.config.train.accumulate)):
                yield step

    def _agree_to_go_on(self, items: Sequence[Batch | UserError], interrupted: Interruption) -> list[Batch]:
        """The batches of a step, unless a process has met an error or an interrupt.

        Then all of them stop: alone it would leave the others waiting.
        """
        errors = [item for item in items if isinstance(item, UserError)]
        seconds = self.length.now() / self.accelerator.num_processes
        flags = torch.tensor([float(bool(errors)), float(interrupted.is_set()), seconds])
        failed, stopped, self.length.seconds = self.accelerator.reduce(
            flags.to(self.accelerator.device)
        ).tolist()
        if self.length.steps is None:
            self.state.seconds = self.length.seconds
        if errors:
            raise errors[0]
        if failed:
            raise UserError("another process of this run stopped: see its error")
        if stopped:
            if not (self.run / "best.safetensors").exists():
                self._save_averaged(self.run / "last.safetensors")
            self._save()
            raise Interrupted(interrupted.number)
        return [item for item in items if not isinstance(item, UserError)]

    def _train_step(self, batches: Sequence[Batch]) -> StepLoss:
        self.network.train()
        self.optimizer.zero_grad()
        self.loss.at_step(self.state.step)
        logged = (self.state.step + 1) % self.config.train.log_every == 0
        loss = accumulate_gradients(self.accelerator, self.parallel, self.loss, batches, measure=logged)
        norm = self.accelerator.clip_grad_norm_(
            list(self.state.parameters.values()), self.config.train.clip_norm
        )
        self._check(loss, norm)
        done = self.length.done(self.state.step)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config.train, done, self.state.step, self.state.plateau.scale)
        self.optimizer.step()
        synchronize_statistics(self.accelerator, self.network)
        self.state.step += 1
        if self.state.average is not None:
            self.state.average.update(self.state.trained)
        return loss

    def _check(self, loss: StepLoss, norm: Tensor) -> None:
        """Raise where the step that has this loss and gradient norm must not be taken."""
        scaler = self.accelerator.scaler
        # float16 overflows now and then: its scaler skips the step and lowers the scale.
        finite = math.isfinite(loss.total) and (scaler is not None or bool(torch.isfinite(norm)))
        if not finite or (scaler is not None and scaler.get_scale() < 1.0):
            raise UserError(
                f"the loss ({loss.total:g}) or its gradient is not finite at step {self.state.step + 1}: "
                f"lower train.lr ({kept(self.run)})"
            )
        self.state.watch.add(loss.terms[self.loss.watched])
        if self.state.watch.diverged:
            raise UserError(
                f"the loss has diverged, it stays above {self.state.watch.limit:.3g} at step {self.state.step + 1}: "
                f"lower train.lr ({kept(self.run)})"
            )

    def _log_losses(self, log: RunLog | None, loss: StepLoss) -> None:
        """Log the mean of the losses since the last time, every `train.log_every` steps."""
        self.state.unlogged.append(loss.total)
        if self.state.step % self.config.train.log_every == 0:
            since, first = self._timed_from
            seconds = (time.perf_counter() - since) / (self.state.step - first)
            if log is not None:
                lr = self.optimizer.param_groups[0]["lr"]
                log.training(self.state.step, fmean(self.state.unlogged), lr, seconds, loss)
            self._tell_balance(loss)
            self.state.unlogged = []
            self._timed_from = (time.perf_counter(), self.state.step)

    def _tell_balance(self, loss: StepLoss) -> None:
        """Warn once, after warm-up, of a term that leaves nothing of the step to cross-entropy."""
        if self._balance_told or self.state.step <= self.config.train.warmup_steps:
            return
        sentence = overwhelming_term(loss.gradient_norms, self.loss.watched)
        if sentence and self.accelerator.is_main_process:
            _LOG.warning("warning: at step %d %s", self.state.step, sentence)
        self._balance_told = sentence is not None

    def _evaluate(self, log: RunLog | None) -> str:
        """Score the averaged weights, keep them if they are the best so far, and say so in one line."""
        self.network.eval()
        with self.state.averaged():
            segmenter = Segmenter(
                self.network, self.card, "", self.accelerator.device, "fp32", ThermalNormalization()
            )
            protocol = protocol_for(self.config.train.protocol, self.config.data.name, self.config.model.arch)
            scores = score(segmenter, self.validation, protocol, shared=True)
            miou = scores.miou or 0.0
            better = miou > self.state.best
            self.state.best = max(self.state.best, miou)
            self.state.plateau.add(miou)
            if log is not None:
                log.validation(self.state.step, scores)
                log.class_similarity(self.state.step, self.loss.class_similarity())
                if better:
                    self._save_model(
                        self.run / "best.safetensors", {**scores.to_json(), "on": self._validation_name()}
                    )
                self._evaluations += 1
                if self._evaluations % self.config.train.pictures_every == 0 or self.is_over:
                    self._save_pictures(log, segmenter)
        classes = " ".join(f"{name} {value:.2f}" for name, value in scores.iou.items() if value is not None)
        return f"step {self.state.step}: mIoU {miou:.3f} (best {self.state.best:.3f}): {classes}"

    def _keep_model(self) -> None:
        """One more file in `checkpoints/`, and the state to go on from here."""
        self._save_averaged(self.kept_models.path(self.state.step))
        if self.accelerator.is_main_process:
            self.kept_models.remove_old()
        self._save()

    def _save_averaged(self, path: Path) -> None:
        """A model file of the weights as they are now, averaged, without scores."""
        if self.accelerator.is_main_process:
            with self.state.averaged():
                self._save_model(path, {})

    def _save(self) -> None:
        if not self.state.save(self.run):
            self.console.print(f"the state was not saved, as the loss is astray: {kept(self.run)}")

    def _save_model(self, path: Path, scores: dict[str, Any]) -> None:
        iou = {} if self.config.data.name == "scenes" else scores.get("iou", {})
        training = {**self.card.training, "steps": self.state.step, "scores": scores}
        card = dataclasses.replace(self.card, training=training, weak_classes=weak_classes(iou))
        save_model(path, self.network, card, half=self.config.run.half)

    def _save_pictures(self, log: RunLog, segmenter: Segmenter) -> None:
        count = min(_PICTURED, len(self.validation))
        log.predictions(self.state.step, segmenter, [self.validation[i] for i in range(count)])

    def _validation_name(self) -> str:
        data = self.config.data
        return "rendered stills" if data.name == "scenes" else f"{data.name} {data.val_split}"
