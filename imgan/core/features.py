"""What a critic can tell beyond its verdict, and layers that let it see the whole batch."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from imgan.core.logits import full_precision


def feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Mean L1 distance between paired features, averaged over the layers; ``real`` is detached.

    Wang et al. 2018 (pix2pixHD), eq. 4, divided by the number of layers, over which the paper sums.
    Each list holds one tensor a layer, in equal order and shapes; for several scales join their
    lists. Compute it inside ``with frozen(critic):``.

    Raises:
        ValueError: the lists differ in length or are empty.
    """
    return torch.stack([l1_loss(y, x) for x, y in _layers(real, fake)]).mean()


def mean_feature_matching(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Mean squared distance between the batch means of the features; ``real`` is detached.

    Salimans et al. 2016, section 3.1, divided by the number of features: for generators without a
    paired target, where only the averages can agree. Arguments and errors as in `feature_matching`.
    """
    distances = [(x.mean(0) - y.mean(0)).square().mean() for x, y in _layers(real, fake)]
    return torch.stack(distances).mean()


def _layers(real: Sequence[Tensor], fake: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    if len(real) != len(fake) or not real:
        raise ValueError(f"{len(real)} layers of real features and {len(fake)} of fake ones")
    return [
        (full_precision(x.detach()), full_precision(y)) for x, y in zip(real, fake, strict=True)
    ]


class MinibatchStdDev(nn.Module):
    """Appends one channel: the mean standard deviation over groups of the batch.

    Karras et al. 2018, section 3. A group has the largest size from 2 to ``group_size`` that
    divides the batch; where there is none, it is the batch.
    """

    def __init__(self, group_size: int = 4) -> None:
        super().__init__()
        self.group_size = group_size

    def forward(self, features: Tensor) -> Tensor:
        """``[N, C, H, W] -> [N, C + 1, H, W]``."""
        n, c, h, w = features.shape
        group = next((g for g in range(min(self.group_size, n), 1, -1) if n % g == 0), n)
        members = full_precision(features).reshape(group, n // group, c, h, w)
        variance = members.var(0, correction=0)
        spread = (variance + 1e-8).sqrt().mean((1, 2, 3))  # [N/G]
        channel = spread.repeat(group).view(n, 1, 1, 1).expand(n, 1, h, w)
        return torch.cat([features, channel.to(features.dtype)], dim=1)


class MinibatchDiscrimination(nn.Module):
    """Appends, for each of ``kernels`` learned projections, how close a sample is to the others.

    Salimans et al. 2016, section 3.2, without the constant 1 of a sample's closeness to itself.
    """

    def __init__(self, features: int, kernels: int = 16, dimensions: int = 8) -> None:
        super().__init__()
        self.projection = nn.Parameter(0.1 * torch.randn(features, kernels, dimensions))

    def forward(self, features: Tensor) -> Tensor:
        """``[N, A] -> [N, A + kernels]``."""
        # In full precision: bf16 would round closeness away beside the 1 that is taken off.
        points = full_precision(torch.einsum("na,akd->nkd", features, self.projection))
        distance = (points[:, None] - points[None]).abs().sum(3)  # [N, N, K]
        closeness = torch.exp(-distance).sum(1) - 1  # [N, K]
        return torch.cat([features, closeness.to(features.dtype)], dim=1)


class VirtualBatchNorm(nn.Module):
    """Normalizes each sample by a fixed reference batch and itself, never by its neighbours.

    Salimans et al. 2016, section 3.5. The first ``reference_size`` rows of every input are the
    reference batch, which so passes through all layers with the current weights:
    ``network(torch.cat([reference, samples]))[len(reference):]``.
    """

    def __init__(self, channels: int, reference_size: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.reference_size = reference_size
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """``[R + N, C, ...] -> [R + N, C, ...]``; the reference uses its own statistics.

        Raises:
            ValueError: the batch is smaller than the reference.
        """
        r = self.reference_size
        if len(features) < r:
            raise ValueError(f"a batch of {len(features)} cannot start with {r} reference samples")
        values = full_precision(features)
        values = values.flatten(2) if values.ndim > 2 else values.unsqueeze(2)
        mean, square = values.mean(2), values.square().mean(2)  # of each sample: [R + N, C]
        mean_r, square_r = mean[:r].mean(0), square[:r].mean(0)  # of the reference: [C]
        mean = torch.cat([mean_r.expand(r, -1), (r * mean_r + mean[r:]) / (r + 1)])
        square = torch.cat([square_r.expand(r, -1), (r * square_r + square[r:]) / (r + 1)])
        scale = self.weight * torch.rsqrt((square - mean.square()).clamp(min=0) + self.eps)
        normal = (values - mean.unsqueeze(2)) * scale.unsqueeze(2) + self.bias[:, None]
        return normal.view(features.shape).to(features.dtype)
