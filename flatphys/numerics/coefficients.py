"""Coefficients of the polynomials behind `numerics.vector` and `numerics.gaussian`, and what makes them.

`python -m flatphys.numerics.coefficients` prints them anew.

Each is the Chebyshev interpolant of its function at 50 digits, in powers of its argument, lowest first:

    EXP     (e^r - 1 - r)/r^2                    |r| <= log(2)/2                       degree 10
    LOG     (log((1+s)/(1-s)) - 2 s)/s^3         s^2 <= (3 - 2 sqrt 2)^2 = 0.0294      degree 8
    MILLS   (4 + x) (m(x) - x)                   u = 8/(4+x) - 1, 0 <= x <= inf        degree 28

with m = G/H the inverse Mills ratio of the Gaussian law.  The interpolants are off by less than 1e-17, relative.
"""

EXP = (
    0.5,
    0.1666666666666667,
    0.04166666666666667,
    0.008333333333326136,
    0.001388888888888375,
    0.00019841269874815834,
    2.480158732554432e-05,
    2.7557255406285044e-06,
    2.7557273647451087e-07,
    2.5105214474751413e-08,
    2.0914685161418067e-09,
)
LOG = (
    0.6666666666666666,
    0.3999999999999999,
    0.28571428571435364,
    0.22222222219857385,
    0.18181818593853613,
    0.15384575116865382,
    0.13335639338830224,
    0.11688108651614386,
    0.11882133061364769,
)
MILLS = (
    1.8048571559157687,
    1.1822045015192792,
    0.40195670380622883,
    -0.06751792792276208,
    -0.1382244914787328,
    -0.03370366765367635,
    0.03165652747899704,
    0.02080045431427855,
    -0.004488589746531045,
    -0.007961411175370185,
    -0.00037358712267111387,
    0.0024857923897225673,
    0.0005948619697239542,
    -0.0006654963571823578,
    -0.0002893128318825679,
    0.000150332811085615,
    0.00010493908715006714,
    -2.5601218260245907e-05,
    -3.179754982440019e-05,
    1.460119195672493e-06,
    8.221885104837812e-06,
    1.1236017736040415e-06,
    -1.7801125236838621e-06,
    -5.588063998287938e-07,
    3.0437029885659144e-07,
    1.3470044747078458e-07,
    -3.6291570418843135e-08,
    -1.471640093478076e-08,
    2.2261946092224273e-09,
)

EXP_END, LOG_END = 0.3466, 0.02944  # a little more than log(2)/2 and (3 - 2 sqrt 2)^2


def interpolant(function, start, stop, degree):
    """Coefficients of powers of the argument, as high-precision numbers."""
    import mpmath as mp

    n = degree + 1
    middle, half = (mp.mpf(start) + stop) / 2, (mp.mpf(stop) - start) / 2
    angles = [mp.pi * (2 * k + 1) / (2 * n) for k in range(n)]
    values = [function(middle + half * mp.cos(a)) for a in angles]
    series = [2 * mp.fsum(v * mp.cos(j * a) for v, a in zip(values, angles)) / n for j in range(n)]
    series[0] /= 2
    line = [-middle / half, 1 / half]  # the argument in units of the interval
    before, now = [mp.mpf(1)], line
    powers = [mp.mpf(0)] * n
    for j, c in enumerate(series):
        basis = before if j == 0 else now
        for k, b in enumerate(basis):
            powers[k] += c * b
        if j > 0:
            twice = _product([2 * b for b in line], now)
            before, now = now, [t - (before[k] if k < len(before) else 0) for k, t in enumerate(twice)]
    return powers


def _product(a, b):
    out = [0] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            out[i + j] += x * y
    return out


def generate() -> dict[str, list[float]]:
    """All three from their definitions."""
    import mpmath as mp

    with mp.workdps(50):

        def mills(u):
            if u == -1:
                return mp.mpf(1)
            x = 8 / (1 + u) - 4
            if x < 60:
                return (x + 4) * (mp.npdf(x) / (mp.erfc(x / mp.sqrt(2)) / 2) - x)
            tail = x  # continued fraction m = x + 1/(x + 2/(x + 3/...))
            for j in range(200, 1, -1):
                tail = x + j / tail
            return (x + 4) / tail

        found = {
            "EXP": interpolant(lambda r: mp.hyp1f1(1, 3, r) / 2, -EXP_END, EXP_END, 10),  # the same without cancellation
            "LOG": interpolant(lambda z: (mp.atanh(mp.sqrt(z)) - mp.sqrt(z)) * 2 / mp.sqrt(z) ** 3, 0.0, LOG_END, 8),
            "MILLS": interpolant(mills, -1, 1, 28),
        }
        return {name: [float(c) for c in powers] for name, powers in found.items()}


if __name__ == "__main__":
    for title, numbers in generate().items():
        print(f"{title} = {tuple(numbers)}")
