"""The ways out of Python that its audit events tell of: programs, sockets, libraries. None that is told the address of the
component's own database is opened.
"""

import os
import shlex
import socket
import sys

from xtask_driver.own import server

# Set while this process gives its place to a fresh one of ours.
open_for_us = False
# The addresses of the servers that were asked for.
KNOWN = {}


def install(wall):
    def hook(event, arguments):
        look = LOOKS.get(event)
        if look is not None and wall.stands() and not open_for_us:
            look(wall, *arguments)

    sys.addaudithook(hook)


def program(wall, words, environment):
    """A program, by its words, and by its environment where that is not our own."""
    text = words if isinstance(words, (str, bytes)) else " ".join(shlex.quote(plain(word)) for word in words or ())
    wall.look_at(plain(text), "a program that it starts")
    if environment is None or environment is os.environ:
        return
    for name, value in dict(environment).items():
        name, value = plain(name), plain(value)
        if os.environ.get(name) != value:
            named = "dbname=" + value if name == "PGDATABASE" else value
            wall.look_at(named, "the environment of a program that it starts")


def popen(wall, executable, words, _folder, environment):
    program(wall, words if words is not None else [executable], environment)


def system(wall, command):
    program(wall, command, None)


def execute(wall, _path, words, environment):
    program(wall, words, environment)


def connect(wall, _socket, address):
    """A Python socket to the own database's server, where that is another than the throwaway database's."""
    for own in wall.own:
        if own.is_elsewhere and any(is_at(address, pair) for pair in own.servers):
            wall.refuse("database %s, by a socket" % own.database)


def is_at(address, pair):
    host, port = pair
    if isinstance(address, (str, bytes)):
        return host.startswith("/") and plain(address).rstrip("/") == "%s/.s.PGSQL.%d" % (host, port)
    if not isinstance(address, tuple) or host.startswith("/") or address[1] != port:
        return False
    wanted = str(address[0])
    return server(wanted, port)[0] == host or wanted in addresses(host, port)


def addresses(host, port):
    if (host, port) not in KNOWN:
        try:
            KNOWN[host, port] = {found[4][0] for found in socket.getaddrinfo(host, port)}
        except OSError:
            KNOWN[host, port] = set()
    return KNOWN[host, port]


def forget():
    KNOWN.clear()


def library(wall, name):
    """PostgreSQL's own client, unless a database driver loads it."""
    if "libpq" in os.path.basename(plain(name)) and not is_called_by_driver():
        wall.refuse("a database of its own choice, by libpq through ctypes")


def is_called_by_driver():
    frame = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] in ("psycopg", "psycopg2", "psycopg2cffi"):
            return True
        frame = frame.f_back
    return False


def plain(value):
    try:
        return os.fsdecode(value)
    except TypeError:
        return str(value)


LOOKS = {
    "subprocess.Popen": popen,
    "os.system": system,
    "os.exec": execute,
    "os.posix_spawn": execute,
    "os.spawn": lambda wall, _mode, _path, words, environment: program(wall, words, environment),
    "pty.spawn": lambda wall, words: program(wall, words, None),
    "socket.connect": connect,
    "ctypes.dlopen": library,
}
