"""``python -m advcodes``: the command line, from wherever this package is imported."""

import sys

from advcodes.app.cli import main

AFFECTS_RESULTS = False
sys.exit(main())
