"""The adversarial core: costs, penalties and moves for networks of your own. Needs torch only."""

from imgan.core.ema import EMA
from imgan.core.features import (
    MinibatchDiscrimination,
    MinibatchStdDev,
    VirtualBatchNorm,
    feature_matching,
    mean_feature_matching,
)
from imgan.core.freeze import frozen
from imgan.core.game import Critics, Samples
from imgan.core.health import Health, NotFinite, Report, diversity, verdicts
from imgan.core.history import ImageHistory
from imgan.core.logits import Critic, Logits
from imgan.core.losses import (
    GanLoss,
    Hinge,
    LeastSquares,
    MaximumLikelihood,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    Wasserstein,
)
from imgan.core.noise import InstanceNoise
from imgan.core.penalties import R1, R2, Dragan, Penalty, WganGP, gradient_norms
from imgan.core.reversal import reversal_strength, reverse_gradient
from imgan.core.step import AdversarialStep, Log
from imgan.core.unroll import Unroll

__all__ = [
    "EMA",
    "R1",
    "R2",
    "AdversarialStep",
    "Critic",
    "Critics",
    "Dragan",
    "GanLoss",
    "Health",
    "Hinge",
    "ImageHistory",
    "InstanceNoise",
    "LeastSquares",
    "Log",
    "Logits",
    "MaximumLikelihood",
    "MinibatchDiscrimination",
    "MinibatchStdDev",
    "Minimax",
    "NonSaturating",
    "NotFinite",
    "Penalty",
    "RelativisticAverage",
    "Report",
    "Samples",
    "Unroll",
    "VirtualBatchNorm",
    "Wasserstein",
    "WganGP",
    "diversity",
    "feature_matching",
    "frozen",
    "gradient_norms",
    "mean_feature_matching",
    "reversal_strength",
    "reverse_gradient",
    "verdicts",
]
