"""What fits of SARTM's released weights becomes a model to train on from; the rest is named."""

from collections.abc import Iterator

import pytest
import torch
from named_files import check_named
from sam2.build_sam import build_sam2
from sam2.modeling.sam.mask_decoder import MaskDecoder
from sam2.modeling.sam.transformer import TwoWayTransformer
from torch import nn

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.models import load_model, read_card
from rgbt_seg_ros.models.sartm.cmx_fusion import CmxFusion
from training import import_checkpoint
from training.weights.released_sartm import import_sartm

RANK, CLASSES = 2, 5


class SummedLora(nn.Module):
    """Three LoRA pairs on query and value, added up as the authors' code does, written for this test."""

    def __init__(self, qkv: nn.Linear) -> None:
        super().__init__()
        self.qkv = qkv
        for pair in ("", "2", "3"):
            for projection in "qv":
                down, up = (
                    nn.Linear(qkv.in_features, RANK, bias=False),
                    nn.Linear(RANK, qkv.in_features, bias=False),
                )
                self.add_module(f"linear_a_{projection}{pair}", down)
                self.add_module(f"linear_b_{projection}{pair}", up)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        qkv, dim = self.qkv(x), self.qkv.in_features
        for pair in ("", "2", "3"):
            for projection, place in (("q", slice(0, dim)), ("v", slice(-dim, None))):
                down, up = (self.get_submodule(f"linear_{factor}_{projection}{pair}") for factor in "ab")
                qkv[..., place] += up(down(x))
        return qkv


@pytest.fixture(scope="module")
def sam2() -> nn.Module:
    """SAM 2 tiny as the authors change it: LoRA in the trunk, a mask token more than classes."""
    torch.manual_seed(0)
    model = build_sam2("configs/sam2/sam2_hiera_t.yaml", ckpt_path=None, device="cpu")
    for block in model.image_encoder.trunk.blocks:
        block.attn.qkv = SummedLora(block.attn.qkv)
    model.sam_mask_decoder = MaskDecoder(
        transformer_dim=256,
        transformer=TwoWayTransformer(depth=2, embedding_dim=256, num_heads=8, mlp_dim=2048),
        num_multimask_outputs=CLASSES,
        use_high_res_features=True,
        pred_obj_scores=True,
    )
    return model.eval()


@pytest.fixture(scope="module")
def released(sam2: nn.Module) -> dict[str, torch.Tensor]:
    def fusion() -> Iterator[tuple[str, torch.Tensor]]:
        for i, (width, heads) in enumerate(((32, 1), (64, 2), (256, 4))):
            for name, tensor in CmxFusion(width, heads).state_dict().items():
                part, rest = name.split(".", 1)
                yield f"{ {'rectify': 'FRMs', 'fuse': 'FFMs'}[part] }.{i}.{rest}".replace(" ", ""), tensor

    return {
        **{f"sam.{name}": tensor for name, tensor in sam2.state_dict().items()},
        **dict(fusion()),
        "mlp_src.layers.0.weight": torch.zeros(32, 256),
        "linear_pred.weight": torch.zeros(9, 32, 1, 1),
        "model_clip.text_projection": torch.zeros(512, 512),
    }


def test_features_of_both_modalities_are_the_authors(
    sam2: nn.Module, released: dict[str, torch.Tensor]
) -> None:
    model, config, _ = import_sartm(released, torch.eye(CLASSES, 8))
    assert config == {
        "size": "tiny",
        "rank": 3 * RANK,
        "neck": "sum",
        "auxiliary": "off",
        "prediction": "mask",
    }
    rgb, thermal = torch.randn(2, 1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        theirs = sam2.image_encoder(torch.cat([rgb, thermal]))["backbone_fpn"]
        ours = model.encoder(rgb, thermal)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_decoder_and_fusion_arrive_where_they_belong(released: dict[str, torch.Tensor]) -> None:
    model, _, left_out = import_sartm(released, torch.eye(CLASSES, 8))
    weights = model.state_dict()
    decoder = "sam.sam_mask_decoder."
    assert torch.equal(weights["decoder.mask_tokens.weight"], released[f"{decoder}mask_tokens.weight"][1:])
    for i in range(CLASSES):
        name = "layers.2.bias"
        theirs = released[f"{decoder}output_hypernetworks_mlps.{i + 1}.{name}"]
        assert torch.equal(weights[f"decoder.output_hypernetworks_mlps.{i}.{name}"], theirs)
    for ours, theirs in {
        "decoder.conv_s0.weight": f"{decoder}conv_s0.weight",
        "decoder.no_mask_embed.weight": "sam.sam_prompt_encoder.no_mask_embed.weight",
        "fusion.2.fuse.channel_emb.norm.running_var": "FFMs.2.channel_emb.norm.running_var",
        "fusion.0.rectify.spatial_weights.mlp.2.bias": "FRMs.0.spatial_weights.mlp.2.bias",
    }.items():
        assert torch.equal(weights[ours], released[theirs]), ours
    assert left_out["the text encoder"] == 1
    assert left_out["layers that the authors' forward pass leaves out"] == 2
    assert left_out["SAM 2's mask tokens before the classes'"] == 1
    assert {
        "SAM 2's memory",
        "SAM 2's prompts",
        "SAM 2's estimate of IoU",
        "SAM 2's object score",
    } < left_out.keys()


def test_fmbs_background_is_left_out(released: dict[str, torch.Tensor]) -> None:
    model, _, left_out = import_sartm(released, torch.eye(CLASSES - 1, 8))
    theirs = released["sam.sam_mask_decoder.mask_tokens.weight"][2:]
    assert torch.equal(model.state_dict()["decoder.mask_tokens.weight"], theirs)
    assert left_out["SAM 2's mask tokens before the classes'"] == 2


@pytest.mark.parametrize(
    ("change", "classes", "sentence"),
    [
        ({"surprise.weight": torch.zeros(1)}, CLASSES, r"has surprise\.weight, unknown to SARTM"),
        (
            {"sam.sam_mask_decoder.mask_tokens.weight": None},
            CLASSES,
            "has no sam.sam_mask_decoder.mask_tokens",
        ),
        (
            {"FFMs.1.channel_emb.norm.weight": None},
            CLASSES,
            r"fusion\.1\.fuse\.channel_emb\.norm\.weight .*not in the",
        ),
        ({"FRMs.0.spatial_weights.mlp.2.bias": torch.zeros(3)}, CLASSES, r"is \[3\], but \[2\] is expected"),
        ({}, 9, "has 5 classes, not 9: choose another data set"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    released: dict[str, torch.Tensor], change: dict[str, torch.Tensor | None], classes: int, sentence: str
) -> None:
    changed = {name: tensor for name, tensor in {**released, **change}.items() if tensor is not None}
    with pytest.raises(UserError, match=sentence):
        import_sartm(changed, torch.eye(classes, 8))


def test_the_command_says_what_it_took_over(
    released: dict[str, torch.Tensor], tmp_path, monkeypatch, capsys
) -> None:
    torch.save({"model": {f"module.{n}": t for n, t in released.items()}, "epoch": 7}, tmp_path / "sartm.pth")
    out = tmp_path / "sartm.safetensors"
    arguments = ["--from", "sartm", str(tmp_path / "sartm.pth"), "--classes", "pst900", "-o", str(out)]
    monkeypatch.setattr("sys.argv", ["import_checkpoint", *arguments])
    assert import_checkpoint.main() == 0
    output = capsys.readouterr().out
    assert check_named(output, tmp_path, {tmp_path / "sartm.pth"}) == [out]
    assert "left out beside the weights: epoch (int)" in output
    assert "not taken over: the text encoder (1 entry)" in output
    assert "warning: the authors' network answers without its fusion" in output
    card = read_card(out)
    assert (card.arch, card.config["rank"], len(card.class_names)) == ("sartm", 3 * RANK, CLASSES)
    with torch.inference_mode():
        assert load_model(out)(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)).shape == (
            1,
            CLASSES,
            64,
            64,
        )
