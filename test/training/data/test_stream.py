"""The samples of a training run in their order."""

import numpy as np
import pytest

from training.config.schema import AugmentConfig
from training.data.augment import DRAWS
from training.data.crop import CroppedSample, RandomCrop
from training.data.sample import Sample
from training.data.stream import RenderedShare, TrainingStream

CONFIG = AugmentConfig(crop_height=2, crop_width=3, min_scale=1.0, max_scale=1.0)


def _source(kind: int, count: int = 5) -> list[Sample]:
    """Samples of random pixels whose red tells the source, and whose label the number."""

    def sample(i: int) -> Sample:
        pixels = np.random.default_rng((kind, i)).integers(0, 256, (4, 6, 3), np.uint8)
        pixels[..., 0] = kind
        return Sample(f"{kind}_{i}", pixels, pixels[..., 1], np.full((4, 6), i, np.uint8))

    return [sample(i) for i in range(count)]


def _stream(share: RenderedShare, seed: int = 0, **endless: int) -> TrainingStream:
    return TrainingStream(
        _source(1), _source(2, 100 if endless else 5), share, RandomCrop(CONFIG, None), seed, **endless
    )


def _made(stream: TrainingStream, k: int, done: float = 0.0) -> bytes:
    crop = CroppedSample(
        np.empty((2, 3, 3), np.uint8),
        np.empty((2, 3), np.uint16),
        np.empty((2, 3), np.uint8),
        np.empty((2, 3), np.uint8),
    )
    draws = np.empty(DRAWS)
    seed = stream.make(stream.job(k, done), crop, draws)
    parts = (crop.rgb, crop.thermal, crop.label, crop.known, draws)
    return b"".join(part.tobytes() for part in parts) + str(seed).encode()


HALF = RenderedShare(0.5, 0.5)


def test_stream_sample_depends_on_seed_and_number_alone() -> None:
    first, second, other = _stream(HALF), _stream(HALF), _stream(HALF, seed=1)
    forward = [_made(first, k) for k in range(40)]
    assert forward == [_made(second, k) for k in reversed(range(40))][::-1]
    assert len(set(forward)) == 40
    assert not set(forward) & {_made(other, k) for k in range(40)}


def test_stream_shows_each_real_sample_once_an_epoch_in_a_new_order() -> None:
    stream = _stream(RenderedShare(0.0, 0.0))
    jobs = [stream.job(k, 0.0) for k in range(40)]
    assert not any(job.rendered for job in jobs)
    epochs = [tuple(job.place for job in jobs[start : start + 5]) for start in range(0, 40, 5)]
    assert all(sorted(epoch) == list(range(5)) for epoch in epochs)
    assert len(set(epochs)) > 4


def test_stream_mixes_by_its_share() -> None:
    def rendered(share: RenderedShare, done: float) -> float:
        stream = _stream(share)
        return sum(stream.job(k, done).rendered for k in range(400)) / 400

    assert rendered(RenderedShare(0.0, 0.0), 0.5) == 0.0
    assert rendered(RenderedShare(1.0, 1.0), 0.5) == 1.0
    assert rendered(RenderedShare(1.0, 0.0), 0.25) == pytest.approx(0.75, abs=0.08)
    assert rendered(RenderedShare(1.0, 0.0), 1.0) == 0.0
    later = RenderedShare(0.6, 0.2, until=0.5)
    assert rendered(later, 0.49) == 1.0
    assert rendered(later, 0.75) == pytest.approx(0.4, abs=0.08)


def test_endless_stills_are_shown_so_often_and_far_apart() -> None:
    stream = _stream(RenderedShare(1.0, 1.0), kept=12, uses=3)
    indices = [stream.job(k, 0.0).place for k in range(200)]
    places = {still: [k for k, index in enumerate(indices) if index == still] for still in range(10, 50)}
    assert all(len(found) == 3 for found in places.values())
    assert min(np.diff(found).min() for found in places.values()) >= 12
    # None that is so old that it is no longer kept.
    newest = np.maximum.accumulate(indices)
    assert (newest - indices).max() < 12
    assert max(indices) == 199 // 3
