"""What changes while a run trains, how it is saved and how a run goes on from it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from rgbt_seg_ros.base.errors import UserError

from .checkpoint import STATE_FILE, SavedState, load_state, save_state
from .loss_watch import LossWatch
from .optimizer import MovingAverage, copy_tensors, optimizer_tensors, restore_optimizer
from .plateau import Plateau
from .trained_state import frozen_hash, trained_parameters, trained_state


class RunState:
    """The state of a run between two steps: the same in all its processes but for their random numbers.

    The learning rate and the samples of a step are functions of its number, and need no state.

    Args:
        accelerator: with the run's processes, device and gradient scaler.
        network: not wrapped for data-parallel training.
        loss: whose buffers (SARTM's running prototypes) belong to the state, though not to the network.
        optimizer: of its trained parameters.
        ema_decay: of the moving average of what is trained; 0: none.
        plateau: what validations have left of the learning rate.

    Attributes:
        trained: all tensors that training changes, by name; the network's own.
        parameters: those of them that the optimizer changes.
        average: their moving average, or None.
        watch: on the losses.
        step: steps done.
        best: the best validation mIoU so far, -1 before the first.
        unlogged: losses since the last line of the log.
        seconds: that a run whose length is a time has had; None in others.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        network: nn.Module,
        loss: nn.Module,
        optimizer: torch.optim.Optimizer,
        ema_decay: float,
        plateau: Plateau,
    ) -> None:
        self._accelerator = accelerator
        self._optimizer = optimizer
        self._frozen_hash = frozen_hash(network)
        self._loss = loss
        self.trained = trained_state(network)
        self.parameters = trained_parameters(network)
        self.average = MovingAverage(self.trained, ema_decay) if ema_decay > 0 else None
        self.watch = LossWatch()
        self.plateau = plateau
        self.step = 0
        self.best = -1.0
        self.unlogged: list[float] = []
        self.seconds: float | None = None

    def averaged(self) -> AbstractContextManager[None]:
        """The network as it is validated and kept: with the moving average of its tensors, if there is one."""
        return nullcontext() if self.average is None else self.average.applied(self.trained)

    def save(self, run: Path) -> bool:
        """Replace the state in a run's folder; all processes call this.

        Returns:
            Whether it did: while the loss is astray, the state of before is worth more.

        Raises:
            UserError: a value is not finite; the state of before is kept.
        """
        if self.watch.astray_steps:
            return False
        for name, tensor in self.trained.items():
            if not torch.isfinite(tensor).all():
                raise UserError(f"{name} is not finite after step {self.step}: lower train.lr ({kept(run)})")
        random = self._random_states()
        if self._accelerator.is_main_process:
            save_state(run, self._saved(random))
        # A process that went on and ended would make its launcher end the one that writes.
        self._accelerator.wait_for_everyone()
        return True

    def _saved(self, random: dict[str, Tensor]) -> SavedState:
        tensors = {
            "network": self.trained,
            "average": {} if self.average is None else self.average.tensors,
            "loss": self._loss.state_dict(),
            "optimizer": optimizer_tensors(self._optimizer, self.parameters),
            "random": random,
        }
        scaler = self._accelerator.scaler
        numbers = {
            "step": self.step,
            "best": self.best,
            "unlogged": self.unlogged,
            "watch": self.watch.numbers(),
            "plateau": self.plateau.numbers(),
            "average_updates": 0 if self.average is None else self.average.updates,
            "scaler": None if scaler is None else scaler.state_dict(),
            "processes": self._accelerator.num_processes,
            "frozen_hash": self._frozen_hash,
        } | ({} if self.seconds is None else {"seconds": self.seconds})
        return SavedState(tensors, numbers)

    def restore(self, run: Path) -> None:
        """Take over what `save` wrote.

        Raises:
            UserError: there is nothing, it is damaged, or it is of other frozen weights, another network or precision,
                or another number of processes.
        """
        saved = load_state(run)
        self._check_origin(run, saved)
        try:
            self._take_over(saved)
        except (KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
            raise UserError(
                f"{run / STATE_FILE} is damaged ({type(error).__name__}: {str(error).splitlines()[0]}): "
                "start the run again without --resume"
            ) from error

    def _take_over(self, saved: SavedState) -> None:
        numbers = saved.numbers
        copy_tensors(saved.tensors["network"], self.trained)
        if self.average is not None:
            copy_tensors(saved.tensors["average"], self.average.tensors)
            self.average.updates = numbers["average_updates"]
        copy_tensors(saved.tensors.get("loss", {}), self._loss.state_dict())
        restore_optimizer(self._optimizer, self.parameters, saved.tensors.get("optimizer", {}))
        if self._accelerator.scaler is not None:
            self._accelerator.scaler.load_state_dict(numbers["scaler"])
        self.step, self.best = numbers["step"], numbers["best"]
        self.unlogged = [float("nan") if loss is None else loss for loss in numbers["unlogged"]]
        self.watch = LossWatch.from_numbers(numbers["watch"])
        self.seconds = numbers.get("seconds")
        if "plateau" in numbers:
            self.plateau.restore(numbers["plateau"])
        random, process = saved.tensors["random"], self._accelerator.process_index
        # Clones: PyTorch reads a state from the start of its memory, which for a row is another process's (or a crash).
        torch.set_rng_state(random["cpu"][process].clone())
        if self._accelerator.device.type == "cuda" and "cuda" in random:
            torch.cuda.set_rng_state(random["cuda"][process].clone())

    def _random_states(self) -> dict[str, Tensor]:
        """States of the random generators of all processes, uint8 [processes, bytes]."""
        states = {"cpu": torch.get_rng_state()}
        if self._accelerator.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state()
        device = self._accelerator.device
        return {name: self._accelerator.gather(state.to(device)[None]) for name, state in states.items()}

    def _check_origin(self, run: Path, saved: SavedState) -> None:
        """Raise where going on would be another run than the one before."""
        numbers = saved.numbers
        if numbers["frozen_hash"] != self._frozen_hash:
            raise UserError(
                f"the frozen weights or class embeddings are not those that {run} was started with: "
                "give the same model.base_weights and model.embeddings"
            )
        network, average = saved.tensors.get("network", {}), saved.tensors.get("average", {})
        averaged = {} if self.average is None else self.average.tensors
        if _shapes(network) != _shapes(self.trained) or _shapes(average) != _shapes(averaged):
            raise UserError(
                f"the state in {run} is of another network, or with another train.ema_decay: "
                "leave the model and train.ema_decay as they were"
            )
        if (numbers["scaler"] is None) != (self._accelerator.scaler is None):
            raise UserError(f"{run} was trained in another precision: leave train.precision as it was")
        if numbers["processes"] != self._accelerator.num_processes:
            raise UserError(
                f"{run} was trained by {numbers['processes']} processes, now there are "
                f"{self._accelerator.num_processes}: start as many, so that it goes on as if never stopped"
            )


def kept(run: Path) -> str:
    """What is left of a run that fails, for its error message."""
    path = run / STATE_FILE
    return f"{path} keeps the last good state" if path.exists() else "nothing was saved yet"


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
