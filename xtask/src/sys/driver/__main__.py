"""xtask's Alembic driver: one Python process per workflow, spoken to in JSON lines on stdin and stdout.

Run as `python <this folder>`. xtask writes the folder under its state folder and starts it; nobody else needs to.
"""

import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [here] + [entry for entry in sys.path if os.path.abspath(entry or ".") != here]

from xtask_driver import main  # noqa: E402

# The project must not see our folder; the package finds its own parts without it.
sys.path.remove(here)
main.main()
