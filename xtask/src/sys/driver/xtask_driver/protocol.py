"""The two pipes to xtask: commands come in on the original stdin, events go out on the original stdout.

Scripts get neither of them. What they print goes to stderr, what they read is /dev/null, and whoever asks a question
gets an exception that says so instead of waiting for an answer that nobody can give.
"""

import builtins
import getpass
import json
import os
import queue
import sys
import threading

# How the process ends when xtask has gone away.
ABANDONED = 75


class NeedsInput(EOFError):
    """A script asked a question. An EOFError, as without a terminal, so that a script prepared for that copes."""

    def __init__(self, prompt):
        super().__init__("input is needed: %s" % prompt if prompt else "input is needed")
        self.prompt = prompt


class Channel:
    """Takes the original stdin and stdout for the protocol and leaves harmless ones in their place."""

    def __init__(self):
        # Copies made by dup are not inherited by the children of scripts.
        self._out = os.fdopen(os.dup(1), "wb")
        self._in = os.dup(0)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)
        sys.stdin = open(0, closefd=False)
        sys.stdout = open(1, "w", buffering=1, errors="backslashreplace", closefd=False)
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._commands = queue.Queue()
        self._back = None
        # Whether a command is still to be answered; a process that takes our place can be told (see `process`).
        self.busy = bytearray(1)

    def first(self):
        """The first line, and not a byte more: what follows is read by the process that listens."""
        line = b""
        while not line.endswith(b"\n"):
            byte = os.read(self._in, 1)
            if not byte:
                os._exit(ABANDONED)
            line += byte
        return json.loads(line)

    def listen(self, on_end=lambda: None):
        """From now on commands are read by this process, in a thread of its own, so that the end of xtask is the end of
        this process, at once. `on_end` is called before."""
        self._pid = os.getpid()
        commands = os.fdopen(self._in, "r", encoding="utf-8", closefd=False)

        def read():
            for line in commands:
                self._commands.put(json.loads(line))
            on_end()
            os._exit(ABANDONED)

        threading.Thread(target=read, name="xtask", daemon=True).start()

    def give_back(self):
        """Puts the original stdin and stdout in their places, for another program that this process becomes."""
        os.dup2(self._in, 0)
        os.dup2(self._out.fileno(), 1)

    def close(self):
        """For a process that is forked off and works for somebody else."""
        self._out.close()
        os.close(self._in)

    def is_forked(self):
        """Whether this is a child that a script has forked."""
        return os.getpid() != self._pid

    def next(self):
        """The next command; waits for it."""
        if self.is_forked():
            # As under `alembic`, where the command ends here; nothing would ever come.
            os._exit(0)
        command, self._back = self._back, None
        if command is None:
            command = self._commands.get()
        self.busy[0] = 1
        return command

    def push_back(self, command):
        """Makes `command` the next one again."""
        self._back = command

    def take_back(self):
        """Forgets the command that was pushed back, since it is answered already; not the one that ends everything."""
        if self._back is not None and self._back["do"] != "stop":
            self._back = None

    def answer(self, event, **fields):
        """Sends the event that answers the command."""
        if not self.is_forked():
            self.busy[0] = 0
            try:
                self.tell(event, **fields)
            except OSError:  # a script has closed what it did not open; whoever takes our place says so
                self.busy[0] = 1
                os._exit(1)

    def tell(self, event, **fields):
        """Sends an event. Not from a child that a script has forked: the pipe is ours."""
        if self.is_forked():
            return
        fields["event"] = event
        # What is no JSON becomes its str, what is no Unicode (a file name, say) question marks: no event may be lost.
        line = json.dumps(fields, ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n"
        with self._lock:
            try:
                self._out.write(line)
                self._out.flush()
            except BrokenPipeError:
                os._exit(ABANDONED)


def refuse_questions():
    """Makes every usual way to ask a question raise `NeedsInput`."""

    def ask(prompt="", *_args, **_kw):
        raise NeedsInput(str(prompt))

    def debug(*_args, **_kw):
        raise NeedsInput("breakpoint()")

    builtins.input = ask
    getpass.getpass = ask
    sys.breakpointhook = debug


def leave_terminal():
    """Gives up the controlling terminal, so that nobody finds it through /dev/tty either.

    xtask starts us as the leader of a process group, which cannot start a session; letting go of the terminal works.
    """
    try:
        os.setsid()
        return
    except OSError:
        pass
    try:
        import fcntl
        import termios

        terminal = os.open("/dev/tty", os.O_RDWR)
    except (ImportError, OSError):
        return
    try:
        fcntl.ioctl(terminal, termios.TIOCNOTTY)
    except OSError:
        pass
    finally:
        os.close(terminal)
