"""What a training run is made of: frozen dataclasses, filled from a YAML file and `key=value` overrides."""

from dataclasses import dataclass, field

SCALES_OF = ("crop", "image")
PROTOCOLS = ("native", "official")
MODALITIES = ("both", "rgb", "thermal")
"""What a model is shown of a pair."""

FOLDER = "folder"
"""The name of own data sets, which a YAML file describes, in commands and configurations."""

DATA_NAMES = ("mfnet", "pst900", "fmb", "fmb15", "msrs", FOLDER)
"""Data sets on disk."""
PROTOTYPE_MEANS = ("released", "printed")


@dataclass(frozen=True)
class DataConfig:
    """Where images come from.

    Attributes:
        name: `msrs`, `mfnet`, `pst900`, `fmb`, `fmb15` (layouts of these data sets; `fmb15` has background as a
            class of its own, as SARTM's paper counts FMB), `folder` (your own: docs/own_data.md) or `scenes` (the
            renderer alone, without a root); the classes are those of the data set.
        root: the data set's folder; of your own also the YAML file that describes it.
        thermal: `8bit`, or `16bit` for PST900's raw counts.
        thermal_palette: false colours of thermal images of three channels: `auto`, `none` or a name, as the node's
            parameter `thermal.palette`.
        train_split, val_split: splits by name, see `training.data.sources.open_dataset`.
        keep_in_memory: decode every image once; right for small sets.
        rendered_share, rendered_share_end: share of training samples drawn from the renderer at the first and the
            last step, linear between.
        rendered_until: share of the run before which all samples are rendered; the two shares above hold for the rest.
        rendered_stills: stills of the renderer that are in use at a time, kept in memory from their first use on.
        rendered_uses: how often a still is shown before a new one takes its place; null: it is always the same stills.
        rendered_anywhere: stills to train on show places of any kind as cameras of any make see them
            (`rgbt_seg_ros.scenes.worlds`), not streets alone; those to validate on are streets always.
        rendered_height, rendered_width: their size in pixels.
        rendered_val: stills to validate on where `name` is `scenes`, of other seeds than the training stills.
        workers: processes that draw, read and crop samples ahead (`training.engine.ring`), for each training process; 0
            prepares them in the training process; null: one for each CPU core but one, at least one. The samples are
            the same for any number.
    """

    name: str = "msrs"
    root: str | None = None
    thermal: str = "8bit"
    thermal_palette: str = "auto"
    train_split: str = "train"
    val_split: str = "val"
    keep_in_memory: bool = True
    rendered_share: float = 0.0
    rendered_share_end: float = 0.0
    rendered_until: float = 0.0
    rendered_stills: int = 1000
    rendered_uses: int | None = None
    rendered_anywhere: bool = False
    rendered_height: int = 480
    rendered_width: int = 640
    rendered_val: int = 20
    workers: int | None = 1


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes of training samples: geometry by `training.data.crop`, appearance by `training.data.augment`.

    Attributes:
        crop_height, crop_width: size of training samples in pixels, after scaling.
        min_scale, max_scale: range of the random scale.
        scale_of: what that scale is relative to: `crop`, where 1 makes an image as high as the crop (both papers'
            code), or `image`, the size that the network sees in service.
        focus: probability that a crop is laid around a pixel of a class drawn among those in the image other than 0.
        paste: probability that objects of other samples of the data set are put in (`training.data.paste`). All labels
            are read at the start and a sample for every object, of which there are up to four: with workers, keep small
            sets in memory.
        close_up: probability that a sample becomes a close-up of its surroundings with such objects in front instead.
        flip: probability of a horizontal flip.
        smoke: probability that RGB is seen through smoke, from a haze to nothing to be seen.
        jitter, jitter_strength: probability and strength (0.5: factors 0.5..1.5) of RGB colour jitter.
        blur: probability of blurring RGB.
        blur_size, blur_sigma: the blur's width and standard deviation in pixels; null: drawn from 0.1 to 2.
        gamma, gamma_range: probability and largest factor of an RGB gamma change (2: exponents 0.5..2).
        thermal_gain, thermal_offset: largest relative gain error and offset of thermal in [0, 1].
        thermal_noise: largest standard deviation of noise on thermal in [0, 1].
        thermal_stripes: largest standard deviation of column noise (stripes of a sensor) on thermal in [0, 1].
        thermal_agc: probability that thermal is stretched as by a camera's automatic gain control.
        thermal_negative: probability that thermal is black-hot.
        drop_rgb, drop_thermal: probabilities that one modality is missing (zeros after scaling); never both.
    """

    crop_height: int = 480
    crop_width: int = 640
    min_scale: float = 0.5
    max_scale: float = 2.0
    scale_of: str = "image"
    focus: float = 0.0
    paste: float = 0.0
    close_up: float = 0.0
    flip: float = 0.5
    smoke: float = 0.0
    jitter: float = 0.2
    jitter_strength: float = 0.5
    blur: float = 0.2
    blur_size: int = 5
    blur_sigma: float | None = None
    gamma: float = 0.0
    gamma_range: float = 2.0
    thermal_gain: float = 0.1
    thermal_offset: float = 0.05
    thermal_noise: float = 0.02
    thermal_stripes: float = 0.0
    thermal_agc: float = 0.0
    thermal_negative: float = 0.0
    drop_rgb: float = 0.0
    drop_thermal: float = 0.0


@dataclass(frozen=True)
class ModelConfig:
    """Which network.

    Attributes:
        arch: `shifnet` or `sartm`.
        size: `nano` (ours, trained whole) or a size of SAM 2: `tiny`, `small`, `base_plus`, `large`.
        fusion: of SHIFNet: `sacf`, `uniform`, `add` or `concat` (its Table VI).
        decoder: of SHIFNet: `hpd`, `segformer` or `ppm` (its Table VII).
        sem: of SHIFNet: the semantic enhancement module of `hpd` (its Table VIII).
        detail: of SHIFNet nano: answer at stride 2 instead of 4, with a look at the images; not in the paper.
        centred: of SHIFNet nano: compare with class embeddings less their mean; not in the paper.
        rank: of SARTM: rank of LoRA.
        neck: of SARTM: how the neck fuses levels, `avg` (its Eq. 8) or `sum` (as SAM 2 does).
        auxiliary: of SARTM: head beside the mask decoder, `fpn`, `deeplab`, `segformer` (its Table VIII) or `off`.
        prediction: of SARTM: `mask` decoder, `aux` head or `mean` of both's probabilities.
        base_weights: Meta's SAM 2 or 2.1 `.pt` file of this size; what it holds is loaded and frozen (parts of SARTM's
            mask decoder excepted, which are trained on).
        from_scratch: also train trunk and neck, from random numbers; sizes of SAM 2 need either this or base_weights.
        embeddings: file written by `training.embed_classes`; one below `config/` may be a shipped one.
        short_side: images are shrunk to this short side in pixels before the network, in training (before the
            random scale) and in service alike; null: never.
        thermal_mean, thermal_std: statistics that thermal in [0, 1] is scaled with; null: neither.
        start_from: model file whose weights the run starts from, `default` for the packaged one; the network must be
            the same, but for `detail`, whose head then starts anew; the class embeddings stay those of `embeddings`;
            null: random numbers, or base_weights.
    """

    arch: str = "shifnet"
    size: str = "nano"
    fusion: str = "sacf"
    decoder: str = "hpd"
    sem: bool = True
    detail: bool = False
    centred: bool = False
    rank: int = 16
    neck: str = "avg"
    auxiliary: str = "fpn"
    prediction: str = "mean"
    base_weights: str | None = None
    from_scratch: bool = False
    embeddings: str = "config/embeddings/mfnet_minilm.safetensors"
    short_side: int | None = None
    thermal_mean: float | None = None
    thermal_std: float | None = None
    start_from: str | None = None


@dataclass(frozen=True)
class LossConfig:
    """Loss of SARTM (its Eq. 15, weights of its Table VII); see `training.losses.sartm`.

    Attributes:
        mask: weight of the cross-entropy of the mask decoder, w0.
        auxiliary: of that of the auxiliary head, w1.
        prototype: of the distance to the running prototypes, w2.
        prototype_means: which class means that distance is of: `released`, the authors' code's, to which the weight 1e4
            belongs, or `printed`, Eq. 13's, which need a weight of about 1.
        similarity: of the distillation of the text's similarities, w3.
        ramp: let w2 and w3 rise linearly over `train.warmup_steps`.
        ohem: pixels whose class has less than this probability are hard and count in the cross-entropies.
    """

    mask: float = 1.0
    auxiliary: float = 0.008
    prototype: float = 1.0e4
    prototype_means: str = "released"
    similarity: float = 100.0
    ramp: bool = False
    ohem: float = 0.7


@dataclass(frozen=True)
class TrainConfig:
    """Optimisation.

    Attributes:
        max_steps: steps (updates of the weights) of the run; null: `epochs` tells.
        budget_minutes: length of the run as time, validations and saving included, instead of either. What follows the
            course of a run (learning rate, rendered share) then goes by the share of the time that is gone. Such a run
            can be resumed, but not to the bit: what a step sees depends on the machine's speed.
        epochs: length of the run in passes over the training images, used where `max_steps` is null.
        batch_size: pairs in one forward pass of one process.
        accumulate: forward passes of every process in one step, so a step sees batch_size x accumulate x processes
            pairs.
        warmup_steps: steps over which the learning rate rises linearly.
        warmup_ratio: share of the learning rate that it rises from.
        schedule: how it falls to zero after that: `poly`, (1 - progress)^poly_power, or `cosine`; or `plateau`: it
            stays until more than `plateau_patience` validations have brought no better mIoU, and is then multiplied by
            `plateau_factor` (SHIFNet's code has 4 and 0.8, and watches the validation loss).
        class_weights: one loss weight a class, in the order of the ids; null: all equal.
        lovasz: weight of the Lovász-softmax loss of SHIFNet beside its cross-entropy, see `training.losses.lovasz`.
        ema_decay: decay of the moving average of the trained weights that is validated and saved; 0: none.
        clip_norm: largest norm of the gradient.
        precision: `fp32`, or autocast in `bf16` or `fp16`; `auto`: `bf16` on a GPU, `fp32` on a CPU.
        checkpointing: recompute the trunk's activations in the backward pass: less memory, more time.
        threads: CPU threads of the training process; null: PyTorch's choice.
        protocol: of the validations that choose the best weights: `native`, or `official` as the papers' tables, see
            `training.scoring.protocols`.
        eval_every: steps between two validations, each of which saves the state to resume from.
        eval_minutes: minutes between two validations, instead of `eval_every`; null: steps tell.
        log_every: steps between two lines of `metrics.jsonl`.
        pictures_every: evaluations between two sheets of predictions.
        checkpoint_every, checkpoint_epochs, checkpoint_minutes: steps, passes over the training images, or minutes,
            after each of which the weights are also kept as `checkpoints/step_NNNNNN.safetensors`; null: never.
        checkpoints_kept: how many of these files stay, the last ones.
    """

    max_steps: int | None = None
    epochs: int | None = None
    budget_minutes: float | None = None
    batch_size: int = 4
    accumulate: int = 1
    seed: int = 0
    lr: float = 1e-4
    weight_decay: float = 0.01
    warmup_steps: int = 100
    warmup_ratio: float = 0.0
    schedule: str = "poly"
    poly_power: float = 0.9
    plateau_factor: float = 0.8
    plateau_patience: int = 4
    class_weights: list[float] | None = None
    lovasz: float = 0.0
    ema_decay: float = 0.0
    clip_norm: float = 1.0
    precision: str = "fp32"
    checkpointing: bool = False
    threads: int | None = None
    protocol: str = "native"
    eval_every: int = 200
    eval_minutes: float | None = None
    log_every: int = 20
    pictures_every: int = 5
    checkpoint_every: int | None = None
    checkpoint_epochs: float | None = None
    checkpoint_minutes: float | None = None
    checkpoints_kept: int = 3


@dataclass(frozen=True)
class RunConfig:
    """What is left behind.

    Attributes:
        dir: folder of the run, usually `runs/NAME`.
        half: store the weights of `best.safetensors` as float16, half the size.
        wandb: project of Weights & Biases that also gets what TensorBoard gets; null: none. Needs the package wandb,
            and an account or `WANDB_MODE=offline`.
    """

    dir: str = "runs/shifnet"
    half: bool = False
    wandb: str | None = None


@dataclass(frozen=True)
class Config:
    """A whole run; every field can be overridden as `section.key=value`."""

    data: DataConfig = field(default_factory=DataConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    run: RunConfig = field(default_factory=RunConfig)
