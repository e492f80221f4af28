"""`python -m fuzz KIND`: see `watchdog`."""

from __future__ import annotations

import sys

from fuzz.watchdog import main

sys.exit(main())
