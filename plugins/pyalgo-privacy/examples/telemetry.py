"""Ten weeks of telemetry of 100,000 devices, none of which can be found out: crashes, releases and languages.

A release is rolled out from week 2 on; it crashes until it is mended in week 8. Each device tells of one attribute alone, in
every week that it is reached, with noise under which no value that it ever reports is more than e^4 times as likely as any
other. Two servers count half of the devices each, `pyalgo merge` puts them together, and the intervals that come out are held
against the truth, which in life nobody knows.

    python examples/telemetry.py                           # in plugins/pyalgo-privacy; some seconds
    python examples/telemetry.py --plot telemetry.svg      # needs matplotlib

The devices are simulated from a seed, so that the figures come again. Real ones are `AllomfreeClient`, which needs the
standard library only.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyalgo_privacy import AllomfreeServer, AllomfreeSimulator

import pyalgo

DEVICES = int(os.environ.get("TELEMETRY_DEVICES", "100000"))
WEEKS, REACHED = 10, 0.9
DOMAINS = [2, 4, 40]
CRASHED, RELEASE, LANGUAGE = range(3)
EPS_PERM, EPS_FIRST = 4.0, 2.0
JOB = "examples/telemetry.toml"


class World(NamedTuple):
    """int64[weeks, devices, 3]: what is true of every device in every week."""

    values: NDArray[np.int64]

    def frequencies(self, week: int, attribute: int) -> NDArray[np.float64]:
        return np.bincount(self.values[week, :, attribute], minlength=DOMAINS[attribute]) / self.values.shape[1]


def world() -> World:
    rng = np.random.default_rng(7)
    week = np.arange(WEEKS)[:, np.newaxis]
    old = rng.choice(3, DEVICES, p=[0.15, 0.35, 0.5])
    joined = 2 + rng.gamma(2.0, 1.6, DEVICES)  # the week in which it takes the new release
    release = np.where(week >= joined, 3, old)
    risk = np.where((release == 3) & (week < 8), 0.16, 0.04)
    popular = 1 / np.arange(1, DOMAINS[LANGUAGE] + 1)
    language = rng.choice(DOMAINS[LANGUAGE], DEVICES, p=popular / popular.sum())
    crashed = (rng.random((WEEKS, DEVICES)) < risk).astype(np.int64)
    return World(np.stack([crashed, release, np.broadcast_to(language, (WEEKS, DEVICES))], axis=2))


def shard(number: int) -> Iterator[dict[str, Any]]:
    """The reports of one half of the devices, a batch a week."""
    values = world().values[:, number::2]
    devices = AllomfreeSimulator(DOMAINS, EPS_PERM, EPS_FIRST, seed=number).fit(values[0])
    rng = np.random.default_rng(number)
    for week in range(WEEKS):
        present = np.zeros(values.shape[1], np.bool_)
        present[rng.choice(len(present), round(REACHED * len(present)), replace=False)] = True
        yield devices.round(values[week], present).batch()


def east() -> Iterator[dict[str, Any]]:
    return shard(0)


def west() -> Iterator[dict[str, Any]]:
    return shard(1)


def run(*arguments: str) -> None:
    """A command as one would type it."""
    print("$ pyalgo", shlex.join(arguments), flush=True)
    environment = {**os.environ, "TELEMETRY_DEVICES": str(DEVICES)}
    subprocess.run([sys.executable, "-m", "pyalgo", *arguments], check=True, env=environment, stdout=subprocess.DEVNULL)


def counted(folder: Path) -> AllomfreeServer:
    """Both halves through the runner, and merged."""
    for name in ("east", "west"):
        sink, state = str(folder / f"{name}.jsonl"), str(folder / f"{name}.state")
        source = f"python:examples.telemetry:{name}"
        every = str(round(REACHED * (DEVICES // 2)))
        files = ("--source", source, "--query-every", every, "--sink", sink, "--state", state)
        run("run", JOB, "--allow-python", "--fresh", *files)
    merged = str(folder / "telemetry.snapshot")
    run("merge", str(folder / "east.state"), str(folder / "west.state"), "-o", merged)
    server = pyalgo.load(merged)
    assert isinstance(server, AllomfreeServer)
    return server


def report(server: AllomfreeServer, truth: World) -> float:
    """Prints what the server knows; the share of all intervals that hold the truth."""
    print(
        f"\n{server.n_seen:,} reports of {DEVICES:,} devices in {len(server.rounds)} weeks, {server.nbytes:,} bytes of counts"
    )
    print(
        "protocols: "
        + ", ".join(f"{k} values by {o.protocol}" for k, o in zip(DOMAINS, server.plan.oracles, strict=True))
    )
    print("\nweek   crashed      truth   new release   truth   first language  truth")
    held = []
    for week in server.rounds:
        cells = []
        for attribute, value in ((CRASHED, 1), (RELEASE, 3), (LANGUAGE, 0)):
            estimate, f = server.query(round=week)[attribute], truth.frequencies(week, attribute)
            low, high = estimate.interval(0.95)
            held += ((low <= f) & (f <= high)).tolist()
            reach = high[value] - estimate.freq[value]
            cells.append(f"{100 * estimate.freq[value]:5.1f} ± {100 * reach:3.1f}%  {100 * f[value]:4.1f}%")
        print(f"{week:>4}  " + "  ".join(cells))
    print(f"\n{100 * np.mean(held):.1f}% of {len(held)} intervals hold the truth; 95% are to")
    return float(np.mean(held))


def spent(truth: World) -> None:
    """What the devices have given away, by their own ledgers: 4.0 for each different value."""
    print("\nbudget spent by the devices that tell of")
    for attribute, name in ((CRASHED, "crashes"), (RELEASE, "releases"), (LANGUAGE, "languages")):
        column = truth.values[:, :, attribute]
        distinct = sum((column == value).any(axis=0) for value in range(DOMAINS[attribute]))
        shares = np.bincount(distinct)[1:] / DEVICES
        told = ", ".join(f"{EPS_PERM * (i + 1):.0f} by {100 * share:.0f}%" for i, share in enumerate(shares) if share)
        print(f"  {name:<10} {told}")


def draw(server: AllomfreeServer, truth: World, path: str) -> None:
    import matplotlib

    matplotlib.use("svg" if path.endswith(".svg") else "agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "telemetry", "font.size": 10})
    picture, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 4.6))
    weeks = np.array(server.rounds)
    colours = ["#8a8a8a", "#b8860b", "#3a7d44", "#0b6e99"]

    def follow(axes: Any, attribute: int, value: int, colour: str, label: str) -> None:
        estimates = [server.query(round=week)[attribute] for week in weeks.tolist()]
        middles = np.array([100 * estimate.freq[value] for estimate in estimates])
        reach = np.array([100 * (estimate.interval()[1] - estimate.freq)[value] for estimate in estimates])
        true = [100 * truth.frequencies(week, attribute)[value] for week in weeks.tolist()]
        axes.plot(weeks, true, color=colour, linewidth=1.2)
        axes.errorbar(weeks, middles, reach, fmt="o", color=colour, markersize=4, capsize=2.5, linewidth=1.2)
        top = int(np.argmax(true))
        axes.annotate(label, (weeks[top], true[top]), (6, 6), textcoords="offset points", color=colour)

    follow(left, CRASHED, 1, "#d1495b", "crashed")
    for value in range(4):
        follow(middle, RELEASE, value, colours[value], f"release {value + 1}")
    for axes in (left, middle):
        axes.set(xlabel="week", ylabel="per cent of the devices", xlim=(-0.4, WEEKS + 0.9))
        axes.set_xticks(weeks)
    left.set_ylim(bottom=0)
    estimate, true = server.query()[LANGUAGE], truth.frequencies(int(weeks[-1]), LANGUAGE)
    reach = 100 * (estimate.interval()[1] - estimate.freq)
    languages = np.arange(1, DOMAINS[LANGUAGE] + 1)
    right.axhline(0, color="#bbbbbb", linewidth=0.8)
    right.errorbar(
        languages, 100 * estimate.freq, reach, fmt="o", color="#7b5ea7", markersize=3.5, capsize=2, linewidth=1
    )
    right.step(languages, 100 * true, where="mid", color="#7b5ea7", linewidth=1.2)
    right.set(xlabel="language, by rank", ylabel="per cent of the devices")
    titles = ["A crash", "Releases", f"Languages in week {weeks[-1]}"]
    for axes, title in zip((left, middle, right), titles, strict=True):
        axes.grid(color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_title(title, loc="left", fontsize=11)
    note = (
        f"Lines: the truth. Points: estimates with 95% intervals, from {DEVICES:,} devices; eps is {EPS_FIRST:g} a report, "
        f"and {EPS_PERM:g} a value however often it is reported."
    )
    picture.text(0.045, 0.015, note, fontsize=9, color="#555555")
    picture.subplots_adjust(left=0.045, right=0.99, top=0.92, bottom=0.17, wspace=0.2)
    picture.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None, facecolor="white")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("."), help="for answers, states and the snapshot")
    parser.add_argument("--plot", metavar="PATH", help="a picture, .svg or .png")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    server, truth = counted(options.folder), world()
    report(server, truth)
    spent(truth)
    if options.plot:
        draw(server, truth, options.plot)


if __name__ == "__main__":
    main()
