"""LoRA of its own for each modality on query and value of SAM 2's attention (SARTM, Eqs. 6-7).

Both forms take the place of the fused linear layer `qkv` of an attention, run on a batch [rgb...; thermal...] and have
the same state dict: SAM 2's fused weight and bias once, and A and B of each modality under the names that `peft` gives
them. `LoraQkv` is trained by `peft`; `MergedQkv` serves, and needs no `peft`.
"""

import torch
from torch import Tensor, nn

MODALITIES = ("rgb", "thermal")
_ADAPTER = "default"  # the one adapter's name in peft


class _Rows(nn.Linear):
    """Query, key or value alone: a linear layer whose weight and bias are rows of the fused one's, at any time.

    A view and no parameter of its own: nothing can untie the layers that share it, as `assign=True`, meta tensors and
    `to_empty` would untie parameters. It is saved, moved and frozen with the fused layer.
    """

    def __init__(self, qkv: nn.Linear, part: int) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = qkv.in_features, qkv.out_features // 3
        self._rows = slice(part * self.out_features, (part + 1) * self.out_features)
        self._qkv = (qkv,)  # in a tuple, or it would be a submodule of its own part

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        return self._qkv[0].weight[self._rows]

    @property
    def bias(self) -> Tensor:  # type: ignore[override]
        return self._qkv[0].bias[self._rows]


class _Paired(nn.Module):
    """The same projection of both modalities, in two layers that `peft` adapts one by one."""

    def __init__(self, qkv: nn.Linear, part: int) -> None:
        super().__init__()
        self.rgb = _Rows(qkv, part)
        self.thermal = _Rows(qkv, part)

    def forward(self, x: Tensor) -> Tensor:
        """[2B, ..., dim], RGB in the first half -> [2B, ..., dim_out]."""
        rgb, thermal = x.chunk(2)
        return torch.cat([self.rgb(rgb), self.thermal(thermal)])


class LoraQkv(nn.Linear):
    """The fused layer taken apart, so that `peft` can adapt query and value of each modality: see `add_lora`."""

    def __init__(self, dim: int, dim_out: int) -> None:
        super().__init__(dim, 3 * dim_out)
        self.q, self.k, self.v = _Paired(self, 0), _Rows(self, 1), _Paired(self, 2)

    def forward(self, x: Tensor) -> Tensor:
        """[2B, ..., dim], RGB in the first half -> [2B, ..., 3 * dim_out]."""
        return torch.cat([self.q(x), self.k(x), self.v(x)], dim=-1)


def add_lora(trunk: nn.Module, rank: int) -> None:
    """Let `peft` adapt every `LoraQkv` of a trunk: A random, B zero, alpha the rank, all else of the trunk frozen.

    One adapter for all: of two named ones, activating the second would freeze the first, and a checkpointed backward
    pass would recompute with the wrong one.
    """
    # Not at the top: a served model does without it, and it loads slowly.
    from peft import LoraConfig, inject_adapter_in_model

    layers = rf".*\.qkv\.[qv]\.({'|'.join(MODALITIES)})"
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=layers), trunk, _ADAPTER)


class _Factors(nn.Module):
    """A and B of one projection and modality, under the names of `peft`."""

    def __init__(self, dim: int, dim_out: int, rank: int) -> None:
        super().__init__()
        down, up = nn.Linear(dim, rank, bias=False), nn.Linear(rank, dim_out, bias=False)
        nn.init.zeros_(up.weight)
        self.lora_A, self.lora_B = nn.ModuleDict({_ADAPTER: down}), nn.ModuleDict({_ADAPTER: up})

    def delta(self) -> Tensor:
        """What is added to the weight: [dim_out, dim]."""
        down, up = (self.get_parameter(f"lora_{factor}.{_ADAPTER}.weight") for factor in "AB")
        return up @ down


class MergedQkv(nn.Linear):
    """The fused layer with LoRA merged into a weight for each modality, both run by one batched product."""

    def __init__(self, dim: int, dim_out: int, rank: int) -> None:
        super().__init__(dim, 3 * dim_out)
        self.q, self.v = (
            nn.ModuleDict({modality: _Factors(dim, dim_out, rank) for modality in MODALITIES}) for _ in "qv"
        )
        # Not saved: made of the other weights whenever a model begins to serve.
        self.register_buffer("merged", None, persistent=False)
        self.merged: Tensor | None

    def forward(self, x: Tensor) -> Tensor:
        """[2B, ..., dim], RGB in the first half -> [2B, ..., 3 * dim_out]."""
        weight = self._merge() if self.merged is None else self.merged
        tokens = x.reshape(2, -1, self.in_features)
        return torch.baddbmm(self.bias, tokens, weight.transpose(1, 2)).view(*x.shape[:-1], -1)

    def _merge(self) -> Tensor:
        """Weights of both modalities, [2, 3 * dim_out, dim]."""
        query, key, value = self.weight.chunk(3)
        deltas = {name: part.delta() for name, part in self.named_modules() if isinstance(part, _Factors)}
        merged = [
            torch.cat([query + deltas[f"q.{modality}"], key, value + deltas[f"v.{modality}"]])
            for modality in MODALITIES
        ]
        return torch.stack(merged)

    def prepare_for_serving(self) -> None:
        """Merge once and for all; training mode ends it."""
        self.merged = self._merge().detach()

    def train(self, mode: bool = True) -> "MergedQkv":
        if mode:
            self.merged = None
        return super().train(mode)
