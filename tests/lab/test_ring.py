import signal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imgan.lab import ring, ring_game, tricks


@given(st.lists(st.integers(0, ring_game.MODES - 1), min_size=1, max_size=30), st.integers(0, 20))
def test_modes_and_good_samples_of_known_points(modes, strays):
    near = ring_game.CENTRES[modes] + torch.tensor([0.9 * ring_game.NEAR, 0.0])
    far = torch.zeros(strays, 2)
    covered, good = ring_game.coverage(torch.cat([near, far]))
    assert covered == len(set(modes))
    assert good == pytest.approx(len(modes) / (len(modes) + strays))


def test_just_outside_is_no_good_sample():
    outside = ring_game.CENTRES + torch.tensor([1.01 * ring_game.NEAR, 0.0])
    assert ring_game.coverage(outside) == (0, 0.0)


def test_real_samples_cover_all_and_nearly_all_are_good():
    torch.manual_seed(0)
    covered, good = ring_game.coverage(ring_game.real_samples(4000))
    assert covered == ring_game.MODES
    assert good == pytest.approx(0.989, abs=0.006)  # 1 - exp(-9 / 2) in two dimensions


@pytest.mark.parametrize("arm", [*ring.ARMS, *tricks.ARMS[1:]], ids=lambda arm: arm.name)
def test_a_game_is_the_same_again_and_leaves_the_random_state(arm):
    state = torch.get_rng_state()
    first, again, other = (ring_game.play(arm, seed, 6, lambda share: None) for seed in (3, 3, 4))
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), state)


def test_games_side_by_side_are_those_played_in_turn(monkeypatch):
    arms, shares = ring.ARMS[:2], []
    steps = ring_game.QUICK_STEPS + 1
    monkeypatch.setattr(ring_game, "cores", lambda: 2)
    together = ring_game.play_all(arms, 2, steps, shares.append)
    monkeypatch.setattr(ring_game, "cores", lambda: 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        in_turn = ring_game.play_all(arms, 2, steps, lambda share: None)
    finally:
        torch.set_num_threads(threads)
    assert together == in_turn
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)


def test_a_game_that_fails_ends_the_others(monkeypatch):
    monkeypatch.setattr(ring_game, "cores", lambda: 2)
    impossible = ring_game.Arm("impossible", "", critic_layers=-1, critic_rate=-1.0)
    with pytest.raises(ValueError):
        ring_game.play_all([impossible, *ring.ARMS[:1]], 1, 100_000, lambda share: None)


def test_measures_are_spread_over_the_whole_game():
    shares = []
    play = ring_game.play(ring.ARMS[0], 0, 48, shares.append)
    assert play.steps == list(range(2, 49, 2)) and shares[-1] == 1
    assert play.shown_steps() == [8, 16, 24, 32, 40, 48]
    assert [len(points) for points in play.samples] == [ring_game.SHOWN] * ring_game.SNAPSHOTS


def known(modes, good, surest=1.0, moved=1.0):
    steps = list(range(1, ring_game.MEASURES + 1))
    many = len(steps)
    points = [[[0.0, 0.0]]] * ring_game.SNAPSHOTS
    return ring_game.Play(
        steps, [modes] * many, [good] * many, [surest] * many, [moved] * many, points
    )


def test_the_take_says_so_when_a_remedy_does_not_help():
    plays = {
        arm.name: [known(modes, good)]
        for arm, modes, good in zip(
            ring.ARMS, (4, 8, 4, 3, 5, 4, 4), (0.2, 0.5, 0.3, 0.4, 0.1, 0.2, 0.2), strict=True
        )
    }
    take = ring.tell(ring.Ring(plays)).take
    assert "the best here, unrolled, 8.0 and 50 %" in take
    assert "More of both than the plain game: unrolled." in take
    assert "Worse than it in modes or in good samples: WGAN-GP, minibatch statistics." in take


def test_the_take_of_the_tricks_is_measured_against_the_plain_game():
    plays = {
        "plain": [known(6, 0.2, surest=10, moved=0.5)],
        "smoothed labels": [known(6, 0.2, surest=4, moved=0.5)],
        "history": [known(4, 0.2, surest=10, moved=0.25)],
    }
    take = tricks.tell(tricks.Tricks(plays)).take
    assert "Smoothed labels: the critic's largest logit on real samples became 4.0 instead" in take
    assert "samples moved 0.25 instead of 0.50 between two measures" in take
    assert "4.0 instead of 6.0 modes were held" in take


@pytest.fixture
def heeds_ctrl_c():
    """As in a terminal; a process that a shell starts in the background ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_waits_until_the_processes_are_started(heeds_ctrl_c):
    done = False
    with pytest.raises(KeyboardInterrupt), ring_game._undisturbed():
        signal.raise_signal(signal.SIGINT)
        done = True
    assert done
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)  # and is as before
