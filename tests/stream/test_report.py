"""The page about a run: complete, safe, and fit to look at."""

from __future__ import annotations

import os
import re
import shutil
import signal
import struct
import subprocess
import zlib
from html.parser import HTMLParser

import pytest

from pyalgo.plot import Line, human, line_plot, ticks
from pyalgo.report import report
from pyalgo.stream.store import Checkpoint, HistoryRow, SavedRun

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# A browser that may reach no network must not try: it waits for answers that never come.
OFFLINE = (
    "background-networking",
    "component-update",
    "sync",
    "quic",
    "domain-reliability",
    "default-apps",
    "extensions",
)


def saved(rows=1000, **changed):
    at = Checkpoint(None, "", rows, 10, rows, 0, 0, 0, True, 2.0, 0.001)
    history = [HistoryRow(n, n / 500, 1000 * n, 0.001) for n in range(100, rows + 1, 100)]
    job = {
        "algorithm": {"name": "toy", "k": 3, "objective": {"name": "x"}},
        "source": {"url": "in.jsonl"},
        "sink": {"url": "-"},
    }
    fields = {"path": "s.state", "job": job, "checkpoint": at, "snapshot": bytes(5000), "history": history}
    return SavedRun(**{**fields, "versions": {"pyalgo": "0.1.0"}, "received": 0, "holder": "", **changed})


def answers(n=10, **result):
    for i in range(1, n + 1):
        value = 10.0 * i
        fields = {"ids": ["a", "b"], "gains": [6.0, 4.0], "value": value, "upper_bound": 1.3 * value, **result}
        yield {"seq": i, "rows": 100 * i, "offset": i, "result": fields}


class Balance(HTMLParser):
    """Whether every element is closed, and what the page would load."""

    def __init__(self):
        super().__init__()
        self.open, self.loads, self.tags = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [value for name, value in attributes if name in ("src", "href", "srcset", "xlink:href")]
        if tag not in ("meta", "path", "circle", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parsed(page):
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    return balance


def test_the_page_is_whole_and_stands_alone():
    page = report(saved(), answers())
    balance = parsed(page)
    assert balance.loads == []
    assert "script" not in balance.tags
    assert balance.tags.count("svg") == 4  # value with its bound, throughput, state, stalls
    assert "url(" not in page and "@import" not in page  # noqa: PT018
    assert "The best possible value lies in the band." in page
    assert re.search(r"<th>ids</th><th>gains</th>", page)
    assert "[algorithm.objective]" in page


def test_what_comes_from_data_is_escaped():
    evil = "<script>alert(1)</script></svg>\"'"
    page = report(
        saved(path=evil, versions={evil: evil}, job={"algorithm": {"name": evil, evil: evil}, "source": {"url": evil}}),
        answers(**{evil: 1.0, "ids": [evil, evil], "note": evil}),
    )
    balance = parsed(page)
    assert "script" not in balance.tags
    assert "<script" not in page


@pytest.mark.parametrize(
    "entries",
    [
        [],
        list(answers(1)),
        list(answers(3, value=float("inf"), upper_bound=None)),
        [{"seq": 1, "rows": 0, "offset": None, "result": 5}],
        [{"seq": 1, "rows": 0, "offset": None, "result": {"value": -1e300, "upper_bound": 1e300, "a": float("nan")}}],
    ],
)
def test_odd_answers(entries):
    parsed(report(saved(), entries))
    parsed(report(saved(rows=0, history=[]), entries))


def test_a_million_answers_take_little_room():
    page = report(saved(rows=10**8, history=saved().history), answers(200_000))
    assert len(page) < 300_000
    assert "after 20,000,000 rows" in page
    track = re.search(r'class="line-0" d="M(.*?)"', page)[1].split("L")
    assert 900 < len(track) <= 2002
    assert float(track[-1].split(",")[0]) == max(float(point.split(",")[0]) for point in track)


def test_ticks_are_round_and_enclose():
    for low, high in (
        (0, 1),
        (3, 17),
        (-2.5, 0.1),
        (0, 0),
        (7, 7),
        (-7, -7),
        (1e-9, 3e-9),
        (0, 5522),
        (1e300, 1.5e300),
    ):
        marks = ticks(low, high)
        assert 2 <= len(marks) <= 8
        assert marks[0] <= low + 1e-9 * abs(low)
        assert marks[-1] >= high - 1e-9 * abs(high)
    assert ticks(0, 5522) == [0, 2000, 4000, 6000]
    assert [human(value) for value in (0, 1500, 2e7, 0.25, -3e9)] == ["0", "1.5k", "20M", "0.25", "-3G"]


def test_a_plot_has_a_title_and_leaves_out_what_is_not_finite():
    svg = line_plot([Line("a & b", [(0, 1), (1, float("nan")), (2, 3)])], x="rows", y="y")
    assert "<title>a &amp; b over rows</title>" in svg
    assert "nan" not in svg
    assert "No finite values" in line_plot([Line("a", [(0, float("inf"))])], x="rows", y="y")


def pixels(png):
    """Width, height and the set of rows (as bytes) of a PNG."""
    at, data, size = 8, b"", None
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        if kind == b"IHDR":
            size = struct.unpack(">II", png[at + 8 : at + 16])
        if kind == b"IDAT":
            data += png[at + 8 : at + 8 + length]
        at += 12 + length
    raw = zlib.decompress(data)
    step = len(raw) // size[1]
    return size, {raw[i : i + step] for i in range(0, len(raw), step)}


@pytest.fixture
def browser(tmp_path):
    """Calls Chromium; skips where it cannot even show an empty page, which says nothing about ours."""
    if CHROMIUM is None:
        pytest.skip("no Chromium to look at the page with")
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", *(f"--disable-{service}" for service in OFFLINE)]

    def browse(*arguments):
        # A session of its own, so that a browser that hangs is killed with all its processes.
        with subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                shown, _ = process.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        assert process.returncode == 0
        return shown

    try:
        browse("--dump-dom", "about:blank")
    except (AssertionError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"Chromium shows not even about:blank here: {error!r}")
    return browse


@pytest.mark.parametrize("width", [500, 1280])
def test_in_a_browser_it_fits_and_shows_something(tmp_path, browser, width):
    long = "a_name_without_any_place_to_break_it_" * 6
    page = report(saved(), answers(ids=[long, "b"], note=long))
    # The test's copy says how wide it became; the page itself needs no script.
    probe = "<script>document.title = document.documentElement.scrollWidth</script></body>"
    (tmp_path / "probe.html").write_text(page.replace("</body>", probe))
    (tmp_path / "page.html").write_text(page)
    window = f"--window-size={width},1800"
    dom = browser(window, "--dump-dom", f"file://{tmp_path}/probe.html")
    assert int(re.search(r"<title>(\d+)</title>", dom)[1]) <= width
    shot = tmp_path / "page.png"
    browser(window, f"--screenshot={shot}", f"file://{tmp_path}/page.html")
    size, rows = pixels(shot.read_bytes())
    assert size[0] == width
    assert len(rows) > 200  # not a blank page


def test_the_command_writes_the_page(work):
    work.pyalgo(*work.flags(query_every="100", checkpoint="500"))
    done = work.pyalgo("report", "s.state", "-o", "run.html")
    assert (done.returncode, done.stdout) == (0, "run.html: 2,500 rows, 25 answers\n")
    parsed((work.path / "run.html").read_text())
    assert work.pyalgo("report", "none", "-o", "run.html").returncode == 1
    assert "cannot be written" in work.pyalgo("report", "s.state", "-o", "no/run.html").stderr
    (work.path / "out.jsonl").unlink()
    assert "sink out.jsonl cannot be read" in work.pyalgo("report", "s.state", "-o", "run.html").stderr
