"""SARTM's encoder: SAM 2's, frozen, with LoRA of its own for each modality (III-B, III-C)."""

import torch
from torch import Tensor

from rgbt_seg_ros.models.sam2_encoder import Sam2Encoder, Trunk, TrunkConfig
from rgbt_seg_ros.models.sartm.lora import LoraQkv, MergedQkv, add_lora


class SartmEncoder(Sam2Encoder):
    """Encoder of both modalities, shared but for LoRA.

    Args:
        config: of the trunk.
        channels: of the neck's maps.
        rank: of LoRA; alpha is the same.
        fuse: how the neck joins a level with the coarser one: `avg` (Eq. 8) or `sum` (as SAM 2 was pretrained).
        merged: see `SARTM`.
    """

    def __init__(
        self, config: TrunkConfig, channels: int, rank: int, fuse: str, merged: bool = False
    ) -> None:
        trunk = Trunk(config)
        for block in trunk.blocks:
            dim, dim_out = block.dim, block.dim_out
            block.attn.qkv = MergedQkv(dim, dim_out, rank) if merged else LoraQkv(dim, dim_out)
        if not merged:
            add_lora(trunk, rank)
        super().__init__(trunk, channels, fuse)
        self.rank = rank

    def forward(self, rgb: Tensor, thermal: Tensor) -> list[Tensor]:
        """Maps of both modalities.

        Takes them apart and stacks them itself, so that none can be run with the other's LoRA.

        Args:
            rgb, thermal: [B, 3, H, W], H and W multiples of 32.

        Returns:
            Three maps [2B, C, H/s, W/s], RGB in the first half, with strides 4, 8, 16.
        """
        # Window partition keeps this order, so that at each attention the first half of the batch is RGB.
        return self.levels(torch.cat([rgb, thermal]))[:3]

    def merge_lora(self) -> None:
        """Replace what `peft` trained by its merged form, for good."""
        for block in self.trunk.blocks:
            trained = block.attn.qkv
            if isinstance(trained, LoraQkv):
                merged = MergedQkv(block.dim, block.dim_out, self.rank).to(trained.weight)
                merged.load_state_dict(trained.state_dict())
                block.attn.qkv = merged.train(trained.training)
