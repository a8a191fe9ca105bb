"""A live power control game: eight cells share 32 carriers, their channels fade, and one cell is switched on and off.

Each cell's own channel and what it hears of the others fade on their own (a first-order Gauss-Markov process, as of people who
walk). In each step one cell reports its new channels, 8 x 32 gains; cell 7 comes at step 60 and leaves at step 120.

    python examples/fading_game.py                        # prints rates, error bounds and work along the game
    python examples/fading_game.py --plot fading.svg      # needs matplotlib

From this pack's folder, `pyalgo run examples/fading_game.toml --allow-python` plays the same game as a job with durable state.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyalgo_waterfilling import StreamingResult, StreamingWaterfilling

CELLS, CARRIERS, STEPS = 8, 32, 180
COMES, GOES, LATE = 60, 120, 7  # the cell that is not always there
MEMORY = 0.9  # correlation of a channel with itself when its cell reports next
SETTINGS: dict[str, Any] = {"carriers": CARRIERS, "noise": 0.1, "budget": 4.0, "settle_every": CELLS * CARRIERS}


def channels(rng: np.random.Generator) -> NDArray[np.float64]:
    """Mean gains: cells stand in a row, and are heard with the fourth power of the distance."""
    apart = np.abs(np.arange(CELLS)[:, np.newaxis] - np.arange(CELLS))
    return np.where(apart == 0, 1.0, 0.02 / np.maximum(apart, 1) ** 4.0)


def updates(steps: int = STEPS) -> Iterator[dict[str, Any]]:
    """A batch a step: what `pyalgo run` is fed."""
    rng = np.random.default_rng(0)
    mean = channels(rng)
    fading = rng.normal(size=(2, CELLS, CELLS, CARRIERS)) / np.sqrt(2)
    present: list[int] = []
    for step in range(steps):
        if step == GOES:
            present.remove(LATE)
            yield {"op": [-1], "user": [LATE], "transmitter": [None], "carrier": [None], "gain": [None]}
        cell = len(present) if step < LATE else LATE if step == COMES else present[step % len(present)]
        if cell not in present:
            present.append(cell)
        change = rng.normal(size=(2, CELLS, CARRIERS)) / np.sqrt(2)
        fading[:, cell] = MEMORY * fading[:, cell] + np.sqrt(1 - MEMORY**2) * change
        strength = (fading[:, cell] ** 2).sum(axis=0)
        strength[cell] = 0.4 + 0.6 * strength[cell]  # its own transmitter is in sight
        gains = mean[cell, :, np.newaxis] * strength
        heard = [cell] + [other for other in present if other != cell]  # its own gain first, as that makes it known
        senders = np.repeat(heard, CARRIERS)
        yield {
            "op": np.ones(len(senders), np.int8),
            "user": np.full(len(senders), cell),
            "transmitter": senders,
            "carrier": np.tile(np.arange(CARRIERS), len(heard)),
            "gain": gains[heard].reshape(-1),
        }


def course() -> list[StreamingResult]:
    """The equilibrium behind each batch."""
    stream, found = StreamingWaterfilling(**SETTINGS), []
    for batch in updates():
        stream.update(batch)
        found.append(stream.query())
    return found


def draw(path: str, found: list[StreamingResult]) -> None:
    """Rates of the cells, and the work of each step."""
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams["svg.fonttype"] = "none"
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2))
    for cell in range(CELLS):
        at = [(step, r.rates[r.users.index(cell)]) for step, r in enumerate(found) if cell in r.users]
        steps, rates = zip(*at, strict=True)
        late = cell == LATE
        left.plot(
            steps,
            rates,
            color="#d1495b" if late else "#0b6e99",
            linewidth=2.2 if late else 0.9,
            alpha=1 if late else 0.6,
        )
    left.set(xlabel="step", ylabel="rate, bits per symbol")
    left.axvspan(COMES, GOES, color="#d1495b", alpha=0.08)
    left.set_title("the cell that comes and goes in red", fontsize=10)
    power = found[COMES + 20].power
    image = right.imshow(power, aspect="auto", cmap="Blues", interpolation="nearest")
    figure.colorbar(image, ax=right, label="power")
    right.set_title(f"powers at step {COMES + 20}", fontsize=10)
    right.set(xlabel="carrier", ylabel="cell")
    left.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", metavar="FILE")
    plot = parser.parse_args().plot
    found = course()
    print(f"{'step':>5} {'cells':>6} {'sum rate':>9} {'status':>10} {'error at most':>14} {'rho':>6} {'updates':>8}")
    for step, (before, r) in enumerate(zip([found[0], *found], found, strict=False)):
        if step % 20 == 0 or step in (COMES, GOES):
            bound = "unknown" if r.error_bound is None else f"{r.error_bound.max():.1e}"
            work = r.updates - before.updates
            print(
                f"{step:5} {len(r.users):6} {r.rates.sum():9.1f} {r.status:>10} {bound:>14} {r.rho_upper:6.2f} {work:8}"
            )
    if plot:
        draw(plot, found)


if __name__ == "__main__":
    main()
