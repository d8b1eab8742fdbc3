"""Ten labelled pairs become a model of your own classes: described, trained, tested. A minute or two on a CPU.

    python3 -m examples.train_ten_pairs                  # ten rendered pairs
    python3 -m examples.train_ten_pairs --steps 300      # longer is better
With images of your own replace step 1, see docs/own_data.md. Everything goes into out/examples/ten_pairs.
"""

import argparse
from pathlib import Path

from examples.rendered_pairs import write_pairs
from training import (
    embed_classes,
    evaluate,
    train,
)  # after pip install: from rgbt_seg_ros.training import ...

# What lies where, and what the ids in label images mean. Ids that you do not care for are ignored.
DATASET = """
rgb: rgb
thermal: thermal
labels: labels
classes: {background: 0, car: 1, person: 2}
ignore: [3, 4, 5, 6, 7, 8, 255]
splits: {val: 0.2, test: 0.2}
"""


def run(command, *arguments) -> None:
    """A command of the command line, called from Python; it has said why if it fails."""
    if command.main([str(argument) for argument in arguments]):
        raise SystemExit(1)


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("-o", "--output", type=Path, default=Path("out/examples/ten_pairs"))
    args = parser.parse_args(argv)
    data, own, vectors = args.output, args.output / "run", args.output / "classes.safetensors"
    if own.exists():
        parser.error(f"{data} has a run already: give another folder with -o")

    # 1. Images, thermal images and labels of equal names, and a file that describes them.
    write_pairs(data, 10)
    (data / "dataset.yaml").write_text(DATASET)
    # 2. The network compares pixels with the meaning of words: class names become vectors, once.
    run(embed_classes, "--classes", data, "-o", vectors)
    # 3. Train on six pairs, from the packaged model on. Two choose the best weights, two are for the test.
    settings = [f"data.root={data}", f"model.embeddings={vectors}", f"run.dir={own}"]
    settings += [f"train.max_steps={args.steps}", f"train.eval_every={max(args.steps // 3, 1)}"]
    run(train, "--config", "config/own_data/train.yaml", *settings)
    # 4. Test on what it has never seen. IoU: what label and mask have in common of all that either has.
    model, sheet = own / "best.safetensors", data / "test.png"
    run(evaluate, "--model", model, "--data", "folder", "--root", data, "--sheet", sheet)
    print(f"look at {sheet}, then: python3 -m examples.one_pair --model {model}")


if __name__ == "__main__":
    main()
