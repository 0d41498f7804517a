import torch
from torch import nn

from imgan.training.best import Best


def test_the_highest_score_stays_and_one_that_is_no_number_takes_no_place():
    best, players = Best(), nn.ModuleDict({"a": nn.Linear(1, 1)})
    for step, score in ((1, 0.2), (2, 0.9), (3, float("nan")), (4, 0.9), (5, 0.1)):
        nn.init.constant_(players["a"].weight, step)
        best.offer(step, score, {"source": score}, players)
    assert (best.step, best.score) == (4, 0.9)
    assert torch.equal(best.states["a"]["weight"], torch.tensor([[4.0]]))
    again = Best()
    again.load_state_dict(best.state_dict())
    assert again.told("a rule") == "step 4, chosen by a rule 0.9000"


def test_without_a_score_the_latest_stays():
    best, players = Best(), nn.ModuleDict({"a": nn.Linear(1, 1)})
    for step in (1, 2):
        best.offer(step, None, {}, players)
    assert best.told("the last checkpoint") == "step 2, chosen by the last checkpoint"
