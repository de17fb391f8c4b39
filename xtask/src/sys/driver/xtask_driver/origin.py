"""The files that this process was made from, so that xtask can tell when it is out of date.

Migration scripts and env.py are not among them: they are loaded anew whenever they run.
"""

import os
import site
import sys
import sysconfig
import traceback

# Where package managers put what nobody edits; the names are those of the folders of any environment.
PACKAGES = ("%ssite-packages%s" % (os.sep, os.sep), "%sdist-packages%s" % (os.sep, os.sep))


def files():
    """The source files of the modules that are loaded."""
    return own(path_of(module) for module in list(sys.modules.values()))


def raised(errors):
    """The files that exceptions came through: a module that could not be imported is not loaded."""
    found = {error.filename for error in errors if isinstance(error, SyntaxError)}
    for error in errors:
        found.update(frame.f_code.co_filename for frame, _line in traceback.walk_tb(error.__traceback__))
    return own(found)


def own(paths):
    """Those that are the project's, sorted: not the interpreter's and not in its packages. An editable install is."""
    away = installed()
    paths = {os.path.abspath(path) for path in paths if path and not path.startswith("<")}
    return sorted(path for path in paths if not path.startswith(away) and not any(name in path for name in PACKAGES))


def path_of(module):
    """The module's file, without asking the module itself: some import more when they are asked for anything."""
    try:
        path = object.__getattribute__(module, "__dict__").get("__file__")
    except AttributeError:
        return None
    return path if isinstance(path, str) else None


def installed():
    """The folders of the interpreter, of its packages, and ours."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    ours = os.path.dirname(os.path.dirname(__file__))
    folders = [sysconfig.get_path(name) for name in names] + [site.getusersitepackages(), ours]
    return tuple(os.path.join(os.path.abspath(folder), "") for folder in folders if folder)
