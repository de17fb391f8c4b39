"""What a step leaves behind that the next `alembic` command would not meet: sessions that it has not closed, settings of
the session, temporary tables, changes of the process itself.

Statements are judged by their text. One that is taken for more than it is costs a new connection and no more.
"""

import gc
import logging
import os
import re
import sys
import threading

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.pool import Pool

from xtask_driver import origin

# SET and its like, unless for the transaction alone; what else lives as long as the session.
SESSION = re.compile(
    r"(?:^|;|\n)\s*(?:set\s+(?!local\b|constraints\b|transaction\b)(?:role\b|session\b|time\s+zone\b|[\w.]+\s*(?:=|to\b))"
    r"|(?:reset|listen|prepare|load)\s)"
    r"|\bset_config\s*\(|\btemp(?:orary)?\b|advisory_lock|\bwith\s+hold\b",
    re.IGNORECASE,
)


class Traces:
    """What the steps of this process have left so far."""

    def __init__(self):
        # The connections by their record in the pool: all that are open, and those that somebody uses.
        self._open = {}
        self._used = {}
        self._before = None
        self.in_session = False
        self.in_process = False
        event.listen(Pool, "connect", self._connected)
        event.listen(Pool, "close", self._closed)
        event.listen(Pool, "checkout", self._taken)
        event.listen(Pool, "checkin", self._given_back)
        event.listen(Engine, "before_cursor_execute", self._executes)

    def begin_run(self):
        """A new run of env.py, with connections of its own."""
        if self.in_session and self._open:
            # A pool that outlives env.py gives the same connection again.
            self.in_process = True
        self.in_session = False

    def begin_step(self, connection):
        self._before = (set(self._used), of_session(connection), of_process(), set(sys.modules))

    def end_step(self, connection):
        """Looks at what has changed. The server processes of the sessions that the step has opened and not closed."""
        used, session, process, modules = self._before
        self._before = None
        left = self._left(used)
        if left:
            gc.collect()  # what nobody holds any more is about to be closed
            left = self._left(used)
        self.in_session = self.in_session or session != of_session(connection)
        self.in_process = self.in_process or bool(left) or process != of_process() or has_imported(modules)
        return [self._used[key] for key in left]

    def break_off(self):
        """The step has failed; what it has left counts all the same."""
        if self._before is not None:
            used, _session, process, modules = self._before
            self._before = None
            left = bool(self._left(used)) or process != of_process() or has_imported(modules)
            self.in_process = self.in_process or left

    def has_open(self):
        """Whether a connection is open still."""
        return bool(self._open)

    def _left(self, before):
        return [key for key in self._used if key not in before]

    def _connected(self, _connection, record):
        self._open[id(record)] = record.info.get("xtask_pid")

    def _closed(self, _connection, record):
        self._open.pop(id(record), None)
        self._used.pop(id(record), None)

    def _taken(self, _connection, record, _proxy):
        self._used[id(record)] = record.info.get("xtask_pid")

    def _given_back(self, _connection, record):
        self._used.pop(id(record), None)

    def _executes(self, _connection, _cursor, statement, _parameters, _context, _many):
        if self._before is not None and not self.in_session and SESSION.search(statement):
            self.in_session = True


def of_session(connection):
    """What SQLAlchemy knows of a connection that a script may have changed."""
    options = getattr(connection, "get_execution_options", dict)()
    return {name: value for name, value in options.items() if name != "isolation_level"}, autocommit_of(connection)


def autocommit_of(connection):
    try:
        return connection.connection.dbapi_connection.autocommit
    except Exception:  # a driver without it, an older SQLAlchemy, no connection at all
        return None


def has_imported(before):
    """Whether modules of the project's own have come since: they may keep what they have seen (a list of tables, say)."""
    came = [module for name, module in list(sys.modules.items()) if name not in before]
    return bool(came and origin.own(origin.path_of(module) for module in came))


def of_process():
    """What a script may change for all that comes after it."""
    return dict(os.environ), list(sys.path), threading.active_count(), logging.root.manager.disable
