"""A network as it is served: the same numbers by cheaper ways."""

import torch
from torch import nn

from rgbt_seg_ros.models.layers.fused_layers import FoldedLayer, fuse_linear_layers
from rgbt_seg_ros.models.sam2_encoder import Trunk
from rgbt_seg_ros.models.sartm.encoder import SartmEncoder
from rgbt_seg_ros.models.sartm.lora import MergedQkv
from rgbt_seg_ros.models.shifnet.detail import DetailHead
from rgbt_seg_ros.models.shifnet.encoder import AdaptedAttention, AdaptedMlp
from rgbt_seg_ros.models.shifnet.hpd import ConvBnRelu
from rgbt_seg_ros.models.shifnet.network import SHIFNet
from rgbt_seg_ros.models.shifnet.sacf import ConvNeXtBlock
from rgbt_seg_ros.models.trunk_block import Block

_OF_TRUNK = Trunk | Block | AdaptedAttention | AdaptedMlp | MergedQkv
_PREPARED = _OF_TRUNK | ConvNeXtBlock | ConvBnRelu | DetailHead


def serving_form(network: nn.Module) -> nn.Module:
    """The network itself, in evaluation mode, with what its weights decide computed once.

    For weights that stay as they are: similarity to the text (see `TextSimilarity`), LoRA merged into the weights of
    each modality (see `MergedQkv`), the trunk's position embedding (see `Trunk`), and layers that follow each other
    with nothing but linear maps between them as one (see `FoldedLayer`) are prepared from copies of them. Linear layers
    run fused (see `fused_layers`). Training mode drops these. On a GPU, weights of convolutions come into the order in
    which it reads them. Names and weights stay, but a SARTM loses its `peft` layers for good.
    """
    network.eval()
    for module in list(network.modules()):
        if isinstance(module, SartmEncoder):
            module.merge_lora()
    for module in list(network.modules()):
        if isinstance(module, _PREPARED):
            module.prepare_for_serving()
    for module in list(network.modules()):
        # What takes several of these together comes after each of them.
        if isinstance(module, SHIFNet):
            module.prepare_for_serving()
    fuse_linear_layers(network)
    if next(network.parameters()).is_cuda:
        network.to(memory_format=torch.channels_last)
    return network


def halve_weights(network: nn.Module, kind: torch.dtype) -> None:
    """Keep the weights of products and convolutions in the type in which mixed precision computes these.

    The same numbers as mixed precision gives with full weights, which it would convert in every run.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | FoldedLayer):
            module.to(kind)
