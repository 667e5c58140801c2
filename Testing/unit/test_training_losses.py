"""Losses against closed forms, MONAI and numerical gradients."""

import math

import pytest
import torch
from monai.losses import DiceLoss
from monai.losses import LocalNormalizedCrossCorrelationLoss as MonaiCorrelation

from jssr.training.losses import adversarial, deformation, overlap, reduce, similarity

SPACING = (2.0, 3.0, 4.0)


def _coordinates_mm(shape):
    axes = [torch.arange(n, dtype=torch.float32) for n in shape]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return x * SPACING[0], y * SPACING[1], z * SPACING[2]


def _linear_field(matrix, shape=(6, 7, 8)):
    x, y, z = _coordinates_mm(shape)
    points = torch.stack([x, y, z])
    return torch.einsum("ij,jzyx->izyx", torch.tensor(matrix), points)[None]


def test_masked_mean_counts_each_sample_alike():
    values = torch.zeros(2, 1, 2, 2, 2)
    values[0] = 4.0
    mask = torch.zeros_like(values)
    mask[0, 0, 0, 0, 0] = 1
    mask[1] = 1
    assert reduce.masked_mean(values, mask) == pytest.approx(2.0)


def test_masked_mean_of_empty_mask_is_zero():
    assert reduce.masked_mean(torch.ones(1, 1, 2, 2, 2), torch.zeros(1, 1, 2, 2, 2)) == 0


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("least-squares", 0.5 * ((0.25 - 1) ** 2 + 0.5**2)),
        ("hinge", 0.5 * (0.75 + 1.5)),
        ("printed", math.log(1 / (1 + math.exp(-0.5))) - math.log(1 / (1 + math.exp(-0.25)))),
    ],
)
def test_discriminator_loss_closed_form(form, expected):
    real, fake = torch.full((1, 1, 2, 2, 2), 0.25), torch.full((1, 1, 2, 2, 2), 0.5)
    assert adversarial.discriminator_loss(real, fake, form).item() == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.parametrize(
    ("form", "expected"),
    [("least-squares", 0.125), ("hinge", -0.5), ("printed", math.log(1 + math.exp(-0.5)))],
)
def test_generator_loss_closed_form(form, expected):
    fake = torch.full((1, 1, 2, 2, 2), 0.5)
    assert adversarial.generator_loss(fake, form).item() == pytest.approx(expected, rel=1e-5)


def test_opinion_gap_is_difference_of_means():
    assert adversarial.opinion_gap(torch.ones(3), torch.zeros(3)) == 1


def test_joint_l1_is_mean_absolute_difference_where_both_saw():
    warped, fixed = torch.zeros(1, 1, 2, 2, 2), torch.full((1, 1, 2, 2, 2), -0.5)
    fixed[..., 1] = 100.0
    mask = torch.ones_like(fixed)
    mask[..., 1] = 0
    assert similarity.joint_l1(warped, fixed, mask) == pytest.approx(0.5)


def test_local_correlation_agrees_with_monai():
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(2, 1, 9, 10, 11, generator=generator)
    second = torch.rand(2, 1, 9, 10, 11, generator=generator) + 0.5 * first
    inner = torch.zeros_like(first)
    inner[:, :, 2:-2, 2:-2, 2:-2] = 1
    ours = similarity.local_correlation_loss(first, second, inner, radius=2)
    peer = MonaiCorrelation(kernel_size=5, reduction="none", smooth_nr=0, smooth_dr=1e-5)
    theirs = peer(first, second)[:, :, 2:-2, 2:-2, 2:-2]
    assert ours.item() == pytest.approx(1 + theirs.mean().item(), abs=1e-3)


def test_local_correlation_of_inverted_contrast_is_perfect():
    image = torch.rand(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(1))
    assert similarity.local_correlation_loss(image, 3 - 2 * image).item() == pytest.approx(
        0, abs=1e-3
    )


def test_local_correlation_of_flat_patches_is_finite_with_gradient():
    flat = torch.full((1, 1, 8, 8, 8), 0.7, requires_grad=True)
    loss = similarity.local_correlation_loss(flat, torch.full((1, 1, 8, 8, 8), -0.3))
    loss.backward()
    assert loss.item() == pytest.approx(1)
    assert flat.grad is not None and bool(torch.isfinite(flat.grad).all())


def test_smoothness_of_linear_field_is_squared_norm_of_its_matrix():
    matrix = [[0.1, 0.02, 0.0], [0.0, -0.05, 0.03], [0.04, 0.0, 0.2]]
    expected = sum(value**2 for row in matrix for value in row)
    assert deformation.smoothness(_linear_field(matrix), SPACING).item() == pytest.approx(
        expected, rel=1e-4
    )


def test_smoothness_ignores_translation():
    assert deformation.smoothness(torch.full((1, 3, 4, 4, 4), 7.0), SPACING) == 0


def test_folding_penalty_is_zero_for_growth_and_depth_below_margin_for_folds():
    growth = _linear_field([[0.2, 0, 0], [0, 0.2, 0], [0, 0, 0.2]])
    folded = _linear_field([[-1.5, 0.0, 0], [0, 0.0, 0], [0, 0, 0.0]])
    assert deformation.folding_penalty(growth, SPACING) == 0
    assert deformation.folding_penalty(folded, SPACING).item() == pytest.approx(0.6, rel=1e-4)


def test_inverse_inconsistency_of_opposite_translations_is_zero():
    there = torch.full((1, 3, 5, 5, 5), 2.5)
    assert deformation.inverse_inconsistency(there, -there, SPACING).item() == pytest.approx(
        0, abs=1e-4
    )
    both = deformation.inverse_inconsistency(there, there, SPACING).item()
    assert both == pytest.approx(5 * math.sqrt(3), rel=1e-3)


def test_lesion_volume_change_is_log_of_the_scale_inside_lesions_only():
    field = _linear_field([[0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1]])
    lesions = torch.zeros(1, 1, 6, 7, 8)
    lesions[..., 3, 3, 3] = 1
    value = deformation.lesion_volume_change(field, lesions, SPACING).item()
    assert value == pytest.approx(3 * math.log(1.1), rel=1e-3)
    assert deformation.lesion_volume_change(field, torch.zeros_like(lesions), SPACING) == 0


def test_endpoint_error_is_a_length_in_mm():
    predicted = torch.tensor([3.0, 4.0, 0.0]).view(1, 3, 1, 1, 1).expand(1, 3, 2, 2, 2)
    value = deformation.endpoint_error(predicted, torch.zeros_like(predicted), softening_mm=1e-4)
    assert value.item() == pytest.approx(5, rel=1e-4)


def test_soft_dice_agrees_with_monai():
    generator = torch.Generator().manual_seed(2)
    first = torch.rand(2, 3, 4, 5, 6, generator=generator)
    second = (torch.rand(2, 3, 4, 5, 6, generator=generator) > 0.5).float()
    peer = DiceLoss(reduction="none", smooth_nr=1.0, smooth_dr=1.0)
    expected = 1 - peer(first, second).reshape(2, 3)
    assert torch.allclose(overlap.soft_dice(first, second), expected, atol=1e-5)


def test_dice_consistency_leaves_the_background_out():
    background = torch.zeros(1, 3, 2, 2, 2)
    background[:, 0] = 1
    organ = torch.zeros_like(background)
    organ[:, 1] = 1
    assert overlap.dice_consistency(background, background) == 0
    # class 1: no overlap of 8 voxels, smoothed (0 + 1) / (8 + 1); class 2: absent from both, 1
    assert overlap.dice_consistency(background, organ).item() == pytest.approx(1 - (1 / 9 + 1) / 2)


def test_supervised_segmentation_agrees_with_monai_and_torch():
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(1, 4, 5, 6, 7, generator=generator)
    labels = torch.randint(0, 4, (1, 5, 6, 7), generator=generator)
    labels[:, :4] = 0  # classes of unlike sizes
    dice = DiceLoss(
        include_background=False, to_onehot_y=True, softmax=True, smooth_nr=1, smooth_dr=1
    )
    weight = labels.flatten().bincount().float().rsqrt()
    entropy = torch.nn.functional.cross_entropy(logits, labels, weight=weight)
    expected = dice(logits, labels[:, None]) + entropy
    assert overlap.supervised_segmentation(logits, labels).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_supervised_segmentation_leaves_out_what_the_mask_hides():
    generator = torch.Generator().manual_seed(6)
    logits = torch.randn(1, 4, 4, 4, 4, generator=generator)
    labels = torch.randint(0, 4, (1, 4, 4, 4), generator=generator)
    mask = torch.ones(1, 1, 4, 4, 4)
    mask[..., 3] = 0
    expected = overlap.supervised_segmentation(logits[..., :3], labels[..., :3])
    assert overlap.supervised_segmentation(logits, labels, mask=mask).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_a_lesion_is_learned_though_it_is_a_thousandth_of_the_scan():
    """At the chance of meeting a lesion, where counting every voxel alike pulls no further."""
    labels = torch.zeros(1, 40, 50, 50, dtype=torch.long)
    labels[0, 20, 20:30, 20:30] = 1
    chance = labels.float().mean()
    bias = torch.stack([(1 - chance).log(), chance.log()]).requires_grad_()
    loss = overlap.supervised_segmentation(
        bias.view(1, 2, 1, 1, 1).expand(1, 2, 40, 50, 50), labels
    )
    (pull,) = torch.autograd.grad(loss, bias)
    assert -pull[1].item() > 10 * chance.item()


def test_supervised_segmentation_merges_classes_that_nobody_drew():
    logits = torch.zeros(1, 3, 2, 2, 2)
    logits[:, 2] = 20.0
    labels = torch.zeros(1, 2, 2, 2, dtype=torch.uint8)
    annotated = torch.tensor([[True, True, False]])
    loss = overlap.supervised_segmentation(logits, labels, annotated=annotated)
    assert loss.item() == pytest.approx(0, abs=1e-4)
    assert overlap.supervised_segmentation(logits, labels).item() > 10


@pytest.mark.parametrize(
    "loss",
    [
        lambda a, b: similarity.local_correlation_loss(a[:, :1], b[:, :1], radius=1),
        lambda a, b: overlap.dice_consistency(a.softmax(1), b.softmax(1)),
        lambda a, b: deformation.smoothness(a, SPACING),
        lambda a, b: deformation.endpoint_error(a, b),
        lambda a, b: overlap.supervised_segmentation(a, b.argmax(1)),
        lambda a, b: similarity.joint_l1(a, b),
        *[
            lambda a, b, form=form: (
                adversarial.generator_loss(a, form) + adversarial.discriminator_loss(b, a, form)
            )
            for form in ("least-squares", "hinge", "printed")
        ],
    ],
)
def test_gradients_agree_with_finite_differences(loss):
    generator = torch.Generator().manual_seed(4)
    a = torch.randn(1, 3, 3, 3, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    b = torch.randn(1, 3, 3, 3, 3, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda value: loss(value, b), (a,), atol=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        lambda a, b: deformation.folding_penalty(3 * a, SPACING),
        lambda a, b: deformation.inverse_inconsistency(a, b, SPACING),
        lambda a, b: deformation.lesion_volume_change(0.3 * a, b[:, :1].abs(), SPACING),
    ],
)
def test_gradients_through_warps_and_jacobians_agree_with_finite_differences(loss):
    """These compute in float32 whatever comes in, so the differences are coarser."""
    generator = torch.Generator().manual_seed(4)
    a = torch.randn(1, 3, 3, 3, 3, generator=generator, requires_grad=True)
    b = torch.randn(1, 3, 3, 3, 3, generator=generator)
    (gradient,) = torch.autograd.grad(loss(a, b), a)
    assert gradient.abs().max() > 0.01
    assert torch.autograd.gradcheck(
        lambda value: loss(value, b), (a,), eps=1e-3, atol=1e-3, rtol=1e-2
    )


def test_losses_of_a_joined_batch_are_the_mean_of_its_parts():
    generator = torch.Generator().manual_seed(5)
    a = torch.rand(2, 3, 4, 4, 4, generator=generator)
    b = torch.rand(2, 3, 4, 4, 4, generator=generator)
    mask = (torch.rand(2, 1, 4, 4, 4, generator=generator) > 0.3).float()
    for loss in (similarity.joint_l1, overlap.dice_consistency, deformation.endpoint_error):
        parts = [loss(a[i : i + 1], b[i : i + 1], mask[i : i + 1]).item() for i in range(2)]
        assert loss(a, b, mask).item() == pytest.approx(sum(parts) / 2, rel=1e-5)
