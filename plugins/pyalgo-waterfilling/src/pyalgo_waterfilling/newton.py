"""Newton's method on the water level, in loops that the compiler vectorises: the solver of plain water-filling.

With r = min a and b_k = a_k - r the level r + nu solves g(nu) = sum (nu - b_k)+ = P, convex and piecewise linear. A step is
nu <- nu + (P - g) / |A|, A = {b < nu}. The sets A are nested, so two of the same size are equal, and g is linear between.

Everything is held against r, because b and nu keep their digits where P is far below a. A root is kept as the pair nu + d
whose second term is the last step: what it leaves over comes from sum p itself, so the powers sum to P as well as a plain sum
of them can tell.

Fast-math is per function, and only where an order of summation is free: `fast_sums` where NaN must still be seen,
`fast_checked` behind that check. The terms are in functions without it, inlined all the same: (nu + r) - a would be the
cheaper loop, and lose what r is for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

# fastmath=False is not the default: a function without a word on it takes over its caller's, and the cache keeps that.
exact = njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
fast_sums = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
fast_checked = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "nnan"})

PAIRED = (
    128  # up to as many carriers two rows are solved in step: one pass alone waits for its own sums longer than it adds
)
BLOCK = 128
SAMPLE = 64  # carriers from which a longer row learns where to start
NEAR = 0.03  # relative excess of power at which the next step is tried as the last one
PLAIN = 2.0**-28  # of N times the level: with more power, what the level is rounded by is far below a step
ROUNDS = 200  # never reached by exact steps: round-off must not turn into an endless loop
EPS = 2.0**-52


@intrinsic
def _bits(typing: Any, x: Any) -> Any:
    """A float as the integer of its bits: for positive numbers the order is the same, and minima of integers vectorise."""
    return types.int64(x), lambda context, builder, _, arguments: builder.bitcast(arguments[0], ir.IntType(64))


@intrinsic
def _float(typing: Any, x: Any) -> Any:
    return types.float64(x), lambda context, builder, _, arguments: builder.bitcast(arguments[0], ir.DoubleType())


@intrinsic
def _row(typing: Any, a: Any, i: Any) -> Any:
    """a[i] without a share in its memory: counting references, atomically, costs as much as two passes over 64 carriers."""
    view = types.Array(a.dtype, 1, "C", readonly=not a.mutable)

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        whole = context.make_array(signature.args[0])(context, builder, arguments[0])
        n, stride = builder.extract_value(whole.shape, 1), builder.extract_value(whole.strides, 1)
        row = context.make_array(view)(context, builder)
        data = builder.gep(whole.data, [builder.mul(arguments[1], n)])
        populate_array(row, data, [n], [stride], whole.itemsize, None)
        return row._getvalue()

    return view(a, types.intp), generate


@fast_sums
def scan(a):
    """Sum and least element. All are positive and finite if the least is positive and the sum is finite."""
    total, least = 0.0, _bits(a[0])
    for k in range(a.size):
        total += a[k]
        least = min(least, _bits(a[k]))
    return total, _float(least)


@exact
def _depth(a, r, nu):
    """Without an r, nu is the level itself: one subtraction less, where P is not so small that it would be lost in it."""
    if r is None:
        return nu - a
    return nu - (a - r)


@exact
def _exact_depth(a, r, nu, d):
    return _depth(a, r, nu) + d


@fast_checked
def excess(a, r, nu):
    """g(nu) and |A|."""
    g, n = 0.0, 0
    for k in range(a.size):
        p = _depth(a[k], r, nu)
        g += p if p > 0.0 else 0.0
        n += 1 if p > 0.0 else 0
    return g, n


@fast_checked
def excess_of_two(a, r, nu, b, s, xi):
    g, n, h, m = 0.0, 0, 0.0, 0
    for k in range(a.size):
        p = _depth(a[k], r, nu)
        g += p if p > 0.0 else 0.0
        n += 1 if p > 0.0 else 0
        q = _depth(b[k], s, xi)
        h += q if q > 0.0 else 0.0
        m += 1 if q > 0.0 else 0
    return g, n, h, m


@fast_checked
def emit(a, r, nu, d, out):
    """The powers at nu + d, their sum and how many are positive."""
    g, n = 0.0, 0
    for k in range(a.size):
        p = _exact_depth(a[k], r, nu, d)
        p = p if p > 0.0 else 0.0
        out[k] = p
        g += p
        n += 1 if p > 0.0 else 0
    return g, n


@exact
def add(total, lost, term):
    """A compensated sum (Neumaier), of positive terms: total + lost."""
    new = total + term
    return new, lost + ((total - new) + term if total >= term else (term - new) + total)


@exact
def bound(total, r, n, power):
    """A level above the root: the best carrier alone takes no more than P, and a step from beyond all goes to (P + sum b) / N."""
    nu = min(power, (power + max(total - n * r, 0.0)) / n)
    return nu if nu > 0.0 else power


@exact
def begin(a, power, level):
    """r, and where to start: at `level` if that is between the least noise and `bound`. nu = 0 for bad noise."""
    total, r = scan(a)
    if not (r > 0.0 and total < np.inf):
        return r, 0.0
    nu = bound(total, r, a.size, power)
    return r, min(nu, level - r) if level > r else nu


@exact
def finish(a, power, r, nu, d, n, out):
    """Take the step d from nu as the last one; as long as it leads into another set A, take the next from there."""
    rounds = 0
    while True:
        g, m = emit(a, r, nu, d, out)
        rounds += 1
        # Of carriers at the very level round-off may say one thing or the other: then the sum decides.
        if m == n or abs(g - power) <= 2 * EPS * power or rounds >= ROUNDS:
            return nu + d, m, rounds
        d += (power - g) / m  # not nu, which would be rounded
        n = m


@exact
def approach(a, power, r, nu):
    """Steps until the excess is near or the set repeats: nu, the next step, |A|."""
    last, rounds = -1, 0
    while True:
        g, n = excess(a, r, nu)
        rounds += 1
        d = (power - g) / n
        if abs(g - power) <= NEAR * power or n == last or rounds >= ROUNDS:
            return nu, d, n
        nu += d
        last = n


@exact
def approach_two(a, p, r, nu, b, q, s, xi):
    """`approach` of two rows in step. Who has arrived stays there, so that a row ends in the same bits beside any other."""
    last_n, last_m, rounds = -1, -1, 0
    while True:
        g, n, h, m = excess_of_two(a, r, nu, b, s, xi)
        rounds += 1
        d, e = (p - g) / n, (q - h) / m
        there = abs(g - p) <= NEAR * p or n == last_n
        also = abs(h - q) <= NEAR * q or m == last_m
        if (there and also) or rounds >= ROUNDS:
            return nu, d, n, xi, e, m, rounds
        if not there:
            nu, last_n = nu + d, n
        if not also:
            xi, last_m = xi + e, m


@exact
def sampled(a, power, r, top, sample):
    """Where to start on a row whose passes cost more than a look at a few carriers: the level of a sample, given its share."""
    size = SAMPLE if a.size <= 64 * SAMPLE else min(a.size // 64, 64 * SAMPLE)
    stride = a.size // size
    for j in range(size):
        sample[j] = a[j * stride]
    share = power * size / a.size
    total, _ = scan(sample[:size])
    nu, d, _ = approach(sample[:size], share, r, min(top, bound(total, r, size, share)))
    return nu + d if nu + d > 0.0 else top


@exact
def solve_blocks(a, power, start, out):
    """One row of more than `PAIRED` carriers: level, |A|, passes; level 0 for bad noise. `out` holds the sample first.

    Blocks that the water does not reach are not looked at again after the first scan, and sums of sums are compensated.
    """
    n_blocks = (a.size + BLOCK - 1) // BLOCK
    least = np.empty(n_blocks)
    total, r = 0.0, np.inf
    for j in range(n_blocks):
        part, low = scan(a[j * BLOCK : (j + 1) * BLOCK])
        total += part
        least[j] = low
        r = min(r, least[j])
    if not (r > 0.0 and total < np.inf):
        return 0.0, 0, 0
    nu = bound(total, r, a.size, power)
    nu = min(nu, start - r) if start > r else sampled(a, power, r, nu, out)
    last, rounds = -1, 0
    while True:
        g, lost, n = 0.0, 0.0, 0
        for j in range(n_blocks):
            if least[j] - r < nu:
                part, count = excess(a[j * BLOCK : (j + 1) * BLOCK], r, nu)
                g, lost = add(g, lost, part)
                n += count
        g += lost
        rounds += 1
        d = (power - g) / n
        if abs(g - power) <= NEAR * power or n == last or rounds >= ROUNDS:
            break
        nu += d
        last = n
    while True:
        g, lost, m = 0.0, 0.0, 0
        for j in range(n_blocks):
            if (nu - (least[j] - r)) + d > 0.0:
                part, count = emit(a[j * BLOCK : (j + 1) * BLOCK], r, nu, d, out[j * BLOCK : (j + 1) * BLOCK])
                g, lost = add(g, lost, part)
                m += count
            else:
                out[j * BLOCK : (j + 1) * BLOCK] = 0.0
        g += lost
        rounds += 1
        if m == n or abs(g - power) <= 2 * EPS * power or rounds >= ROUNDS:
            return r + (nu + d), m, rounds
        d += (power - g) / m
        n = m


@exact
def dry(a, out):
    """The row without power: the level is the least noise; 0 for bad noise."""
    total, r = scan(a)
    out[:] = 0.0
    return r if r > 0.0 and total < np.inf else 0.0


@exact
def solve_row(a, power, start, out):
    """One row: level, |A|, passes. The level is 0, and nothing else, where noise is not positive and finite."""
    if power == 0.0:
        return dry(a, out), 0, 0
    if a.size > PAIRED:
        return solve_blocks(a, power, start, out)
    level, n, rounds, _, _, _ = solve_two(a, power, start, out, a, power, start, out)
    return level, n, rounds


@exact
def solve_two(a, p, a_start, a_out, b, q, b_start, b_out):
    r, nu = begin(a, p, a_start)
    s, xi = begin(b, q, b_start)
    if nu == 0.0 or xi == 0.0:
        return nu, 0, 0, xi, 0, 0  # the one that is 0 is the bad one
    if p > PLAIN * a.size * (r + nu) and q > PLAIN * a.size * (s + xi):
        nu, d, n, xi, e, m, rounds = approach_two(a, p, None, r + nu, b, q, None, s + xi)
        level, n, more = finish(a, p, None, nu, d, n, a_out)
        other, m, rest = finish(b, q, None, xi, e, m, b_out)
        return level, n, rounds + more, other, m, rounds + rest
    nu, d, n, xi, e, m, rounds = approach_two(a, p, r, nu, b, q, s, xi)
    nu, n, more = finish(a, p, r, nu, d, n, a_out)
    xi, m, rest = finish(b, q, s, xi, e, m, b_out)
    return r + nu, n, rounds + more, s + xi, m, rounds + rest


@exact
def solve_rows(a, power, start, out, level, n_active, rounds):
    """All rows of `a`; one without a start (0) begins where the one before ended. The first row with bad noise, or -1."""
    waiting, before = -1, 0.0
    for i in range(a.shape[0]):
        begin_i = start[i] if start[i] > 0.0 else before
        if a.shape[1] > PAIRED or power[i] == 0.0:
            level[i], n_active[i], rounds[i] = solve_row(_row(a, i), power[i], begin_i, _row(out, i))
            before = level[i] if power[i] > 0.0 else before
        elif waiting < 0:
            waiting = i
            continue
        else:
            j = waiting
            begin_j = start[j] if start[j] > 0.0 else before
            level[j], n_active[j], rounds[j], level[i], n_active[i], rounds[i] = solve_two(
                _row(a, j), power[j], begin_j, _row(out, j), _row(a, i), power[i], begin_i, _row(out, i)
            )
            if level[j] == 0.0:
                return j
            waiting, before = -1, 0.5 * level[i] + 0.5 * level[j]
        if level[i] == 0.0:
            return i
    if waiting >= 0:
        i = waiting
        begin_i = start[i] if start[i] > 0.0 else before
        level[i], n_active[i], rounds[i] = solve_row(_row(a, i), power[i], begin_i, _row(out, i))
        if level[i] == 0.0:
            return i
    return -1
