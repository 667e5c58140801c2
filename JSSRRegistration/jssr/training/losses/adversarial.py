"""The adversarial term, ``L_GAN`` of the paper, in two bounded forms.

As printed, ``E log D(y) - E log D(G(x, y))`` has no lower bound for D, so that training it never
settles. Least squares (Mao et al., ICCV 2017) and hinge (Lim and Ye, 2017) have the same fixed
point and finite optima. Discriminators give patch logits: every patch is one opinion.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, relu

from jssr.training.losses.reduce import full_precision

AdversarialForm = Literal["least-squares", "hinge", "printed"]


def discriminator_loss(
    real: Tensor, fake: Tensor, form: AdversarialForm = "least-squares"
) -> Tensor:
    """What D minimizes, from its logits on real target scans and on synthesized ones.

    Args:
        real, fake: patch logits of any shape, batch first.
        form: ``least-squares`` ``((D(y)-1)^2 + D(G)^2) / 2``; ``hinge``
            ``(max(0, 1-D(y)) + max(0, 1+D(G))) / 2``; ``printed`` ``-log D(y) + log D(G)``.

    Returns:
        A scalar; zero when D is always right (not for ``printed``, which is unbounded).
    """
    real, fake = full_precision(real), full_precision(fake)
    if form == "least-squares":
        return 0.5 * ((real - 1).square().mean() + fake.square().mean())
    if form == "hinge":
        return 0.5 * (relu(1 - real).mean() + relu(1 + fake).mean())
    return logsigmoid(fake).mean() - logsigmoid(real).mean()


def generator_loss(fake: Tensor, form: AdversarialForm = "least-squares") -> Tensor:
    """What G minimizes: D should take the synthesized scan for a real one.

    Args:
        fake: patch logits of D on G's output.
        form: as in :func:`discriminator_loss`.
    """
    fake = full_precision(fake)
    if form == "least-squares":
        return 0.5 * (fake - 1).square().mean()
    if form == "hinge":
        return -fake.mean()
    return -logsigmoid(fake).mean()


def opinion_gap(real: Tensor, fake: Tensor) -> Tensor:
    """How far D tells real from synthesized, ``mean D(y) - mean D(G)``: near zero is a draw."""
    with torch.no_grad():
        return full_precision(real).mean() - full_precision(fake).mean()
