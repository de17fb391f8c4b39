"""Which database env.py wants: it is run up to its first connection, which is not made. The question comes as JSON on
stdin; the answer goes as JSON to stdout: the URL, the variables that were read on the way and whether somebody took the
whole environment (settings classes do), and the files that were read or looked for.
"""

import importlib.util
import json
import os
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
names, files, walks = set(), set(), []


def record_variables():
    environ = type(os.environ)
    get, walk = environ.__getitem__, environ.__iter__

    def recorded_get(self, key):
        if self is os.environ and isinstance(key, str):
            names.add(key)
        return get(self, key)

    def recorded_walk(self):
        if self is os.environ:
            walks.append(True)
        return walk(self)

    environ.__getitem__, environ.__iter__ = recorded_get, recorded_walk


def record_files(name, arguments):
    path, mode, flags = arguments if name == "open" else (None, None, 0)
    if isinstance(path, str) and not set(mode or "r") & set("wax+") and not (flags or 0) & (os.O_WRONLY | os.O_RDWR):
        files.add(path)


def record_looks():
    """Whoever looks whether a file is there would read it, once it is."""
    stat = os.stat

    def recorded(path, *words, **more):
        if isinstance(path, (str, os.PathLike)) and isinstance(os.fspath(path), str):
            files.add(os.fspath(path))
        return stat(path, *words, **more)

    os.stat = recorded


def source(path):
    """What Python has compiled is known by its source: that is what changes."""
    return importlib.util.source_from_cache(path) if path.endswith(".pyc") and "__pycache__" in path else path


def comes_with_python(path):
    """Of the interpreter, its packages or the system: it changes with the interpreter, or not at all."""
    if "/site-packages/" in path or path.startswith(os.path.realpath(os.path.dirname(__file__)) + os.sep):
        return True
    homes = [os.path.realpath(home) for home in (sys.prefix, sys.base_prefix)]
    places = (*homes, "/usr", "/lib", "/proc", "/sys", "/dev")
    # A file system in memory is a place for files like any other.
    if path.startswith("/dev/shm/"):
        return False
    return not path.startswith(question["project"] + os.sep) and path.startswith(tuple(place + os.sep for place in places))


def of_project():
    """Files of the project and its settings, wherever those are (in a folder above, where secrets are mounted), and those
    that are not there yet."""
    modules = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
    paths = {os.path.realpath(source(path)) for path in list(files) + modules if path}
    return sorted(path for path in paths if not os.path.isdir(path) and not comes_with_python(path))


def reply(**said):
    read = of_project()
    json.dump(dict(said, variables=sorted(names), walks=bool(walks), files=read), answer)
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
record_looks()
sys.addaudithook(record_files)
try:
    config = alembic_config(question)
    script = ScriptDirectory.from_config(config)
    with EnvironmentContext(config, script, fn=lambda _revision, _context: [], as_sql=False):
        script.run_env()
    reply(nothing=True)
except BaseException as error:
    reply(raised="%s: %s" % (type(error).__name__, str(error).split("\n")[0]))
