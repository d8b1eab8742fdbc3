"""Class embeddings: the text vectors that a model compares its pixels with, computed once and kept in a file.

A text encoder is needed here only; models carry the vectors, so the node never loads one.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from rgbt_seg_ros.base.cli import Work, announce, command_parser, run_command


def _prepare(args: argparse.Namespace) -> Work:
    from .weights.class_texts import DEFAULT_TEMPLATES, check_texts, class_names

    names, templates = class_names(args.classes), tuple(args.template or DEFAULT_TEMPLATES)
    check_texts(names, templates)
    announce(f"embedding {len(names)} class names by {args.encoder}")
    from .work.embed_classes import run

    return partial(run, names=names, templates=templates)


def main(argv: Sequence[str] | None = None) -> int:
    parser = command_parser(
        "python -m training.embed_classes",
        "Compute the text embeddings of a list of classes.",
        """python -m training.embed_classes --encoder minilm --classes mfnet -o mfnet.safetensors
        python -m training.embed_classes --encoder openai/clip-vit-large-patch14 --classes fmb -o fmb.safetensors
        python -m training.embed_classes --encoder ./LanguageBind_Thermal --classes fmb -o fmb.safetensors
        python -m training.embed_classes --encoder ./clip --classes car,person --template "a {}" -o two.safetensors
        """,
    )
    parser.add_argument(
        "--encoder",
        default="minilm",
        help="'minilm' (packaged, offline), a folder as transformers, OpenCLIP or LanguageBind save it, or a "
        "Hugging Face id, which alone may use the network (default: minilm)",
    )
    parser.add_argument(
        "--classes",
        required=True,
        help="mfnet, pst900, fmb, the folder (or YAML file) of your own data, or NAME,NAME,...",
    )
    parser.add_argument(
        "--template", action="append", help="sentence with {} for the name; may be given several times"
    )
    parser.add_argument("-o", "--output", required=True, help="file to write (.safetensors)")
    return run_command(parser, _prepare, argv)


if __name__ == "__main__":
    sys.exit(main())
