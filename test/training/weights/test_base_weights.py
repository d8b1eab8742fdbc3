"""Meta's SAM 2 files fill trunk and neck, in SARTM the mask decoder, too: completely, or they are refused by name."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sam2.build_sam import build_sam2

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models import build_model, file_hash
from rgbt_seg_ros.models.sam2_encoder import is_added
from training.weights.base_weights import decoder_weights, encoder_weights, load_base_weights

YAML = {"2": "configs/sam2/sam2_hiera_t.yaml", "2.1": "configs/sam2.1/sam2.1_hiera_t.yaml"}


def network(size: str = "tiny") -> torch.nn.Module:
    torch.manual_seed(1)
    return build_model("shifnet", {"size": size}, torch.eye(3, 8)).eval()


def sartm(classes: int, **config: str) -> torch.nn.Module:
    torch.manual_seed(1)
    return build_model("sartm", {"size": "tiny", **config}, torch.eye(classes, 8)).eval()


@pytest.fixture(scope="module")
def new_sartm() -> torch.nn.Module:
    return sartm(classes=9)


@pytest.fixture(scope="module")
def sam2() -> torch.nn.Module:
    """SAM 2.1 tiny as Meta's package builds it, with random weights in place of the download."""
    torch.manual_seed(0)
    model = build_sam2(YAML["2.1"], ckpt_path=None, device="cpu")
    # Zero when new; Meta's are not, and zeros would hide a lost one.
    torch.nn.init.normal_(model.image_encoder.trunk.pos_embed)
    torch.nn.init.normal_(model.image_encoder.trunk.pos_embed_window)
    return model


@pytest.fixture
def write(tmp_path: Path, sam2: torch.nn.Module) -> Callable[..., Path]:
    """`write(change)` writes Meta's file after `change(state_dict)`."""

    def write_file(change: Callable[[dict], object] = lambda released: None) -> Path:
        released = dict(sam2.state_dict())
        change(released)
        torch.save({"model": released}, tmp_path / "sam2.1_hiera_tiny.pt")
        return tmp_path / "sam2.1_hiera_tiny.pt"

    return write_file


def test_features_are_those_of_sam2s_own_encoder(write, sam2):
    path = write()
    model = network()
    assert load_base_weights(model, path) == file_hash(path)
    images = torch.randn(1, 3, 128, 160, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        ours = model.encoder(images)
        theirs, _ = sam2.image_encoder.neck(sam2.image_encoder.trunk(images))  # before `scalp` drops a level
    assert len(ours) == len(theirs) == 4
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "wrap", [dict, lambda r: {"state_dict": {f"module.{n}": t for n, t in r.items()}, "epoch": 3}]
)
def test_the_same_weights_bare_or_in_another_wrapper_fill_it(tmp_path, sam2, wrap):
    torch.save(wrap(sam2.state_dict()), tmp_path / "bare.pt")
    model = network()
    load_base_weights(model, tmp_path / "bare.pt")
    assert torch.equal(model.encoder.trunk.pos_embed, sam2.image_encoder.trunk.pos_embed)


def test_the_rest_of_the_model_is_left_alone(write):
    model, untouched = network(), network()
    load_base_weights(model, write())
    for (name, a), b in zip(model.state_dict().items(), untouched.state_dict().values(), strict=True):
        if ".adapter." in name or not name.startswith("encoder."):
            assert torch.equal(a, b), name


def test_sartms_features_and_masks_are_those_of_sam2(write, sam2):
    model = sartm(classes=4, neck="sum")
    load_base_weights(model, write())
    model.decoder.mask_tokens.load_state_dict(sam2.sam_mask_decoder.mask_tokens.state_dict())
    images = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        ours = model.encoder(images, images.flip(3))
        theirs = sam2.image_encoder(torch.cat([images, images.flip(3)]))["backbone_fpn"]
        for a, b in zip(ours, theirs, strict=True):
            assert torch.equal(a, b)
        finer = [sam2.sam_mask_decoder.conv_s0(theirs[0]), sam2.sam_mask_decoder.conv_s1(theirs[1])]
        sparse, _ = sam2.sam_prompt_encoder(None, None, None)
        masks, *_ = sam2.sam_mask_decoder.predict_masks(
            image_embeddings=theirs[2],
            image_pe=sam2.sam_prompt_encoder.pe_layer((4, 6))[None],
            sparse_prompt_embeddings=sparse.expand(2, -1, -1),
            dense_prompt_embeddings=sam2.sam_prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1),
            repeat_image=False,
            high_res_features=finer,
        )
        finer = [model.decoder.conv_s0(ours[0]), model.decoder.conv_s1(ours[1])]
        assert torch.equal(model.decoder([*finer, ours[2]]), masks)


def test_hyper_networks_are_copied_in_turn_and_class_tokens_start_fresh(write, sam2, new_sartm):
    model = sartm(classes=9)
    load_base_weights(model, write())
    pretrained = sam2.sam_mask_decoder.output_hypernetworks_mlps
    for i, hyper_network in enumerate(model.decoder.output_hypernetworks_mlps):
        for a, b in zip(hyper_network.parameters(), pretrained[i % 4].parameters(), strict=True):
            assert torch.equal(a, b), i
    filled = model.state_dict()
    for name, tensor in new_sartm.state_dict().items():
        ours = is_added(name) or name.startswith("decoder.mask_tokens.")
        if ours or not name.startswith(("encoder.", "decoder.")):
            assert torch.equal(filled[name], tensor), name


@pytest.mark.parametrize("version", YAML)
def test_every_weight_of_both_versions_has_its_place(version, new_sartm):
    released = build_sam2(YAML[version], ckpt_path=None, device="cpu").state_dict()
    filled = encoder_weights(released)
    assert len(filled) == sum(name.startswith("image_encoder.") for name in released)
    assert set(filled) == {
        name for name in new_sartm.state_dict() if name.startswith("encoder.") and not is_added(name)
    }
    assert set(filled) == {
        name for name in network().state_dict() if name.startswith("encoder.") and not is_added(name)
    }

    prefix, replaced = "sam_mask_decoder.", ("mask_tokens.", "iou_prediction_head.", "pred_obj_score_head.")
    decoder = {name.removeprefix(prefix) for name in released if name.startswith(prefix)}
    decoder = {f"decoder.{name}" for name in decoder if not name.startswith(replaced)}
    prompts = {"decoder.pe_layer.positional_encoding_gaussian_matrix", "decoder.no_mask_embed.weight"}
    assert set(decoder_weights(released, classes=4)) == decoder | prompts
    taken_over = {name for name in new_sartm.state_dict() if name.startswith("decoder.")}
    assert set(decoder_weights(released, classes=9)) == taken_over - {"decoder.mask_tokens.weight"}


def test_names_change_by_their_prefix_and_other_parts_are_left_out():
    qkv, other = torch.ones(1), torch.zeros(1)
    released = {"image_encoder.trunk.blocks.0.attn.qkv.bias": qkv, "memory_encoder.out_proj.bias": other}
    assert encoder_weights(released) == {"encoder.trunk.blocks.0.attn.qkv.bias": qkv}
    token = {f"sam_mask_decoder.output_hypernetworks_mlps.{i}.layers.0.bias": i * qkv for i in range(4)}
    copies = decoder_weights({**released, **token}, classes=6)
    assert copies == {f"decoder.output_hypernetworks_mlps.{i}.layers.0.bias": i % 4 for i in range(6)}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r.pop("image_encoder.neck.convs.0.conv.bias"), r"neck\.convs\.0\.conv\.bias is missing"),
        (lambda r: r.update({"image_encoder.trunk.new.weight": torch.zeros(1)}), r"trunk\.new\.weight is unknown"),
        (lambda r: r.update({"image_encoder.trunk.pos_embed": torch.zeros(1, 96, 14, 14)}),
         r"pos_embed is \[1, 96, 14, 14\], not \[1, 96, 7, 7\]"),
        (lambda r: [r.pop(name) for name in list(r) if "blocks.11." in name],
         r"blocks\.11\..* is missing; .* and \d+ more\)"),
        (lambda r: [r.pop(name) for name in list(r) if name.startswith("image_encoder.")], "is not a SAM 2 file"),
    ],
)  # fmt: skip
def test_what_does_not_fill_the_encoder_is_named(write, change, sentence):
    path = write(change)
    model, untouched = network(), network()
    with pytest.raises(UserError, match=sentence) as error:
        load_base_weights(model, path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert torch.equal(model.encoder.trunk.pos_embed, untouched.encoder.trunk.pos_embed)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda r: r.pop("sam_mask_decoder.output_hypernetworks_mlps.2.layers.1.bias"),
         r"mlps\.2\.layers\.1\.bias is missing; decoder\.output_hypernetworks_mlps\.6\.layers\.1\.bias is missing"),
        (lambda r: r.pop("sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"),
         r"decoder\.pe_layer\.positional_encoding_gaussian_matrix is missing"),
        (lambda r: r.update({"sam_mask_decoder.new.weight": torch.zeros(1)}), r"decoder\.new\.weight is unknown"),
    ],
)  # fmt: skip
def test_what_does_not_fill_the_mask_decoder_is_named(write, change, sentence, new_sartm):
    before = {name: tensor.clone() for name, tensor in new_sartm.state_dict().items()}
    with pytest.raises(UserError, match=sentence):
        load_base_weights(new_sartm, write(change))
    for name, tensor in new_sartm.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_another_size_is_named(write):
    with pytest.raises(UserError, match=r"sam2\.1_hiera_tiny\.pt is SAM 2 tiny, the model is small"):
        load_base_weights(network("small"), write())


def test_nano_has_no_base_weights(write):
    with pytest.raises(UserError, match="only SAM 2's own sizes have base weights"):
        load_base_weights(network("nano"), write())


@pytest.mark.parametrize("content", [[1, 2], {"weights": {}}, {"model": {"image_encoder.trunk.x": 1}}])
def test_other_files_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(UserError, match=r"other\.pt is not a SAM 2 file"):
        load_base_weights(network(), tmp_path / "other.pt")


@pytest.mark.parametrize("kept", [0, 100, -1000])
def test_a_truncated_file_is_one_sentence(write, kept):
    path = write()
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"sam2\.1_hiera_tiny\.pt cannot be read as plain tensors") as error:
        load_base_weights(network(), path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"there is no file .*absent\.pt"):
        load_base_weights(network(), tmp_path / "absent.pt")
