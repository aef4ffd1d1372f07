"""Philox4x32-10: a counter-based generator, the same numbers on every device and for every number of threads.

A block of four 32-bit words is a function of a counter (four words) and a key (two words), a bijection of the counter made of ten
rounds of two multiplications:

    (c0, c1, c2, c3) -> (hi(M1 c2) ^ c1 ^ k0, lo(M1 c2), hi(M0 c0) ^ c3 ^ k1, lo(M0 c0)),    k0 += W0, k1 += W1

Here the counter is (step, step >> 32, chain, purpose) and the key comes from the seed, so that the random numbers of a chain at a
step do not depend on who computes them, when, or beside what.  A number below m is (word m) >> 32: its probabilities are
uneven by m/2^32 at most.

`philox.py_func` is the scalar function itself, which the CUDA kernels compile for their target; every variable is a uint64 that
holds 32 bits, because numba makes a float64 of a uint64 and a signed integer.

Source: Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011); their library Random123 has the
test vectors.
"""

import numpy as np

from flatphys._jit import jit

M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
MASK, SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)

# What the numbers are for: the last word of the counter.
MOVES, EXCHANGE = np.uint64(0), np.uint64(1)


@jit
def philox(c0, c1, c2, c3, k0, k1):
    """The four words of counter (c0, c1, c2, c3) under key (k0, k1); all uint64 below 2^32."""
    for _ in range(10):
        p0 = M0 * c0
        p1 = M1 * c2
        c0, c1, c2, c3 = (p1 >> SHIFT) ^ c1 ^ k0, p1 & MASK, (p0 >> SHIFT) ^ c3 ^ k1, p0 & MASK
        k0 = (k0 + W0) & MASK
        k1 = (k1 + W1) & MASK
    return c0, c1, c2, c3


@jit
def fill(words, count, step, chain, purpose, k0, k1):
    """words[:, s] = the block of step + s, for s < count."""
    for s in range(count):
        at = np.uint64(step + s)
        words[0, s], words[1, s], words[2, s], words[3, s] = philox(at & MASK, at >> SHIFT, np.uint64(chain), purpose, k0, k1)


def key_of(seed) -> np.ndarray:
    """The two key words (uint64 below 2^32) of a seed of any size, or of several."""
    return np.random.SeedSequence(seed).generate_state(2, np.uint32).astype(np.uint64)
