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
        commands = os.fdopen(os.dup(0), "r", encoding="utf-8")
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
        threading.Thread(target=self._read, args=(commands,), name="xtask", daemon=True).start()

    def _read(self, commands):
        """Reads ahead in a thread of its own, so that the end of xtask is the end of this process, at once."""
        for line in commands:
            self._commands.put(json.loads(line))
        os._exit(ABANDONED)

    def next(self):
        """The next command; waits for it."""
        if self._back is not None:
            command, self._back = self._back, None
            return command
        return self._commands.get()

    def push_back(self, command):
        """Makes `command` the next one again."""
        self._back = command

    def take_back(self):
        """Forgets the command that was pushed back; True if there was one."""
        command, self._back = self._back, None
        return command is not None

    def emit(self, event, **fields):
        """Sends one event. Not from a child that a script has forked: the pipe is ours."""
        if os.getpid() != self._pid:
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
