"""The samples of a training run in their order."""

import numpy as np
import torch

from training.data.sample import Sample
from training.data.stream import TrainingStream


def _stream(share: tuple[float, float], seed: int = 0, length: int = 40) -> TrainingStream:
    def name_and_noise(sample: Sample) -> dict[str, torch.Tensor]:
        return {"name": torch.tensor([ord(letter) for letter in sample.name]), "noise": torch.rand(3)}

    image = np.zeros((2, 2), np.uint8)
    real = [Sample(f"r{i}", np.zeros((2, 2, 3), np.uint8), image, image) for i in range(5)]
    rendered = [Sample(f"s{i}", np.zeros((2, 2, 3), np.uint8), image, image) for i in range(5)]
    return TrainingStream(real, rendered, share, name_and_noise, length, seed)


def test_stream_sample_depends_on_seed_and_number_alone() -> None:
    first, second = _stream((0.5, 0.5)), _stream((0.5, 0.5))
    forward = [first[k] for k in range(40)]
    torch.manual_seed(99)
    for k in reversed(range(40)):
        assert torch.equal(forward[k]["name"], second[k]["name"])
        assert torch.equal(forward[k]["noise"], second[k]["noise"])
    other = _stream((0.5, 0.5), seed=1)
    assert any(not torch.equal(forward[k]["noise"], other[k]["noise"]) for k in range(40))


def test_stream_leaves_the_training_process_random_numbers_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    _stream((0.5, 0.5))[0]
    assert torch.equal(torch.rand(2), expected)


def test_stream_shows_each_real_sample_once_an_epoch_in_a_new_order() -> None:
    stream = _stream((0.0, 0.0))
    names = [chr(stream[k]["name"][1]) for k in range(40)]
    epochs = [names[start : start + 5] for start in range(0, 40, 5)]
    assert all(sorted(epoch) == list("01234") for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 4


def test_stream_mixes_by_its_share() -> None:
    def rendered_share(stream: TrainingStream, numbers: range) -> float:
        return sum(chr(stream[k]["name"][0]) == "s" for k in numbers) / len(numbers)

    assert rendered_share(_stream((0.0, 0.0)), range(40)) == 0.0
    assert rendered_share(_stream((1.0, 1.0)), range(40)) == 1.0
    fading = _stream((1.0, 0.0), length=400)
    assert rendered_share(fading, range(100)) > 0.75
    assert rendered_share(fading, range(300, 400)) < 0.25
