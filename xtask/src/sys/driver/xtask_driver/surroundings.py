"""The environment behind the wall: libpq's defaults are the throwaway database, and every variable that holds the
component's own database, or a part of it, holds that of the throwaway one instead. So do the programs that a script
starts.
"""

import os
import re
from urllib.parse import parse_qs, unquote, urlsplit

from xtask_driver.own import URL

# Ways round PGHOST and its like: a service, an address, the files with services and passwords of other servers.
AWAY = ("PGSERVICE", "PGHOSTADDR", "PGSYSCONFDIR")
NOWHERE = ("PGSERVICEFILE",)
OF_DATABASE = re.compile(r"DB|DATABASE|PG|POSTGRES|SQL", re.IGNORECASE)
PARTS = (
    ("host", re.compile(r"HOST|SERVER|ADDR", re.IGNORECASE)),
    ("port", re.compile(r"PORT", re.IGNORECASE)),
    ("user", re.compile(r"USER|ROLE|LOGIN", re.IGNORECASE)),
    ("password", re.compile(r"PASS|PWD|SECRET", re.IGNORECASE)),
)
# The parameters of drivers that say where to go, and those of encryption, which another server has of its own.
PLACE = ("host", "hostaddr", "port", "unix_sock", "user", "password", "passfile", "database", "dbname", "service", "dsn")
TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "ssl", "ssl_context", "channel_binding", "require_auth")
CONNINFO = re.compile(r"\s*(?:\w+\s*=\s*(?:'[^']*'|\S+)\s*)+")


class Surroundings:
    def __init__(self):
        # What stood in the variables that are changed; None: nothing.
        self._before = {}
        self._place = None
        self._own = ()

    def lead_to(self, url, own, more):
        """Everything leads to the database of this URL, and nothing to those in `own`."""
        self.leave()
        if not url:
            return
        self._place, self._own = place(url), own
        changes = dict(defaults(self._place), **{name: None for name in AWAY})
        changes.update({name: os.devnull for name in NOWHERE})
        if more.get("PYTHONPATH") and os.environ.get("PYTHONPATH"):
            more = dict(more, PYTHONPATH=os.pathsep.join((more["PYTHONPATH"], os.environ["PYTHONPATH"])))
        self._change(dict(changes, **more))
        self.settle()

    def lead(self, driver, params, is_elsewhere):
        """The same for the connection parameters of a driver. Those of encryption stay where the server is the same; for
        another one they are those that its URL has."""
        for name in (*PLACE, *(TLS if is_elsewhere else ())):
            params.pop(name, None)
        params.update(parameters(driver, self._place))
        if is_elsewhere:
            params.update(tls(driver, self._place))

    def settle(self):
        if self._place is not None:
            self._change(moved(os.environ, self._place, self._own))

    def leave(self):
        """The environment as it was."""
        for name, value in self._before.items():
            put(name, value)
        self._before, self._place = {}, None

    def _change(self, changes):
        for name, value in changes.items():
            self._before.setdefault(name, os.environ.get(name))
            put(name, value)


def put(name, value):
    if value is None:
        os.environ.pop(name, None)
    elif os.environ.get(name) != value:
        os.environ[name] = value


def place(url):
    """The parts of a SQLAlchemy URL, and the URL as others than SQLAlchemy write it."""
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    found = {
        "host": query.get("host") or folder_of(query.get("unix_sock")) or parts.hostname,
        "port": query.get("port") or (str(parts.port) if parts.port else None),
        "user": query.get("user") or (unquote(parts.username) if parts.username else None),
        "password": unquote(parts.password) if parts.password else None,
        "database": query.get("dbname") or unquote(parts.path.lstrip("/")),
    }
    return dict(found, after_scheme=url.partition("://")[2], query=query)


def folder_of(socket):
    return os.path.dirname(socket) if socket else None


def defaults(place):
    """The variables by which libpq and its like find the database."""
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "database"}
    return {name: place[part] for name, part in names.items() if place[part]}


def parameters(driver, place):
    """As a driver's connect() takes them."""
    found = {name: place[name] for name in ("host", "user", "password") if place[name]}
    found["dbname" if driver.startswith("psycopg") else "database"] = place["database"]
    if place["port"]:
        found["port"] = int(place["port"])
    if driver == "pg8000" and (place["host"] or "").startswith("/"):
        found["unix_sock"] = "%s/.s.PGSQL.%s" % (found.pop("host"), found.pop("port", 5432))
    return found


def tls(driver, place):
    """What the URL says of encryption, as far as this driver knows the names."""
    names = ("ssl",) if driver == "asyncpg" else [name for name in TLS if name not in ("ssl", "ssl_context")]
    return {name: place["query"][name] for name in names if name in place["query"] and driver != "pg8000"}


def moved(environment, place, own):
    """The variables that hold a database of `own`, or a part of it, as they are to be."""
    changes = {}
    for one in own:
        groups = {group_of(name) for name, value in environment.items() if value == one.database}
        for name, value in environment.items():
            if name.startswith("XTASK_") or not value:
                continue
            is_of_database = bool(OF_DATABASE.search(name)) or group_of(name) in groups
            now = moved_value(name, value, place, one, is_of_database)
            if now != value:
                changes[name] = now
    return changes


def group_of(name):
    """`DB_HOST` and `DB_NAME` speak of the same thing; a name without a part before speaks for itself."""
    return name.rpartition("_")[0] or None


def moved_value(name, value, place, own, is_of_database):
    if "://" in value:
        return URL.sub(lambda found: same_scheme(found.group(), place) if own.is_url(found.group()) else found.group(), value)
    if CONNINFO.fullmatch(value) and own.is_named_in(value):
        names = {"host": "host", "port": "port", "user": "user", "password": "password", "dbname": "database"}
        return " ".join("%s=%s" % (key, quoted(place[part])) for key, part in names.items() if place[part])
    if value == own.database and OF_DATABASE.search(name):
        return place["database"]
    if not is_of_database or not own.is_elsewhere:
        return value
    held = {
        "host": {host for host, _port in own.servers},
        "port": {str(port) for _host, port in own.servers},
        "user": {own.user},
        "password": {own.password},
    }
    for part, telling in PARTS:
        if telling.search(name) and value in held[part]:
            return place[part] or ""
    return value


def same_scheme(url, place):
    return url[: url.index("://") + 3] + place["after_scheme"]


def quoted(value):
    return "'%s'" % value.replace("\\", "\\\\").replace("'", "\\'")
