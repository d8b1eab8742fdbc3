"""SHIFNet (arXiv 2503.02581): SAM 2 encoder with adapters, language-guided fusion, language-guided decoder."""

from dataclasses import dataclass, field
from typing import cast

from torch import Tensor, nn

from rgbt_seg_ros.base.errors import UserError, check_choice
from rgbt_seg_ros.models.choices import SHIFNET as WORDS
from rgbt_seg_ros.models.choices import check_size
from rgbt_seg_ros.models.coarse_logits import CoarseLogits
from rgbt_seg_ros.models.sam2_encoder import SAM2_TRUNKS, TRUNKS, TrunkConfig, init_from_scratch, padded_batch
from rgbt_seg_ros.models.shifnet.decoders import PpmDecoder, SegformerDecoder
from rgbt_seg_ros.models.shifnet.encoder import ShifnetEncoder
from rgbt_seg_ros.models.shifnet.fusion import AddFusion, ConcatFusion
from rgbt_seg_ros.models.shifnet.hpd import HPD, HpdConfig
from rgbt_seg_ros.models.shifnet.sacf import SACF, ConvNeXtBlock, UniformFusion


@dataclass(frozen=True)
class ShifnetSize:
    """Widths of one size; the defaults are the paper's and hold for the four SAM 2 sizes."""

    trunk: TrunkConfig
    channels: int = 256
    sacf_hidden: int = 768
    hpd: HpdConfig = field(default_factory=HpdConfig)
    from_scratch: bool = False
    """True where no pretrained SAM 2 weights exist, so that the whole network is trained."""


SIZES = {
    # Ours, for a CPU: the same modules, narrower.
    "nano": ShifnetSize(
        trunk=TRUNKS["nano"],
        channels=48,
        sacf_hidden=48,
        hpd=HpdConfig(sem=24, sem_branch=32, sem_squeeze=8, level=32, fused=64),
        from_scratch=True,
    ),
    **{name: ShifnetSize(trunk) for name, trunk in SAM2_TRUNKS.items()},
}
_LAYER_SCALE = 0.1
"""Of ConvNeXt blocks that are trained from random numbers."""

_CLASSIFIERS = {"segformer": SegformerDecoder, "ppm": PpmDecoder}


class SHIFNet(nn.Module):
    """RGB-thermal segmentation guided by class embeddings.

    The defaults are the paper's model, the other choices its ablations. Fusion and decoder are registered under their
    own names (`sacf`, `concat`; `hpd`, `ppm`), so that weights of one choice cannot be taken for those of another.

    Args:
        size: a key of `SIZES`.
        class_embeddings: [N, D], one row a class; a buffer, saved with the weights.
        fusion: `sacf`, `uniform`, `add` or `concat` (Table VI).
        decoder: `hpd`, `segformer` or `ppm` (Table VII).
        sem: whether `hpd` has its semantic enhancement module (Table VIII).
        detail: whether `hpd` answers at stride 2 instead of 4; ours, for `nano` alone (see `DetailHead`).
        centred: whether `hpd` compares with class embeddings less their mean; ours, for `nano` alone.

    Raises:
        UserError: no such size, fusion or decoder, `sem` switched off in a decoder that has none, or `detail` or
            `centred` in a network of the paper.
    """

    def __init__(
        self,
        size: str,
        class_embeddings: Tensor,
        fusion: str = "sacf",
        decoder: str = "hpd",
        sem: bool = True,
        detail: bool = False,
        centred: bool = False,
    ) -> None:
        super().__init__()
        check_size("SHIFNet", size)
        check_choice("fusion", fusion, WORDS.choices["fusion"])
        check_choice("decoder", decoder, WORDS.choices["decoder"])
        config = SIZES[size]
        self.fusion, self.decoder = fusion, decoder
        self.encoder = ShifnetEncoder(config.trunk, config.channels)
        text_dim = class_embeddings.shape[1]
        if (detail or centred) and not (config.from_scratch and decoder == "hpd"):
            word = "detail" if detail else "centred"
            raise UserError(
                f"{word} is an addition of ours to SHIFNet nano with the decoder hpd: leave it out"
            )
        self.add_module(fusion, nn.ModuleList(_fusion(fusion, config, text_dim) for _ in range(4)))
        self.add_module(decoder, _decoder(decoder, config, class_embeddings, sem, detail, centred))
        self.register_buffer("class_embeddings", class_embeddings.detach().clone().float())
        self.class_embeddings: Tensor
        if config.from_scratch:
            init_from_scratch(self.encoder)
            for module in self.modules():
                if isinstance(module, ConvNeXtBlock):
                    # At the paper's 1e-6, which is for pretrained features, a block hardly learns.
                    nn.init.constant_(module.gamma, _LAYER_SCALE)
        else:
            self.encoder.freeze_base()

    def forward(
        self, rgb: Tensor, thermal: Tensor, class_embeddings: Tensor | None = None, coarse: bool = False
    ) -> Tensor | CoarseLogits:
        """Logits of a batch of pairs.

        Args:
            rgb, thermal: [B, 3, H, W], scaled (`rgbt_seg_ros.models.scaling`), any H and W; zeros for a missing one.
            class_embeddings: [N, D], of other classes; None: the model's own.
            coarse: leave out the last enlargement.

        Returns:
            [B, N, H, W], or with `coarse` what they are enlarged of.

        Raises:
            ValueError: the shapes differ or are not those of images.
        """
        images = padded_batch(rgb, thermal)  # [2B, 3, H', W']
        classes = self.class_embeddings if class_embeddings is None else class_embeddings
        fused = self.fuse(self.encoder(images), classes)
        decoder = cast(HPD | SegformerDecoder | PpmDecoder, self.get_submodule(self.decoder))
        size = (rgb.shape[-2], rgb.shape[-1])
        answer = CoarseLogits((decoder(fused, classes, images),), decoder.enlargement, size)
        return answer if coarse else answer.full()

    def fuse(self, features: list[Tensor], class_embeddings: Tensor | None = None) -> list[Tensor]:
        """Four maps [2B, C, h, w], RGB in the first half of the batch -> four fused maps [B, C, h, w].

        In service they may lack a convolution, see `prepare_for_serving`.
        """
        classes = self.class_embeddings if class_embeddings is None else class_embeddings
        fused = []
        for fusion, level in zip(self.get_submodule(self.fusion).children(), features, strict=True):
            rgb, thermal = level.chunk(2)
            fused.append(fusion(rgb, thermal, classes))
        return fused

    def prepare_for_serving(self) -> None:
        """Prepare SACF and HPD; training mode ends it.

        Where nothing else takes what they make, the neck leaves its convolutions to SACF, and SACF its own to HPD.
        """
        to_hpd, before = self.decoder == "hpd", None
        if self.fusion == "sacf":
            laterals = self.encoder.pass_on_levels()
            levels = [cast(SACF, level) for level in self.get_submodule("sacf").children()]
            for number, level in enumerate(levels):
                level.prepare_for_serving(laterals.get(number), to_hpd)
            before = [level.out_proj for level in levels]
        if to_hpd:
            cast(HPD, self.get_submodule("hpd")).prepare_for_serving(before)


def _fusion(name: str, config: ShifnetSize, text_dim: int) -> nn.Module:
    """Fusion of one level."""
    if name == "sacf":
        return SACF(config.channels, text_dim, config.sacf_hidden)
    if name == "uniform":
        return UniformFusion(config.channels)
    return ConcatFusion(config.channels) if name == "concat" else AddFusion()


def _decoder(
    name: str, config: ShifnetSize, class_embeddings: Tensor, sem: bool, detail: bool, centred: bool
) -> nn.Module:
    if name == "hpd":
        return HPD(config.channels, class_embeddings, config.hpd, sem, detail, centred)
    if not sem:
        raise UserError(
            f"the decoder {name} has no SEM to switch off: leave sem out, or choose the decoder hpd"
        )
    return _CLASSIFIERS[name](config.channels, len(class_embeddings))
