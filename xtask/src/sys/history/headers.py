"""Loads migration scripts as Alembic loads them and says what their headers are bound to. One JSON request on stdin, one
JSON answer on stdout; what the scripts print goes to stderr."""
import json
import os
import re
import sys
import types

answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
request = json.load(sys.stdin)
sys.path[:0] = request["path"]
sys.dont_write_bytecode = True


def strings(value):
    if value is None:
        return []
    items = [value] if isinstance(value, str) else list(value)
    if isinstance(value, (set, frozenset)):
        items.sort()
    if items == [None]:
        return []
    if not all(isinstance(item, str) for item in items):
        raise TypeError(f"{value!r} does not consist of strings")
    return [str.__str__(item) for item in items]


def header(script):
    name = re.sub(r"\W", "_", os.path.basename(script["path"]))
    module = types.ModuleType(name)
    module.__file__ = script["path"]
    exec(compile(script["text"], script["path"], "exec"), module.__dict__)
    doc = (module.__doc__ or "").strip()
    return {
        "id": module.revision,
        "down": strings(module.down_revision or None),
        "depends_on": strings(getattr(module, "depends_on", None) or None),
        "branch_labels": strings(getattr(module, "branch_labels", None)),
        "message": doc.split("\n\n")[0],
    }


def attempt(script):
    try:
        return header(script)
    except BaseException as error:  # a script may even call sys.exit
        return {"error": f"{type(error).__name__}: {error}"}


def modules():
    """The project's own files that took part: when one of them changes, the answer may."""
    root = os.path.realpath(os.getcwd()) + os.sep
    found = []
    for module in list(sys.modules.values()):
        path = os.path.realpath(getattr(module, "__file__", None) or os.sep)
        if path.startswith(root) and "site-packages" not in path and os.path.isfile(path):
            state = os.stat(path)
            found.append([path, state.st_size, state.st_mtime_ns])
    return found


headers = [attempt(script) for script in request["scripts"]]
json.dump({"headers": headers, "modules": modules()}, answer)
answer.flush()
os._exit(0)
