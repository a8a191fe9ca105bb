"""Water-filling by its breakpoints: with weights and masks, where p_k(mu) = min((mu c_k - a_k)+, m_k).

In t_k = a_k / c_k, r = min t and b_k = t_k - r the power of a level r + nu is h(nu) = sum c_k clip(nu - b_k, 0, w_k), where
w_k = m_k / c_k: nondecreasing and piecewise linear, with up to 2N breakpoints b_k and b_k + w_k. The solvers find the segment
of the root; `settle` is theirs all: it takes Newton steps with compensated sums until sum p is P, so they agree.

`sort` costs O(N log N). `quickselect` halves the carriers that have breakpoints around the root at each pivot: expected O(N);
after 4 log2 N pivots, which chance does not need, it sorts what is left. `newton` and `condat` want no masks, `condat`
(Condat, "Fast projection onto the simplex and the l1 ball", 2016) no weights either.
"""

from __future__ import annotations

import numpy as np

from pyalgo_waterfilling.newton import EPS, exact

SORT, QUICKSELECT, NEWTON, CONDAT = range(4)


@exact
def segment(b, w, c, nu):
    """h(nu) and its slope to the right, by compensated sums (Neumaier)."""
    h, lost, slope = 0.0, 0.0, 0.0
    for k in range(b.size):
        depth = nu - b[k]
        if depth < 0.0:
            continue
        full = depth >= w[k]
        term = c[k] * (w[k] if full else depth)
        total = h + term
        lost += (h - total) + term if h >= term else (term - total) + h
        h = total
        slope += 0.0 if full else c[k]
    return h + lost, slope


@exact
def by_sorting(b, w, c, power):
    """The last breakpoint at which h is not above P."""
    n = b.size
    at, turn = np.empty(2 * n), np.empty(2 * n)
    at[:n], turn[:n] = b, c
    at[n:], turn[n:] = b + w, -c
    order = np.argsort(at)
    h, slope, before = 0.0, 0.0, 0.0
    for j in order:
        if at[j] == np.inf:
            break
        h += slope * (at[j] - before)
        if h > power:
            break
        slope += turn[j]
        before = at[j]
    return before


@exact
def by_quickselect(b, w, c, power):
    """As `by_sorting`. Kept are carriers with a breakpoint between `low` and `high`; all others make a line there."""
    left, n = np.arange(b.size), b.size
    low, high = 0.0, np.inf
    full, slope, offset = 0.0, 0.0, 0.0  # the line: full + slope nu - offset
    state = np.uint64(88172645463325252)
    for _ in range(4 * int(np.log2(n + 1)) + 8):
        kept = 0
        for j in left[:n]:
            top = b[j] + w[j]
            if low < b[j] < high or low < top < high:
                left[kept] = j
                kept += 1
            elif top <= low:
                full += c[j] * w[j]
            elif b[j] <= low:
                slope += c[j]
                offset += c[j] * b[j]
        n = kept
        if n == 0:
            return low
        state ^= state << np.uint64(13)
        state ^= state >> np.uint64(7)
        state ^= state << np.uint64(17)
        k = left[np.int64(state % np.uint64(n))]
        pivot = b[k] if low < b[k] < high and (state >> np.uint64(40)) & np.uint64(1) else b[k] + w[k]
        if not low < pivot < high:
            pivot = b[k]
        h = full + (slope * pivot - offset)
        for j in left[:n]:
            h += c[j] * min(max(pivot - b[j], 0.0), w[j])
        if h > power:
            high = pivot
        else:
            low = pivot
    return by_sorting(b, w, c, power)


@exact
def by_newton(b, w, c, power):
    """From beyond all carriers, as h is convex without masks."""
    nu, last = (power + (c * b).sum()) / c.sum(), np.inf
    for _ in range(200):
        h, slope = segment(b, w, c, nu)
        if slope >= last or slope == 0.0:
            break
        nu += (power - h) / slope
        last = slope
    return nu


@exact
def by_condat(b, power):
    """One pass that keeps candidates only, then filtering until no candidate is above the level; c = 1."""
    kept, aside = np.empty(b.size), np.empty(b.size)
    kept[0], n, m = b[0], 1, 0
    nu = power + b[0]
    for x in b[1:]:
        if x >= nu:
            continue
        nu -= (nu - x) / (n + 1)
        if nu < x + power:  # else x alone holds a level as low: what was kept so far may be above it
            kept[n] = x
            n += 1
        else:
            aside[m : m + n] = kept[:n]
            m += n
            kept[0], n, nu = x, 1, x + power
    for x in aside[:m]:
        if x < nu:
            kept[n] = x
            n += 1
            nu -= (nu - x) / n
    before = 0
    while n != before:
        before, n = n, 0
        size = before
        for x in kept[:before]:
            if x < nu:
                kept[n] = x
                n += 1
            else:
                size -= 1
                nu -= (x - nu) / size
    return nu


@exact
def settle(b, w, c, cap, power, nu, p):
    """Newton steps from near the root until the powers sum to P: the level, how many are positive, steps."""
    nu = max(nu, 0.0)
    h, slope = segment(b, w, c, nu)
    d = (power - h) / slope if slope > 0.0 else 0.0
    steps = 0
    while steps < 50:
        steps += 1
        g, lost, n, slope = 0.0, 0.0, 0, 0.0
        for k in range(b.size):
            depth = (nu - b[k]) + d
            p[k] = 0.0
            if depth <= 0.0:
                continue
            full = depth >= w[k]
            p[k] = cap[k] if full else c[k] * depth
            total = g + p[k]
            lost += (g - total) + p[k] if g >= p[k] else (p[k] - total) + g
            g = total
            n += 1
            slope += 0.0 if full else c[k]
        if abs((g + lost) - power) <= EPS * power or slope == 0.0:
            break
        d += (power - (g + lost)) / slope
    return nu + d, n, steps


@exact
def solve_row(a, weight, mask, power, method, out):
    """One row: level, how many are positive, steps. Carriers with a mask of 0 are not looked at."""
    usable = np.nonzero(mask > 0.0)[0]
    out[:] = 0.0
    if usable.size == 0:
        return np.inf, 0, 0
    c, cap = weight[usable], mask[usable]
    b = a[usable] / c
    r = b.min()
    if power == 0.0:
        return r, 0, 0
    if cap.sum() <= power:
        out[:] = np.where(mask > 0.0, mask, 0.0)
        return np.inf, usable.size, 0
    b -= r
    w = cap / c
    if method == SORT:
        nu = by_sorting(b, w, c, power)
    elif method == QUICKSELECT:
        nu = by_quickselect(b, w, c, power)
    elif method == NEWTON:
        nu = by_newton(b, w, c, power)
    else:
        nu = by_condat(b, power)
    p = np.empty(b.size)
    nu, n, steps = settle(b, w, c, cap, power, nu, p)
    out[usable] = p
    return r + nu, n, steps


@exact
def solve_rows(a, weight, mask, power, method, out, level, n_active, rounds):
    for i in range(a.shape[0]):
        level[i], n_active[i], rounds[i] = solve_row(a[i], weight[i], mask[i], power[i], method, out[i])
