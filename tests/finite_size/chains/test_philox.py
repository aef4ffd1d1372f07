"""The counter-based generator: published vectors, a second implementation, uniform words."""

import numpy as np
import pytest

from flatphys.finite_size.chains.philox import EXCHANGE, MOVES, fill, key_of, philox

# kat_vectors of Random123 (Salmon et al. 2011), philox4x32 with 10 rounds: counter, key, output
VECTORS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0), (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("counter, key, expected", VECTORS)
def test_blocks_are_those_of_random123(counter, key, expected, compiled):
    function = philox if compiled else philox.py_func
    assert tuple(int(x) for x in function(*map(np.uint64, counter), *map(np.uint64, key))) == expected


def by_definition(counter, key):
    """Ten rounds in Python integers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b % 2**32, (a >> 32) ^ c[3] ^ k[1], a % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


def test_a_batch_of_steps_has_the_counters_it_says():
    words, key = np.zeros((4, 100), np.uint32), key_of(12345)
    first = 2**32 - 50  # the step's high word changes on the way
    fill(words, 100, first, 7, MOVES, *key)
    for s in range(100):
        step = first + s
        assert words[:, s].tolist() == by_definition((step % 2**32, step >> 32, 7, 0), [int(k) for k in key])


def test_words_are_uniform_and_streams_unrelated():
    count, cells = 2**18, 256
    streams = []
    for chain, purpose, seed in ((0, MOVES, 0), (1, MOVES, 0), (0, EXCHANGE, 0), (0, MOVES, 1)):
        words = np.zeros((4, count), np.uint32)
        fill(words, count, 0, chain, purpose, *key_of(seed))
        streams.append(words)
        for row in words:
            observed = np.bincount(row >> 24, minlength=cells)
            chi2 = np.sum((observed - count / cells) ** 2) / (count / cells)
            assert abs(chi2 - (cells - 1)) < 4.5 * np.sqrt(2 * (cells - 1))
    rows = np.concatenate(streams).astype(float)
    correlation = np.corrcoef(rows)
    assert np.max(np.abs(correlation - np.eye(len(rows)))) < 4.5 / np.sqrt(count)


def test_seeds_of_any_size_give_different_keys():
    keys = {tuple(key_of(s).tolist()) for s in (0, 1, 2, 2**31, 2**64 + 3)}
    assert len(keys) == 5 and all(0 <= k < 2**32 for pair in keys for k in pair)
