"""SARTM's mask decoder: SAM 2's own numbers, one map a class, and the right parts frozen."""

import pytest
import torch
from sam2.modeling.sam.mask_decoder import MaskDecoder
from sam2.modeling.sam.prompt_encoder import PromptEncoder
from sam2.modeling.sam.transformer import TwoWayTransformer

from rgbt_seg_ros.models.sartm.mask_decoder import ClassTokenDecoder

TRAINED = ("mask_tokens.", "output_upscaling.", "output_hypernetworks_mlps.", "conv_s0.", "conv_s1.")


def fused_maps(dim: int, batch: int = 2, size: tuple[int, int] = (4, 6)) -> list[torch.Tensor]:
    """Three random maps; `size` is that of the coarsest."""
    draw = torch.Generator().manual_seed(3)
    height, width = size
    return [
        torch.randn(batch, dim // part, height * scale, width * scale, generator=draw)
        for part, scale in ((8, 4), (4, 2), (1, 1))
    ]


def test_with_four_classes_and_sam2s_tokens_the_masks_are_sam2s():
    torch.manual_seed(0)
    size = (4, 6)
    sam2 = MaskDecoder(
        transformer_dim=256,
        transformer=TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8),
        use_high_res_features=True,
        iou_prediction_use_sigmoid=True,
        pred_obj_scores=True,
        pred_obj_scores_mlp=True,
        use_multimask_token_for_obj_ptr=True,
    ).eval()
    prompts = PromptEncoder(
        embed_dim=256, image_embedding_size=size, input_image_size=(64, 96), mask_in_chans=16
    ).eval()
    ours = ClassTokenDecoder(256, classes=4).eval()
    released = {
        name: tensor
        for name, tensor in sam2.state_dict().items()
        if not name.startswith(("iou_prediction_head.", "pred_obj_score_head."))
    }
    for name in ("pe_layer.positional_encoding_gaussian_matrix", "no_mask_embed.weight"):
        released[name] = prompts.state_dict()[name]
    ours.load_state_dict(released)
    *finer, coarsest = fused_maps(256, size=size)
    sparse, dense = prompts(None, None, None)
    with torch.inference_mode():
        theirs = sam2.predict_masks(
            image_embeddings=coarsest,
            image_pe=prompts.get_dense_pe(),
            sparse_prompt_embeddings=sparse.expand(len(coarsest), -1, -1),
            dense_prompt_embeddings=dense,
            repeat_image=False,
            high_res_features=finer,
        )[0]
        assert torch.equal(ours([*finer, coarsest]), theirs)
    assert theirs.shape == (2, 4, 16, 24)


@pytest.mark.parametrize(("dim", "classes"), [(64, 1), (64, 9), (256, 5)])
def test_each_class_has_a_map_at_stride_4(dim, classes):
    torch.manual_seed(0)
    decoder = ClassTokenDecoder(dim, classes).eval()
    maps = fused_maps(dim)
    with torch.inference_mode():
        logits = decoder(maps)
        assert logits.shape == (2, classes, 16, 24)
        decoder.mask_tokens.weight[-1].neg_()
        changed = (decoder(maps) - logits).abs().amax(dim=(0, 2, 3))
    # Tokens attend to each other, but a class's own token matters most.
    assert changed.argmax() == classes - 1


def test_class_tokens_start_as_numbers_of_mean_0_and_deviation_1():
    torch.manual_seed(0)
    tokens = ClassTokenDecoder(256, classes=14).mask_tokens.weight
    assert tokens.shape == (14, 256)
    assert tokens.mean().abs() < 0.05
    assert 0.95 < tokens.std() < 1.05


def test_all_but_sam2s_own_parts_is_trained():
    decoder = ClassTokenDecoder(64, classes=3)
    assert all(parameter.requires_grad for parameter in decoder.parameters())
    decoder.freeze_base()
    for name, parameter in decoder.named_parameters():
        assert parameter.requires_grad == name.startswith(TRAINED), name


def test_no_gradient_reaches_frozen_weights_and_one_reaches_every_other():
    torch.manual_seed(0)
    decoder = ClassTokenDecoder(64, classes=3).train()
    decoder.freeze_base()
    # As in the network: conv_s0 and conv_s1 make the finer maps.
    raw = torch.randn(1, 64, 16, 16), torch.randn(1, 64, 8, 8)
    coarsest = torch.randn(1, 64, 4, 4, requires_grad=True)
    logits = decoder([decoder.conv_s0(raw[0]), decoder.conv_s1(raw[1]), coarsest])
    (logits * torch.randn_like(logits)).sum().backward()
    assert coarsest.grad is not None
    for name, parameter in decoder.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().max() > 0, name
        else:
            assert parameter.grad is None, name


def test_positions_keep_float32_under_autocast():
    torch.manual_seed(0)
    decoder = ClassTokenDecoder(64, classes=3).eval()
    seen = []
    decoder.transformer.register_forward_hook(lambda module, inputs, output: seen.append(inputs[1]))
    maps = fused_maps(64, batch=1)
    with torch.inference_mode():
        decoder(maps)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            decoder(maps)
    assert torch.equal(*seen)
