"""Asks the real alembic what history.rs asks the product. Reads one JSON request on stdin, writes one JSON answer."""
import io
import json
import os
import sys
import warnings

from alembic.runtime.migration import HeadMaintainer, MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from alembic.util import to_tuple

warnings.simplefilter("ignore")


def attempt(question):
    try:
        return {"ok": question()}
    except Exception as error:  # whatever alembic raises, it is an error on its side
        return {"error": f"{type(error).__name__}: {error}"}


def load(folder):
    script = ScriptDirectory(folder)
    revisions = {r for key, r in script.revision_map._revision_map.items() if key}
    for r in revisions:
        # A tuple made from a set: its order is the hash seed's. The product takes the order of the file.
        left = set(r._normalized_resolved_dependencies)
        r._normalized_resolved_dependencies = tuple(d for d in dict.fromkeys(r._resolved_dependencies) if d in left)
    return script, revisions


def listed(r):
    """What `db-history --json` says of a revision."""
    return {
        "revision": r.revision,
        "down_revisions": list(r._versioned_down_revisions),
        "depends_on": list(to_tuple(r.dependencies, default=())) if r.dependencies else [],
        "branch_labels": sorted(r.branch_labels),
        "message": r.doc,
        "is_head": r.is_head,
        "is_base": r.is_base,
        "is_branch_point": r.is_branch_point,
        "is_merge_point": r.is_merge_point,
    }


def describe(script, revisions):
    return {
        "heads": script.revision_map.heads,
        "effective_heads": script.revision_map._real_heads,
        "bases": script.revision_map.bases,
        "order": [r.revision for r in script.walk_revisions()],
        "listed": [listed(r) for r in script.walk_revisions()],
        "revisions": {
            r.revision: {
                "path": os.path.basename(r.path),
                "parents": r._versioned_down_revisions,
                "dependencies": r._resolved_dependencies,
                "children": sorted(r.nextrev),
                "labels": sorted(r.branch_labels),
                "message": r.doc,
                "is": [r.is_head, r.is_base, r.is_branch_point, r.is_merge_point],
            }
            for r in revisions
        },
    }


def route(script, query):
    revs = script._upgrade_revs if query["up"] else script._downgrade_revs
    return [step.revision.revision for step in revs(query["target"], tuple(query["current"]))]


def part(script, query):
    """As `alembic history -r` goes through a range; `current` stands for the rows of the version table."""
    ends = [tuple(query["current"]) if end == "current" else end for end in query["range"].split(":")]
    walk = script.walk_revisions(base=ends[0] or "base", head=ends[1] or "heads")
    return [r.revision for r in walk]


def rows(script, query):
    """The version table after one step, by the class that keeps it."""
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": io.StringIO()}
    )
    maintainer = HeadMaintainer(context, query["current"])
    make = MigrationStep.upgrade_from_script if query["up"] else MigrationStep.downgrade_from_script
    maintainer.update_to_step(make(script.revision_map, script.revision_map._revision_map[query["revision"]]))
    return sorted(maintainer.heads)


def answer(request):
    loaded = attempt(lambda: load(request["folder"]))
    if "error" in loaded:
        return loaded
    if not request["sound"]:
        return {"ok": None}
    script, revisions = loaded["ok"]
    return {
        "ok": describe(script, revisions),
        "routes": [attempt(lambda: route(script, query)) for query in request["routes"]],
        "ranges": [attempt(lambda: part(script, query)) for query in request["ranges"]],
        "rows": [attempt(lambda: rows(script, query)) for query in request["rows"]],
    }


json.dump([answer(request) for request in json.load(sys.stdin)], sys.stdout)
