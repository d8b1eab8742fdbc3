"""Which images of a data set are on the page of its evaluation."""

from rgbt_seg_ros.report_page.frames import MAX_FRAMES, RANKED_FRAMES
from rgbt_seg_ros.runs.evaluation import ImageScore
from training.scoring.report import chosen_images


def test_best_and_worst_images_are_on_the_page_with_evenly_chosen_ones() -> None:
    # The scores lie the other way round, and some images have none.
    images = [ImageScore(i, str(i), None if i % 100 == 50 else 1.0 - i / 1000) for i in range(1000)]
    chosen = chosen_images(images)
    extremes = {*range(RANKED_FRAMES), *range(1000 - RANKED_FRAMES, 1000)}
    assert extremes <= chosen
    assert MAX_FRAMES <= len(chosen) <= MAX_FRAMES + 2 * RANKED_FRAMES
    gaps = [b - a for a, b in zip(sorted(chosen)[:-1], sorted(chosen)[1:], strict=True)]
    assert max(gaps) <= 9
