"""SAM 2's image encoder: Hiera trunk and FPN neck, as both networks build on it.

Trunk and neck are the `sam2` package's own modules and keep their parameter names, so that Meta's weights load
by name; only adapters (`shifnet.encoder`) or LoRA (`sartm.encoder`) are added.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from sam2.modeling.backbones.hieradet import Hiera
from sam2.modeling.backbones.image_encoder import FpnNeck
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from rgbt_seg_ros.models.layers.fused_layers import FoldedLayer, exact
from rgbt_seg_ros.models.trunk_block import take_over


@dataclass(frozen=True)
class TrunkConfig:
    """Arguments of `Hiera` that differ between sizes."""

    embed_dim: int
    num_heads: int
    stages: tuple[int, int, int, int]
    global_att_blocks: tuple[int, ...]
    window_pos_embed_bkg_spatial_size: tuple[int, int]
    window_spec: tuple[int, int, int, int]


SAM2_TRUNKS = {
    "tiny": TrunkConfig(96, 1, (1, 2, 7, 2), (5, 7, 9), (7, 7), (8, 4, 14, 7)),
    "small": TrunkConfig(96, 1, (1, 2, 11, 2), (7, 10, 13), (7, 7), (8, 4, 14, 7)),
    "base_plus": TrunkConfig(112, 2, (2, 3, 16, 3), (12, 16, 20), (14, 14), (8, 4, 14, 7)),
    "large": TrunkConfig(144, 2, (2, 6, 36, 4), (23, 33, 43), (7, 7), (8, 4, 16, 8)),
}
"""SAM 2's four sizes, for which there are pretrained weights; values from `sam2/configs/sam2.1/*.yaml`."""

TRUNKS = {
    "nano": TrunkConfig(24, 1, (1, 2, 6, 2), (6, 8), (7, 7), (8, 4, 8, 8)),  # ours, for a CPU
    **SAM2_TRUNKS,
}
"""Every size of trunk by name."""

_ADDED = {"adapter", "q", "k", "v"}


def is_added(name: str) -> bool:
    """Whether a weight or module of an encoder was added to SAM 2's own: an adapter or LoRA."""
    return not _ADDED.isdisjoint(name.split("."))


def size_of_trunk(trunk: Mapping[str, Tensor]) -> str | None:
    """Which of SAM 2's sizes a trunk's state dict is, from its shapes; None if no one."""
    stem = trunk.get("patch_embed.proj.weight")
    blocks = {name.split(".")[1] for name in trunk if name.startswith("blocks.")}
    for size, config in SAM2_TRUNKS.items():
        facts = (config.embed_dim, sum(config.stages))
        if stem is not None and facts == (len(stem), len(blocks)):
            return size
    return None


def padded_batch(rgb: Tensor, thermal: Tensor) -> Tensor:
    """Both images [B, 3, H, W], RGB first, padded on the right and below to multiples of 32: [2B, 3, H', W'].

    The trunk tiles its windowed position embedding, which needs these; 0 is the mean after scaling.

    Raises:
        ValueError: the shapes differ or are not those of images.
    """
    if rgb.shape != thermal.shape or rgb.ndim != 4 or rgb.shape[1] != 3:
        raise ValueError(
            f"rgb and thermal must both be [B, 3, H, W], got {list(rgb.shape)} and {list(thermal.shape)}"
        )
    height, width = rgb.shape[-2:]
    images = torch.cat([rgb, thermal])
    return F.pad(images, (0, -width % 32, 0, -height % 32)) if height % 32 or width % 32 else images


class _NoPositionEncoding(nn.Module):
    """Stands in for the neck's position encoding, which has no weights and which nothing here reads."""

    def forward(self, x: Tensor) -> Tensor:
        return x.new_empty(0)


class Trunk(Hiera):
    """Hiera that can trade time for memory (see `checkpointing`), and in service memory for time."""

    checkpointing = False
    """Whether a backward pass computes the inside of each block again instead of keeping it in memory."""

    _kept_positions: dict[tuple[int, ...], Tensor] | None = None
    """In service, the position embedding of the last size; None otherwise."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__(
            embed_dim=config.embed_dim,
            num_heads=config.num_heads,
            stages=config.stages,
            global_att_blocks=config.global_att_blocks,
            window_pos_embed_bkg_spatial_size=config.window_pos_embed_bkg_spatial_size,
            window_spec=config.window_spec,
        )
        for block in self.blocks:
            take_over(block)
        self.thermal_patches: FoldedLayer | None = None
        """In service, the patch embedding of thermal images; None otherwise."""

    def forward(self, images: Tensor) -> list[Tensor]:
        """[B, 3, H, W] -> four maps, strides 4, 8, 16, 32; the same numbers as `Hiera.forward`.

        In service the first half of the batch is RGB, the second thermal with three equal channels.
        """
        x = self._patches(images)
        x = x + self._positions(x.shape[1:3])
        levels = []
        for i, block in enumerate(self.blocks):
            recompute = self.checkpointing and torch.is_grad_enabled()
            x = checkpoint(block, x, use_reentrant=False) if recompute else block(x)
            if i in self.stage_ends:
                levels.append(x.permute(0, 3, 1, 2))
        return levels

    def _patches(self, images: Tensor) -> Tensor:
        """Patch embedding [B, h, w, dim]; in service of one of the thermal channels, as they are equal."""
        if self.thermal_patches is None:
            patches: Tensor = self.patch_embed(images)
            return patches
        rgb, thermal = images.chunk(2)
        of_thermal = self.thermal_patches(thermal[:, :1]).permute(0, 2, 3, 1)
        return torch.cat([self.patch_embed(rgb), of_thermal])

    def _positions(self, size: torch.Size) -> Tensor:
        """Position embedding [1, h, w, dim]; a camera's images have one size, so that it is computed once for all."""
        # What is traced must not be kept: it stands for no numbers.
        if self._kept_positions is None or torch.compiler.is_compiling():
            return self._get_pos_embed(size)
        if size not in self._kept_positions:
            self._kept_positions = {size: self._get_pos_embed(size).detach()}
        return self._kept_positions[size]

    def prepare_for_serving(self) -> None:
        """Prepare what the weights decide and keep the position embedding from now on; training mode ends it."""
        self._kept_positions = {}
        embed = self.patch_embed.proj
        weight, bias = exact(embed)
        self.thermal_patches = FoldedLayer(weight.sum(dim=1, keepdim=True), bias, embed.weight, stride=4)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Trunk":
        """What moves or converts all weights (`to`, `double`) also makes a new position embedding."""
        if self._kept_positions is not None:
            self._kept_positions = {}
        return super()._apply(fn, recurse)

    def train(self, mode: bool = True) -> "Trunk":
        if mode:
            self._kept_positions = self.thermal_patches = None
        return super().train(mode)


class Lateral(nn.Sequential):
    """The neck's convolution of a level of the trunk, which in service may be left to what comes next."""

    passed_on = False
    """Whether the level goes on as the trunk made it."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.add_module("conv", conv)

    def forward(self, level: Tensor) -> Tensor:
        """[B, c, h, w] -> [B, C, h, w]."""
        made: Tensor = level if self.passed_on else super().forward(level)
        return made

    def train(self, mode: bool = True) -> "Lateral":
        if mode:
            self.passed_on = False
        return super().train(mode)


class Sam2Encoder(nn.Module):
    """Trunk and neck, and what both networks ask of them.

    Args:
        trunk: with what is added to it.
        channels: of the neck's maps.
        fuse: how the neck joins a level with the coarser one: `sum` (SAM 2's) or `avg`.
    """

    def __init__(self, trunk: Trunk, channels: int, fuse: str = "sum") -> None:
        super().__init__()
        self.trunk = trunk
        self.neck = FpnNeck(
            position_encoding=_NoPositionEncoding(),
            d_model=channels,
            backbone_channel_list=trunk.channel_list,
            fuse_type=fuse,
            fpn_top_down_levels=[2, 3],
            fpn_interp_model="nearest",
        )
        self.neck.convs = nn.ModuleList(Lateral(convolution.conv) for convolution in self.neck.convs)

    def levels(self, images: Tensor) -> list[Tensor]:
        """[B, 3, H, W], H and W multiples of 32 -> four maps [B, C, H/s, W/s], strides 4, 8, 16, 32."""
        features, _ = self.neck(self.trunk(images))
        return features

    def pass_on_levels(self) -> dict[int, nn.Conv2d]:
        """Leave the neck's convolutions to the caller from now on, where no other level needs what they make.

        Returns:
            Those convolutions by level, 0 being the finest. `levels` then has the trunk's maps of these.
        """
        joined = self.neck.fpn_top_down_levels
        laterals = {
            level: lateral
            for level, lateral in enumerate(reversed(self.neck.convs))
            if level not in joined and level - 1 not in joined
        }
        for lateral in laterals.values():
            lateral.passed_on = True
        return {level: lateral.conv for level, lateral in laterals.items()}

    @property
    def checkpointing(self) -> bool:
        """Whether a backward pass recomputes the trunk's blocks: less memory, more time; off in a new encoder."""
        return self.trunk.checkpointing

    @checkpointing.setter
    def checkpointing(self, on: bool) -> None:
        self.trunk.checkpointing = on

    def freeze_base(self) -> None:
        """Freeze SAM 2's own weights, leave what was added trainable; call before wrapping for DDP."""
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(is_added(name))


def init_from_scratch(encoder: Sam2Encoder) -> None:
    """Transformer initialisation for a trunk without pretrained weights (its own default leaves positions at 0)."""
    for name, module in encoder.trunk.named_modules():
        if isinstance(module, nn.Linear) and not is_added(name):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
    with torch.no_grad():
        nn.init.trunc_normal_(encoder.trunk.pos_embed, std=0.02)
        nn.init.trunc_normal_(encoder.trunk.pos_embed_window, std=0.02)
