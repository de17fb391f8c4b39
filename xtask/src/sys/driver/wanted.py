"""Which database env.py wants: it is run up to its first connection, which is not made. The question comes as JSON on
stdin; the answer goes as JSON to stdout: the URL, and the variables and files of the project that were read on the way.
"""

import importlib.util
import json
import os
import re
import sys

question = json.load(sys.stdin)
answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
# What the project prints while it is imported is no part of the answer.
os.dup2(2, 1)
os.chdir(question["project"])

from alembic.runtime.environment import EnvironmentContext  # noqa: E402
from alembic.script import ScriptDirectory  # noqa: E402
from sqlalchemy import event  # noqa: E402
from sqlalchemy.engine import URL, Engine  # noqa: E402
from xtask_driver.config import alembic_config  # noqa: E402

sys.path[0] = question["project"]
sys.argv = ["alembic"]
# Whoever takes the whole environment (settings classes do) may have read any of these.
TELLING = re.compile("DATABASE|DB|POSTGRES|PG|SQL|DSN|UR[IL]|HOST|PORT|USER|NAME|ENV", re.I)
names, files = set(), set()


def record_variables():
    environ = type(os.environ)
    get, walk = environ.__getitem__, environ.__iter__

    def recorded_get(self, key):
        if self is os.environ and isinstance(key, str):
            names.add(key)
        return get(self, key)

    def recorded_walk(self):
        keys = list(walk(self))
        if self is os.environ:
            names.update(key for key in keys if TELLING.search(key))
        return iter(keys)

    environ.__getitem__, environ.__iter__ = recorded_get, recorded_walk


def record_files(name, arguments):
    if name == "open" and isinstance(arguments[0], str):
        files.add(arguments[0])


def source(path):
    """What Python has compiled is known by its source: that is what changes."""
    return importlib.util.source_from_cache(path) if path.endswith(".pyc") and "__pycache__" in path else path


def of_project():
    root = question["project"] + os.sep
    modules = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
    paths = {os.path.realpath(source(path)) for path in list(files) + modules if path}
    own = lambda path: path.startswith(root) and "/site-packages/" not in path  # noqa: E731
    return sorted(path for path in paths if own(path) and os.path.isfile(path))


def reply(**said):
    read = of_project()
    json.dump(dict(said, variables=sorted(names), files=read), answer)
    answer.flush()
    # Not sys.exit: nothing more of env.py is to run.
    os._exit(0)


def wanted(driver, params):
    """What a driver would be given, as a URL."""
    place = {"username": params.pop("user", None), "password": params.pop("password", None)}
    place["database"] = params.pop("dbname", None) or params.pop("database", None)
    host, port = params.pop("host", None), params.pop("port", None)
    query = {key: str(value) for key, value in params.items() if isinstance(value, (str, int)) and not isinstance(value, bool)}
    if host and (str(host).startswith("/") or "," in str(host)):
        query["host"] = str(host)
        if port:
            query["port"] = str(port)
        host = port = None
    url = URL.create("postgresql+" + driver, host=host, port=int(port) if port else None, query=query, **place)
    reply(url=url.render_as_string(hide_password=False))


def before_connect(dialect, _record, _arguments, params):
    if dialect.name != "postgresql":
        reply(other=dialect.name)
    wanted(dialect.driver, dict(params))


def refuse_raw_connections():
    """A connection that env.py makes past SQLAlchemy is not made either."""
    for name in ("psycopg", "psycopg2", "asyncpg", "pg8000"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        driver = name
        module.connect = lambda *words, **params: wanted(driver, params) if params and not words else reply(raw=driver)


refuse_raw_connections()
event.listen(Engine, "do_connect", before_connect)
record_variables()
sys.addaudithook(record_files)
try:
    config = alembic_config(question)
    script = ScriptDirectory.from_config(config)
    with EnvironmentContext(config, script, fn=lambda _revision, _context: [], as_sql=False):
        script.run_env()
    reply(nothing=True)
except BaseException as error:
    reply(raised="%s: %s" % (type(error).__name__, str(error).split("\n")[0]))
