import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from imgan.core.domains import (
    conditioned,
    entropy,
    information,
    marginal_entropy,
    moment_distance,
)


def test_moments_of_equal_samples_cost_nothing_and_of_shifted_ones_the_square():
    one = torch.randn(50, 3, dtype=torch.float64)
    domains = torch.arange(2).repeat_interleave(50)
    means, covariances = moment_distance(torch.cat([one, one + 2]), domains)
    torch.testing.assert_close(means, torch.tensor(4.0, dtype=torch.float64))
    assert covariances < 1e-20
    means, covariances = moment_distance(torch.cat([one, 2 * one]), domains)
    expected = (3 * one.T.cov()).square().mean()
    torch.testing.assert_close(covariances, expected)


def test_a_domain_alone_costs_nothing_and_keeps_its_graph():
    x = torch.randn(4, 3, requires_grad=True)
    means, covariances = moment_distance(x, torch.zeros(4))
    (means + covariances).backward()
    assert means == covariances == 0
    assert x.grad is not None


@given(st.integers(2, 7), st.integers(1, 20))
def test_information_lies_between_0_and_log_k(classes, count):
    logits = torch.randn(count, classes) * 5
    found = float(information(logits))
    assert -1e-5 <= found <= math.log(classes) + 1e-5
    assert float(entropy(logits).mean()) <= float(marginal_entropy(logits)) + 1e-5


def test_information_is_log_k_where_all_are_sure_and_classes_equally_frequent():
    sure = 50 * torch.eye(4).repeat(3, 1)
    torch.testing.assert_close(information(sure), torch.tensor(math.log(4.0)))
    assert abs(float(information(sure[:1].repeat(9, 1)))) < 1e-4


def test_conditioned_features_sum_to_the_features_and_stop_at_the_probabilities():
    x, logits = torch.randn(5, 3), torch.randn(5, 4, requires_grad=True)
    seen = conditioned(x, logits)
    assert seen.shape == (5, 12)
    torch.testing.assert_close(seen.view(5, 3, 4).sum(2), x)
    assert not seen.requires_grad
