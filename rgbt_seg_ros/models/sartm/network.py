"""SARTM (arXiv 2505.01950): SAM 2 encoder with LoRA for each modality, CMX fusion, class-token mask decoder."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from rgbt_seg_ros.base.errors import UserError, check_choice
from rgbt_seg_ros.models.choices import SARTM as WORDS
from rgbt_seg_ros.models.choices import check_size
from rgbt_seg_ros.models.coarse_logits import CoarseLogits, Enlargement
from rgbt_seg_ros.models.sam2_encoder import SAM2_TRUNKS, TRUNKS, init_from_scratch, padded_batch
from rgbt_seg_ros.models.sartm.auxiliary_heads import auxiliary_head
from rgbt_seg_ros.models.sartm.cmx_fusion import CmxFusion
from rgbt_seg_ros.models.sartm.encoder import SartmEncoder
from rgbt_seg_ros.models.sartm.mask_decoder import ClassTokenDecoder


@dataclass(frozen=True)
class SartmSize:
    """Widths of one size; the defaults are the paper's and hold for the four SAM 2 sizes."""

    dim: int = 256
    from_scratch: bool = False
    """True where no pretrained SAM 2 weights exist, so that the whole network is trained."""


SIZES = {
    "nano": SartmSize(dim=64, from_scratch=True),  # ours, for a CPU: the same modules, narrower
    **{name: SartmSize() for name in SAM2_TRUNKS},
}


_ENLARGEMENT = Enlargement(4)


class SartmOutput(NamedTuple):
    """What the losses of training need.

    Attributes:
        mask: S0, logits of the mask decoder at the input's size, [B, N, H, W].
        auxiliary: S1, logits of the auxiliary head, [B, N, H, W]; None without one.
        fused: F~_n, the coarsest fused map, [B, dim, h, w], stride 16 of the input padded to multiples of 32.
    """

    mask: Tensor
    auxiliary: Tensor | None
    fused: Tensor


class SARTM(nn.Module):
    """RGB-thermal segmentation of the classes that it was trained on; text guides its training alone.

    The defaults are the paper's model, the other choices its ablations.

    Args:
        size: a key of `SIZES`.
        class_embeddings: [N, D], one row a class; a buffer, saved with the weights, read by the losses alone.
        rank: of LoRA; alpha is the same.
        neck: how the neck joins two levels: `avg` (Eq. 8), or `sum` as SAM 2 was pretrained.
        auxiliary: head of the second path (Eq. 10): `fpn`, `deeplab`, `segformer` (Table VIII), or `off`.
        prediction: what answers: `mean` of both paths' probabilities, `mask` (first path) or `aux` (second). Without
            auxiliary head `mean` is the first path alone.
        merged: build the serving form of LoRA (see `lora`), which needs no `peft` and is not for training.

    Raises:
        UserError: there is no such choice, or two do not go together.
    """

    def __init__(
        self,
        size: str,
        class_embeddings: Tensor,
        rank: int = 16,
        neck: str = "avg",
        auxiliary: str = "fpn",
        prediction: str = "mean",
        merged: bool = False,
    ) -> None:
        super().__init__()
        _check_choices(size, rank, neck, auxiliary, prediction)
        config, classes = SIZES[size], len(class_embeddings)
        dim = config.dim
        self.paths = _paths(auxiliary, prediction)
        self.encoder = SartmEncoder(TRUNKS[size], dim, rank, neck, merged)
        self.fusion = nn.ModuleList(
            CmxFusion(width, heads) for width, heads in ((dim // 8, 1), (dim // 4, 2), (dim, 4))
        )
        self.decoder = ClassTokenDecoder(dim, classes)
        self.auxiliary = None if auxiliary == "off" else auxiliary_head(auxiliary, dim, classes)
        self.register_buffer("class_embeddings", class_embeddings.detach().clone().float())
        self.class_embeddings: Tensor
        if config.from_scratch:
            init_from_scratch(self.encoder)
            self.requires_grad_(True)
        else:
            self.encoder.freeze_base()
            self.decoder.freeze_base()

    def forward(
        self, rgb: Tensor, thermal: Tensor, coarse: bool = False
    ) -> Tensor | SartmOutput | CoarseLogits:
        """Logits of a batch of pairs.

        Args:
            rgb, thermal: [B, 3, H, W], scaled (`rgbt_seg_ros.models.scaling`), any H and W; zeros for a missing one.
            coarse: leave out the last enlargement.

        Returns:
            In evaluation mode logits [B, N, H, W] of the chosen prediction, or with `coarse` what they are enlarged of;
            in training mode a `SartmOutput`.

        Raises:
            ValueError: the shapes differ or are not those of images.
        """
        fused = self.fuse(self.encoder(*padded_batch(rgb, thermal).chunk(2)))
        size = (rgb.shape[-2], rgb.shape[-1])

        def answer(*paths: str) -> CoarseLogits:
            return CoarseLogits(tuple(self.get_submodule(path)(fused) for path in paths), _ENLARGEMENT, size)

        if self.training:
            auxiliary = None if self.auxiliary is None else answer("auxiliary").full()
            return SartmOutput(answer("decoder").full(), auxiliary, fused[-1])
        answered = answer(*self.paths)
        return answered if coarse else answered.full()

    def fuse(self, levels: list[Tensor]) -> list[Tensor]:
        """Three maps [2B, dim, h, w], RGB in the first half -> F~_0, F~_1, F~_n, [B, C, h, w]: C dim/8, dim/4, dim."""
        fine, middle, coarse = levels
        narrowed = [self.decoder.conv_s0(fine), self.decoder.conv_s1(middle), coarse]
        return [fusion(*level.chunk(2)) for fusion, level in zip(self.fusion, narrowed, strict=True)]


def _paths(auxiliary: str, prediction: str) -> tuple[str, ...]:
    """Names of the submodules whose logits answer."""
    if prediction == "mask" or auxiliary == "off":
        return ("decoder",)
    return ("auxiliary",) if prediction == "aux" else ("decoder", "auxiliary")


def _check_choices(size: str, rank: int, neck: str, auxiliary: str, prediction: str) -> None:
    check_size("SARTM", size)
    if rank < 1:
        raise UserError(f"LoRA of rank {rank} has no weights: choose a rank of at least 1")
    check_choice("neck", neck, WORDS.choices["neck"])
    check_choice("prediction", prediction, WORDS.choices["prediction"])
    if prediction == "aux" and auxiliary == "off":
        raise UserError(
            "prediction aux needs an auxiliary head: choose fpn, deeplab or segformer, or prediction mask"
        )
