"""The database drivers that a script may call directly. Each is wrapped as soon as somebody imports it: an address that
names the component's own database is refused, and every connection is asked where it leads before anybody gets it.
"""

import functools
import importlib.machinery
import sys

DIRECT = "a connection of its own"


def install(wall):
    for name, wrap in WRAPPERS.items():
        if name in sys.modules:
            wrap(sys.modules[name], wall)
    sys.meta_path.insert(0, Finder(wall))


def look_at(wall, args, kw):
    words = [arg for arg in args if isinstance(arg, str)] + ["%s=%s" % pair for pair in kw.items()]
    wall.look_at(" ".join(words), DIRECT)


def guarded(wall, connect, ask):
    """`connect`, whose connection is asked where it leads before anybody gets it."""

    @functools.wraps(connect)
    def wrapped(*args, **kw):
        if not wall.stands():
            return connect(*args, **kw)
        look_at(wall, args, kw)
        connection = connect(*args, **kw)
        try:
            ask(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    return wrapped


def guarded_async(wall, connect, ask):
    @functools.wraps(connect)
    async def wrapped(*args, **kw):
        if not wall.stands():
            return await connect(*args, **kw)
        look_at(wall, args, kw)
        connection = await connect(*args, **kw)
        try:
            await ask(connection)
        except BaseException:
            await connection.close()
            raise
        return connection

    return wrapped


def text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def wrap_psycopg(module, wall):
    from psycopg.rows import tuple_row

    # Outside a transaction: beginning and ending one would be two more round trips to the server.
    def ask(connection):
        was = connection.autocommit
        connection.autocommit = True
        with connection.cursor(row_factory=tuple_row) as cursor:
            answer = text(cursor.execute(wall.question()).fetchone()[0])
        connection.autocommit = was
        wall.check(answer)

    async def ask_async(connection):
        was = connection.autocommit
        await connection.set_autocommit(True)
        async with connection.cursor(row_factory=tuple_row) as cursor:
            answer = text((await (await cursor.execute(wall.question())).fetchone())[0])
        await connection.set_autocommit(was)
        wall.check(answer)

    for kind, guard, question in (
        (module.Connection, guarded, ask),
        (module.AsyncConnection, guarded_async, ask_async),
    ):
        # As a class method, so that a class derived from it makes its own kind.
        kind.connect = classmethod(guard(wall, kind.connect.__func__, question))
    module.connect = module.Connection.connect


def wrap_psycopg2(module, wall):
    from psycopg2.extensions import cursor as plain

    def ask(connection):
        if connection.async_:  # aiopg: it is still being made, and knows already where it goes
            return wall.check_name(connection.info.dbname)
        was = connection.autocommit
        connection.autocommit = True
        with connection.cursor(cursor_factory=plain) as cursor:
            cursor.execute(wall.question())
            answer = text(cursor.fetchone()[0])
        connection.autocommit = was
        wall.check(answer)

    module.connect = guarded(wall, module.connect, ask)


def wrap_asyncpg(module, wall):
    async def ask(connection):
        wall.check(text(await connection.fetchval(wall.question())))

    # The package's name for it, and the one that pools use.
    module.connection.connect = module.connect = guarded_async(wall, module.connect, ask)


def wrap_pg8000(module, wall):
    """All of its kinds of connections are made here."""
    make = module.CoreConnection.__init__

    @functools.wraps(make)
    def wrapped(self, *args, **kw):
        if wall.stands():
            look_at(wall, args, kw)
        make(self, *args, **kw)
        if wall.stands():
            try:
                wall.check(text(self.execute_simple(wall.question()).rows[0][0]))
            except BaseException:
                self.close()
                raise

    module.CoreConnection.__init__ = wrapped


WRAPPERS = {
    "psycopg": wrap_psycopg,
    "psycopg2": wrap_psycopg2,
    "asyncpg": wrap_asyncpg,
    "pg8000.core": wrap_pg8000,
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
