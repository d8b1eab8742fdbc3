"""SARTM's first path (Eq. 9): SAM 2's mask decoder with one mask token per class."""

from collections.abc import Sequence

from sam2.modeling.position_encoding import PositionEmbeddingRandom
from sam2.modeling.sam.mask_decoder import MaskDecoder
from sam2.modeling.sam.transformer import TwoWayTransformer
from torch import Tensor, nn

from rgbt_seg_ros.models.full_precision import full_precision


class ClassTokenDecoder(MaskDecoder):
    """Mask decoder without prompts, whose mask i is the logits of class i.

    It is the `sam2` package's own and keeps its parameter names, so that Meta's weights load by name. Of SAM 2's
    prompt encoder it has the two things that an image without prompts needs. IoU and object-score tokens stay, since
    the class tokens attend to them; their heads are gone.

    Args:
        dim: channels of the coarsest map; SAM 2's is 256. A multiple of 32.
        classes: N.
    """

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__(
            transformer_dim=dim,
            # SAM 2's 8 heads and 2048 hidden units at its width of 256.
            transformer=TwoWayTransformer(depth=2, embedding_dim=dim, num_heads=dim // 32, mlp_dim=8 * dim),
            num_multimask_outputs=classes - 1,
            use_high_res_features=True,
            pred_obj_scores=True,
        )
        self.iou_prediction_head = nn.Identity()
        self.pred_obj_score_head = nn.Identity()
        self.pe_layer = PositionEmbeddingRandom(dim // 2)
        self.no_mask_embed = nn.Embedding(1, dim)

    def forward(self, fused: Sequence[Tensor]) -> Tensor:
        """Three maps [B, dim/8, H/4, W/4], [B, dim/4, H/8, W/8], [B, dim, H/16, W/16] -> S0 [B, N, H/4, W/4]."""
        *finer, coarsest = fused
        # Sines of large angles: half precision would blur positions.
        with full_precision(coarsest):
            positions = self.pe_layer(coarsest.shape[-2:])[None]  # [1, dim, h, w]
        masks, *_ = self.predict_masks(
            image_embeddings=coarsest,
            image_pe=positions,
            sparse_prompt_embeddings=coarsest.new_empty(len(coarsest), 0, self.transformer_dim),
            dense_prompt_embeddings=self.no_mask_embed.weight[
                ..., None, None
            ],  # [1, dim, 1, 1], the same everywhere
            repeat_image=False,
            high_res_features=finer,
        )
        return masks

    def freeze_base(self) -> None:
        """Freeze what stays SAM 2's; class tokens, up-scaling, hyper-networks, conv_s0 and conv_s1 are trained."""
        for part in (self.transformer, self.no_mask_embed, self.obj_score_token, self.iou_token):
            part.requires_grad_(False)
