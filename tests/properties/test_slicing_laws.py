"""However a journal is cut into batches, transactions and lives of workers: one outcome."""

from copy import deepcopy

from hypothesis import given
from hypothesis import strategies as st

from streams.codec.journal import decode_input, encode_input
from streams.codec.state import decode_state, encode_state
from streams.core.inputs import CustomerEvent, Input, Tick
from streams.core.outputs import SegmentChanged
from tests.properties.lives import journals
from tests.properties.profiles import tried
from tests.runtime.oracle import fold
from tests.runtime.world import World

slices = st.lists(
    st.tuples(
        st.integers(1, 6),  # records a batch
        st.sampled_from([1, 2, 3, 5_000]),  # timers a transaction
        st.sampled_from([0, 1, 200_000]),  # states in the cache
        st.integers(1, 12),  # cycles until this worker ends
    ),
    max_size=4,
)


@tried(100)
@given(journals())
def test_a_replay_gives_the_same_outputs_and_ids(records: list[Input]) -> None:
    values = [encode_input(record) for record in records]
    once, again = fold(values), fold(values)
    assert once.messages == again.messages
    assert once.encoded == again.encoded
    ids = [dict(message.headers)["ce_id"] for message in once.messages]
    assert len(set(ids)) == len(ids)


@tried(100)
@given(journals(), slices)
def test_slicing_and_restarts_change_nothing(
    records: list[Input], lives: list[tuple[int, int, int, int]]
) -> None:
    world = World().journal(records)
    for max_records, max_timers, cached, cycles in lives:
        worker = world.worker(max_records=max_records, max_timers=max_timers, cached_states=cached)
        for _ in range(cycles):
            worker.cycle.run_once()
    world.worker(max_records=2, max_timers=1).run_to_end()
    world.check()


@tried(25)
@given(st.lists(journals(most=8), min_size=2, max_size=3), st.integers(1, 5))
def test_partitions_do_not_disturb_each_other(
    partitions: list[list[Input]], max_records: int
) -> None:
    world = World(len(partitions))
    for number, records in enumerate(deepcopy(partitions)):
        for record in {id(one): one for one in records}.values():
            if isinstance(record, CustomerEvent):
                record.customer_id += f" of {number}"
        world.journal(records, number)
    world.worker(max_records=max_records).run_to_end()
    world.check()


@tried(100)
@given(journals())
def test_the_journal_survives_its_bytes(records: list[Input]) -> None:
    for record in records:
        again = decode_input(encode_input(record))
        assert type(again) is type(record)
        assert again == record
        assert encode_input(again) == encode_input(record)


@tried(100)
@given(journals())
def test_every_state_on_the_way_survives_its_bytes(records: list[Input]) -> None:
    folded = fold([])
    for record in records:
        folded.take(deepcopy(record))
        for customer_id, state in folded.states.items():
            again = decode_state(customer_id, encode_state(state))
            assert again == state
            assert list(again.seen.items()) == list(state.seen.items())


@tried(100)
@given(journals(), st.data())
def test_the_next_due_instant_is_honest(records: list[Input], data: st.DataObject) -> None:
    """A tick just before the next due instant of anybody says nothing and changes nobody."""
    folded = fold(encode_input(record) for record in records)
    timers = folded.timers
    if not timers:
        return
    due_ms, customer_id = timers[0]
    assert due_ms > folded.time_ms
    before, told = folded.encoded, len(folded.outputs)
    at_ms = data.draw(st.integers(folded.time_ms, due_ms - 1))
    folded.take(Tick(received_at_ms=at_ms))
    assert (folded.encoded, len(folded.outputs)) == (before, told)
    folded.take(Tick(received_at_ms=due_ms))
    assert folded.states[customer_id].next_due_ms != due_ms


@tried(100)
@given(journals(continuous=True), st.lists(st.integers(1, 50), max_size=20))
def test_continuous_time_may_be_cut_anywhere(records: list[Input], cuts: list[int]) -> None:
    """One continuous tick over a year says what many small ones say."""
    values = [encode_input(record) for record in records]
    at_once, in_pieces = fold(values), fold(values)
    start_ms = at_once.time_ms
    day_ms = 86_400_000
    end_ms = start_ms + 1_000 * day_ms
    at_once.take(Tick(received_at_ms=end_ms, continuous=True))
    for days in cuts:
        now_ms = min(end_ms, in_pieces.time_ms + days * day_ms)
        in_pieces.take(Tick(received_at_ms=now_ms, continuous=True))
    in_pieces.take(Tick(received_at_ms=end_ms, continuous=True))
    assert in_pieces.messages == at_once.messages
    assert in_pieces.encoded == at_once.encoded


@tried(100)
@given(journals())
def test_changes_are_chains(records: list[Input]) -> None:
    folded = fold(encode_input(record) for record in records)
    for customer_id in {one.customer_id for one in records if isinstance(one, CustomerEvent)}:
        last_ms, sequence = 0, 0
        previous: str | None = None
        for output in folded.outputs:
            if not isinstance(output, SegmentChanged) or output.customer_id != customer_id:
                continue
            assert (output.previous, output.sequence) == (previous, sequence + 1)
            assert output.current != output.previous
            assert output.effective_at_ms >= last_ms
            last_ms, previous = output.effective_at_ms, output.current
            sequence = output.sequence
