"""The one vocabulary for what a network computes in."""

from rgbt_seg_ros.base.precision import AUTO, FORMER_NAMES, PRECISIONS, precision_name


def test_every_precision_has_one_name_and_its_former_one_is_read() -> None:
    assert (AUTO, *PRECISIONS) == ("auto", "fp32", "bf16", "fp16")
    assert [precision_name(word) for word in FORMER_NAMES] == list(PRECISIONS)
    assert [precision_name(word) for word in (*PRECISIONS, AUTO, "fp8")] == [*PRECISIONS, AUTO, "fp8"]
