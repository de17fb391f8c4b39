"""Lays out the migration histories that packages on PyPI ship, and says what Alembic's ScriptDirectory says of each, as JSON.

`histories.py LIST FOLDER`: LIST has a package a line, `name==version`, and `# with NAME` behind those that make one history
together. Wheels are downloaded without what they require, and only what is not in FOLDER yet.
"""
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import traceback
import warnings
import zipfile
from pathlib import Path, PurePosixPath

sys.dont_write_bytecode = True
warnings.simplefilter("ignore")

import sitecustomize  # noqa: E402
from alembic.config import Config  # noqa: E402
from alembic.script import ScriptDirectory  # noqa: E402
from alembic.util import to_tuple  # noqa: E402

SCRIPT = re.compile(rb"^down_revision\b|^revision\b *[:=]", re.MULTILINE)
ID = re.compile(rb"^revision\b[^=\n]*= *['\"]([\w.-]+)", re.MULTILINE)
QUOTED = re.compile(rb"['\"]([\w.-]+)['\"]")
LINE = re.compile(r"^(?P<package>[\w.-]+)==(?P<version>[\w.]+)(?:\s+# with (?P<together>[\w-]+))?$")
CONFIG = "[alembic]\nscript_location = %(here)s/{}\nversion_locations = {}\nsqlalchemy.url = postgresql://u@localhost:1/none\n"


def main():
    lines = [line.strip() for line in Path(sys.argv[1]).read_text().splitlines()]
    packages = [LINE.match(line).groupdict() for line in lines if line and not line.startswith("#")]
    folder = Path(sys.argv[2])
    told = []
    for name, found in laid_out(packages, folder):
        told.append({"name": name, "folder": str(found), **in_a_process_of_its_own(found)})
    json.dump(told, sys.stdout)


def laid_out(packages, folder):
    """The folder of each history, with an alembic.ini and the scripts."""
    together = collections.defaultdict(list)
    for package in packages:
        name, version = package["package"], package["version"]
        wheel = zipfile.ZipFile(downloaded(name, version, folder / "wheels"))
        for place, scripts in histories(wheel):
            if package["together"]:
                together[package["together"]].append((wheel, name, place, scripts))
            else:
                title = f"{name} {version}: {place}"
                yield title, lay_out(folder / "laid-out" / re.sub(r"\W+", "-", title), [(wheel, "", place, scripts)])
    for name, parts in together.items():
        several = len({part[1] for part in parts})
        yield f"{name}: {several} packages", lay_out(folder / "laid-out" / name, parts)


def downloaded(name, version, wheels):
    start = f"{re.sub(r'[-_.]+', '_', name).lower()}-{version}-"
    there = lambda: [it for it in wheels.glob("*.whl") if it.name.lower().replace(".", "_").startswith(start.replace(".", "_"))]
    if not there():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--ignore-requires-python"]
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        subprocess.run([*pip, "--dest", wheels, f"{name}=={version}"], check=True, stdout=sys.stderr, env=clean)
    return there()[0]


def histories(wheel):
    """The histories that a package holds: a place, and the folders of its scripts. They are below an env.py, or alone."""
    names = [PurePosixPath(name) for name in wheel.namelist() if name.endswith(".py")]
    environments = {name.parent for name in names if name.name == "env.py"}
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    for name in names:
        text = wheel.read(str(name))
        if name.name not in ("env.py", "__init__.py") and not {"tests", "test"} & set(name.parts) and SCRIPT.search(text):
            above = [folder for folder in name.parents if folder in environments]
            found[above[0] if above else name.parent][name.parent].append(text)
    for place, folders in sorted(found.items()):
        groups = that_belong_together(folders)
        for group in groups:
            yield place if len(groups) == 1 else os.path.commonpath(group), group


def that_belong_together(folders):
    """Folders of scripts, in groups whose scripts name each other; the same id twice is of two histories."""
    groups = []
    for folder, texts in sorted(folders.items()):
        text = b"\n".join(texts)
        one = {"folders": [folder], "ids": set(ID.findall(text)), "named": set(QUOTED.findall(text))}
        for other in [it for it in groups if not it["ids"] & one["ids"]]:
            if other["ids"] & one["named"] or one["ids"] & other["named"]:
                groups.remove(other)
                one = {key: other[key] + one[key] if key == "folders" else other[key] | one[key] for key in one}
        groups.append(one)
    return [it["folders"] for it in groups]


def lay_out(home, parts):
    shutil.rmtree(home, ignore_errors=True)
    locations = []
    for wheel, prefix, place, folders in parts:
        for folder in folders:
            target = PurePosixPath("scripts", prefix, folder)
            locations.append(f"%(here)s/{target}")
            inside = (name for name in wheel.namelist() if PurePosixPath(name).parent == folder and not name.endswith("/"))
            for name in inside:
                file = home / target / PurePosixPath(name).name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(wheel.read(name))
    (home / "alembic.ini").write_text(CONFIG.format("scripts", " ".join(locations)))
    return home


def in_a_process_of_its_own(home):
    """What scripts import stays in the process that read them."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        os.dup2(2, 1)
        with os.fdopen(writer, "w") as answer:
            json.dump(described(home), answer, default=lambda _: "?")
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.wait()
    return json.loads(text)


def described(home):
    # What scripts import comes to nothing: tables with columns of unknown types would be refused by the real SQLAlchemy.
    for name in [it for it in sys.modules if it.split(".")[0] not in sitecustomize.Finder.STAY]:
        del sys.modules[name]
    sys.meta_path.insert(0, sitecustomize.Finder())
    try:
        directory = ScriptDirectory.from_config(Config(home / "alembic.ini"))
        return {"says": says(directory)}
    except BaseException as error:  # whatever a script raises at its import, or Alembic of it
        last = traceback.extract_tb(error.__traceback__)[-1]
        return {"refuses": type(error).__name__, "at": Path(last.filename).name}


def says(directory):
    revisions = {it for key, it in directory.revision_map._revision_map.items() if key}
    for it in revisions:
        # A tuple made from a set, whose order is the hash seed's. The tool takes the order of the file.
        left = set(it._normalized_resolved_dependencies)
        it._normalized_resolved_dependencies = tuple(id for id in dict.fromkeys(it._resolved_dependencies) if id in left)
    listed = [revision(it) for it in directory.walk_revisions()]
    ids = [it["revision"] for it in listed]
    middle, upper, lower = ids[len(ids) // 2], ids[len(ids) // 3], ids[2 * len(ids) // 3]
    asked = [f"base:{middle}", f"{middle}:", f":{middle}", f"{lower}:{upper}", f"{middle}:heads", "base:heads", f"{middle}:{middle}+2"]
    ranges = dict(told for range in asked for told in of_range(directory, range))
    return {"revisions": listed, "heads": list(directory.get_heads()), "bases": list(directory.get_bases()), "ranges": ranges}


def revision(it):
    return {
        "revision": it.revision,
        "down_revisions": list(it._versioned_down_revisions),
        "depends_on": list(to_tuple(it.dependencies, default=())) if it.dependencies else [],
        "branch_labels": sorted(map(str, it.branch_labels)),
        "message": it.doc,
        "path": os.path.basename(it.path),
        "is_head": it.is_head,
        "is_base": it.is_base,
        "is_branch_point": it.is_branch_point,
        "is_merge_point": it.is_merge_point,
    }


def of_range(directory, range):
    """The range with its revisions, or with None where Alembic refuses it."""
    low, high = range.split(":")
    try:
        yield range, [it.revision for it in directory.walk_revisions(base=low or "base", head=high or "heads")]
    except AssertionError:  # it stumbles over some ranges of two branches, and says nothing of them
        pass
    except Exception:
        yield range, None


main()
