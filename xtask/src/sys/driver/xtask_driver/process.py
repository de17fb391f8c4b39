"""The process that works for xtask, and the fresh one that takes its place.

What migration scripts leave behind in a process (open sessions, variables, modules) must not be met by the next one, as
it would not be by the next `alembic` command. A new Python would cost seconds each time, so the process that imported
the project runs no script itself: it forks a worker that does, and another one when that is used up or has died. Where
a fork is not safe (threads or sockets after the imports, another system than Linux) the worker is the process itself,
and a fresh one is the same program begun anew.
"""

import json
import mmap
import os
import stat
import sys

from xtask_driver import exits

# Room for the longest command; pages that nobody writes to take no memory.
ROOM = 16 * 1024 * 1024
# Below the size that a pipe takes without a reader.
IN_PIPE = 32 * 1024
VARIABLE = "XTASK_DRIVER_HANDED"
# As this process was started.
ENVIRONMENT = dict(os.environ)
WORDS = getattr(sys, "orig_argv", None) or [sys.executable] + sys.argv


class Successor:
    """Where a fresh process comes from. What it is handed: `launch`, `stale` and `command` of the session before."""

    is_cheap = False

    def note(self, handed):
        """Remembers what a successor needs, should this process die."""

    def replace(self, handed):
        """Ends this process; a fresh one goes on with what is handed. Returns only where that cannot be."""


class Forked(Successor):
    """The worker of a parent that has run nothing."""

    is_cheap = True

    def __init__(self, channel):
        self._memory = mmap.mmap(-1, ROOM)
        channel.busy = self._memory

    def note(self, handed):
        self._write(dict(handed, command=None, then="report"))

    def replace(self, handed):
        self._write(dict(handed, then="fork"))
        os._exit(0)

    def stop(self):
        self._write({"then": "stop"})

    def _write(self, handed):
        text = json.dumps(handed).encode()
        self._memory[1:9] = len(text).to_bytes(8, "big")
        self._memory[9 : 9 + len(text)] = text

    def read(self):
        """What the last worker has left."""
        length = int.from_bytes(self._memory[1:9], "big")
        return json.loads(self._memory[9 : 9 + length])


class Same(Successor):
    """The one process there is."""

    def __init__(self, channel):
        self._channel = channel

    def replace(self, handed):
        text = json.dumps(handed).encode()
        if len(text) > IN_PIPE:
            return
        reading, writing = os.pipe()
        os.write(writing, text)
        os.set_inheritable(reading, True)
        self._channel.give_back()
        exits.open_for_us = True
        os.execve(sys.executable, WORDS, dict(ENVIRONMENT, **{VARIABLE: str(reading)}))


def handed():
    """What the process before this one has handed over, if there was one."""
    number = os.environ.pop(VARIABLE, None)
    if number is None:
        return {}
    ENVIRONMENT.pop(VARIABLE, None)
    with os.fdopen(int(number), "rb") as file:
        return json.loads(file.read(IN_PIPE))


def work(channel, session, state):
    """Lets the session serve commands, in this process or in workers. Does not return."""
    if not can_fork():
        channel.listen()
        session.serve(Same(channel), state)
        end()
    successor = Forked(channel)
    while True:
        channel.busy[0] = 1 if state.get("command") else 0
        successor.note(state)
        worker = os.fork()
        if worker == 0:
            channel.listen(successor.stop)
            session.serve(successor, state)
            successor.stop()
            end()
        _pid, status = os.waitpid(worker, 0)
        state = successor.read()
        if state["then"] == "stop":
            end()
        if state["then"] == "report" and channel.busy[0]:
            channel.answer("error", kind="ended", phase="env", message="the Python process ended with " + words_for(status))


def words_for(status):
    if os.WIFSIGNALED(status):
        return "signal: %d" % os.WTERMSIG(status)
    return "exit status: %d" % os.WEXITSTATUS(status)


def can_fork():
    """Whether a child would be as this process is: no threads, no sockets."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        threads = os.listdir("/proc/self/task")
        files = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return False
    return len(threads) == 1 and not any(is_socket(file) for file in files if file > 2)


def is_socket(file):
    try:
        return stat.S_ISSOCK(os.fstat(file).st_mode)
    except OSError:  # the folder itself, closed by now
        return False


def end():
    """Not sys.exit: a script may have left threads, exit hooks or an event loop that never end."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(0)
