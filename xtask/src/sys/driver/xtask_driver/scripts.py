"""Loads migration scripts (and env.py) from their source.

Python trusts a .pyc by the source's size and its time in whole seconds, so an edit of the same length within a second
leaves stale bytecode that Alembic then runs. For the folders of migration scripts bytecode is therefore kept in one
file of our own, found by a digest of the source itself. The application's modules keep Python's own cache.
"""

import hashlib
import importlib.machinery
import marshal
import os
import stat
import sys
import tempfile


class Bytecode:
    """Replaces the bytecode cache for everything in `folders`."""

    def __init__(self, state_dir, folders):
        self._folders = tuple(os.path.join(os.path.realpath(folder), "") for folder in folders)
        key = "\0".join(self._folders + (sys.version,))
        self._file = os.path.join(state_dir, "bytecode-%s" % hashlib.sha256(key.encode()).hexdigest()[:16])
        self._old = self._read()
        self._new = {}
        self._loaded = {}
        # Each script with how many modules there were before it; then those among them that have brought some.
        self._before = []
        self.importing = frozenset()

    def _read(self):
        try:
            with open(self._file, "rb") as file:
                return marshal.load(file) if is_own(file) else {}
        except (OSError, EOFError, ValueError, TypeError):
            return {}

    def install(self):
        loader = importlib.machinery.SourceFileLoader
        ordinary = loader.get_code

        def get_code(self_, fullname):
            path = os.path.realpath(self_.get_filename(fullname))
            if not path.startswith(self._folders):
                return ordinary(self_, fullname)
            return self._code(self_, path)

        loader.get_code = get_code

    def loaded_all(self):
        """Every script was loaded once."""
        counts = [count for _path, count in self._before] + [len(sys.modules)]
        self.importing = {path for (path, count), after in zip(self._before, counts[1:]) if after > count}

    def _code(self, loader, path):
        self._before.append((path, len(sys.modules)))
        source = loader.get_data(path)
        key = self._loaded[path] = digest(path, source)
        code = self._new.get(key) or self._old.get(key)
        if code is None:
            code = marshal.dumps(loader.source_to_code(source, path))
        self._new[key] = code
        return marshal.loads(code)

    def loaded(self, path):
        """The digest of the text that was last read to be run; None if none was."""
        return self._loaded.get(os.path.realpath(path))

    def of(self, path):
        """The digest of the text that is in the file now."""
        path = os.path.realpath(path)
        with open(path, "rb") as file:
            return digest(path, file.read())

    def save(self):
        """Writes what was used, and only that, so that the file does not grow with every edit."""
        if self._new.keys() == self._old.keys():
            return
        try:
            handle, name = tempfile.mkstemp(dir=os.path.dirname(self._file))
            with os.fdopen(handle, "wb") as file:
                marshal.dump(self._new, file)
            os.replace(name, self._file)
        except OSError:
            pass  # a cache that cannot be written is only slower


def is_own(file):
    """Whether nobody else can have written it: what is in it is run."""
    found = os.fstat(file.fileno())
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def digest(path, source):
    return hashlib.sha256(os.fsencode(path) + b"\0" + source).digest()
