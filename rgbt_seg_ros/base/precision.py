"""What a network computes in: one vocabulary for the node, the commands and training."""

AUTO = "auto"
"""What suits the device."""

PRECISIONS = ("fp32", "bf16", "fp16")

TORCH = "torch"
RUNTIMES = (AUTO, TORCH, "onnxruntime")
"""What runs a network; `auto` is what is faster and agrees."""

FORMER_NAMES = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}
"""Words of earlier versions, which parameter files and configurations may still hold."""


def precision_name(word: str) -> str:
    """Today's word for a former one; any other as it is."""
    return FORMER_NAMES.get(word, word)
