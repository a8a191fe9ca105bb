"""``python -m pyalgo``."""

from pyalgo.cli import main

raise SystemExit(main())
