import numpy as np
import pytest

from imgan.pipelines import scatter

RNG = np.random.default_rng(0)


def test_principal_components_are_those_of_the_largest_variance_with_their_signs_fixed():
    values = RNG.normal(size=(200, 3)) * [1, 9, 4]
    points = scatter.principal(values + 5)
    spread = points.std(0)
    assert spread[0] == pytest.approx(9, rel=0.15) and spread[1] == pytest.approx(4, rel=0.15)
    turned = scatter.principal(values @ np.linalg.qr(RNG.normal(size=(3, 3)))[0])
    np.testing.assert_allclose(turned.std(0), spread, rtol=1e-3)
    assert scatter.principal(RNG.normal(size=(5, 1))).shape == (5, 2)
    assert not scatter.principal(np.ones((1, 4))).any()


def drawn(domains, names):
    classes = np.array([0, 1, -1, 1])
    return scatter.of_domains(np.eye(4), np.array(domains), names, classes, ["a", "b"])


def test_a_picture_tells_domains_and_their_names_apart():
    names = ["digits_on_photos", "digits_on_paper"]
    one = drawn([0, 0, 1, 1], names)
    assert one.dtype == np.uint8 and one.shape[2] == 3
    half = one.shape[1] // 2
    other = drawn([0, 1, 0, 1], names)
    assert (one[:, :half] != other[:, :half]).any() and (one[:, half:] == other[:, half:]).all()
    alike = drawn([0, 0, 1, 1], ["digits_on_photos", "digits_on_posters"])
    assert (one[-24:] != alike[-24:]).any()  # the names differ after their eleventh letter


def test_neighbours_need_few_points():
    pytest.importorskip("sklearn")
    for count in (4, 12):
        assert scatter.tsne(RNG.normal(size=(count, 3))).shape == (count, 2)
