"""Peers in C++: compiled for this very machine by the system's compiler, measured, part of nothing that is shipped."""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from pathlib import Path


def compiled(source: Path) -> ctypes.CDLL:
    """The functions of a C++ file."""
    with tempfile.TemporaryDirectory() as folder:
        library = f"{folder}/{source.stem}.so"
        command = [os.environ.get("CXX", "c++"), "-std=c++17", "-O3", "-march=native", "-shared", "-fPIC"]
        subprocess.run([*command, "-o", library, source], check=True)
        return ctypes.CDLL(library)
