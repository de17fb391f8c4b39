"""What the project's models are made of, as text that PostgreSQL can turn into a catalog: each table as DDL under a schema
of its own, the labels of enum types, sequences, DDL that hangs on events. xtask compares that with the migrated database,
where autogenerate does not look.
"""

from sqlalchemy import types
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.schema import DDL, CreateIndex, CreateTable

from xtask_driver.failure import shortened

# The copies' schema; a table of another schema than the default one gets `xtask_models_<schema>`.
COPY = "xtask_models"
# How deep a type may be wrapped: decorators in arrays in decorators.
DEEPEST = 8


def describe_models(metadata, context):
    """Everything of the metadata (one, or several) that the project's own filters let autogenerate see."""
    every = list(metadata) if isinstance(metadata, (list, tuple)) else [metadata]
    # Not the driver's dialect, which may double every `%` for its parameters.
    dialect = PGDialect(paramstyle="named")
    found = {"tables": [], "enums": [], "sequences": [], "ddl": [], "trouble": []}
    for one in every:
        tables = [table for table in one.tables.values() if wanted(table, context)]
        for table in tables:
            try:
                found["tables"].append(describe_table(table, dialect))
            except Exception as error:  # a type that cannot be compiled is the project's; the rest can be compared
                found["trouble"].append("%s: %s" % (table.fullname, shortened(error) or type(error).__name__))
            add_enums(found["enums"], table, dialect)
        for sequence in getattr(one, "_sequences", {}).values():
            found["sequences"].append({"schema": sequence.schema, "name": str(sequence.name)})
        for target in [one] + tables:
            found["ddl"] += ddl_on(target, dialect)
    return found


def wanted(table, context):
    """Whether autogenerate would look at it: not if the project's include_object or include_name says no."""
    name, schema = table.name, table.schema
    include_object = context.opts.get("include_object")
    include_name = context.opts.get("include_name")
    if include_object and not include_object(table, name, "table", False, None):
        return False
    if include_name and not include_name(name, "table", {"schema_name": schema, "schema_qualified_table_name": name}):
        return False
    return table.name != context.version_table and not table.info.get("is_view")


def describe_table(table, dialect):
    preparer = dialect.identifier_preparer
    own = preparer.format_table(table)
    schema = COPY + ("_" + table.schema if table.schema else "")
    copy = "%s.%s" % (preparer.quote_schema(schema), preparer.quote(table.name))
    create = str(CreateTable(table, include_foreign_key_constraints=[]).compile(dialect=dialect))
    indexes = []
    for index in table.indexes:
        text = str(CreateIndex(index).compile(dialect=dialect))
        indexes.append(text.replace(" CONCURRENTLY", "", 1).replace(" ON %s" % own, " ON %s" % copy, 1))
    return {
        "schema": table.schema,
        "name": str(table.name),
        "copy_schema": schema,
        "create": create.replace("TABLE %s" % own, "TABLE %s" % copy, 1).strip(),
        "indexes": sorted(indexes),
    }


def add_enums(found, table, dialect):
    for column in table.columns:
        kind = innermost(column.type, dialect)
        if not isinstance(kind, types.Enum) or not kind.name or not getattr(kind, "native_enum", True):
            continue
        schema = kind.schema or (table.schema if getattr(kind, "inherit_schema", False) else None)
        entry = {"schema": schema, "name": str(kind.name), "labels": [str(label) for label in kind.enums]}
        if entry not in found:
            found.append(entry)


def innermost(kind, dialect):
    for _ in range(DEEPEST):
        if isinstance(kind, types.ARRAY):
            kind = kind.item_type
        elif isinstance(kind, types.TypeDecorator):
            kind = kind.load_dialect_impl(dialect)
        else:
            break
    return kind


def ddl_on(target, dialect):
    """The text of DDL that is hung on an event of a table or of the metadata: functions, triggers, views, mostly."""
    texts = []
    for event in ("before_create", "after_create"):
        for listener in getattr(target.dispatch, event, ()):
            listener = getattr(listener, "fn", listener)
            if isinstance(listener, DDL):
                bound = listener.against(target)
                # What it returns, if anything, depends on SQLAlchemy's version; a clause has no truth value.
                texts.append(str((listener if bound is None else bound).compile(dialect=dialect)))
    return texts


def type_text(kind, dialect):
    """A type as PostgreSQL's DDL has it; its Python form where it has none."""
    try:
        return str(kind.compile(dialect=dialect))
    except Exception:  # NullType, or a type of the project's that needs more than a dialect
        return repr(kind)
