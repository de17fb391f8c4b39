"""A new revision that was compared and is not written yet: what Alembic's autogenerate finds, as structure, and the file
as Alembic itself writes it, with the project's template, names and hooks.
"""

import os
import re

from alembic.autogenerate import RevisionContext
from alembic.operations import ops
from sqlalchemy import text

from xtask_driver.failure import Refused, shortened
from xtask_driver.models import describe_models, type_text

# Tables that no model has and nobody means to drop: PostgreSQL's own parts of another table, and an extension's.
OWNED = """
select n.nspname, c.relname, n.nspname = current_schema() from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'f') and (c.relispartition or exists (
    select from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'))
"""
# Where the class's name is not what is written in a script.
WRITTEN = {"execute_sql": "execute"}


class Draft:
    """One revision, from `alembic revision` without its last step to the files that it makes."""

    def __init__(self, config, scripts, command):
        self._scripts = scripts
        self._autogenerate = command["autogenerate"]
        self._context = RevisionContext(
            config,
            scripts,
            dict(
                message=command["message"],
                autogenerate=command["autogenerate"],
                sql=False,
                head=command["head"] or "head",
                splice=command["splice"],
                branch_label=None,
                version_path=None,
                rev_id=command["rev_id"],
                depends_on=command["depends_on"] or None,
            ),
        )
        self.options = {"template_args": self._context.template_args, "revision_context": self._context}
        self.operations = []
        self.models = None

    def visit(self, heads, context):
        """What env.py is run for: Alembic's own comparison, with the hooks of the project."""
        if not self._autogenerate:
            self._context.run_no_autogenerate(heads, context)
            return
        metadata = context.opts.get("target_metadata")
        if metadata is None:
            raise Refused("no-models", "env.py gives no target_metadata to context.configure()")
        leave_owned_alone(context, metadata)
        self._context.run_autogenerate(heads, context)
        for script in self._context.generated_revisions:
            for container in script.upgrade_ops_list:
                self.operations += [describe(op, context) for op in flat(container)]
        self.models = describe_models(metadata, context)

    def write(self):
        """Lets Alembic write the files. What it has written when it (or a hook after it) fails is taken away again."""
        before = self._files()
        for script in self._context.generated_revisions:
            script.message = script.message and in_docstring(script.message)
        try:
            return [script for script in self._context.generate_scripts() if script is not None]
        except BaseException:
            own = [script.rev_id for script in self._context.generated_revisions]
            for path in self._files() - before:
                if holds(path, own):
                    os.remove(path)
            raise

    def _files(self):
        found = set()
        for location in self._scripts._version_locations:
            for folder, _folders, names in os.walk(str(location)):
                found.update(os.path.join(folder, name) for name in names if name.endswith(".py"))
        return found


def in_docstring(message):
    """A message so that a template's docstring holds it as it is: Alembic's own puts it there as it was typed, where three
    quotes end the docstring and a backslash begins an escape."""
    return re.sub(r"\"{3,}|'{3,}|[\"']\Z", lambda found: re.sub("(.)", r"\\\1", found.group()), message.replace("\\", r"\\"))


def leave_owned_alone(context, metadata):
    """Partitions and tables of extensions are compared only where a model has them; the project's own filter stays."""
    every = list(metadata) if isinstance(metadata, (list, tuple)) else [metadata]
    modelled = {(table.schema, table.name) for one in every for table in one.tables.values()}
    owned = set()
    for schema, name, is_default in context.connection.execute(text(OWNED)):
        owned.update({(schema, name), (None, name)} if is_default else {(schema, name)})
    owned -= modelled
    own = context.opts.get("include_name")

    def include_name(name, kind, parents):
        if kind == "table" and (parents.get("schema_name"), name) in owned:
            return False
        return own is None or own(name, kind, parents)

    if owned:
        context.opts["include_name"] = include_name


def holds(path, ids):
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    return any(revision in text for revision in ids)


def flat(container):
    """The operations inside of containers in containers, in the order in which they would be run."""
    for op in container.ops:
        if isinstance(op, ops.OpContainer):
            yield from flat(op)
        else:
            yield op


def describe(op, context):
    """`{"operation", "schema", "table", "name", "detail", "type", "columns"}`; null where it has no such thing."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", re.sub("Op$", "", type(op).__name__)).lower()
    schema = first(op, "schema", "source_schema")
    table = first(op, "table_name", "source_table")
    fields = {
        "operation": WRITTEN.get(name, name),
        "schema": str(schema) if schema else None,
        "table": str(table) if table else None,
        "name": None,
        "detail": None,
        "type": None,
        "columns": [],
    }
    column = column_of(op)
    if column is not None:
        fields["name"] = str(column.name)
        fields["type"] = type_text(column.type, context.dialect)
        fields["detail"] = fields["type"] + ("" if column.nullable else " NOT NULL")
    elif isinstance(op, (ops.CreateTableOp, ops.DropTableOp)):
        fields["columns"] = columns_of(op, context)
    elif isinstance(op, ops.AlterColumnOp):
        fields["name"] = str(op.column_name)
        fields["detail"] = ", ".join(alterations(op, context.dialect)) or None
    elif isinstance(op, ops.ExecuteSQLOp):
        fields["detail"] = shortened(op.sqltext)
    else:
        named = first(op, "index_name", "constraint_name", "column_name")
        fields["name"] = str(named) if named else None
    return fields


def first(op, *names):
    """The first attribute that it has and that says something."""
    return next((value for value in (getattr(op, name, None) for name in names) if value), None)


def column_of(op):
    if isinstance(op, ops.AddColumnOp):
        return op.column
    if isinstance(op, ops.DropColumnOp):
        try:
            return op.to_column()
        except Exception:  # made by a hook of the project, which need not say what the column was
            return None
    return None


def columns_of(op, context):
    """The columns of a table that comes or goes, by name and type, so that a renamed table can be told."""
    try:
        table = op.to_table(context)
    except Exception:  # as above
        return []
    return sorted([str(column.name), type_text(column.type, context.dialect)] for column in table.columns)


def alterations(op, dialect):
    if op.modify_type is not None:
        before = "%s -> " % type_text(op.existing_type, dialect) if op.existing_type is not None else ""
        yield "type %s%s" % (before, type_text(op.modify_type, dialect))
    if op.modify_nullable is not None:
        yield "NULL" if op.modify_nullable else "NOT NULL"
    if op.modify_server_default is not False:
        yield "server default"
    if getattr(op, "modify_comment", False) is not False:
        yield "comment"
