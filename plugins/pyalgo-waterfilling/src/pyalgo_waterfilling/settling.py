"""From one equilibrium to the next: who has most to gain fills water anew, and the others hear what that changed.

Who gains how much is known without filling any water: that is nonexpansive, so ||WF_i(p) - p_i|| is at most the distance
`stale[i]` of the noise that i meets now from `filled[i]`, that of its last update. It is infinite where the budget changed.
"""

from __future__ import annotations

import numpy as np

from pyalgo_waterfilling.links import UNUSABLE, hear
from pyalgo_waterfilling.newton import exact, solve_row

RECOMPUTED = 256  # updates after which what everyone hears is summed anew, so that round-off does not pile up


@exact
def set_gains(receiver, sender, carrier, gain, gains, power, heard):
    for row in range(receiver.size):
        i, j, k = receiver[row], sender[row], carrier[row]
        if i != j:
            heard[i, k] += (gain[row] - gains[i, j, k]) * power[j, k]
        gains[i, j, k] = gain[row]


@exact
def hear_all(gains, power, heard):
    q = gains.shape[0]
    source = np.arange(q)
    for i in range(q):
        hear(0, q, source, gains[i], power, heard[i])
        for k in range(heard.shape[1]):
            heard[i, k] = max(heard[i, k] - gains[i, i, k] * power[i, k], 0.0)


@exact
def met(own, noise, heard, gap):
    """The noise that a user meets on a carrier, over its own gain."""
    return gap * (noise + max(heard, 0.0)) / own if own > 0.0 else UNUSABLE


@exact
def distance(i, gains, noise, heard, gap, filled):
    total = 0.0
    for k in range(noise.shape[1]):
        change = met(gains[i, i, k], noise[i, k], heard[i, k], gap) - filled[i, k]
        total += change * change
    return np.sqrt(total)


@exact
def measure(touched, gains, noise, heard, gap, filled, stale):
    """Where channels changed, and nothing that is worse."""
    for i in touched:
        if stale[i] < np.inf:
            stale[i] = distance(i, gains, noise, heard, gap, filled)


@exact
def settle(gains, noise, budget, gap, power, heard, level, filled, stale, weight, allowed, updates, most):
    """Updates of whoever has the largest stale / weight, until all are within `allowed`; their number since the beginning.

    An update costs O(Q N): the others hear it, and how far that takes each from where it filled last.
    """
    q, n = power.shape
    a, step = np.empty(n), np.empty(n)
    end = updates + most
    while updates < end:
        i, worst = -1, 0.0
        for j in range(q):
            if stale[j] > allowed[j] and stale[j] / weight[j] > worst:
                i, worst = j, stale[j] / weight[j]
        if i < 0:
            break
        for k in range(n):
            a[k] = filled[i, k] = met(gains[i, i, k], noise[i, k], heard[i, k], gap)
        if a.min() < UNUSABLE:
            level[i], _, _ = solve_row(a, budget[i], level[i] if level[i] < np.inf else 0.0, step)
        else:
            level[i] = np.inf
            step[:] = 0.0
        for k in range(n):
            new = step[k]
            step[k] = new - power[i, k]
            power[i, k] = new
        stale[i] = 0.0
        updates += 1
        for j in range(q):
            if j != i:
                for k in range(n):
                    heard[j, k] += gains[j, i, k] * step[k]
                if stale[j] < np.inf:
                    stale[j] = distance(j, gains, noise, heard, gap, filled)
        if updates % RECOMPUTED == 0:
            hear_all(gains, power, heard)
    return updates


@exact
def forget(at, gains, noise, power, heard, gap, filled, stale):
    """The others do not hear `at` any more."""
    for j in range(gains.shape[0]):
        if j != at:
            for k in range(power.shape[1]):
                heard[j, k] -= gains[j, at, k] * power[at, k]
            if stale[j] < np.inf:
                stale[j] = distance(j, gains, noise, heard, gap, filled)


@exact
def couplings(gains, gap, s):
    """S over the carriers that both have a channel of their own on."""
    for i in range(gains.shape[0]):
        for j in range(gains.shape[0]):
            most = 0.0
            if i != j:
                for k in range(gains.shape[2]):
                    if gains[i, i, k] > 0.0 and gains[j, j, k] > 0.0:
                        most = max(most, gap * gains[i, j, k] / gains[i, i, k])
            s[i, j] = most
