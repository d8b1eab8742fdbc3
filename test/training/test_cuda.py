"""What must hold on a GPU (`pytest -m cuda`); what needs no GPU's memory also runs on the CPU, over the same code."""

from collections.abc import Callable

import pytest
import torch

from training.measure.cuda_checks import CHECKS, NEED_CUDA, every_size_in_every_precision

Check = Callable[[torch.device], None]
REHEARSED = [check for check in CHECKS.values() if check not in (*NEED_CUDA, every_size_in_every_precision)]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU, and -m cuda")
@pytest.mark.parametrize("check", CHECKS.values(), ids=lambda check: check.__name__)
def test_on_a_gpu(check: Check) -> None:
    check(torch.device("cuda"))


@pytest.mark.parametrize("check", REHEARSED, ids=lambda check: check.__name__)
def test_on_the_cpu_in_the_same_steps(check: Check) -> None:
    check(torch.device("cpu"))
