"""Child processes that a script has forked. One that works with the session of its parent takes the answers that its parent
waits for, without end: it is refused the statement. One that comes out of the script, by an exception or by its end, would
commit, roll back or close that session: it ends there. In both cases the step has failed.
"""

import mmap
import os
import sys
import traceback

from sqlalchemy import event
from sqlalchemy.engine import Engine

from xtask_driver.failure import Refused, message_of, shortened

LONGEST = 2000
# Under this name a connection knows the process that opened it.
OPENER = "xtask_process"


class Children:
    """Those of one step."""

    def __init__(self):
        self._process = None
        # What a child writes here its parent reads.
        self._said = None

    def install(self):
        event.listen(Engine, "before_cursor_execute", self.keep_apart)

    def expect(self):
        """A step begins, in this process. Each has memory of its own: a child of an earlier one may still write."""
        self._process, self._said = os.getpid(), mmap.mmap(-1, LONGEST)

    def end_here(self, error):
        """Ends a child; does nothing in the process of the step itself."""
        if os.getpid() == self._process:
            return
        if error is not None:
            traceback.print_exc()
        if not self._has_said():
            self._say("it ended without os._exit()" if error is None else "%s: %s" % (type(error).__name__, message_of(error)))
        sys.stderr.flush()
        os._exit(0 if error is None else 1)

    def keep_apart(self, connection, _cursor, statement, _parameters, _context, _many):
        """Refuses a child a statement on a session that another process has opened."""
        opener = connection.info.get(OPENER) if self._process not in (None, os.getpid()) else None
        if opener not in (None, os.getpid()):
            self._say("it used the session of its parent: %s" % shortened(statement))
            raise Refused("child", "this session belongs to the process that opened it")

    def _has_said(self):
        return self._said[0] != 0

    def _say(self, text):
        said = text.encode("utf-8", "replace")[: LONGEST - 1] + b"\0"
        self._said[: len(said)] = said

    def check(self):
        """Refuses a step of which a child has come out."""
        said = bytes(self._said or b"").partition(b"\0")[0].decode("utf-8", "replace")
        if said:
            raise Refused("child", said)
