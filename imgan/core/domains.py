"""Costs over features of several domains: what they are matched, judged and chosen by."""

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from imgan.core.logits import full_precision


def moment_distance(features: Tensor, domains: Tensor) -> tuple[Tensor, Tensor]:
    """Squared errors between the domains' feature means, and between their covariances.

    Both are mean squares over the entries and over all pairs of domains; the second is CORAL's
    distance (Sun & Saenko 2016, eq. 1) times 4. ``features`` is ``[N, F]``, ``domains`` ``[N]``
    whole numbers; domains with fewer than two samples are left out, and alone a domain costs 0.
    """
    features = full_precision(features)
    means, covariances = [], []
    for domain in torch.unique(domains):
        own = features[domains == domain]
        if len(own) < 2:
            continue
        means.append(own.mean(0))
        centred = own - means[-1]
        covariances.append(centred.T @ centred / (len(own) - 1))  # [F, F]
    return _spread(means, features), _spread(covariances, features)


def _spread(moments: list[Tensor], like: Tensor) -> Tensor:
    pairs = [(a, b) for i, a in enumerate(moments) for b in moments[:i]]
    if not pairs:
        return like.sum() * 0
    return torch.stack([(a - b).square().mean() for a, b in pairs]).mean()


def entropy(logits: Tensor) -> Tensor:
    """The entropy of each row's classes in nats: ``[N, K] -> [N]``."""
    logs = log_softmax(full_precision(logits), dim=1)
    return -(logs.exp() * logs).sum(1)


def marginal_entropy(logits: Tensor) -> Tensor:
    """The entropy of the classes over the whole batch, in nats: a scalar."""
    shares = full_precision(logits).softmax(1).mean(0)
    return -(shares * shares.clamp(min=1e-8).log()).sum()


def information(logits: Tensor) -> Tensor:
    """How much the samples tell of their classes: marginal entropy less the mean entropy, in nats.

    Bridle et al. 1991; Krause et al. 2010, eq. 2. At most ``log K``, when every sample is sure and
    the classes are equally frequent.
    """
    return marginal_entropy(logits) - entropy(logits).mean()


def conditioned(features: Tensor, logits: Tensor) -> Tensor:
    """Features times class probabilities, every pair: ``[N, F], [N, K] -> [N, F * K]``.

    What CDAN's critic sees (Long et al. 2018, eq. 5); no gradient goes through the probabilities.
    """
    shares = full_precision(logits).softmax(1).detach()
    return (features.unsqueeze(2) * shares.unsqueeze(1).to(features.dtype)).flatten(1)
