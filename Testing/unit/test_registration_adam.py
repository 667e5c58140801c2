"""Adam does what PyTorch's own does."""

import pytest
import torch

from jssr.registration.adam import Adam


@pytest.mark.parametrize("seed", range(3))
def test_every_step_is_that_of_torch(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    ours = torch.randn(3, 4, 5, generator=random)
    theirs = ours.clone().requires_grad_(True)
    wanted = torch.randn(3, 4, 5, generator=random)
    adam, reference = Adam(ours), torch.optim.Adam([theirs], lr=1.0, betas=(0.9, 0.99))
    for rate in (0.5, 0.4, 0.3, 0.01) * 5:
        adam.step(ours, 2 * (ours - wanted), rate)
        reference.param_groups[0]["lr"] = rate
        theirs.grad = 2 * (theirs.detach() - wanted)
        reference.step()
        assert (ours - theirs).abs().max() < 1e-5
