"""Ratings of films as they come in, corrected and withdrawn: a model that keeps up, against one fitted anew each time.

600 people join one after the other and rate up to 400 films, which come out one after the other too. One rating in twenty
is a second thought on an earlier one, and one in fifty takes an earlier one back. What a person thinks of a film is a
mean, what is special about the person and about the film, eight tastes, and noise. One pair of a person and a film in
twenty is never rated in the stream: these tell how well a model predicts.

    python examples/live_ratings.py                       # prints the errors and the time, live and anew
    python examples/live_ratings.py --plot ratings.svg    # needs matplotlib

`pyalgo run examples/live_ratings.toml --allow-python` feeds the same stream to a job with durable state.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyalgo.completion import MatrixCompletion

PEOPLE, FILMS, ROWS, TASTES, NOISE = 600, 400, 30_000, 8, 0.7


class World(NamedTuple):
    """What everyone thinks of every film, and which pairs are rated outside the stream only."""

    opinions: NDArray[np.float64]
    held_out: NDArray[np.bool_]


def world(rng: np.random.Generator) -> World:
    tastes = rng.normal(size=(PEOPLE, TASTES)) @ rng.normal(size=(TASTES, FILMS)) / np.sqrt(TASTES)
    opinions = 3.4 + 0.4 * rng.normal(size=(PEOPLE, 1)) + 0.4 * rng.normal(size=FILMS) + 0.6 * tastes
    return World(opinions, rng.random((PEOPLE, FILMS)) < 0.05)


def rating(rng: np.random.Generator, opinion: float) -> float:
    """Half stars, from half a star to five."""
    return float(np.clip(np.rint(2 * (opinion + NOISE * rng.normal())) / 2, 0.5, 5))


def updates(rows: int = ROWS) -> Iterator[dict[str, Any]]:
    """Ratings and withdrawals, one a row: what `pyalgo run` is fed."""
    rng = np.random.default_rng(0)
    opinions, held_out = world(rng)
    rated: list[tuple[int, int]] = []
    known: set[tuple[int, int]] = set()
    for t in range(rows):
        draw, pair = rng.random(), None
        if len(rated) > 100 and draw < 0.07:
            at = int(rng.integers(len(rated)))
            pair = rated[at]
            if draw < 0.02:
                rated[at] = rated[-1]
                rated.pop()
                known.remove(pair)
                yield {"op": -1, "row": pair[0], "col": pair[1]}
                continue
        share = 0.1 + 0.9 * t / rows  # of the people and films that are there by now
        while pair is None or (draw >= 0.07 and pair in known) or held_out[pair]:
            pair = int(PEOPLE * share * rng.random() ** 1.5), int(FILMS * share * rng.random() ** 2)
        if pair not in known:
            known.add(pair)
            rated.append(pair)
        yield {"op": 1, "row": pair[0], "col": pair[1], "value": rating(rng, float(opinions[pair]))}


def columns(rows: list[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    """As `MatrixCompletion.update` takes them: what a withdrawal gives as value is ignored."""
    return {
        "op": np.array([row["op"] for row in rows], np.int8),
        "row": np.array([row["row"] for row in rows]),
        "col": np.array([row["col"] for row in rows]),
        "value": np.array([row.get("value", np.nan) for row in rows]),
    }


def course(every: int = 1000, batch: int = 100) -> dict[str, list[float]]:
    """Along the stream: RMSE on ratings outside it, of a live model and of one fitted anew, and the seconds of each so far."""
    stream = list(updates())
    opinions, held_out = world(np.random.default_rng(0))
    pairs, rng = np.argwhere(held_out), np.random.default_rng(1)
    truth = np.array([rating(rng, float(opinion)) for opinion in opinions[held_out]])
    live, present, took_live, took_anew = MatrixCompletion(TASTES, sweep_at=0.25), {}, 0.0, 0.0
    names = ("ratings", "live", "anew", "live_took", "anew_took", "least")
    found: dict[str, list[float]] = {name: [] for name in names}
    for begin in range(0, len(stream), every):
        for at in range(begin, begin + every, batch):
            fed = columns(stream[at : at + batch])
            began = time.process_time()
            live.update(fed)
            took_live += time.process_time() - began
        for row in stream[begin : begin + every]:
            if row["op"] > 0:
                present[row["row"], row["col"]] = row["value"]
            else:
                del present[row["row"], row["col"]]
        cells, values = np.array(list(present)), np.array(list(present.values()))
        began = time.process_time()
        anew = MatrixCompletion(TASTES).fit((cells[:, 0], cells[:, 1], values))
        took_anew += time.process_time() - began
        there = np.isin(pairs[:, 0], cells[:, 0]) & np.isin(pairs[:, 1], cells[:, 1])
        rows, cols = pairs[there].T
        noise = float(np.sqrt(np.mean((opinions[rows, cols] - truth[there]) ** 2)))
        scores = (model.score(rows, cols, truth[there]) for model in (live, anew))
        for name, value in zip(names, (len(present), *scores, took_live, took_anew, noise), strict=True):
            found[name].append(value)
    return found


def draw(path: str, found: dict[str, list[float]]) -> None:
    """Errors, and the time that it took to have a model every thousand rows."""
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams["svg.fonttype"] = "none"
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4))
    curves = (("anew", "fitted anew at every point", "#d1495b", 4.5), ("live", "kept up to date", "#0b6e99", 1.8))
    for name, label, colour, width in curves:
        left.plot(found["ratings"], found[name], color=colour, linewidth=width, label=label)
        right.plot(found["ratings"], found[f"{name}_took"], color=colour, linewidth=2, label=label)
    left.plot(found["ratings"], found["least"], "--", color="#444444", linewidth=1, label="noise of the ratings")
    left.set(ylabel="RMSE on ratings outside the stream", xlabel="ratings that are there")
    right.set(ylabel="CPU seconds in all", xlabel="ratings that are there")
    for axes in (left, right):
        axes.grid(color="#e6e6e6")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plot", metavar="FILE", help="draw it: .svg, .png or .pdf")
    arguments = parser.parse_args()
    found = course()
    print("ratings    live    anew   noise    seconds so far: live, anew")
    for at in range(4, len(found["ratings"]), 5):
        row = {name: values[at] for name, values in found.items()}
        print(
            f"{row['ratings']:7,}  {row['live']:6.3f}  {row['anew']:6.3f}  {row['least']:6.3f}"
            f"   {row['live_took']:20.2f}  {row['anew_took']:4.2f}"
        )
    worse = max(live / anew for live, anew in zip(found["live"], found["anew"], strict=True)) - 1
    print(f"\nThe live model is at no point more than {worse:.1%} worse than the one fitted anew.")
    if arguments.plot:
        draw(arguments.plot, found)


if __name__ == "__main__":
    main()
