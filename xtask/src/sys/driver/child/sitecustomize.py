"""A Python that a migration script starts stands behind the wall of the one that runs the script (`xtask_driver/wall.py`).

Python imports this module by itself since its folder is on PYTHONPATH. Whatever goes wrong in here is no affair of the
program's.
"""

import importlib
import os
import sys

here = os.path.dirname(os.path.abspath(__file__))
driver = os.path.dirname(here)


def stand():
    sys.path.insert(0, driver)
    try:
        from xtask_driver.wall import VARIABLE, Wall

        Wall.of_parent(os.environ[VARIABLE]).install()
    finally:
        sys.path.remove(driver)


try:
    stand()
except Exception:
    pass
# The project's own, which this one hides.
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
ours = sys.modules.pop("sitecustomize", None)
try:
    importlib.import_module("sitecustomize")
except ImportError:
    sys.modules["sitecustomize"] = ours
