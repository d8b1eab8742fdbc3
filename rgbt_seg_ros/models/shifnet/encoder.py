"""SHIFNet's encoder: two SAM 2 trunks, frozen but for adapters."""

import torch
from torch import Tensor, nn

from rgbt_seg_ros.models.layers.fused_layers import FoldedLayer, exact, in_parts, run
from rgbt_seg_ros.models.sam2_encoder import Sam2Encoder, Trunk, TrunkConfig
from rgbt_seg_ros.models.trunk_block import Attention, Block, Mlp


class Adapter(nn.Module):
    """Bottleneck adapter: down-projection to a quarter, GELU, up-projection.

    The up-projection starts at zero, so that a new adapter adds nothing.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.down = nn.Linear(dim, dim // 4)
        self.up = nn.Linear(dim // 4, dim)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        return run(self.up, run(self.down, x, "gelu"))


class AdaptedAttention(Attention):
    """Attention followed by the space adapter, with skip."""

    def __init__(self, dim: int, dim_out: int, num_heads: int, q_pool: nn.Module | None) -> None:
        super().__init__(dim, dim_out, num_heads, q_pool)
        self.adapter = Adapter(dim_out)
        self.narrowed: FoldedLayer | None = None

    def forward(self, x: Tensor) -> Tensor:
        """[B*windows, h, w, dim] -> [B*windows, h', w', dim_out]."""
        x = super().forward(x)
        return x + self.adapter(x)

    def add_to(self, shortcut: Tensor, attended: Tensor) -> Tensor:
        assert self.narrowed is not None
        hidden = self.narrowed.tokens(attended)
        return run(self.adapter.up, hidden, plus=super().add_to(shortcut, attended))

    def prepare_for_serving(self) -> None:
        """Have the adapter's first layer begin where attention's last one begins; training mode ends it.

        Attention's own answer is then needed in the sum alone.
        """
        (last, last_bias), (down, down_bias) = exact(self.proj), exact(self.adapter.down)
        like = self.adapter.down.weight
        self.narrowed = FoldedLayer(down @ last, down @ last_bias + down_bias, like, "gelu")

    def train(self, mode: bool = True) -> "AdaptedAttention":
        if mode:
            self.narrowed = None
        return super().train(mode)


class AdaptedMlp(Mlp):
    """MLP with the MLP adapter in parallel on the same normed input, without skip, scaled by one half."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim, 4 * dim, dim, num_layers=2, activation=nn.GELU)
        self.adapter = Adapter(dim)
        self.widened: FoldedLayer | None = None
        self.narrowed: FoldedLayer | None = None

    def forward(self, x: Tensor) -> Tensor:
        """[B, h, w, dim] -> [B, h, w, dim]."""
        return super().forward(x) + 0.5 * self.adapter(x)

    def add_to(self, shortcut: Tensor, x: Tensor) -> Tensor:
        assert self.widened is not None
        assert self.narrowed is not None
        widened, narrowed = self.widened, self.narrowed
        return in_parts(
            lambda x, shortcut: narrowed.tokens(widened.tokens(x), shortcut), len(widened.bias), x, shortcut
        )

    def prepare_for_serving(self) -> None:
        """Have MLP and adapter as one MLP, whose hidden layer is that of both; training mode ends it."""
        like = self.adapter.down.weight
        (first, first_bias), (second, second_bias) = (exact(layer) for layer in self.layers)
        (down, down_bias), (up, up_bias) = exact(self.adapter.down), exact(self.adapter.up)
        self.widened = FoldedLayer(torch.cat([first, down]), torch.cat([first_bias, down_bias]), like, "gelu")
        self.narrowed = FoldedLayer(torch.cat([second, 0.5 * up], dim=1), second_bias + 0.5 * up_bias, like)

    def train(self, mode: bool = True) -> "AdaptedMlp":
        if mode:
            self.widened = self.narrowed = None
        return super().train(mode)


class ShifnetEncoder(Sam2Encoder):
    """SHIFNet's encoder, adapted and shared by both modalities."""

    def __init__(self, config: TrunkConfig, channels: int) -> None:
        trunk = Trunk(config)
        for block in trunk.blocks:
            _adapt(block)
        super().__init__(trunk, channels)

    def forward(self, images: Tensor) -> list[Tensor]:
        """[B, 3, H, W], H and W multiples of 32 -> four maps [B, C, H/s, W/s], strides 4, 8, 16, 32."""
        return self.levels(images)


def _adapt(block: Block) -> None:
    attention = block.attn
    block.attn = AdaptedAttention(attention.dim, attention.dim_out, attention.num_heads, attention.q_pool)
    block.mlp = AdaptedMlp(block.dim_out)
