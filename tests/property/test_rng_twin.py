"""The compiled generator is Philox-4x32-10: known answers, and equality with plain integers anywhere."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference import rng

from lightninglens.core.rng import Stream, normals, philox, standard_normal, uniform, uniforms

SEEDS = st.integers(0, 2**64 - 1)
ENTITIES = st.integers(0, 2**32 - 1)
INDICES = st.integers(0, 2**63 - 1)


def address(seed: int, entity: int, stream: int, index: int) -> tuple[np.uint64, int, int, int]:
    """Return an address in the types that the engine uses."""
    return np.uint64(seed), entity, stream, index


@pytest.mark.kernel
@pytest.mark.parametrize(("counter", "key", "output"), rng.KNOWN_ANSWERS)
def test_known_answers(counter: tuple[int, ...], key: tuple[int, ...], output: tuple[int, ...]) -> None:
    """Both give the numbers that Random123 publishes for philox4x32 with ten rounds."""
    assert rng.philox4x32(counter, key) == output
    seed, index = key[0] | key[1] << 32, counter[0] | counter[1] << 32
    drawn = philox(np.uint64(seed), np.uint64(counter[2]), np.uint64(counter[3]), np.uint64(index))
    assert int(drawn) == output[0] | output[1] << 32


@pytest.mark.kernel
@settings(max_examples=300, deadline=None)
@given(seed=SEEDS, entity=ENTITIES, stream=st.sampled_from(list(Stream)), index=INDICES)
def test_draws_equal_the_twin(seed: int, entity: int, stream: Stream, index: int) -> None:
    """Bits and uniform draws are equal, normal draws to the last digits."""
    where = address(seed, entity, int(stream), index)
    assert int(philox(*where)) == rng.bits(seed, entity, stream, index)
    assert uniform(*where) == rng.uniform(seed, entity, stream, index)
    drawn = standard_normal(*where)
    assert math.isclose(drawn, rng.standard_normal(seed, entity, stream, index), rel_tol=1e-13, abs_tol=1e-15)


@pytest.mark.kernel
def test_columns_are_the_single_draws() -> None:
    """A column from index 5 on is the draws 5, 6, 7, ... whatever came before."""
    column, normal = uniforms(9, 2, Stream.AMOUNT, 4, start=5), normals(9, 2, Stream.AMOUNT, 4, start=5)
    assert column.tolist() == [rng.uniform(9, 2, Stream.AMOUNT, index) for index in range(5, 9)]
    assert normal.tolist() == pytest.approx([rng.standard_normal(9, 2, Stream.AMOUNT, i) for i in range(5, 9)])


def test_moments() -> None:
    """A million draws have the mean and variance that they should, within five standard errors."""
    count = 1_000_000
    drawn, normal = uniforms(1, 0, Stream.MODEL, count), normals(1, 0, Stream.MODEL, count)
    assert abs(drawn.mean() - 0.5) < 5 * math.sqrt(1 / 12 / count)
    assert abs(normal.mean()) < 5 / math.sqrt(count)
    assert abs(normal.var() - 1.0) < 5 * math.sqrt(2 / count)
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 5 / math.sqrt(count)
