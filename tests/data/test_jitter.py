import torch

from imgan.data.jitter import Jitter

EVERY = Jitter(10, 0.2, 0.2, 0.1, True, 0.5, 0.5, 0.5, 0.2, 0.3, 0.1)


def test_nothing_is_changed_at_zero():
    images = torch.rand(3, 3, 16, 16) * 2 - 1
    assert torch.equal(Jitter()(images), images)


def test_images_stay_in_range_and_follow_the_random_state():
    images = torch.rand(4, 3, 16, 16) * 2 - 1
    torch.manual_seed(3)
    one = EVERY(images)
    torch.manual_seed(3)
    assert torch.equal(EVERY(images), one)
    assert one.shape == images.shape and one.abs().max() <= 1
    assert not torch.equal(EVERY(images), one)


def test_small_moves_keep_the_middle_and_inversion_is_exact():
    images = torch.zeros(20, 1, 17, 17)
    images[:, :, 6:11, 6:11] = 1
    assert (Jitter(rotate=5, shift=0.02)(images)[:, :, 8, 8] > 0.9).all()
    dark = Jitter(invert=1.0)(images)
    assert torch.equal(dark, -images)
    flipped = Jitter(flip=True)(torch.arange(4.0).expand(50, 1, 4, 4) / 4)
    rows = {tuple(row) for row in flipped[:, 0, 0].tolist()}
    assert rows == {(0, 0.25, 0.5, 0.75), (0.75, 0.5, 0.25, 0)}
