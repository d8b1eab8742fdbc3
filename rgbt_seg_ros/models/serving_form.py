"""A network as it is served: the same numbers by cheaper ways."""

from torch import nn

from rgbt_seg_ros.models.hpd import HPD
from rgbt_seg_ros.models.sacf import SACF


def serving_form(network: nn.Module) -> nn.Module:
    """The network itself, in evaluation mode, its comparisons with text prepared (see `Comparison`).

    For weights that stay as they are: what was prepared is a copy of them. Training mode drops it.
    """
    network.eval()
    for module in list(network.modules()):
        if isinstance(module, SACF | HPD):
            module.prepare_for_serving()
    return network
