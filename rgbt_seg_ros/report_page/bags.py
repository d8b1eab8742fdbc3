"""One page about several recordings: a line for each, which leads to its own page."""

from urllib.parse import quote

from rgbt_seg_ros.report_page.format import number, percent, plural, words
from rgbt_seg_ros.report_page.page import render
from rgbt_seg_ros.runs.joint import BagResult, Joint
from rgbt_seg_ros.runs.verdict import verdict


def render_bags(joint: Joint) -> str:
    """The page; its links lead to NAME/report.html beside it."""
    rows = [_row(bag) for bag in joint.bags]
    counts = joint.counts
    sentence = f"{plural(counts['masks'], 'mask')} of {plural(len(rows), 'recording')}"
    if joint.scores is not None:
        sentence += f", mIoU {percent(joint.scores.miou)} on {plural(joint.labelled, 'label')}"
    if joint.failed:
        sentence += f"; {len(joint.failed)} failed"
    iou = [] if joint.scores is None else [(name, percent(value)) for name, value in joint.scores.iou.items()]
    return render(
        "bags.html",
        sentence=sentence,
        rows=rows,
        counts=counts,
        iou=iou,
        mask_hash=joint.mask_hash,
        dropped=[(words(cause), count) for cause, count in joint.dropped.items() if count],
        frames=[],
        charts=[],
        timeline=None,
        layer_classes={},
    )


def _row(bag: BagResult) -> dict[str, str]:
    summary = bag.summary
    if summary is None:
        return {"name": bag.name, "link": "", "sentence": bag.error, "level": "error"}
    level, sentence = verdict(summary)
    return {
        "name": bag.name,
        "link": f"{quote(bag.name)}/report.html",
        "pairs": number(summary.pairs),
        "masks": number(summary.masks),
        "detections": number(summary.detections),
        "miou": percent(None if summary.scores is None else summary.scores.miou),
        "latency": number(summary.latency_ms.p50),
        "level": level,
        "sentence": sentence,
    }
