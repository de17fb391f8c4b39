"""What the first run of env.py has imported, told to the warm process that waits for it (`warm_project.py`)."""

import json
import logging
import os
import sys

from xtask_driver import origin

# Names of modules that are no import's.
NO_IMPORT = ("__main__", "env_py")


class Told:
    """`pipe`: where it is told; None where nobody waits. `disabled`: in a child of that process, the loggers that were
    disabled then. `fileConfig` disables those that are there already, and in the child more are."""

    def __init__(self, pipe=None, disabled=None):
        self._pipe = pipe
        self._disabled = disabled
        self._before = None

    def begin(self):
        """env.py is about to run."""
        if self._pipe is not None:
            self._before = set(sys.modules), dict(os.environ)

    def tell(self):
        """env.py has come to its migrations."""
        if self._disabled is not None:
            for name, logger in loggers():
                logger.disabled = name in self._disabled
        if self._before is None:
            return
        (modules, environment), self._before = self._before, None
        told = {
            "modules": list(imported(modules)),
            "path": sys.path,
            "changes_environment": environment != dict(os.environ),
            "disabled": [name for name, logger in loggers() if logger.disabled],
        }
        try:
            with os.fdopen(self._pipe, "wb") as pipe:
                pipe.write(json.dumps(told).encode() + b"\n")
        except OSError:
            pass  # nobody waits any more
        self._pipe = None


def loggers():
    every = list(logging.root.manager.loggerDict.items())
    return [(name, logger) for name, logger in every if isinstance(logger, logging.Logger)]


def imported(before):
    """The modules that have come since, in the order in which that began, with their files."""
    for name, module in list(sys.modules.items()):
        if name in before or name in NO_IMPORT or name.startswith("xtask_driver"):
            continue
        spec = getattr(module, "__spec__", None)
        if spec is not None and getattr(spec, "name", None) == name:
            yield name, origin.path_of(module)
