"""What a person sees of a run, and what nobody sees when there is no terminal."""

from __future__ import annotations

import io
import os
import re
import sys

import pytest

from pyalgo.stream import progress
from pyalgo.stream.progress import Progress, size
from pyalgo.stream.runner import Status

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(work, *arguments):
    """What a command writes to a terminal of 80 columns, and its exit code."""
    pty = pytest.importorskip("pty")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(work.path)
        os.environ.update(COLUMNS="80", TERM="xterm")
        os.execv(work.command()[0], work.command(*arguments))
    written = b""
    while True:
        try:
            some = os.read(terminal, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not some:
            break
        written += some
    os.close(terminal)
    return written.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_on_a_terminal_a_run_shows_its_progress_and_the_last_answer(work):
    written, code = on_a_terminal(work, *work.flags(query_every="100", checkpoint="500"))
    plain = CONTROL.sub("", written)
    assert code == 0
    assert re.search(r"2,500 rows   [\d,]+ rows/s   100%   state [\d.]+ KiB", plain)
    assert re.search(r"value \d+ \(at least \d+% of the best possible\): \d+, \d+", plain)
    assert plain.splitlines()[-2:] == [
        "done: 2,500 rows, 25 answers in out.jsonl",
        "see them: pyalgo report s.state -o run.html",
    ]
    quiet, code = on_a_terminal(work, *work.flags(state=None), "--quiet")
    assert (code, quiet) == (0, "")


def status(rows, result):
    return Status(rows=rows, share=0.5, state_bytes=2048, rejected=3, result=result)


def test_the_answer_takes_one_line_while_the_run_is_on(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys, "stderr", terminal := io.StringIO())
    with Progress() as shown:
        shown._live.console.file = terminal
        shown.watch(status(10, "a long answer " * 9))
        frame = shown._live.console.render_lines(shown._live.get_renderable())
        assert len(frame) == 2
        assert "".join(part.text for part in frame[1]).startswith("a long answer a long answer")
    frame = shown._live.console.render_lines(shown._live.get_renderable())
    assert len(frame) > 2


def test_without_rich_there_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.live", None)
    monkeypatch.setattr(progress.sys, "stderr", terminal := io.StringIO())
    with Progress() as shown:
        shown.watch(status(1234, "an answer"))
    last = terminal.getvalue().split("\r")[-1]
    assert re.match(r"1,234 rows   [\d,]+ rows/s   50%   state 2.0 KiB   3 left out", last)
    assert last.endswith("\n")


def test_sizes_are_for_people():
    assert [size(n) for n in (0, 1023, 1536, 5 * 2**20, 3 * 2**31)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "5.0 MiB",
        "6.0 GiB",
    ]
