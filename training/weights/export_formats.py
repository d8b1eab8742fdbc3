"""The formats of an exported network: how each is written, and how it is loaded again to be checked."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

METADATA_NAME = "rgbt_seg_ros"
"""Under this name every format keeps what the file says of itself, as JSON text."""

Pair = tuple[Tensor, Tensor]
Network = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class ExportFormat:
    """One format.

    Attributes:
        suffix: of the written file's name.
        write: writes what was traced to a path with that suffix, together with the metadata.
        load: a written file as a function from rgb and thermal [1, 3, H, W] to logits [1, N, H, W], on the CPU.
    """

    suffix: str
    write: Callable[[ExportedProgram, Path, str], None]
    load: Callable[[Path], Network]


def trace(network: nn.Module, pair: Pair) -> ExportedProgram:
    """What a network in evaluation mode does with a pair (rgb, thermal [1, 3, H, W]), for that size alone."""
    with _quiet(), torch.no_grad():
        program = torch.export.export(network, pair)
    _drop_unread_weights(program)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # lines of source code with the paths of this machine
    return program


def _drop_unread_weights(program: ExportedProgram) -> None:
    """Take out what the answer does not depend on: what the serving form has replaced by something cheaper."""
    unread = {node.name: node for node in program.graph.nodes if node.op == "placeholder" and not node.users}
    specs = program.graph_signature.input_specs
    for spec in [spec for spec in specs if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER)]:
        if spec.arg.name in unread:
            specs.remove(spec)
            program.graph.erase_node(unread[spec.arg.name])
            for tensors in (program.state_dict, program.constants):
                tensors.pop(spec.target, None)
    program.graph_module.recompile()


@contextmanager
def _quiet() -> Iterator[None]:
    """PyTorch's exporters warn their own developers, by warnings and by logging."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _write_onnx(program: ExportedProgram, path: Path, metadata: str) -> None:
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    with _quiet():
        onnx_program = torch.onnx.export(
            program,
            dynamo=True,
            input_names=["rgb", "thermal"],
            output_names=["logits"],
            verbose=False,
        )
    assert onnx_program is not None
    # Else every operation tells from which lines of which files it comes.
    ClearMetadataAndDocStringPass()(onnx_program.model)
    onnx_program.model.metadata_props[METADATA_NAME] = metadata
    onnx_program.save(path, external_data=False)


def _load_onnx(path: Path) -> Network:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def network(rgb: Tensor, thermal: Tensor) -> Tensor:
        (logits,) = session.run(["logits"], {"rgb": rgb.numpy(), "thermal": thermal.numpy()})
        return torch.from_numpy(logits)

    return network


def _write_torch_export(program: ExportedProgram, path: Path, metadata: str) -> None:
    # Through memory: PyTorch's own writer says of a full disk that a check in its C++ has failed.
    content = io.BytesIO()
    with _quiet():
        torch.export.save(program, content, extra_files={METADATA_NAME: metadata})
    path.write_bytes(content.getbuffer())


def _load_torch_export(path: Path) -> Network:
    return torch.export.load(path).module()


FORMATS = {
    "onnx": ExportFormat(".onnx", _write_onnx, _load_onnx),
    "torch-export": ExportFormat(".pt2", _write_torch_export, _load_torch_export),
}
