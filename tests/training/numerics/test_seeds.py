import torch
from hypothesis import given
from hypothesis import strategies as st

from hpsearch.training.numerics.seeds import (
    Stream,
    numpy_generator,
    seed_of,
    step_keys,
    torch_generator,
)

SEEDS = st.integers(0, 2**63 - 1)
PARTS = st.lists(st.integers(0, 2**32 - 1), max_size=3)


@given(st.sampled_from(Stream), SEEDS, PARTS)
def test_a_name_has_one_seed_of_63_bits(stream, seed, parts):
    assert seed_of(stream, seed, *parts) == seed_of(stream, seed, *parts)
    assert 0 <= seed_of(stream, seed, *parts) < 2**63


def test_names_that_differ_have_seeds_that_differ():
    names = [
        (stream, seed, *parts)
        for stream in Stream
        for seed in (0, 1, 2**32, 2**32 + 1, 2**63 - 1)
        for parts in ((), (0,), (1,), (0, 0), (0, 1), (1, 0))
    ]
    assert len({seed_of(*name) for name in names}) == len(names)


def test_generators_repeat_and_leave_global_state_alone():
    before = torch.random.get_rng_state()
    draws = [torch.rand(4, generator=torch_generator(Stream.INIT, 1, 2)) for _ in range(2)]
    assert torch.equal(*draws)
    first, second = (numpy_generator(Stream.SPLIT, 1).random(4).tolist() for _ in range(2))
    assert first == second
    assert torch.equal(before, torch.random.get_rng_state())


def test_keys_of_the_first_steps_do_not_depend_on_how_many_there_are():
    few, many = (step_keys(Stream.DROPOUT, 3, 1, 0, steps=n) for n in (5, 50))
    assert few.tolist() == many[:5].tolist()
