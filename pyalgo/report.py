"""A run as one page that stands alone: what it answered, how good that was, and how fast it went."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from pyalgo.plot import Line, Points, human, line_plot
from pyalgo.stream.job import to_toml
from pyalgo.stream.progress import size
from pyalgo.stream.store import SavedRun

__all__ = ["report"]

_MOST_POINTS = 2000
_MOST_ROWS = 200
_STYLE = """
:root { --ink: #1c2733; --soft: #5b6875; --rule: #dfe5ea; --paper: #fff; --card: #f6f8fa; --a: #0b62a4; --b: #c8501b;
  --c: #2a8a4a; --d: #8a4bb0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --soft: #9aa7b4; --rule: #33404d; --paper: #12181f;
  --card: #1a222b; --a: #6db6f2; --b: #f29b6d; --c: #7fd69a; --d: #cfa3ec; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 3rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p.sub, figcaption, .empty { color: var(--soft); margin: .2rem 0 0; font-size: .92rem; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .6rem; margin: 1.2rem 0 0; }
dl div { background: var(--card); border-radius: .4rem; padding: .5rem .7rem; min-width: 0; }
dt { color: var(--soft); font-size: .8rem; } dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
figure { margin: 0 0 1.4rem; break-inside: avoid; } .small { display: grid; gap: 0 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
.grid { stroke: var(--rule); } .axis { stroke: var(--soft); } .band { fill: var(--a); opacity: .12; stroke: none; }
path[class^=line] { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line-0 { stroke: var(--a); } .line-1 { stroke: var(--b); stroke-dasharray: 6 3; } .line-2 { stroke: var(--c); }
.line-3 { stroke: var(--d); } circle.line-0 { fill: var(--a); } circle.line-1 { fill: var(--b); }
.key::before { content: ""; display: inline-block; width: 1.4em; border-top: 3px solid; margin: 0 .4em .25em 0; }
.key-0 { color: var(--a); } .key-1 { color: var(--b); } .key { margin-right: 1em; white-space: nowrap; }
@media (max-width: 34rem) { .wide text { font-size: 19px; } }
.scroll { overflow-x: auto; margin-bottom: 1rem; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--rule); vertical-align: top;
  overflow-wrap: anywhere; } th { color: var(--soft); font-weight: 500; }
pre { background: var(--card); padding: .8rem; border-radius: .4rem; overflow-x: auto; font-size: .85rem; }
@media print { body { max-width: none; font-size: 11px; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
"""


def report(run: SavedRun, answers: Iterable[Mapping[str, Any]]) -> str:
    """One HTML page about a run, which needs nothing else: no network, no script, no fonts.

    Parameters
    ----------
    run : SavedRun
        Of `pyalgo.stream.store.read_state`.
    answers : iterable of mappings
        Entries of the run's sink, in order; read once, in bounded memory (at most 2,000 points are plotted a line).
    """
    tracks = _Tracks()
    for entry in answers:
        tracks.add(entry)
    name = str(run.job.get("algorithm", {}).get("name", "?"))
    sections = [
        _answers(tracks),
        _course(run),
        _last_answer(tracks.last),
        f"<h2>The job</h2><pre>{escape(to_toml(run.job))}</pre>",
        _versions(run),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(name)}: {escape(run.path)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(name)}</h1>"
        f'<p class="sub">{escape(str(run.job.get("source", {}).get("url", "")))} → {escape(run.path)}</p>'
        f"{_facts(run)}{''.join(sections)}</body></html>\n"
    )


class _Tracks:
    """The numbers of the answers over the rows, thinned while they come."""

    def __init__(self) -> None:
        self.lines: dict[str, list[tuple[float, float]]] = {}
        self.count = 0
        self.last: Mapping[str, Any] | None = None
        self._stride = 1
        self._rows: list[float] = []

    def add(self, entry: Mapping[str, Any]) -> None:
        if "result" not in entry:  # what an update settled
            return
        self.last = entry
        if self.count % self._stride == 0:
            self._keep(entry)
            if len(self._rows) > _MOST_POINTS:
                self._stride *= 2
                kept = set(self._rows[::2])
                self._rows = self._rows[::2]
                self.lines = {name: [point for point in line if point[0] in kept] for name, line in self.lines.items()}
        self.count += 1

    def _keep(self, entry: Mapping[str, Any]) -> None:
        rows = float(entry["rows"])
        self._rows.append(rows)
        for name, value in _numbers(entry).items():
            self.lines.setdefault(name, []).append((rows, value))

    def line(self, name: str) -> Line:
        """The track with the last answer at its end, whether it was thinned out or not."""
        points = self.lines.get(name, [])
        last = _numbers(self.last or {}).get(name)
        if last is not None and self.last is not None and (not points or points[-1][0] != self.last["rows"]):
            points = [*points, (float(self.last["rows"]), last)]
        return Line(name, points)


def _numbers(entry: Mapping[str, Any]) -> dict[str, float]:
    result = entry.get("result")
    if not isinstance(result, Mapping):
        return {}
    numbers = {key: value for key, value in result.items() if isinstance(value, int | float)}
    return {str(key): float(value) for key, value in numbers.items() if math.isfinite(value)}


def _facts(run: SavedRun) -> str:
    at = run.checkpoint
    rate = at.rows / at.seconds if at.seconds > 0 else math.nan
    facts = {
        "rows": f"{at.rows:,}",
        "lines" if run.job.get("sink", {}).get("emit") else "answers": f"{at.seq:,}",
        "status": "finished" if at.finished else "goes on" if run.holder else "stopped, can go on",
        "running time": f"{at.seconds:.1f} s",
        "mean rate": f"{human(rate)} rows/s" if math.isfinite(rate) else "—",
        "state": size(len(run.snapshot)),
    }
    if at.rejected:
        facts["rows left out"] = f"{at.rejected:,}"
    cards = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    return f"<dl>{cards}</dl>"


def _answers(tracks: _Tracks) -> str:
    if not tracks.lines:
        return '<h2>The answers</h2><p class="empty">There are no numbers to plot.</p>'
    parts = ["<h2>The answers</h2>"]
    rest = list(tracks.lines)
    if "value" in rest:
        pair = [tracks.line(name) for name in ("value", "upper_bound") if name in rest]
        rest = [name for name in rest if name not in ("value", "upper_bound")]
        keys = "".join(f'<span class="key key-{n}">{escape(line.name)}</span>' for n, line in enumerate(pair))
        bound = " The best possible value lies in the band." if len(pair) > 1 else ""
        parts.append(_figure(line_plot(pair, x="rows", y="value", filled=True), keys + bound, wide=True))
    small = [
        _figure(line_plot([tracks.line(name)], x="rows", y=name, width=420, height=180), escape(name)) for name in rest
    ]
    return "".join(parts) + f'<div class="small">{"".join(small)}</div>'


def _course(run: SavedRun) -> str:
    if len(run.history) < 2:
        return ""
    pairs = list(zip(run.history, run.history[1:], strict=False))
    moved = [(a, b) for a, b in pairs if b.seconds > a.seconds and b.rows > a.rows]
    rate: Points = [(float(b.rows), (b.rows - a.rows) / (b.seconds - a.seconds)) for a, b in moved]
    states: Points = [(float(row.rows), row.state_bytes / 2**20) for row in run.history]
    stalls: Points = [(float(row.rows), 1e3 * row.stall_seconds) for row in run.history]
    plots = [
        (rate, "rows a second", "Throughput between checkpoints, rows a second"),
        (states, "MiB", f"Size of the state at its {len(run.history)} checkpoints, MiB"),
        (stalls, "ms", "How long the stream waited for each checkpoint, ms"),
    ]
    figures = [
        _figure(line_plot([Line(caption, points)], x="rows", y=unit, width=420, height=180), caption)
        for points, unit, caption in plots
    ]
    return f'<h2>The course of the run</h2><div class="small">{"".join(figures)}</div>'


def _figure(picture: str, caption: str, *, wide: bool = False) -> str:
    return f"<figure{' class=wide' if wide else ''}><figcaption>{caption}</figcaption>{picture}</figure>"


def _last_answer(last: Mapping[str, Any] | None) -> str:
    if last is None:
        return '<h2>The last answer</h2><p class="empty">There is none.</p>'
    result = last.get("result")
    fields: Mapping[str, Any] = result if isinstance(result, Mapping) else {"result": result}
    columns = {key: value for key, value in fields.items() if isinstance(value, list)}
    single = [(str(key), _cell(value)) for key, value in fields.items() if key not in columns]
    parts = [f"<h2>The last answer</h2><p class=sub>after {last['rows']:,} rows</p>"]
    if single:
        parts.append(_table((), single))
    for length in dict.fromkeys(len(value) for value in columns.values()):  # columns of one length side by side
        named = {key: value for key, value in columns.items() if len(value) == length}
        rows = [[_cell(value[i]) for value in named.values()] for i in range(min(length, _MOST_ROWS))]
        parts.append(_table(list(map(str, named)), rows))
        if length > _MOST_ROWS:
            parts.append(f'<p class="empty">and {length - _MOST_ROWS:,} more rows</p>')
    return "".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr>" if head else ""
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table>{top}{body}</table></div>'


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:199] + "…"


def _versions(run: SavedRun) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    return f"<p class=sub>{escape(versions)}</p>"
