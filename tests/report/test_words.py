import doctest

from imgan.report import words


def test_the_examples_hold():
    tried = doctest.testmod(words)
    assert tried.attempted and not tried.failed


def test_long_lists_are_cut():
    assert words.spoken(list(range(100))).endswith("38, 39 and 60 more")


def test_flat_names():
    tree = {"a": {"b": {"c": 1}}, "d": {}, "e": None}
    assert words.flat(tree) == {"a.b.c": 1, "d": {}, "e": None}
