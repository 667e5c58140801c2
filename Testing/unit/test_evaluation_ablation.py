"""The networks that do nothing take what the real ones take, and give nothing new."""

import torch

from jssr.bundle.load import Bundle
from jssr.bundle.manifest import Manifest
from jssr.evaluation.ablation import (
    IdentityGenerator,
    ZeroRegister,
    without_generator,
    without_register,
)
from jssr.networks import NetworksConfig, build_networks

SHAPE = (32, 48, 32)


def _image(channels: int = 1) -> torch.Tensor:
    return torch.rand((1, channels, *SHAPE))


def test_the_identity_gives_the_moving_scan_back() -> None:
    moving, fixed = _image(), _image()
    assert torch.equal(IdentityGenerator()(moving, _image(15), fixed, _image(15)), moving)


def test_zero_has_the_shape_of_the_registers_answer() -> None:
    network = build_networks(NetworksConfig()).register.eval()
    inputs = [*(_image() for _ in range(3)), *(torch.ones((1, 1, *SHAPE)) for _ in range(3)), 3.0]
    with torch.no_grad():
        answers = network(*inputs)
    zeros = ZeroRegister()(*inputs)
    assert [zero.shape for zero in zeros] == [answer.shape for answer in answers]
    assert not any(zero.any() for zero in zeros)


def test_only_the_named_network_is_replaced() -> None:
    networks = build_networks(NetworksConfig())
    bundle = Bundle(
        manifest=Manifest.__new__(Manifest),
        digest="0" * 64,
        device=torch.device("cpu"),
        generator=networks.generator,
        register=networks.register,
        segmentor=networks.segmentor,
    )
    assert isinstance(without_generator(bundle).generator, IdentityGenerator)
    assert without_generator(bundle).register is networks.register
    assert isinstance(without_register(bundle).register, ZeroRegister)
    assert without_register(bundle).segmentor is networks.segmentor
