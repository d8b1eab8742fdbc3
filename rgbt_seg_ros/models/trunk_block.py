"""A block of SAM 2's trunk in service: the same numbers with fewer passes over its features.

In training it is SAM 2's own. In service windows are put together before attention's last layer and not after it, and
its first one comes before windows are filled: both see each position by itself, so that they need not see what only
fills the last windows. The last layer and the MLP's then add what they are added to in the same call.
"""

import torch
from sam2.modeling.backbones.hieradet import MultiScaleAttention, MultiScaleBlock
from sam2.modeling.backbones.utils import window_partition, window_unpartition
from sam2.modeling.sam2_utils import MLP
from torch import Tensor, nn
from torch.nn import functional as F

from rgbt_seg_ros.models.layers.fused_layers import FusedLinear, in_parts, run


class Attention(MultiScaleAttention):
    """SAM 2's attention, and for service the same in two steps."""

    def attend(self, x: Tensor) -> Tensor:
        """All but the last layer: [B, h, w, dim] -> [B, h', w', dim_out]; of windows, B counts these."""
        return self.of_qkv(self.qkv(x))

    def of_qkv(self, qkv: Tensor) -> Tensor:
        """What follows the first layer: [B, h, w, 3 * dim_out] -> [B, h', w', dim_out]."""
        batch, height, width, _ = qkv.shape
        parts = qkv.reshape(batch, height * width, 3, self.num_heads, -1)
        query, key, value = torch.unbind(parts, 2)  # [B, h * w, heads, channels] each
        if self.q_pool:
            query = _pooled(query.reshape(batch, height, width, -1))
            height, width = query.shape[1:3]
            query = query.reshape(batch, height * width, self.num_heads, -1)
        query, key, value = (part.transpose(1, 2) for part in (query, key, value))
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2)
        return attended.reshape(batch, height, width, -1)

    def add_to(self, shortcut: Tensor, attended: Tensor) -> Tensor:
        """The shortcut and the last layer's answer for what is attended; all three [B, h, w, dim_out]."""
        return run(self.proj, attended, plus=shortcut)


class Mlp(MLP):
    """SAM 2's MLP, and for service the same with what it is added to."""

    def add_to(self, shortcut: Tensor, x: Tensor) -> Tensor:
        """The shortcut and the answer for `x`; all three [B, h, w, dim]."""
        first, last = self.layers
        return in_parts(
            lambda x, shortcut: run(last, run(first, x, "gelu"), plus=shortcut),
            first.out_features,
            *(x, shortcut),
        )


class Block(MultiScaleBlock):
    """SAM 2's block of attention and MLP."""

    serving = False
    """Whether it runs as described above."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, h, w, dim] -> [B, h', w', dim_out]."""
        if not self.serving:
            made: Tensor = super().forward(x)
            return made
        normed = self.norm1(x)
        shortcut = x if self.dim == self.dim_out else _pooled(self.proj(normed))
        x = self.attn.add_to(shortcut, self._attended(normed, shortcut.shape[1:3]))
        made = self.mlp.add_to(x, self.norm2(x))
        return made

    def _attended(self, normed: Tensor, size: torch.Size) -> Tensor:
        """[B, h, w, dim] -> [B, *size, dim_out], in windows if the block has these."""
        window = self.window_size
        if window == 0:
            attended: Tensor = self.attn.attend(normed)
            return attended
        windows = self._windows(normed)
        if self.q_stride:
            window //= self.q_stride[0]
        padded = tuple(length + -length % window for length in size)
        whole: Tensor = window_unpartition(windows, window, padded, size)
        return whole.contiguous()  # more than one layer reads it

    def _windows(self, normed: Tensor) -> Tensor:
        """What is attended in each window: [B, h, w, dim] -> [windows, window', window', dim_out]."""
        attn, window, width = self.attn, self.window_size, self.attn.qkv.out_features
        batch, *size, _ = normed.shape
        if all(length % window == 0 for length in size):
            windows, _ = window_partition(normed, window)
            # Others than a linear layer treat the halves of a batch differently, and must see it as a whole.
            if not isinstance(attn.qkv, FusedLinear):
                attended: Tensor = attn.attend(windows)
                return attended
            return in_parts(attn.attend, width, windows, together=2)
        # What fills the last windows is zeros, of which the first layer makes its bias: row 0.
        qkv = attn.qkv(normed).flatten(0, 2)
        rows = torch.cat([attn.qkv.bias[None].to(qkv.dtype), qkv])
        places = torch.arange(1, len(rows), device=normed.device).view(batch, *size, 1)
        windows, _ = window_partition(places, window)
        return in_parts(
            lambda places: attn.of_qkv(F.embedding(places[..., 0], rows)), width, windows, together=2
        )

    def prepare_for_serving(self) -> None:
        """Run as described above; training mode ends it."""
        self.serving = True

    def train(self, mode: bool = True) -> "Block":
        if mode:
            self.serving = False
        super().train(mode)
        return self


def _pooled(x: Tensor) -> Tensor:
    """The largest of each 2x2 positions, [B, h, w, C] -> [B, h / 2, w / 2, C]; SAM 2's also finds where they are."""
    rows = x.unflatten(1, (-1, 2))
    columns = torch.maximum(rows[:, :, 0], rows[:, :, 1]).unflatten(2, (-1, 2))
    return torch.maximum(columns[..., 0, :], columns[..., 1, :])


def take_over(block: nn.Module) -> None:
    """Make a block that SAM 2 has built one of these, with the same weights: built anew they would be drawn anew."""
    for part, kind in ((block, Block), (block.attn, Attention), (block.mlp, Mlp)):
        part.__class__ = kind
