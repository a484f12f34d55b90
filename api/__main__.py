"""`python -P -m api`: one server process."""

from __future__ import annotations

import sys

from api.server import main

sys.exit(main(sys.argv[1:]))
