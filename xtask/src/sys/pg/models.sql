with tables as (
    select c.oid, n.nspname::text as schema, c.relname::text as name
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any($1) and c.relkind in ('r', 'p')
)
select t.schema, t.name, 'type', a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod)
from tables t join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
union all
select t.schema, t.name, case {generated} when '' then 'server-default' else 'computed' end, a.attname::text,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid)
from tables t join pg_catalog.pg_attrdef d on d.adrelid = t.oid
     join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = d.adnum
union all
-- A table has one primary key, whatever it is called.
select t.schema, t.name, case k.contype when 'c' then 'check' when 'x' then 'exclusion' else 'primary-key' end,
       case k.contype when 'p' then '' else k.conname::text end, pg_catalog.pg_get_constraintdef(k.oid)
from tables t join pg_catalog.pg_constraint k on k.conrelid = t.oid and k.contype in ('c', 'x', 'p')
union all
select t.schema, t.name, 'index', c.relname::text,
       case when i.indisunique then 'UNIQUE ' else '' end
       || substring(pg_catalog.pg_get_indexdef(i.indexrelid) from 'USING .*$')
from tables t join pg_catalog.pg_index i on i.indrelid = t.oid join pg_catalog.pg_class c on c.oid = i.indexrelid
where not exists (select from pg_catalog.pg_constraint k where k.conindid = i.indexrelid and k.conrelid = t.oid)
