"""Refuses every database but the announced one, and prepares each connection that is allowed.

Two layers, since some env.py ignore the URL that they are given. `do_connect` sees where an engine wants to go before
it goes there; the pool's `connect` asks the server itself and so catches `creator=` too. A script that calls its
database driver directly is seen by neither; round a throwaway database there is a wall for that (`wall.py`).
"""

import os
import re

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.pool import Pool

from xtask_driver.children import OPENER
from xtask_driver.own import server
from xtask_driver.wall import Wall

# Statements by which the server itself goes elsewhere, or takes a database away.
OUTWARD = re.compile(
    r"\bdblink|\bprogram\b|\bserver\b|\buser\s+mapping\b|\bsubscription\b|\bdrop\s+database\b|\brename\s+to\b", re.IGNORECASE
)
ALTER_SYSTEM = re.compile(r"^\s*alter\s+system\b", re.IGNORECASE)


class Guard:
    """`expect` is xtask's word on the one database: see `Expect` and `Launch` on the Rust side."""

    def __init__(self, channel):
        self._channel = channel
        self._expect = None
        self._settings = {}
        self._wall = Wall(self._refused)
        self.refusal = None
        self.connecting = False
        self.gives_bytes = False
        self._is_in_step = False

    def expect(self, launch):
        self._expect = launch["expect"]
        self._settings = launch["settings"]
        self._wall.stand_round(launch)

    def forget(self):
        """Another command, in a process that was forked for it."""
        self._wall.forget()

    def use_channel(self, channel):
        self._channel = channel

    def begin(self):
        """A new run of env.py: what the last one did is no longer of interest."""
        self.refusal = None
        self.connecting = False
        self._is_in_step = False

    def begin_step(self):
        self._is_in_step = True
        self._wall.settle()

    def end_step(self):
        self._is_in_step = False

    def refused(self):
        """What was refused first, in this process or another one that it has started; None if nothing was."""
        self.refusal = self.refusal or self._wall.written_down()
        return self.refusal

    def check(self):
        """Raises that, also where a script has kept the exception to itself."""
        if self.refused() is not None:
            raise self.refusal

    def check_env(self):
        """The same of what env.py did before the first step; on the component's own database it may look elsewhere."""
        if self._wall.stands():
            self.check()
        self.refusal = None

    def is_refused_too_early(self):
        """Whether something was refused since the throwaway database is not made yet; then that is forgotten."""
        is_early = self._wall.stands() and not self._expect["database"] and self.refused() is not None
        if is_early:
            self.begin()
        return is_early

    def install(self):
        event.listen(Engine, "do_connect", self._before_connect)
        event.listen(Pool, "connect", self._after_connect)
        event.listen(Engine, "before_cursor_execute", self._executes)
        self._wall.install()

    def _before_connect(self, dialect, _record, _args, params):
        if dialect.name != "postgresql":
            self._refuse("a %s database" % dialect.name)
        database, wanted = params.get("database") or params.get("dbname"), wanted_servers(params)
        # Wherever env.py has the component's own database from (a file, its code): behind the wall that is the throwaway one.
        # A script that goes there by itself is refused.
        if not self._is_in_step and self._wall.lead(dialect.driver, params, database, wanted):
            database, wanted = params.get("database") or params.get("dbname"), wanted_servers(params)
        right = not database or database == self._expect["database"]
        allowed = [server(host, port) for host, port in self._expect["servers"]]
        if not right or (allowed and any(pair not in allowed for pair in wanted)):
            place = ",".join("%s:%s" % pair for pair in wanted) or "the default server"
            self._refuse("%s/%s" % (place, database or "the default database"))
        self.connecting = True

    def _after_connect(self, connection, record):
        self.connecting = False
        identity = self._expect.get("identity")
        # English messages are what people search for; only a superuser may set that.
        english = "(select set_config('lc_messages', 'C', false) from pg_roles where rolname = current_user and rolsuper)"
        asked = ["current_database()", "pg_backend_pid()", "(%s)" % (self._expect["identity_sql"] if identity else "''")]
        # Outside a transaction, so that no rollback takes the settings back; in no other database than the announced one.
        settings = ", ".join([english, *map(set_config, self._settings.items())])
        sql = "select %s, case when %s then concat(%s) end" % (", ".join(asked), self._is_announced(), settings)
        database, pid, found = map(self._as_text, outside_transaction(connection, sql)[:3])
        if database != self._expect["database"]:
            self._refuse("database %s" % database)
        if identity and found != identity:
            self._refuse("a database %s on another server" % database)
        record.info["xtask_pid"] = pid
        record.info[OPENER] = os.getpid()
        self._channel.tell("connected", pid=pid)

    def _is_announced(self):
        """The condition, in SQL. A name with other letters than ASCII's may not be sent to a server without an encoding."""
        database, identity = self._expect["database"], self._expect.get("identity")
        name = ["current_database() = %s" % literal(database)] if database.isascii() else []
        place = ["(%s) = %s" % (self._expect["identity_sql"], literal(identity))] if identity else []
        return " and ".join([*name, *place]) or "true"

    def _as_text(self, value):
        """psycopg 3 gives bytes where the server does not say in which encoding text is."""
        if not isinstance(value, bytes):
            return value
        self.gives_bytes = True
        return value.decode("utf-8", "replace")

    def _executes(self, _connection, _cursor, statement, parameters, _context, _many):
        if not self._wall.stands():
            return
        if OUTWARD.search(statement):
            self._wall.look_at("%s %r" % (statement, parameters), "a statement that leads there")
        if ALTER_SYSTEM.search(statement):
            self._refuse("the settings of the whole server, by ALTER SYSTEM")

    def _refuse(self, wanted):
        self._wall.refuse(wanted)

    def _refused(self, refusal):
        if self._channel.is_forked():
            self._wall.write_down(refusal)
        else:
            self.refusal = self.refusal or refusal


def outside_transaction(connection, sql):
    """The one row that a new connection answers, in one round trip to the server.

    A `creator=` may have begun a transaction, which no driver leaves for that: then what it did is committed.
    """
    was = connection.autocommit
    try:
        connection.autocommit = True
        is_outside = not getattr(connection, "_in_transaction", False)  # pg8000 refuses nothing
    except Exception:
        is_outside = False
    cursor = connection.cursor()
    try:
        cursor.execute(sql)
        return cursor.fetchone()
    finally:
        cursor.close()
        if not is_outside:
            connection.commit()
        connection.autocommit = was


def set_config(setting):
    name, value = setting
    return "set_config('%s', %s, false)" % (name, literal(value))


def literal(text):
    """As SQL, also where a driver takes `%` for a parameter, or the server a backslash for an escape."""
    return "'%s'" % text.replace("'", "''").replace("%", "' || chr(37) || '").replace("\\", "' || chr(92) || '")


def wanted_servers(params):
    """The (host, port) pairs of connect arguments; empty where they do not say and the driver decides."""
    if params.get("unix_sock"):  # pg8000
        folder, name = os.path.split(params["unix_sock"])
        return [server(folder, name.rpartition(".")[2])]
    hosts = listed(params.get("host") or params.get("hostaddr") or os.environ.get("PGHOST"))
    ports = listed(params.get("port") or os.environ.get("PGPORT"))
    if len(ports) < 2:
        ports = (ports or [None]) * len(hosts)
    return [server(host, port) for host, port in zip(hosts, ports) if host]


def listed(value):
    if value is None or value == "":
        return []
    if isinstance(value, (list, tuple)):
        return list(value)
    return str(value).split(",")
