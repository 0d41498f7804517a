"""Muon against torch's own on matrices, and Adam for the rest."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imgan.networks import PlainSR
from imgan.training.muon import Muon, orthogonal, split


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(2, 12), st.integers(2, 12), st.integers(0, 1000))
def test_singular_values_come_near_one(batch, rows, columns, seed):
    torch.manual_seed(seed)
    u, _, v = torch.linalg.svd(torch.randn(batch, rows, columns), full_matrices=False)
    spectrum = torch.rand(batch, min(rows, columns)) + 0.1
    values = torch.linalg.svdvals(orthogonal(u * spectrum[:, None] @ v))
    assert values.min() > 0.5
    assert values.max() < 1.4


def test_zeros_stay_zero():
    assert orthogonal(torch.zeros(2, 3, 4)).abs().max() == 0


def test_a_matrix_moves_as_under_torchs_muon():
    torch.manual_seed(0)
    ours = torch.nn.Parameter(torch.randn(6, 10))
    theirs = torch.nn.Parameter(ours.detach().clone())
    first = Muon([ours], [], lr=0.01)
    second = torch.optim.Muon(
        [theirs], lr=0.01, weight_decay=0, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    for _ in range(4):
        gradient = torch.randn(6, 10)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        first.step()
        second.step()
    torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=0)


def test_the_rest_moves_as_under_torchs_adam():
    torch.manual_seed(0)
    ours = torch.nn.Parameter(torch.randn(5))
    theirs = torch.nn.Parameter(ours.detach().clone())
    first = Muon([], [ours], lr=0.02, adam_share=0.5)
    second = torch.optim.Adam([theirs], lr=0.01, betas=(0.9, 0.99))
    for _ in range(4):
        ours.grad = theirs.grad = torch.randn(5)
        first.step()
        second.step()
    torch.testing.assert_close(ours, theirs)


def test_first_and_last_layer_are_not_hidden():
    network = PlainSR(scale=2, width=8, blocks=1)
    hidden, others = split(network)
    assert {p.shape for p in hidden} == {torch.Size([8, 8, 3, 3])}
    assert any(p is network.head.weight for p in others)
    assert any(p is network.up.weight for p in others)
    assert len(hidden) + len(others) == len(list(network.parameters()))
