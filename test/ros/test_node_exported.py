"""A node whose model is an exported network publishes the masks of the model file, whatever runs it."""

from pathlib import Path

import numpy as np
import pytest
from exported_models import ExportedModel
from node_bench import Bench, load_segmenter, pixels, stamp_of
from node_process import active_node


@pytest.mark.parametrize(
    ("runtime", "answers"),
    [("onnxruntime", ["onnxruntime (CPU)"]), ("torch", ["torch"]), ("auto", ["torch", "onnxruntime (CPU)"])],
)
def test_the_masks_are_those_of_the_model_file(
    bench: Bench, exported_default: ExportedModel, tmp_path: Path, runtime: str, answers: list[str]
) -> None:
    segmenter = load_segmenter(exported_default.weights)
    segmenter.use(segmenter.select_classes([]))  # as a node does: without weak ones

    def agree() -> int:
        """Compare a mask; returns its number of classes."""
        mask = bench.new("mask", lambda: bench.send_pair(*exported_default.size))
        expected = segmenter(*bench.sent[stamp_of(mask)]).mask
        assert np.mean(pixels(mask) == expected) >= 0.999
        return len(np.unique(expected))

    parameters = {"model": exported_default.exported, "runtime": runtime}
    with active_node(tmp_path / "log.txt", **parameters) as node:
        assert agree() > 1
        _, _, values = bench.next_diagnostics()
        assert values["runtime"] in answers
        assert f"by {values['runtime']}, warming up" in node.output
        if runtime == "auto":
            assert f"{values['runtime']} answers" in node.output
        assert bench.set_parameter("classes", "person,car").successful
        segmenter.use(segmenter.select_classes(["person", "car"]))
        assert agree() > 0
