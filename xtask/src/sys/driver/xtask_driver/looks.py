"""What a process was made from, so that it can be told whether a new one would be the same: the files that it has loaded or
opened, the folders that it has searched, and the variables that were read.
"""

import importlib.machinery
import os
import site
import stat
import sys
import time

from xtask_driver import origin

# A clock that the kernel reads for a file's times may stand still for so long.
GRAIN = 0.05
# Variables by which a shell counts.
NOISE = ("_", "SHLVL", "OLDPWD", "COLUMNS", "LINES")

# The ends of files that an import, or an environment's start, takes in.
MODULES = (*importlib.machinery.all_suffixes(), ".pth", ".egg-link", ".dist-info", ".egg-info")
# What a project may do while it is imported that leads to an answer from elsewhere.
BEYOND = frozenset(
    ("subprocess.Popen", "os.system", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn", "socket.connect", "socket.sendto",
     "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")
)
HARMLESS = ("ldconfig", "gcc", "cc", "ld", "objdump", "uname")


class Variables:
    """Records which variables of the environment are read."""

    def __init__(self):
        self.names = set()
        # Whoever takes the whole environment may have read any of it.
        self.every = False
        self._kind = type(os.environ)
        self._ordinary = self._kind.__getitem__, self._kind.__iter__
        self._kind.__getitem__, self._kind.__iter__ = self._recorded()

    def stop(self):
        self._kind.__getitem__, self._kind.__iter__ = self._ordinary

    def _recorded(self):
        get, walk = self._ordinary

        def recorded_get(environment, name):
            if environment is os.environ and not is_asked_by_us():
                self.names.add(name)
            return get(environment, name)

        def recorded_walk(environment):
            self.every = self.every or (environment is os.environ and not is_asked_by_us())
            return walk(environment)

        return recorded_get, recorded_walk

    def read_in(self, environment):
        """What was read, as it stands in this environment."""
        names = set(environment).difference(NOISE) if self.every else self.names
        return {name: environment.get(name) for name in names}


def is_asked_by_us():
    """Whether the driver itself looks into the environment."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__") in ("os", "collections.abc", "_collections_abc"):
        frame = frame.f_back
    return frame is not None and frame.f_globals.get("__name__", "").startswith("xtask_driver")


class Opened:
    """Records which files are opened and which folders are listed while a project is imported, and what it asks besides
    that no look at files can answer."""

    def __init__(self):
        self.files = set()
        self.folders = set()
        # The first such thing.
        self.beyond = None
        self._is_on = True
        sys.addaudithook(self._hook)

    def stop(self):
        self._is_on = False

    def go_on(self):
        self._is_on = True

    def _hook(self, event, arguments):
        if not self._is_on:
            return
        if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
            self._add(self.files, arguments[0])
        elif event in ("os.listdir", "os.scandir"):
            self._add(self.folders, arguments[0] if arguments[0] is not None else ".")
        elif event in BEYOND and not (event == "subprocess.Popen" and is_harmless(arguments)):
            self.beyond = self.beyond or event

    def _add(self, found, path):
        if isinstance(path, (str, bytes)):
            found.add(os.path.abspath(os.fsdecode(path)))


def is_harmless(arguments):
    """What the standard library starts to find libraries and the kind of the machine."""
    executable, words = arguments[0], arguments[1]
    return os.path.basename(os.fsdecode(executable or (words and words[0]) or "")) in HARMLESS


class Looks:
    """Files and folders, as they are now. Of a folder that was searched for modules only what may be one counts; of one in
    `listed`, every name."""

    def __init__(self, paths, listed=()):
        self._seen = {path: stamp(path) for path in paths}
        self._names = {}
        for path in {*self._seen, *listed}:
            seen = self._seen.setdefault(path, stamp(path))
            if seen is not None and stat.S_ISDIR(seen[-1]):
                self._names[path] = names_in(path, path in listed)

    def changed(self):
        """One that is another now; None if there is none."""
        return next((path for path in self._seen if self._has_changed(path)), None)

    def all_changed(self):
        return {path for path in self._seen if self._has_changed(path)}

    def _has_changed(self, path):
        seen, now = self._seen[path], stamp(path)
        if now == seen:
            return False
        if path not in self._names or now is None or now[-3:] != seen[-3:]:
            return True
        every, names = self._names[path]
        if names_in(path, every) != (every, names):
            return True
        self._seen[path] = now
        return False

    def changed_since(self, moment, known=None):
        """One that has changed after this moment, or too shortly before it to tell; None if there is none. What is in `known`
        was looked at before."""
        last = int((moment - GRAIN) * 1e9)
        known = known._seen if known else {}
        new = ((path, seen) for path, seen in self._seen.items() if seen is not None and known.get(path) != seen)
        return next((path for path, seen in new if seen[0] >= last), None)

    def __len__(self):
        return len(self._seen)


def names_in(folder, every):
    """The names in a folder by which modules are found, or all of them; with which it is."""
    try:
        names = os.listdir(folder)
    except OSError:
        return every, None
    return every, frozenset(name for name in names if every or may_be_module(name))


def may_be_module(name):
    start, dot, _rest = name.partition(".")
    return bool(start) and start != "__pycache__" and (not dot or name.endswith(MODULES))


def stamp(path):
    """A file that was written, replaced or renamed has another one."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ctime_ns, found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev, found.st_mode


def places(more=()):
    """The files that this process is made of, and the folders in which it has searched."""
    found = set(filter(None, sys.path)) | set(mapped()) | {sys.executable}
    found.update(os.path.join(prefix, "pyvenv.cfg") for prefix in {sys.prefix, os.path.dirname(sys.executable)})
    found.update(read_at_start(sys.path))
    for module in list(sys.modules.values()):
        path = origin.path_of(module)
        if path:
            found.add(path)
        found.update(folders_of(module))
    found = {os.path.abspath(path) for path in {*found, *more}}
    # Ours are found by a digest of their text.
    own = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
    found = {path for path in found if not path.startswith((own, "/proc/", "/sys/"))}
    # In /dev/shm lie files as on any disk.
    return {path for path in found if path.startswith("/dev/shm/") or not path.startswith("/dev/")}


def folders_of(module):
    """The folders of a package."""
    try:
        return [path for path in object.__getattribute__(module, "__dict__").get("__path__") or () if isinstance(path, str)]
    except Exception:  # something that is no module, or whose path is made when it is asked for
        return []


def read_at_start(folders):
    """The files by which an environment adds to the path."""
    for folder in folders:
        try:
            yield from (os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".pth"))
        except OSError:
            pass


def mapped():
    """The program and its libraries."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as lines:
        paths = {line.rstrip("\n").partition("/")[2] for line in lines}
    return {"/" + path for path in paths if path and not path.endswith(" (deleted)")}


def runs_code_at_start():
    """Whether the environment runs code of its own in every Python: it may have read any variable."""
    if "usercustomize" in sys.modules or origin.path_of(sys.modules.get("sitecustomize")):
        return True
    for path in read_at_start(sys.path):
        # It reads one variable, which is in every key.
        if os.path.basename(path) == "distutils-precedence.pth":
            continue
        try:
            with open(path, encoding="utf-8", errors="replace") as lines:
                if any(line.startswith(("import ", "import\t")) for line in lines):
                    return True
        except OSError:
            return True
    return bool(site.ENABLE_USER_SITE)


def started():
    """When this process began, by the wall clock."""
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    return time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
