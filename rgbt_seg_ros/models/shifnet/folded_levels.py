"""HPD's way from four levels to one map in service: what is linear on it, as one product a level."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgbt_seg_ros.models.layers.fused_layers import FoldedLayer, exact


class FoldedLevels(nn.Module):
    """Exactly a linear map T of HPD's fused map, without that map.

    From a level to the fused map everything is linear: the end of its semantic enhancement, merge, projection,
    upsampling and fusion. Bilinear weights sum to 1 and are the same for all channels, so that products and biases may
    come before the upsampling. Each level then costs one product at its own resolution.

    Args:
        merge, projections, fuse: HPD's layers.
        expansions: the last convolutions of the four enhancements; None without these.
        weight, bias: of T, float64 [T, fused] and [T].
        before: 1x1 convolutions that come before, one a level, if the levels lack these.
    """

    def __init__(
        self,
        merge: Sequence[nn.Conv2d],
        projections: Sequence[nn.Linear],
        fuse: nn.Conv2d,
        expansions: Sequence[nn.Conv2d] | None,
        weight: Tensor,
        bias: Tensor,
        before: Sequence[nn.Conv2d] | None = None,
    ) -> None:
        super().__init__()
        fuse_weight, fuse_bias = exact(fuse)
        # In the concatenation the coarsest level comes first.
        parts = fuse_weight.flatten(1).chunk(len(merge), dim=1)[::-1]
        total = weight @ fuse_bias + bias
        direct, enhanced = [], []
        for i, part in enumerate(parts):
            project, project_bias = exact(projections[i])
            mix, mix_bias = exact(merge[i])
            behind = weight @ part
            path = behind @ project
            whole = path @ mix.flatten(1)
            total = total + path @ mix_bias + behind @ project_bias
            channels = project.shape[1]
            own = whole[:, :channels]
            if before is not None:
                convolution, offset = exact(before[i])
                own, total = own @ convolution.flatten(1), total + own @ offset
            direct.append(own)
            if expansions is not None:
                expand, expand_bias = exact(expansions[i])
                total = total + whole[:, channels:] @ expand_bias
                enhanced.append(torch.einsum("tc,cskl->tskl", whole[:, channels:], expand))
        nothing, like = torch.zeros_like(total), fuse.weight
        self.direct = nn.ModuleList(
            FoldedLayer(w[:, :, None, None], nothing if i else total, like) for i, w in enumerate(direct)
        )
        self.enhanced = nn.ModuleList(FoldedLayer(w, nothing, like) for w in enhanced)

    def forward(self, levels: Sequence[Tensor], squeezed: Sequence[Tensor]) -> Tensor:
        """T of the fused map.

        Args:
            levels: four maps [B, C, H/s, W/s] with strides 4, 8, 16, 32.
            squeezed: of each level, what its enhancement expands at the end; empty without these.

        Returns:
            [B, T, H/4, W/4].
        """
        maps = [product(level) for product, level in zip(self.direct, levels, strict=True)]
        if squeezed:
            maps = [conv(x, m) for m, conv, x in zip(maps, self.enhanced, squeezed, strict=True)]
        total = maps[0]
        for coarse in maps[1:]:
            total = total + F.interpolate(coarse, size=total.shape[-2:], mode="bilinear", align_corners=False)
        return total
