"""An exception as structure: what PostgreSQL said, field by field, and where in which script it happened.

SQLSTATE decides, never SQLAlchemy's exception class, which differs from driver to driver. Parameters of statements are
left out: they are the user's rows.
"""

import asyncio
import configparser
import errno
import os
import socket
import sys
import traceback

import alembic
import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Engine

from xtask_driver.protocol import NeedsInput
from xtask_driver.wall import WrongDatabase

# The database drivers whose absence is a matter of installation, not of a script.
DRIVERS = ("asyncpg", "psycopg", "psycopg2", "pg8000", "greenlet")
LONGEST = 2000
# How the system says it, in the words of whoever passes it on.
NO_NETWORK = (
    "Network is unreachable",
    "could not translate host name",
    "failure in name resolution",
    "Name or service not known",
)
# Frames in here are Alembic's and SQLAlchemy's ways, and ours; they say nothing to a person.
MACHINERY = tuple(
    os.path.join(os.path.dirname(os.path.realpath(file)), "")
    for file in (alembic.__file__, sqlalchemy.__file__, asyncio.__file__, __file__)
)


class Refused(Exception):
    """The driver itself says no; `kind` tells xtask why."""

    def __init__(self, kind, message, place=None):
        super().__init__(message)
        self.kind = kind
        # File and line, where they are not those of a frame.
        self.place = place


class Recorder:
    """Remembers what SQLAlchemy sees of a run: the first database error of a step (the cause when a script swallowed it
    and 25P02 follows), whether the last statement was committed, and what ran before `context.configure`."""

    def __init__(self, locate):
        self._locate = locate
        self.begin_run()
        event.listen(Engine, "handle_error", self._seen)
        event.listen(Engine, "before_cursor_execute", self._executes)
        event.listen(Engine, "commit", self._commits)

    def begin_run(self):
        self._is_configured = False
        # File and line of the first statement before `context.configure`.
        self.opened = None
        self.begin_step()

    def configured(self):
        self._is_configured = True

    def begin_step(self):
        self.first = None
        self.is_committed = False

    def _seen(self, context):
        self.is_committed = False
        if self.first is None:
            fields = postgres_fields(context.sqlalchemy_exception or context.original_exception)
            fields.setdefault("message", shortened(context.original_exception))
            fields["statement"] = shortened(context.statement)
            fields["file"], fields["line"] = self._locate(frames_of_stack(sys._getframe()))
            self.first = fields

    def _executes(self, *_args):
        self.is_committed = False
        if not self._is_configured and self.opened is None:
            self.opened = self._locate(frames_of_stack(sys._getframe()))

    def _commits(self, _connection):
        self.is_committed = True


def chain(error):
    """The exception and what it was made from, outermost first."""
    seen, todo = [], [error]
    while todo:
        current = todo.pop(0)
        if isinstance(current, BaseException) and not any(current is known for known in seen):
            seen.append(current)
            todo += [getattr(current, "orig", None), current.__cause__]
            members = getattr(current, "exceptions", None)  # of an exception group
            todo += members if isinstance(members, (list, tuple)) else []
            if package_of(current) in DRIVERS or isinstance(current, ConnectionError):
                # pg8000 reports the connection that it could not close, over why it was to be closed.
                todo.append(current.__context__)
    return seen


def package_of(error):
    return type(error).__module__.partition(".")[0]


def postgres_fields(error):
    """What PostgreSQL said, from whichever database driver it came; empty if it was not PostgreSQL."""
    fields = {}
    for link in chain(error):
        take_codes(fields, link)
        diagnosis = getattr(link, "diag", None)
        if diagnosis is not None:
            take(fields, diagnosis, "message_primary", "message_detail", "message_hint")
        take(fields, link, "detail", "hint")
    return fields


def postgres_code(link):
    code = getattr(link, "sqlstate", None) or getattr(link, "pgcode", None)
    return code if isinstance(code, str) else None


def take_codes(fields, link):
    code = postgres_code(link)
    if code:
        fields.setdefault("sqlstate", code)
    report = link.args[0] if link.args else None
    if isinstance(report, dict) and "C" in report:  # pg8000 hands over the protocol's own letters
        letters = {
            "sqlstate": "C", "message": "M", "detail": "D", "hint": "H",
            "schema": "s", "table": "t", "column": "c", "constraint": "n",
        }  # fmt: skip
        for name, letter in letters.items():
            if report.get(letter):
                fields.setdefault(name, report[letter])
    elif code and package_of(link) == "asyncpg" and link.args:
        fields["message"] = str(link.args[0])


def take(fields, source, *texts):
    names = {"message_primary": "message", "message_detail": "detail", "message_hint": "hint"}
    for attribute in texts:
        value = getattr(source, attribute, None)
        if isinstance(value, str):
            fields.setdefault(names.get(attribute, attribute), value)
    for name in ("schema", "table", "column", "constraint"):
        value = getattr(source, name + "_name", None)
        if isinstance(value, str):
            fields.setdefault(name, value)


def kind_of(error, phase, connecting):
    """Which sort of failure, in a word that the Rust side knows."""
    links = chain(error)
    for link in links:
        if isinstance(link, NeedsInput):
            return "needs-input"
        if isinstance(link, Refused):
            return link.kind
    if postgres_fields(error).get("sqlstate"):
        return "sql"
    if any(getattr(link, "connection_invalidated", False) for link in links):
        return "lost"
    if isinstance(error, SyntaxError):
        return "syntax"
    if isinstance(error, ImportError):
        package = (getattr(error, "name", None) or "").partition(".")[0]
        return "missing-package" if package in DRIVERS else "import"
    if connecting and any(is_connect_error(link) for link in links):
        return "connect"
    if isinstance(error, SystemExit):
        return "exit"
    # In a step it is the script that has called something wrongly, whatever SQLAlchemy names the error.
    named = type(error).__name__ in ("NoSuchModuleError", "ArgumentError")
    if phase != "step" and (named or isinstance(error, configparser.Error)):
        return "config"
    if phase == "load" or phase == "config":
        return phase
    return "raised"


def is_connect_error(error):
    return isinstance(error, OSError) or type(error).__name__ in ("OperationalError", "InterfaceError")


def is_network_missing(error):
    """Whether it is what the system says where there is no network."""
    for link in chain(error):
        if isinstance(link, socket.gaierror) or getattr(link, "errno", None) == errno.ENETUNREACH:
            return True
        if any(words in str(link) for words in NO_NETWORK):
            return True
    return False


def hint_of(error, env):
    """What env.py may be waiting for, where it looks for something by a name that is not there. `env`: its text."""
    if not isinstance(error, KeyError) or not error.args or not isinstance(error.args[0], str):
        return None
    name, frames = error.args[0], frames_of_traceback(error.__traceback__)
    if frames and frames[-1][2] == "__getitem__" and os.path.basename(frames[-1][0]) in ("os.py", "<frozen os>"):
        return "it asks for the environment variable %s, which is not set" % name
    if "x_argument" in env:
        return "perhaps it is to be told by -x %s=VALUE, which this command takes, too (or `x` in the settings)" % name
    return None


def describe(error, phase, connecting):
    """Everything about an exception but its place."""
    fields = postgres_fields(error)
    fields["kind"] = kind_of(error, phase, connecting)
    fields["phase"] = phase
    fields["exception"] = type(error).__name__
    if "message" not in fields:
        fields["message"] = message_of(error)
    elif not hasattr(error, "orig") and not postgres_code(error):
        fields["raised"] = shortened(error)  # the script's own words, `raise … from` the database's error
    fields["statement"] = next((shortened(s) for s in (getattr(e, "statement", None) for e in chain(error)) if s), None)
    for link in chain(error):
        if isinstance(link, ImportError) and link.name:
            fields.setdefault("module", link.name)
        if isinstance(link, NeedsInput):
            fields["prompt"] = link.prompt
        if isinstance(link, WrongDatabase):
            fields["wanted"] = link.wanted
    if isinstance(error, SystemExit):
        fields["status"] = error.code if isinstance(error.code, int) else (0 if error.code is None else 1)
    return fields


def message_of(error):
    """The message without what SQLAlchemy puts round it (the statement, its parameters, a link)."""
    origin = getattr(error, "orig", None)
    if isinstance(error, SyntaxError):
        return "%s: %s" % (error.msg, (error.text or "").strip())
    if isinstance(origin, BaseException):
        return shortened(origin)
    return shortened(error) or type(error).__name__


def shortened(text):
    try:
        text = str(text or "").strip()
    except Exception:  # an exception whose __str__ fails
        text = ""
    if not text:
        return None
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def frames_of_error(error):
    """(file, line, function) of every frame of the whole chain, the outermost exception's last frame last."""
    return [frame for link in reversed(chain(error)) for frame in frames_of_traceback(link.__traceback__)]


def frames_of_traceback(found):
    return [
        (os.path.realpath(frame.f_code.co_filename), line, frame.f_code.co_name)
        for frame, line in traceback.walk_tb(found)
    ]


def shown(error):
    """The last frames of the project's own code, as text."""
    frames = frames_of_traceback(error.__traceback__)
    own = [frame for frame in frames if not frame[0].startswith(MACHINERY) and os.path.exists(frame[0])]
    return ["%s:%d in %s" % frame for frame in own[-8:]]


def frames_of_stack(frame):
    frames = []
    while frame is not None:
        frames.append((os.path.realpath(frame.f_code.co_filename), frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return frames[::-1]


def last_in(frames, wanted):
    """File and line of the last frame whose file is `wanted(file)`, or None."""
    for file, line, _name in reversed(frames):
        if wanted(file):
            return file, line
    return None
