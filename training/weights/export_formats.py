"""The formats of an exported network: how each is written, and how it is loaded again to be checked."""

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind

from rgbt_seg_ros.models.model_file import MAX_CLASSES
from rgbt_seg_ros.models.onnx_file import METADATA_NAME

Inputs = tuple[Tensor, ...]
"""rgb, thermal [1, 3, H, W], and where a network is given its classes, class embeddings [N, D]."""

INPUT_NAMES = ("rgb", "thermal", "class_embeddings")

Network = Callable[..., Tensor]


@dataclass(frozen=True)
class ExportFormat:
    """One format.

    Attributes:
        suffix: of the written file's name.
        write: writes what was traced to a path with that suffix, together with the metadata and, where class
            embeddings are an input, its default.
        load: a written file as a function from `Inputs` to logits [1, N, H, W], on the CPU.
        takes_classes: whether class embeddings are an input, with the model's own as its default.
    """

    suffix: str
    write: Callable[[ExportedProgram, Path, str, Tensor | None], None]
    load: Callable[[Path], Network]
    takes_classes: bool = False


def trace(network: nn.Module, inputs: Inputs) -> ExportedProgram:
    """What a network in evaluation mode does with its inputs: images of that size, any number of classes."""
    shapes: list[dict[int, Dim]] = [{} for _ in inputs]
    if len(inputs) > 2:
        shapes[2] = {0: Dim("classes", min=2, max=MAX_CLASSES)}
    with _quiet(), torch.no_grad():
        program = torch.export.export(network, inputs, dynamic_shapes=tuple(shapes))
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


def _write_onnx(program: ExportedProgram, path: Path, metadata: str, class_embeddings: Tensor | None) -> None:
    import onnx_ir
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    with _quiet():
        onnx_program = torch.onnx.export(
            program,
            dynamo=True,
            input_names=list(INPUT_NAMES),
            output_names=["logits"],
            verbose=False,
        )
    assert onnx_program is not None
    # Else every operation tells from which lines of which files it comes.
    ClearMetadataAndDocStringPass()(onnx_program.model)
    if class_embeddings is not None:
        # An input with a value is one that may be left out.
        default = onnx_program.model.graph.inputs[INPUT_NAMES.index("class_embeddings")]
        default.const_value = onnx_ir.tensor(class_embeddings.numpy(), name=default.name)
        onnx_program.model.graph.register_initializer(default)
        _name_classes(onnx_program.model.graph, default)
    onnx_program.model.metadata_props[METADATA_NAME] = metadata
    onnx_program.save(path, external_data=False)


def _name_classes(graph: Any, class_embeddings: Any) -> None:
    """Give the number of classes a name that a reader understands, wherever a shape has the one of the tracing."""
    traced = str(class_embeddings.shape[0])
    nodes = [output for node in graph for output in node.outputs]
    for value in (*graph.inputs, *nodes):
        for axis, size in enumerate(list(value.shape or ())):
            if str(size) == traced:
                value.shape[axis] = "classes"


def _load_onnx(path: Path) -> Network:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns of the input that has a default
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def network(*inputs: Tensor) -> Tensor:
        feeds = {name: tensor.numpy() for name, tensor in zip(INPUT_NAMES, inputs, strict=False)}
        (logits,) = session.run(["logits"], feeds)
        return torch.from_numpy(logits)

    return network


def _write_torch_export(
    program: ExportedProgram, path: Path, metadata: str, class_embeddings: Tensor | None
) -> None:
    # Through memory: PyTorch's own writer says of a full disk that a check in its C++ has failed.
    content = io.BytesIO()
    with _quiet():
        torch.export.save(program, content, extra_files={METADATA_NAME: metadata})
    path.write_bytes(content.getbuffer())


def _load_torch_export(path: Path) -> Network:
    return torch.export.load(path).module()


FORMATS = {
    "onnx": ExportFormat(".onnx", _write_onnx, _load_onnx, takes_classes=True),
    "torch-export": ExportFormat(".pt2", _write_torch_export, _load_torch_export),
}
