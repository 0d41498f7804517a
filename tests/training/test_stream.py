"""The sampler without state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgan.errors import ImganError
from imgan.training.stream import Portions


@given(
    accumulate=st.integers(1, 3),
    processes=st.integers(1, 4),
    own=st.integers(1, 3),
    start=st.integers(0, 5),
    more=st.integers(0, 5),
)
def test_processes_share_out_each_step_without_gap_or_overlap(
    accumulate, processes, own, start, more
):
    batch = accumulate * processes * own
    every = [
        list(Portions(start, start + more, batch, accumulate, rank, processes))
        for rank in range(processes)
    ]
    assert {len(portions) for portions in every} == {more * accumulate}
    for step in range(more):
        parts = range(step * accumulate, (step + 1) * accumulate)
        items = [i for portions in every for part in parts for i in portions[part]]
        first = (start + step) * batch
        assert sorted(items) == list(range(first, first + batch))


def test_a_later_start_gives_the_tail_of_the_whole():
    whole = list(Portions(0, 10, 6, 2))
    assert list(Portions(4, 10, 6, 2)) == whole[4 * 2 :]


def test_a_batch_that_cannot_be_shared_out_is_one_sentence():
    with pytest.raises(ImganError, match="batch 5 cannot be divided among 2 processes"):
        Portions(0, 1, 5, processes=2)
