"""A warm Python: a process that stays when a command has ended, and from which the next one gets a forked child.

It has imported what every command imports and has run nothing of anybody's. A command connects to its socket and hands over
its streams, its environment and what it says of itself; the child looks whether a fresh process would be the same, and if
so, takes the command's place in the world: its own session, the command's streams, environment and folder. The parent
watches: a command that goes away, however that happens, ends its child; a child that ends is told to the command.
"""

import fcntl
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import sys
import time

from xtask_driver import looks, process, wall

# How long a parent lives, whatever it does, and how often it looks whether it is still wanted.
AGE = 600
GLANCE = 30
# How long a command may take to say what it wants.
PATIENCE = 10


def leave(channel, parent):
    """Leaves a warm process behind, unless there is one already. Goes on in this process, and in each that is forked from
    the warm one; there the channel is closed, and everything is as the command that asked for it has it. Gives what that
    one has said; None in this process."""
    if not is_possible() or not parent.lock():
        return None
    middle = os.fork()
    if middle:
        parent.unlock()
        os.waitpid(middle, 0)
        return None
    try:
        # Not a child of the process that runs the scripts, which may wait for theirs.
        if os.fork():
            os._exit(0)
        channel.close()
        return parent.serve()
    except BaseException:
        os._exit(1)


def is_possible():
    has_calls = hasattr(os, "pidfd_open") and hasattr(socket, "recv_fds")
    return has_calls and process.can_fork() and not has_children()


def has_children():
    try:
        os.waitpid(-1, os.WNOHANG)
        return True
    except ChildProcessError:
        return False


class Parent:
    """One that has imported what every command imports. `wanted` is xtask's word on it: `Wish` on the Rust side."""

    def __init__(self, wanted, variables):
        self._wanted = wanted
        self._read = variables
        self._read.every = self._read.every or self.reads_at_start()
        self._lock = None
        self._listener = None
        # Each child by its pidfd: its id, and the connection of the command that it works for.
        self._children = {}
        self._began = time.time()
        self._until = time.monotonic() + AGE
        # What was loaded before may be older than what is there now.
        self._loaded_since = looks.started()
        # What Python itself has added to the environment (LC_CTYPE, where the locale is C).
        self._added = {name: value for name, value in process.ENVIRONMENT.items() if name not in wanted["environment"]}
        self.looks = None

    def lock(self):
        """Whether this is the one parent that listens at this socket."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._lock = os.open(self._wanted["socket"] + ".lock", flags, 0o600)
        except OSError:
            return False
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            self.unlock()
            return False

    def unlock(self):
        os.close(self._lock)

    def serve(self):
        """Returns in each child that has something to do, and nowhere else."""
        os.setsid()
        self._let_go()
        os.umask(0o177)
        if not self.prepare():
            os._exit(0)
        os.chdir("/")
        gc.collect()
        gc.freeze()
        self._listen()
        while self._listener or self._children:
            request = self._turn()
            if request is not None:
                return request
        os._exit(0)

    def prepare(self):
        """Gets everything ready. Whether it is to be had."""
        self.looks = looks.Looks(looks.places())
        return self.looks.changed_since(self._loaded_since) is None

    def project(self):
        """Whose imports it has; None: nobody's."""
        return None

    def reads_at_start(self):
        return looks.runs_code_at_start()

    def kept(self):
        """What it goes with."""
        return [sys.executable, self._wanted["socket"]]

    def is_kept(self, number):
        """Whether an open file is its own."""
        return number == self._lock

    def _let_go(self):
        """Nothing of the command that has started this process is held."""
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        for number in map(int, os.listdir("/proc/self/fd")):
            if number > 2 and not self.is_kept(number):
                try:
                    os.close(number)
                except OSError:  # the folder itself, closed by now
                    pass

    def _listen(self):
        try:
            os.unlink(self._wanted["socket"])
        except FileNotFoundError:
            pass
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # The mask keeps it to its user.
        self._listener.bind(self._wanted["socket"])
        self._listener.listen(128)

    def _turn(self):
        """Waits for what comes next. Gives what a command has said, in the child that is to do it."""
        poll = select.poll()
        if self._listener:
            poll.register(self._listener, select.POLLIN)
        for pidfd, (_pid, connection) in self._children.items():
            poll.register(pidfd, select.POLLIN)
            if connection is not None:
                poll.register(connection, select.POLLRDHUP)
        came = {number for number, _event in poll.poll(GLANCE * 1000)}
        for pidfd, (pid, connection) in list(self._children.items()):
            if pidfd in came:
                self._ended(pidfd, pid, connection)
            elif connection is not None and connection.fileno() in came:
                self._abandoned(pidfd, pid, connection)
        if self._listener and self._listener.fileno() in came:
            request = self._accept()
            if request is not None:
                return request
        if self._listener and not self.is_wanted():
            self._close()
        return None

    def is_wanted(self):
        return time.monotonic() < self._until and all(os.path.exists(path) for path in self.kept())

    def _close(self):
        """Takes no more commands; those that are there are watched to their end."""
        self._listener.close()
        self._listener = None
        try:
            os.unlink(self._wanted["socket"])
        except OSError:
            pass
        os.close(self._lock)

    def _accept(self):
        connection, _address = self._listener.accept()
        if not is_ours(connection):
            connection.close()
            return None
        pid = os.fork()
        if pid == 0:
            return self._be_child(connection)
        self._children[os.pidfd_open(pid)] = (pid, connection)
        return None

    def _ended(self, pidfd, pid, connection):
        """A child has ended: so does what it has started, as long as its id is its own."""
        kill_group(pid)
        _pid, status = os.waitpid(pid, 0)
        os.close(pidfd)
        del self._children[pidfd]
        if connection is not None:
            tell(connection, status=status)
            connection.close()

    def _abandoned(self, pidfd, pid, connection):
        """The command is gone, and so is its child."""
        connection.close()
        self._children[pidfd] = (pid, None)
        # It may not have a group of its own yet.
        os.kill(pid, signal.SIGKILL)
        kill_group(pid)

    # In a child

    def _be_child(self, connection):
        self._listener.close()
        os.close(self._lock)
        for pidfd, (_pid, other) in self._children.items():
            os.close(pidfd)
            if other is not None:
                other.close()
        connection.settimeout(PATIENCE)
        request, files = received(connection)
        if request["do"] != "fork":
            if request["do"] == "end":
                self._end()
            tell(connection, **self._state())
            os._exit(0)
        os.setsid()
        differs = self.differing_variables(request)
        if differs:
            # It is right for others still, who may look at it again before they report.
            tell(connection, no="%s has another value" % differs)
            os._exit(0)
        stale = self.take_place(request, files)
        if stale:
            self._end()
            tell(connection, no=stale)
            os._exit(0)
        tell(connection, pid=os.getpid(), parent=os.getppid(), left=self._until - time.monotonic())
        connection.close()
        return request

    def _end(self):
        """Nobody finds the parent any more; it sees that, too."""
        try:
            os.unlink(self._wanted["socket"])
        except OSError:
            pass

    def take_place(self, request, files):
        """This process becomes the one that the command would have started. Why that would be another one; None if it would
        be the same."""
        changed = self.looks.changed()
        if not changed:
            take_environment(dict(self._added, **request["environment"]))
            take_streams(request, files)
        return changed and "%s has changed" % changed

    def differing_variables(self, request):
        """Those that were read while this process was made, and that the command has otherwise."""
        return differing(self._read.read_in(self._wanted["environment"]), self._read.read_in(request["environment"]))

    def _state(self):
        return {
            "pid": os.getppid(),
            "python": self._wanted["python"],
            "project": self.project(),
            "seconds": time.time() - self._began,
            "looks": len(self.looks),
            "children": len(self._children),
            "changed": self.looks.changed(),
        }


def is_ours(connection):
    _pid, user, _group = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return user == os.geteuid()


def kill_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        pass


def tell(connection, **fields):
    try:
        connection.settimeout(PATIENCE)
        connection.sendall(json.dumps(fields).encode() + b"\n")
    except OSError:
        pass  # nobody is there any more; that shows by itself


def received(connection):
    """What the command says, and the streams that it hands over."""
    data, files, _flags, _address = socket.recv_fds(connection, 1 << 16, 3)
    while not data.endswith(b"\n"):
        more = connection.recv(1 << 16)
        if not more:
            os._exit(0)
        data += more
    return json.loads(data), files


def differing(before, now):
    """The names of variables that have other values; empty if there are none."""
    return ", ".join(sorted(name for name in set(before) | set(now) if before.get(name) != now.get(name)))


def take_environment(environment):
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    os.environ.update(environment)
    process.ENVIRONMENT = dict(os.environ)
    time.tzset()


def take_streams(request, files):
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.umask(request["umask"])
    os.chdir(request["folder"])
    process.WORDS = [request["python"], request["driver"]]
    wall.CHILD = os.path.join(request["driver"], "child")
    importlib.invalidate_caches()
