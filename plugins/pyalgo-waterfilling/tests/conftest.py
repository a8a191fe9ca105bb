"""Tests of a folder import their own module of random games."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
