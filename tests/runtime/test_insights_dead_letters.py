"""The memory of what was sent again: exact as long as it fits, and never too much."""

from hypothesis import given
from hypothesis import strategies as st

from streams.insights.dead_letters import MAX_MEMORY_BYTES, decode_retried, encode_retried

offsets = st.sets(st.integers(0, 300))


@given(offsets, st.integers(0, 300))
def test_what_was_sent_again_is_remembered_as_far_as_it_is_kept(
    retried: set[int], first: int
) -> None:
    text = encode_retried(retried, first)
    assert decode_retried(text) == {offset for offset in retried if offset >= first}


def test_neighbours_are_written_as_one_run() -> None:
    assert encode_retried([7, 8, 9, 20, 1], 0) == "1:1,5+3,10"


def test_beyond_the_bound_the_oldest_are_forgotten_and_none_is_made_up() -> None:
    scattered = set(range(0, 100_000, 7))
    text = encode_retried(scattered, 0)
    kept = decode_retried(text)
    assert len(text) <= MAX_MEMORY_BYTES
    assert kept < scattered
    assert min(kept) > max(scattered - kept)
    assert max(kept) == max(scattered)


def test_no_memory_and_one_of_another_release_are_empty() -> None:
    assert decode_retried(None) == decode_retried("") == decode_retried("9:1,2") == set()
