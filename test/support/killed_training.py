"""`killed_training.py STEP ARGUMENTS`: training.train that kills itself as `kill -9` does, when STEP steps are done.

STEP 0 is never; `--` between arguments separates runs that follow each other.
"""

import os
import signal
import sys
from collections.abc import Sequence
from itertools import groupby

from training import train
from training.engine.gradients import StepLoss
from training.engine.trainer import Batch, Trainer

_STEP = int(sys.argv[1])
_train_step = Trainer._train_step


def _train_step_or_die(self: Trainer, batches: Sequence[Batch]) -> StepLoss:
    if self.state.step == _STEP > 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return _train_step(self, batches)


Trainer._train_step = _train_step_or_die  # type: ignore[method-assign]
runs = [list(words) for is_separator, words in groupby(sys.argv[2:], "--".__eq__) if not is_separator]
sys.exit(max(train.main(run) for run in runs))
