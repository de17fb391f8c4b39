"""The wall round a throwaway database: connections that scripts open past SQLAlchemy lead to it or nowhere.

Where libpq's defaults lead (PGHOST, PGDATABASE, …) is the throwaway database. Whoever calls psycopg, psycopg2, asyncpg or
pg8000 directly gets a connection only if the server itself says that it is the announced database. What goes past Python
(a program that is started with an address of its own, dblink, COPY TO PROGRAM) is not stopped here.
"""

import functools
import importlib.machinery
import os
import sys
from urllib.parse import parse_qs, unquote, urlsplit

# How xtask names what it may throw away (sys/pg/sweep.rs, sys/pg/template.rs).
THROWAWAY = "xtask_"


class Wall:
    """`refuse` is told what a script wanted to reach, and raises."""

    def __init__(self, refuse):
        self._refuse = refuse
        self._expect = None

    def stand_round(self, expect, url):
        """From now on round this database; round none where it is the component's own."""
        self._expect = expect if expect["database"].startswith(THROWAWAY) else None
        if self._expect and url:
            os.environ.update(defaults(url))
            os.environ.pop("PGSERVICE", None)
            os.environ.pop("PGHOSTADDR", None)

    def install(self):
        for name, wrap in WRAPPERS.items():
            if name in sys.modules:
                wrap(sys.modules[name], self)
        sys.meta_path.insert(0, Finder(self))

    def question(self):
        """What a new connection is asked; None where no wall stands."""
        if self._expect is None:
            return None
        identity = self._expect["identity_sql"] if self._expect.get("identity") else "''"
        return "select current_database()::text || ' ' || (%s)" % identity

    def check(self, answer):
        database, _, identity = answer.partition(" ")
        expected = self._expect.get("identity") or ""
        if database != self._expect["database"] or identity != expected:
            self._refuse("database %s, by a connection of its own" % database)


def defaults(url):
    """The variables by which libpq and its like find the database of a SQLAlchemy URL, all but the password."""
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    found = {
        "PGHOST": query.get("host") or parts.hostname,
        "PGPORT": query.get("port") or (str(parts.port) if parts.port else None),
        "PGUSER": query.get("user") or (unquote(parts.username) if parts.username else None),
        "PGDATABASE": query.get("dbname") or unquote(parts.path.lstrip("/")),
    }
    return {name: value for name, value in found.items() if value}


def guarded(wall, connect, ask):
    """`connect`, whose connection is asked where it leads before anybody gets it."""

    @functools.wraps(connect)
    def wrapped(*args, **kw):
        connection = connect(*args, **kw)
        question = wall.question()
        if question is not None:
            try:
                wall.check(ask(connection, question))
            except BaseException:
                connection.close()
                raise
        return connection

    return wrapped


def guarded_async(wall, connect, ask):
    @functools.wraps(connect)
    async def wrapped(*args, **kw):
        connection = await connect(*args, **kw)
        question = wall.question()
        if question is not None:
            try:
                wall.check(await ask(connection, question))
            except BaseException:
                await connection.close()
                raise
        return connection

    return wrapped


def text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def wrap_psycopg(module, wall):
    from psycopg.rows import tuple_row

    def ask(connection, question):
        with connection.cursor(row_factory=tuple_row) as cursor:
            answer = text(cursor.execute(question).fetchone()[0])
        if not connection.autocommit:
            connection.rollback()
        return answer

    async def ask_async(connection, question):
        async with connection.cursor(row_factory=tuple_row) as cursor:
            answer = text((await (await cursor.execute(question)).fetchone())[0])
        if not connection.autocommit:
            await connection.rollback()
        return answer

    connect, connect_async = module.Connection.connect, module.AsyncConnection.connect
    module.Connection.connect = module.connect = guarded(wall, connect, ask)
    module.AsyncConnection.connect = guarded_async(wall, connect_async, ask_async)


def wrap_psycopg2(module, wall):
    from psycopg2.extensions import cursor as plain

    def ask(connection, question):
        with connection.cursor(cursor_factory=plain) as cursor:
            cursor.execute(question)
            answer = text(cursor.fetchone()[0])
        connection.rollback()
        return answer

    module.connect = guarded(wall, module.connect, ask)


def wrap_asyncpg(module, wall):
    async def ask(connection, question):
        return text(await connection.fetchval(question))

    # The package's name for it, and the one that pools use.
    module.connection.connect = module.connect = guarded_async(wall, module.connect, ask)


def wrap_pg8000(module, wall):
    def ask(connection, question):
        cursor = connection.cursor()
        cursor.execute(question)
        answer = text(cursor.fetchone()[0])
        cursor.close()
        connection.rollback()
        return answer

    module.connect = guarded(wall, module.connect, ask)


WRAPPERS = {
    "psycopg": wrap_psycopg,
    "psycopg2": wrap_psycopg2,
    "asyncpg": wrap_asyncpg,
    "pg8000.dbapi": wrap_pg8000,
}


class Finder:
    """Wraps a database driver as soon as somebody imports it."""

    def __init__(self, wall):
        self._wall = wall

    def find_spec(self, name, path=None, target=None):
        if name not in WRAPPERS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            WRAPPERS[name](module, self._wall)

        spec.loader.exec_module = exec_module
        return spec
