"""What a step sends to the server through SQLAlchemy: each statement with its time and, where that is wanted, with what it did to
tables, as the session itself sees it after each: rows that it touched, locks that it took, tables that it wrote anew.
"""

import json
import time

from sqlalchemy import event
from sqlalchemy.engine import Engine

from xtask_driver.look import look

# How many characters of a step's statements are kept.
KEPT = 64_000

# What a session may hold or have changed: a row for each table, with the strength and the number of each.
TABLES = """
select pg_catalog.json_build_array(c.oid::bigint, n.nspname, c.relname, pg_catalog.pg_relation_filenode(c.oid)::bigint,
  pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid), pg_catalog.pg_stat_get_xact_tuples_updated(c.oid),
  pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid))::text
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm') and c.oid >= 16384 and n.nspname !~ '^pg_'
"""
# No table that is not locked has changed.
CHANGED = TABLES + """ and exists (select from pg_catalog.pg_locks l where l.relation = c.oid and l.locktype = 'relation'
  and l.pid = pg_catalog.pg_backend_pid() and l.mode not in ('AccessShareLock', 'RowShareLock'))
"""
LOCKS = """
select pg_catalog.json_build_array(relation::bigint, mode)::text from pg_catalog.pg_locks
where locktype = 'relation' and granted and pid = pg_catalog.pg_backend_pid() and relation >= 16384 and mode <> 'AccessShareLock'
  and database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
"""


class Statements:
    """The statements of one step after the other."""

    def __init__(self):
        self._is_on = False
        self._current = None
        self._began = 0.0
        event.listen(Engine, "before_cursor_execute", self._begins)
        event.listen(Engine, "after_cursor_execute", self._ends)
        event.listen(Engine, "commit", self._transaction_ends)
        event.listen(Engine, "rollback", self._transaction_ends)

    def begin_step(self, wants_effects, version_table):
        self._is_on, self._wants_effects, self._version_table = True, wants_effects, version_table
        self._all, self._room, self._dropped = [], KEPT, 0
        self._sessions = {}
        self._clock = Clock()

    def end_step(self):
        self._is_on = False
        for session in self._sessions.values():
            session.end(self._clock.now())

    def told(self):
        """Those of the last step, in their order and without the values of parameters."""
        more = [{"sql": "-- and %d more, which are not recorded" % self._dropped, "count": self._dropped}] if self._dropped else []
        return self._all + more

    def _begins(self, connection, _cursor, statement, _parameters, _context, _many):
        if not self._is_on:
            return
        kept = self._keep(statement)
        self._current = kept if self._wants_effects else None
        if self._current is not None:
            self._session(connection).begin(connection)
            self._began = self._clock.now()

    def _ends(self, connection, _cursor, _statement, _parameters, _context, _many):
        if not self._is_on or self._current is None:
            return
        done, self._current = self._current, None
        done["seconds"] = self._clock.now() - self._began
        with self._clock.stopped():
            done["effect"] = self._session(connection).effect(connection, self._began)

    def _transaction_ends(self, connection):
        if self._is_on and self._wants_effects:
            self._session(connection).transaction_ends()

    def _session(self, connection):
        raw = connection.connection
        raw = getattr(raw, "dbapi_connection", None) or raw.connection
        if id(raw) not in self._sessions:
            self._sessions[id(raw)] = Session(self._clock, self._version_table)
        return self._sessions[id(raw)]

    def _keep(self, statement):
        if self._room <= 0:
            self._dropped += 1
            return None
        is_cut = len(statement) > self._room
        kept = {"sql": statement[: self._room] + ("\n-- the rest of it is not recorded" if is_cut else "")}
        self._all.append(kept)
        self._room -= len(statement)
        return kept


class Clock:
    """Time without what we ourselves take up."""

    def __init__(self):
        self._ours = 0.0

    def now(self):
        return time.monotonic() - self._ours

    def stopped(self):
        return Pause(self)


class Pause:
    def __init__(self, clock):
        self._clock = clock

    def __enter__(self):
        self._began = time.monotonic()

    def __exit__(self, *_error):
        self._clock._ours += time.monotonic() - self._began


class Session:
    """What one session of a step had done to tables when it was last looked at."""

    def __init__(self, clock, version_table):
        self._clock = clock
        # Alembic's own, which every step writes to.
        self._version_table = version_table
        # By number: name, file and counts; None until it could be looked at.
        self._tables = None
        # The tables that were there before the step: nobody waits for others.
        self._old = None
        # Locks by table and strength: what an earlier step of the same transaction had taken, and what this one holds.
        self._before = set()
        self._held = {}

    def begin(self, connection):
        if self._tables is None:
            with self._clock.stopped():
                answers = look(connection, [TABLES, LOCKS])
            if answers is not None:
                self._tables = self._read(answers[0])
                self._before = {tuple(json.loads(line)) for line in answers[1]}
                if self._old is None:
                    self._old = {number: table["name"] for number, table in self._tables.items()}

    def effect(self, connection, began):
        """What the statement that has just run did; None where that cannot be seen."""
        answers = look(connection, [CHANGED, LOCKS]) if self._tables is not None else None
        if answers is None:
            # Outside of a transaction no lock is left when the statement has ended.
            self.end(self._clock.now())
            return None
        now = self._read(answers[0])
        effect = {"rows": self._rows(now), "rewritten": self._rewritten(now), "locks": self._locks(answers[1], began)}
        self._tables.update(now)
        return effect

    def transaction_ends(self):
        """Nothing is held any more, and the server may count anew."""
        self.end(self._clock.now())
        self._tables, self._before = None, set()

    def end(self, now):
        """What is held still is given back."""
        for lock in self._held.values():
            lock["held"] = now - lock.pop("since")
        self._held = {}

    def _rows(self, now):
        rows = []
        for number, table in now.items():
            before = self._tables.get(number, {"counts": (0, 0, 0)})["counts"]
            counts = [count - was if count >= was else count for count, was in zip(table["counts"], before)]
            if any(counts):
                rows.append([table["name"]] + counts)
        return rows

    def _rewritten(self, now):
        changed = (number for number, table in now.items() if number in self._old and table["file"] != self._tables[number]["file"])
        return [now[number]["name"] for number in changed]

    def _locks(self, lines, began):
        """Those that were not held before; how long each is, is known in the end."""
        held = {tuple(json.loads(line)) for line in lines} - self._before
        held = {key for key in held if key[0] in self._old}
        for key in set(self._held) - held:
            lock = self._held.pop(key)
            lock["held"] = began - lock.pop("since")
        new = {key: {"table": self._old[key[0]], "mode": key[1], "since": began} for key in sorted(held - set(self._held))}
        self._held.update(new)
        return list(new.values())

    def _read(self, lines):
        found = {}
        for number, schema, name, file, *counts in map(json.loads, lines):
            if name != self._version_table:
                found[number] = {"name": "%s.%s" % (schema, name), "file": file, "counts": tuple(counts)}
        return found
