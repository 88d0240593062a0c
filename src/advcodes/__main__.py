"""``python -m advcodes``: the command line, from wherever this package is imported."""

import sys

from advcodes.cli import main

AFFECTS_RESULTS = False
sys.exit(main())
