"""Features and heat maps are the network's own, computed here a second way."""

from pathlib import Path

import numpy as np
import pytest
import torch
from random_model import write_model
from torch.nn import functional as F

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.images.pair import ImagePair
from rgbt_seg_ros.models import load_model
from rgbt_seg_ros.models.coarse_logits import mean_prediction
from rgbt_seg_ros.scenes.still import render_still
from training.data.sample import Sample
from training.scoring.features import FeatureProbe, sample_pixels


def sample(size: tuple[int, int] = (96, 128), seed: int = 3) -> Sample:
    still = render_still(seed, size)
    return Sample("still", still.rgb, still.thermal, still.label)


@pytest.fixture(scope="module", params=["shifnet", "sartm"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / f"{request.param}.safetensors"
    return write_model(path, arch=request.param, short_side=None)


@pytest.fixture(scope="module")
def probe(model: Path) -> FeatureProbe:
    return FeatureProbe(model, "cpu")


def inputs(probe: FeatureProbe, of: Sample) -> tuple[torch.Tensor, torch.Tensor]:
    return probe.segmenter.prepare([ImagePair(of.rgb, of.thermal)], of.label.shape)


@pytest.mark.parametrize("level", [0, -1])
def test_heat_maps_are_grad_cam_of_the_fused_map(probe: FeatureProbe, model: Path, level: int) -> None:
    network, pair = load_model(model).eval(), sample()
    rgb, thermal = inputs(probe, pair)
    is_shifnet = probe.segmenter.card.arch == "shifnet"
    features = network.encoder(torch.cat([rgb, thermal])) if is_shifnet else network.encoder(rgb, thermal)
    fused = [level.detach().requires_grad_() for level in network.fuse(features)]
    if is_shifnet:
        coarse = network.hpd(fused, network.class_embeddings, torch.cat([rgb, thermal]))
        logits = network.hpd.enlargement(coarse)
    else:
        paths = (
            F.interpolate(part(fused), scale_factor=4, mode="bilinear")
            for part in (network.decoder, network.auxiliary)
        )
        logits = mean_prediction(*paths)
    class_id = int(logits.argmax(1).mode().values.mode().values)
    where = logits.argmax(1)[0] == class_id
    logits[0, class_id][where].sum().backward()
    weights = fused[level].grad.mean(dim=(2, 3), keepdim=True)
    cam = (weights * fused[level]).sum(1, keepdim=True).relu()
    expected = F.interpolate(cam / cam.max().clamp(min=1e-12), size=(96, 128), mode="bilinear")[0, 0]
    found = probe.heat_map(pair, class_id, level)
    assert found.shape == (96, 128)
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-4)
    assert 0.0 <= found.min() <= found.max() <= 1.0


def test_an_unknown_level_is_said(probe: FeatureProbe) -> None:
    assert probe.levels == (4 if probe.segmenter.card.arch == "shifnet" else 3)
    with pytest.raises(
        UserError, match=rf"there is no level {probe.levels}: the model has {probe.levels} fused maps"
    ):
        probe.heat_map(sample(), 1, probe.levels)


def test_pixel_features_lie_where_their_labels_do(probe: FeatureProbe, model: Path) -> None:
    """100x140 is filled up to 128x160: what is not of the image has no label."""
    pair = sample((100, 140))
    features, labels = probe.pixel_features(pair)
    stride = 4 if probe.segmenter.card.arch == "shifnet" else 16
    assert len(features) == len(labels) == round(100 / stride) * round(140 / stride)
    assert features.dtype == np.float32
    assert set(np.unique(labels)) <= set(np.unique(pair.label))
    if stride == 4:
        rgb, thermal = inputs(probe, pair)
        padded = [F.pad(image, (0, 20, 0, 28)) for image in (rgb, thermal)]
        network = load_model(model).eval()
        with torch.inference_mode():
            maps = network.fuse(network.encoder(torch.cat(padded)))
            expected = network.hpd.pixel_embeddings(maps)[0, :, :25, :35].flatten(1).T
        np.testing.assert_allclose(features, expected.numpy(), atol=1e-5)


def test_each_class_gives_at_most_so_many_positions(probe: FeatureProbe) -> None:
    samples = [sample(seed=3), sample(seed=4)]
    features, labels = sample_pixels(probe, samples, 5)
    assert np.bincount(labels).max() <= 5
    again, _ = sample_pixels(probe, samples, 5)
    np.testing.assert_array_equal(features, again)
    nothing = sample()
    nothing.label[:] = 255
    with pytest.raises(UserError, match="no pixel of these images is labelled"):
        sample_pixels(probe, [nothing], 5)
