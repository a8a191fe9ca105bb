"""The worked application does what it says, and shows it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def test_exact_products():
    script = Path(__file__).parents[2] / "examples" / "exact_products.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "all 22500 entries equal Python's" in done.stdout
    wrong = re.search(r"of NumPy's, (\d+) are wrong in int64 and (\d+) in float64", done.stdout)
    assert wrong is not None
    assert min(int(n) for n in wrong.groups()) > 22_000
    assert "all 4095 coefficients, up to 510 bits, equal those of Python's integers" in done.stdout
