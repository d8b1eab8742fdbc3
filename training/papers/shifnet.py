"""SHIFNet (arXiv 2503.02581): its recipe and the rows of its tables."""

from .recipe import OTHER_CHANGES, RANDOM_SCALE, Paper, Row, Setting

_RECIPE = (
    Setting(
        "network",
        "paper",
        paper="SAM 2 large, frozen, with adapters",
        values={"model.arch": "shifnet", "model.size": "large"},
    ),
    Setting(
        "class embeddings",
        "ours",
        paper="LanguageBind's text tower, 768 wide",
        code="a ready tensor is loaded",
        ours="MiniLM's, 384 wide, are shipped; give `model.embeddings` for the paper's",
        of_data={
            data: {"model.embeddings": f"config/embeddings/{data}_minilm.safetensors"}
            for data in ("mfnet", "pst900", "fmb")
        },
    ),
    Setting(
        "optimizer",
        "paper",
        paper='AdamW ("beta1 0.999"), learning rate 1e-4',
        code="Adam",
        ours="AdamW with betas of 0.9 and 0.999",
        values={"train.lr": 1e-4},
    ),
    Setting(
        "length",
        "paper",
        paper="150 epochs",
        code="200 epochs",
        values={"train.epochs": 150},
    ),
    Setting(
        "batch",
        "paper",
        paper="8 (MFNet) or 4",
        values={"train.batch_size": 8},
        of_data={"pst900": {"train.batch_size": 4}, "fmb": {"train.batch_size": 4}},
    ),
    Setting(
        "learning rate in time",
        "ours",
        code="falls to 0.8 of itself after 4 epochs without progress",
        ours="rises over 100 steps, then polynomial decay (power 0.9)",
        values={"train.schedule": "poly", "train.poly_power": 0.9, "train.warmup_steps": 100},
    ),
    Setting(
        "weight decay, clipping",
        "ours",
        code="none",
        ours="0.01, gradients to norm 1",
        values={"train.weight_decay": 0.01, "train.clip_norm": 1.0},
    ),
    Setting(
        "crop",
        "code",
        code="480x640 (MFNet), 960x960 (PST900), 1024x1024 (FMB)",
        values={"augment.crop_height": 480, "augment.crop_width": 640},
        of_data={
            "pst900": {"augment.crop_height": 960, "augment.crop_width": 960},
            "fmb": {"augment.crop_height": 1024, "augment.crop_width": 1024},
        },
    ),
    RANDOM_SCALE,
    Setting(
        "other changes of images",
        "code",
        code="flip (0.5); colour jitter (0.2) and a blur of 3x3 and fixed width (0.2) of RGB alone",
        ours="the same, with a blur of 0.8 pixels; jitter changes brightness, contrast and saturation in random order",
        values=OTHER_CHANGES,
    ),
    Setting("loss", "code", code="cross-entropy at the labels' resolution", ours="the same"),
    Setting(
        "choice of the weights",
        "ours",
        ours="by the `official` protocol on MFNet's validation split, or on a tenth of the training images of PST900 "
        "and FMB, listed in `config/splits/`, which are not trained on; `data.train_split=train_all` trains on them",
        values={"train.protocol": "official", "train.eval_every": 490},
        of_data={"pst900": {"train.eval_every": 670}, "fmb": {"train.eval_every": 1370}},
    ),
    Setting(
        "memory",
        "ours",
        ours="bf16, gradient checkpointing, four processes that read data",
        values={
            "train.precision": "bf16",
            "train.checkpointing": True,
            "data.keep_in_memory": False,
            "data.workers": 4,
        },
    ),
    Setting(
        "ablated parts",
        "ours",
        ours="a decoder or fusion that the paper names without equations is the common one. `segformer`: SegFormer's "
        "MLP decoder at the neck's width (256). `ppm`: pyramid pooling (1, 2, 3, 6) of the coarsest level, and "
        "UPerNet's top-down path. Without SEM, the 1x1 convolution that merges a level with its enhancement takes the "
        "level alone. `uniform`: SACF with equal weights in place of the text's",
    ),
)

_ROWS = (
    Row("main", "PST900", "pst900", "89.8 mIoU, 94.1 mAcc"),
    Row("main", "FMB", "fmb", "67.8 mIoU"),
    Row("main", "MFNet", "mfnet", "59.2 mIoU"),
    Row(
        "V",
        "sum and SegFormer's decoder",
        "pst900_add_segformer",
        "not known to us",
        {"model.fusion": "add", "model.decoder": "segformer"},
    ),
    Row("V", "SACF alone", "pst900_segformer", "88.8 mIoU, 93.7 mAcc", {"model.decoder": "segformer"}),
    Row("V", "HPD alone", "pst900_add", "89.5 mIoU, 93.3 mAcc", {"model.fusion": "add"}),
    Row("V", "both", "pst900", "89.8 mIoU, 94.1 mAcc"),
    Row("VI", "sum", "pst900_add", "89.4 mIoU", {"model.fusion": "add"}),
    Row("VI", "concatenation", "pst900_concat", "89.5 mIoU", {"model.fusion": "concat"}),
    Row("VI", "SACF", "pst900", "89.8 mIoU"),
    Row("VI", "SACF without text, FMB", "fmb_uniform", "67.1 mIoU", {"model.fusion": "uniform"}),
    Row("VII", "SegFormer's MLP decoder", "pst900_segformer", "89.1 mIoU", {"model.decoder": "segformer"}),
    Row("VII", "SegFormer's MLP decoder, FMB", "fmb_segformer", "66.1 mIoU", {"model.decoder": "segformer"}),
    Row("VII", "pyramid pooling", "pst900_ppm", "below HPD", {"model.decoder": "ppm"}),
    Row("VII", "HPD", "pst900", "89.8 mIoU"),
    Row("VIII", "without SEM", "pst900_no_sem", "below with SEM", {"model.sem": False}),
    Row("VIII", "with SEM", "pst900", "89.8 mIoU"),
)

SHIFNET = Paper(
    arch="shifnet",
    title="SHIFNet",
    base_weights="sam2.1_hiera_large.pt",
    recipe=_RECIPE,
    rows=_ROWS,
    hours={"pst900": 25.0, "fmb": 56.6, "mfnet": 12.1},
)
