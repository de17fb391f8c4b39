"""Child processes that a script has forked. One that comes out of the script, by an exception or by its end, would go on in
Alembic with the session of its parent: commit, roll back, close it. It ends there, and the step has failed.
"""

import mmap
import os
import sys
import traceback

from xtask_driver.failure import Refused, message_of

LONGEST = 2000


class Children:
    """Those of one step."""

    def __init__(self):
        self._process = None
        # What a child writes here its parent reads.
        self._said = None

    def expect(self):
        """A step begins, in this process. Each has memory of its own: a child of an earlier one may still write."""
        self._process, self._said = os.getpid(), mmap.mmap(-1, LONGEST)

    def end_here(self, error):
        """Ends a child; does nothing in the process of the step itself."""
        if os.getpid() == self._process:
            return
        if error is not None:
            traceback.print_exc()
        text = "it ended without os._exit()" if error is None else "%s: %s" % (type(error).__name__, message_of(error))
        said = text.encode("utf-8", "replace")[: LONGEST - 1] + b"\0"
        self._said[: len(said)] = said
        sys.stderr.flush()
        os._exit(0 if error is None else 1)

    def check(self):
        """Refuses a step of which a child has come out."""
        said = bytes(self._said or b"").partition(b"\0")[0].decode("utf-8", "replace")
        if said:
            raise Refused("child", said)
