"""Projective geometry response: a point of a projective space, oftener on the hyperplane of the value than off it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyalgo_privacy.fields import IntegerField
from pyalgo_privacy.hashing import smallest_prime
from pyalgo_privacy.oracle import PureOracle
from pyalgo_privacy.words import SHORT, below, exp, flip, threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pyalgo_privacy.oracle import Columns
    from pyalgo_privacy.source import WordSource

__all__ = ["PGR"]

# A point of the space over F_q is a vector whose first coordinate that is not 0 is 1. A vector is coded by its coordinates as
# digits to the base q, the first the highest. Points are numbered by their codes: q^m + r has number (q^m - 1) / (q - 1) + r.


def vector_of(point: int, q: int) -> tuple[int, int]:
    """(code of the vector, its highest digit's place m) of a point."""
    size, place = 1, 0
    while point >= size:
        point -= size
        size *= q
        place += 1
    return size + point, place


def point_of(code: int, q: int) -> int:
    """The point of any vector but 0: of its multiple with leading digit 1."""
    top, place = 1, 0
    while code >= top * q:
        top *= q
        place += 1
    factor = inverse(code // top, q)
    point, size, scale = 0, 1, 1
    for _ in range(place):
        point += size + (code % q) * factor % q * scale
        code //= q
        size *= q
        scale *= q
    return point


def inverse(a: int, prime: int) -> int:
    """1 / a modulo a prime, by Euclid's algorithm."""
    before, now, r, s = 0, 1, prime, a
    while s > 1:
        quotient = r // s
        before, now = now, before - quotient * now
        r, s = s, r - quotient * s
    return now % prime


def sample_projective(
    words: Sequence[int], at: int, x: int, q: int, t: int, bits: int, high: int, low: int
) -> tuple[int, int]:
    """A uniform point orthogonal to point `x` with probability T / 2^64, else a uniform one that is not."""
    orthogonal, at = flip(words, at, high, low)
    value, pivot = vector_of(x, q)
    while at != SHORT:
        code, product, rest, scale, pivot_scale = 0, 0, value, 1, 1
        for place in range(t):
            if orthogonal == 1 and place == pivot:
                pivot_scale = scale
            else:
                digit, at = below(words, at, q, bits)
                if at == SHORT:
                    return 0, SHORT
                code += digit * scale
                product = (product + digit * (rest % q)) % q
            rest //= q
            scale *= q
        if orthogonal == 1:
            code += (q - product) % q * pivot_scale  # the value's digit at the pivot is 1
            product = 0
        if code > 0 and (product == 0) == (orthogonal == 1):
            return point_of(code, q), at
    return 0, SHORT


class PGR(PureOracle):
    """Projective geometry response: the variance of `OUE`, or a little more, in log2 K bits.

    Values and reports are points of the projective space of dimension t - 1 over the field of q elements: q is the smallest
    prime of at least e^eps + 1, t the least for which there are K = (q^t - 1) / (q - 1) >= k points. A report on the
    hyperplane of the value is e^eps times as likely as one off it.

    The frequencies take O(K t log q) here, by the Fourier slice theorem; the dynamic programme of the paper takes
    O(K q t). Parameters and errors as of `FrequencyOracle`; q^t must stay below 2^62.

    Feldman, Nelson, Nguyen, Talwar: "Private Frequency Estimation via Projective Geometry", ICML 2022.

    Examples
    --------
    >>> from pyalgo_privacy import PGR
    >>> oracle = PGR(k=1024, eps=2.0)
    >>> (oracle.q_field, oracle.t), oracle.message_bits(), round(oracle.variance(), 3)
    ((11, 4), 11.0, 0.738)
    """

    name = "pgr"
    columns = {"point": ("int64", "the reported point")}  # noqa: RUF012

    def __init__(self, k: int, eps: float, *, seed: int | None = None) -> None:
        super().__init__(k, eps, seed=seed)
        e = exp(self.eps)
        if e > 2**31:
            raise ValueError(f"eps must be at most 21 for projective geometry, got {self.eps}: GRR does better there")
        self.q_field = q = smallest_prime(math.ceil(e) + 1)
        self.t = 2
        while (q**self.t - 1) // (q - 1) < self.k:
            self.t += 1
        if q**self.t >= 2**62:
            raise ValueError(f"k = {k} and eps = {eps} need vectors of {q}^{self.t}, above 2^62: SS does as well there")
        self.points, c_set, c_int = ((q ** (self.t - i) - 1) // (q - 1) for i in range(3))
        self.fields = (IntegerField("point", self.points),)
        self.truth = threshold(e * c_set, (e - 1) * c_set + self.points, up=False)
        self.p = self.truth.probability
        self._on, self._off = self.p / c_set, (1 - self.p) / (self.points - c_set)  # of one point
        self.q = c_int * self._on + (c_set - c_int) * self._off

    @property
    def _counters(self) -> int:
        return self.points

    def _rest(self) -> tuple[int, int, int, int, int]:
        return self.q_field, self.t, (self.q_field - 1).bit_length(), self.truth.high, self.truth.low

    def sample(self, words: Sequence[int], x: int) -> dict[str, int | list[int]]:
        return {"point": sample_projective(words, 0, x, *self._rest())[0]}

    def attack_success(self, attack: str = "bayes") -> float:
        """Guesses any value whose hyperplane has the point, where there is one: all points are looked at."""
        import numpy as np

        users = np.zeros(self.points)
        users[: self.k] = 1
        matched = np.count_nonzero(on_hyperplanes(users, self.q_field, self.t))
        return (matched * self._on + (self.points - matched) * self._off) / self.k

    def channel(self) -> NDArray[Any]:
        import numpy as np

        on = np.array([on_hyperplanes(row, self.q_field, self.t) for row in np.eye(self.points)[: self.k]])
        return np.where(on > 0, self._on, self._off)

    def _draw(self, x: NDArray[Any], source: WordSource) -> Columns:
        import numpy as np

        from pyalgo_privacy.kernels import projective_users
        from pyalgo_privacy.source import for_users

        out = np.empty_like(x)
        rest = (*self._rest(), out)
        for_users(lambda words, begin: projective_users(words, begin, x, *rest), len(x), 2 * self.t + 2, source)
        return {"point": out}

    def _count(self, columns: Columns, counts: NDArray[Any], n: NDArray[Any]) -> None:
        import numpy as np

        counts += np.bincount(columns["point"], minlength=self.points)
        n += len(columns["point"])

    def _supports(self, counts: NDArray[Any]) -> NDArray[Any]:
        return on_hyperplanes(counts, self.q_field, self.t)[: self.k]


def on_hyperplanes(counts: NDArray[Any], q: int, t: int) -> NDArray[Any]:
    """For every point u the sum of counts[v] over the points v with u . v = 0, exactly; O(K t log q).

    Points (1, v') with v' in F_q^(t-1) and points (0, w) with w in the space of one dimension less are summed apart. With
    R(w, s) the sum over w . v' = s, a discrete Radon transform, u = (1, u') gets R(u', -1), and u = (0, w) gets R(w, 0). The
    Fourier transform of R(w, .) is that of the counts along the line through w, of which one half is the other's conjugate.
    """
    import numpy as np
    from scipy import fft

    if t == 1:
        return np.zeros(1)
    size = q ** (t - 1)
    smaller = (size - 1) // (q - 1)  # points (0, w)
    below = on_hyperplanes(counts[:smaller], q, t - 1)
    transformed = fft.fftn(counts[smaller:].reshape((q,) * (t - 1)).astype(np.float64)).ravel()
    multiples = np.arange(q // 2 + 1)
    lines = np.zeros((smaller, len(multiples)), np.int64)
    digits, point, factor = _digits(q, t - 1, size)
    w = np.flatnonzero(factor == 1)  # codes of the points w, in their order
    for place in range(t - 1):
        lines += multiples * digits[place, w][:, None] % q * q**place
    radon = np.rint(fft.irfft(transformed[lines], n=q, axis=1))
    out = np.empty(smaller + size)
    out[:smaller] = radon[:, 0] + below
    out[smaller] = counts[:smaller].sum()  # u' = 0: orthogonal to all (0, w) and to no (1, v')
    out[smaller + 1 :] = radon[point[1:], (-factor[1:]) % q] + below[point[1:]]
    return out


def _digits(q: int, length: int, size: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Of all vectors by code: their digits, their point, and the factor that makes them the point's vector.

    A leading digit d gives the factor 1 / d; the vector 0 has factor 0.
    """
    import numpy as np

    code = np.arange(size)
    digits = np.array([code // q**place % q for place in range(length)])
    inverses = np.array([0] + [inverse(d, q) for d in range(1, q)])
    factor, number = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for place in range(length):
        block = slice(q**place, q ** (place + 1))
        factor[block] = inverses[digits[place, block]]
        scaled = sum(digits[i, block] * factor[block] % q * q**i for i in range(place))
        number[block] = (q**place - 1) // (q - 1) + scaled
    return digits, number, factor
