import numpy as np
import pytest

from lightninglens.core.rng import Stream, normals, philox, standard_normal, uniform, uniforms

pytestmark = pytest.mark.kernel

LOW = 2**32 - 1


def philox_by_the_paper(seed: int, entity: int, stream: int, index: int) -> int:
    """Philox-4x32-10 in Python's own integers, from the paper's description."""
    key = [seed & LOW, seed >> 32]
    word = [index & LOW, index >> 32, entity & LOW, stream & LOW]
    for _ in range(10):
        first, second = 0xD2511F53 * word[0], 0xCD9E8D57 * word[2]
        word = [(second >> 32) ^ word[1] ^ key[0], second & LOW, (first >> 32) ^ word[3] ^ key[1], first & LOW]
        key = [(key[0] + 0x9E3779B9) & LOW, (key[1] + 0xBB67AE85) & LOW]
    return word[1] << 32 | word[0]


ADDRESSES = [(0, 0, 0, 0), (1, 2, 3, 4), (2**64 - 1, 2**32 - 1, 16, 2**40), (7, 5, 1, 123_456)]


@pytest.mark.parametrize("address", ADDRESSES)
def test_bits_are_those_of_the_paper(address: tuple[int, int, int, int]) -> None:
    seed, entity, stream, index = address
    assert int(philox(np.uint64(seed), entity, stream, index)) == philox_by_the_paper(*address)


def test_the_published_test_vector() -> None:
    # Random123's known answers for philox4x32-10: counter and key all zero give 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
    assert int(philox(np.uint64(0), 0, 0, 0)) == 0xE169C58D_6627E8D5


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_uniform_draw_is_the_upper_53_bits(address: tuple[int, int, int, int]) -> None:
    seed, entity, stream, index = address
    drawn = float(uniform(np.uint64(seed), entity, stream, index))
    assert drawn == (philox_by_the_paper(*address) >> 11) / 2**53


def test_draws_in_bulk_are_the_draws_one_by_one() -> None:
    bulk = uniforms(9, 3, Stream.AMOUNT, 20, start=5)
    assert [float(uniform(np.uint64(9), 3, int(Stream.AMOUNT), 5 + i)) for i in range(20)] == bulk.tolist()
    bulk = normals(9, 3, Stream.AMOUNT, 20)
    assert [float(standard_normal(np.uint64(9), 3, int(Stream.AMOUNT), i)) for i in range(20)] == bulk.tolist()


def test_draws_look_as_they_should() -> None:
    even, bell = uniforms(1, 1, Stream.ARRIVAL, 2_000), normals(1, 1, Stream.AMOUNT, 2_000)
    assert 0 <= even.min() <= even.max() < 1
    assert abs(even.mean() - 0.5) < 0.03
    assert abs(bell.mean()) < 0.1
    assert abs(bell.std() - 1) < 0.05
    assert abs(np.corrcoef(even, uniforms(1, 2, Stream.ARRIVAL, 2_000))[0, 1]) < 0.1
