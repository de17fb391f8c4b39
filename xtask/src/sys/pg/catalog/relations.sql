-- Tables, foreign tables, views and materialized views.
select case c.relkind when 'f' then 'foreign table' when 'v' then 'view' when 'm' then 'materialized view'
                      else 'table' end as kind,
       n.nsp || '.' || quote_ident(c.relname) as name,
       'pg_class:' || c.oid || ':0' as at,
       pg_get_userbyid(c.relowner) as owner,
       case c.relpersistence when 'u' then 'unlogged' end as persistence,
       case when c.reloptions is not null then (select string_agg(o, ', ' order by o) from unnest(c.reloptions) o) end
         as options,
       case when c.reltoastrelid <> 0 then
         (select string_agg(o, ', ' order by o) from pg_class t, unnest(t.reloptions) o where t.oid = c.reltoastrelid)
       end as "toast options",
       case when c.relrowsecurity then 'enabled' end as "row security",
       case when c.relforcerowsecurity then 'yes' end as "row security forced",
       case when c.relkind in ('r', 'p', 'm') then
         case c.relreplident when 'n' then 'nothing' when 'f' then 'full' when 'i' then 'an index' end
       end as "replica identity",
       case when c.relam <> 0 then (select am.amname from pg_am am where am.oid = c.relam) end as "access method",
       case when c.reltablespace <> 0 then (select s.spcname from pg_tablespace s where s.oid = c.reltablespace) end
         as tablespace,
       case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end as "partition by",
       case when c.relispartition then pg_get_expr(c.relpartbound, c.oid) end as "partition bound",
       case when c.relkind in ('r', 'p', 'f') then
         (select string_agg(i.inhparent::regclass::text, ', ' order by i.inhseqno)
            from pg_inherits i where i.inhrelid = c.oid)
       end as "child of",
       case when c.reloftype <> 0 then format_type(c.reloftype, null) end as "of type",
       case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end as definition,
       case when c.relkind = 'm' and not c.relispopulated then 'no' end as populated,
       case when c.relkind = 'f' then
         (select quote_ident(s.srvname) from pg_foreign_table f join pg_foreign_server s on s.oid = f.ftserver
           where f.ftrelid = c.oid)
       end as server,
       case when c.relkind = 'f' then
         (select string_agg(o, ', ' order by o) from pg_foreign_table f, unnest(f.ftoptions) o where f.ftrelid = c.oid)
       end as "foreign options"
  from pg_class c
  join {schemas} n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'f', 'v', 'm')
   and c.oid >= 16384 and c.oid not in {members of pg_class};

-- Columns, and the attributes of composite types: what every one has.
select case c.relkind when 'c' then 'attribute' else 'column' end as kind,
       quote_ident(a.attname) as child,
       'pg_class:' || c.oid || ':' || a.attnum as at,
       case c.relkind when 'f' then 'foreign table' when 'v' then 'view' when 'm' then 'materialized view'
                      when 'c' then 'type' else 'table' end as "parent kind",
       n.nsp || '.' || quote_ident(c.relname) as parent,
       a.attnum as position,
       format_type(a.atttypid, a.atttypmod) as type,
       case when a.attnotnull then 'no' when c.relkind <> 'c' then 'yes' end as nullable,
       case when a.atthasdef then pg_get_expr(d.adbin, d.adrelid) end as "default"
  from pg_class c
  join {schemas} n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
 where c.relkind in ('r', 'p', 'f', 'v', 'm', 'c')
   and c.oid >= 16384 and c.oid not in {members of pg_class};

-- And what few columns have.
select 'pg_class:' || a.attrelid || ':' || a.attnum as "more of",
       case a.attgenerated when 's' then 'stored' when 'v' then 'virtual' end as generated,
       case a.attidentity when 'a' then 'always' when 'd' then 'by default' end as identity,
       case when a.attcollation <> t.typcollation then
         (select quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
            from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace where co.oid = a.attcollation)
       end as collation,
       case when a.attstorage <> t.typstorage then
         case a.attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end
       end as storage,
       case a.attcompression when 'p' then 'pglz' when 'l' then 'lz4' end as compression, -- since 14
       nullif(a.attstattarget, -1) as "statistics target",
       (select string_agg(o, ', ' order by o) from unnest(a.attoptions) o) as options,
       (select string_agg(o, ', ' order by o) from unnest(a.attfdwoptions) o) as "foreign options",
       case when not a.attislocal and not c.relispartition then 'yes' end as inherited,
       (select string_agg(x::text, ', ' order by x::text) from unnest(a.attacl) x) as privileges
  from pg_attribute a
  join pg_class c on c.oid = a.attrelid
  join pg_type t on t.oid = a.atttypid
 where a.attrelid >= 16384 and a.attnum > 0 and c.relkind in ('r', 'p', 'f', 'v', 'm', 'c')
   and (a.attgenerated <> '' or a.attidentity <> '' or a.attcollation <> t.typcollation or a.attstorage <> t.typstorage
        or a.attcompression <> '' -- since 14
        or a.attstattarget >= 0 or not a.attislocal or coalesce(a.attacl::text, a.attoptions::text, a.attfdwoptions::text) is not null);

-- From PostgreSQL 18 on NOT NULL is a constraint with a name; told where it is not what NOT NULL alone makes.
-- when pg_constraint where oid >= 16384 and contype = 'n'
select 'pg_class:' || c.oid || ':' || a.attnum as "more of",
       case when k.conname <> c.relname || '_' || a.attname || '_not_null' then k.conname end as "not null constraint",
       case when k.connoinherit then 'no' end as "not null inherited",
       case when k.conislocal and k.coninhcount > 0 and not c.relispartition then 'yes' end as "not null of its own",
       case when not k.convalidated then 'no' end as "not null validated",
       (select d.description from pg_description d
         where d.objoid = k.oid and d.classoid = 'pg_constraint'::regclass and d.objsubid = 0) as "not null comment"
  from pg_constraint k
  join pg_class c on c.oid = k.conrelid
  join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1]
 where k.contype = 'n' and k.oid >= 16384;

-- Constraints of tables, and with a constraint its index.
select 'constraint' as kind,
       quote_ident(k.conname) as child,
       'pg_constraint:' || k.oid || ':0' as at,
       case c.relkind when 'f' then 'foreign table' else 'table' end as "parent kind",
       n.nsp || '.' || quote_ident(c.relname) as parent,
       pg_get_constraintdef(k.oid) as definition,
       case when i.indisclustered then 'yes' end as clustered,
       case when i.indisreplident then 'yes' end as "replica identity",
       case when not i.indisvalid and c.relkind = 'r' then 'no' end as valid,
       case when x.reloptions is not null then (select string_agg(o, ', ' order by o) from unnest(x.reloptions) o) end
         as "index options",
       case when x.reltablespace <> 0 then (select s.spcname from pg_tablespace s where s.oid = x.reltablespace) end
         as "index tablespace",
       case when x.relispartition then
         (select h.inhparent::regclass::text from pg_inherits h where h.inhrelid = x.oid)
       end as "index part of",
       d.description as "index comment",
       t.enabled as "enforcing triggers"
  from pg_constraint k
  join pg_class c on c.oid = k.conrelid
  join {schemas} n on n.oid = c.relnamespace
  left join pg_index i on i.indexrelid = k.conindid and k.contype in ('p', 'u', 'x')
  left join pg_class x on x.oid = i.indexrelid
  left join pg_description d on d.objoid = x.oid and d.classoid = 'pg_class'::regclass and d.objsubid = 0
                            and d.objoid >= 16384
  left join (select tgconstraint, string_agg(distinct case tgenabled when 'D' then 'disabled' when 'R' then 'replica'
                                                                     else 'always' end, ', ') as enabled
               from pg_trigger where tgconstraint <> 0 and tgenabled <> 'O' group by 1) t
    on t.tgconstraint = k.oid and k.contype = 'f'
 where k.oid >= 16384 and k.contype in ('c', 'p', 'u', 'x', 'f')
   -- What a partition or a child has only from its parent says nothing of its own.
   and (k.contype <> 'f' or k.conparentid = 0)
   and (k.contype <> 'c' or k.conislocal)
   and c.oid >= 16384 and c.oid not in {members of pg_class};

-- Indexes without a constraint.
select 'index' as kind,
       n.nsp || '.' || quote_ident(x.relname) as name,
       'pg_class:' || x.oid || ':0' as at,
       case c.relkind when 'm' then 'materialized view' else 'table' end as "parent kind",
       n.nsp || '.' || quote_ident(c.relname) as parent,
       replace(pg_get_indexdef(x.oid), ' INDEX ' || quote_ident(x.relname) || ' ON ', ' INDEX ON ') as definition,
       case when not i.indisvalid and x.relkind = 'i' then 'no' end as valid,
       case when i.indisclustered then 'yes' end as clustered,
       case when i.indisreplident then 'yes' end as "replica identity",
       case when x.reltablespace <> 0 then (select s.spcname from pg_tablespace s where s.oid = x.reltablespace) end
         as tablespace,
       case when x.relispartition then
         (select h.inhparent::regclass::text from pg_inherits h where h.inhrelid = x.oid)
       end as "part of",
       case when i.indexprs is not null then
         (select string_agg(a.attnum || '=' || a.attstattarget, ', ' order by a.attnum)
            from pg_attribute a where a.attrelid = x.oid and a.attstattarget >= 0)
       end as "statistics target"
  from pg_index i
  join pg_class x on x.oid = i.indexrelid
  join pg_class c on c.oid = i.indrelid
  join {schemas} n on n.oid = x.relnamespace
 where i.indexrelid >= 16384 and x.oid not in {members of pg_class}
   and not exists (select from pg_constraint k where k.conindid = x.oid and k.conrelid = c.oid
                                                 and k.contype in ('p', 'u', 'x'));

-- Sequences; where one stands is data, not schema.
-- when pg_sequence
select 'sequence' as kind,
       n.nsp || '.' || quote_ident(c.relname) as name,
       'pg_class:' || c.oid || ':0' as at,
       case when d.refobjid is not null then 'table' end as "parent kind",
       d.refobjid::regclass::text as parent,
       pg_get_userbyid(c.relowner) as owner,
       case c.relpersistence when 'u' then 'unlogged' end as persistence,
       format_type(s.seqtypid, null) as type,
       s.seqstart as start, s.seqincrement as increment, s.seqmin as minimum, s.seqmax as maximum,
       s.seqcache as cache,
       case when s.seqcycle then 'yes' end as cycle,
       (select a.attrelid::regclass || '.' || quote_ident(a.attname)
          from pg_attribute a where a.attrelid = d.refobjid and a.attnum = d.refobjsubid) as "owned by"
  from pg_class c
  join {schemas} n on n.oid = c.relnamespace
  join pg_sequence s on s.seqrelid = c.oid
  left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.objsubid = 0
                       and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
 where c.relkind = 'S'
   and c.oid >= 16384 and c.oid not in {members of pg_class};

-- Triggers; those of foreign keys belong to their constraint, those of partitions to the partitioned table.
-- when pg_trigger where not tgisinternal or tgenabled <> 'O'
select 'trigger' as kind,
       quote_ident(t.tgname) as child,
       'pg_trigger:' || t.oid || ':0' as at,
       c.kind as "parent kind", c.full_name as parent,
       replace(pg_get_triggerdef(t.oid), ' TRIGGER ' || quote_ident(t.tgname) || ' ', ' TRIGGER ') as definition,
       case t.tgenabled when 'O' then 'yes' when 'D' then 'no' when 'R' then 'replica' else 'always' end as enabled
  from pg_trigger t
  join {relations} c on c.oid = t.tgrelid
  left join pg_trigger p on p.oid = t.tgparentid -- since 13
 where not t.tgisinternal -- before 13
 where (not t.tgisinternal and t.tgparentid = 0 or t.tgenabled <> p.tgenabled) -- since 13
   and t.oid not in {members of pg_trigger};

-- Rules, but for the one that makes a view a view.
-- when pg_rewrite where oid >= 16384 and rulename <> '_RETURN'
select 'rule' as kind,
       quote_ident(r.rulename) as child,
       'pg_rewrite:' || r.oid || ':0' as at,
       c.kind as "parent kind", c.full_name as parent,
       replace(pg_get_ruledef(r.oid), 'CREATE RULE ' || quote_ident(r.rulename) || ' AS', 'CREATE RULE AS')
         as definition,
       case r.ev_enabled when 'O' then 'yes' when 'D' then 'no' when 'R' then 'replica' else 'always' end as enabled
  from pg_rewrite r
  join {relations} c on c.oid = r.ev_class
 where r.rulename <> '_RETURN'
   and r.oid not in {members of pg_rewrite};

-- Policies of row security.
-- when pg_policy
select 'policy' as kind,
       quote_ident(p.polname) as child,
       'pg_policy:' || p.oid || ':0' as at,
       c.kind as "parent kind", c.full_name as parent,
       case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete'
                     else 'all' end as command,
       case when p.polpermissive then 'yes' else 'no' end as permissive,
       (select string_agg(case when r = 0 then 'public' else quote_ident(pg_get_userbyid(r)) end, ', '
                          order by pg_get_userbyid(r))
          from unnest(p.polroles) r) as roles,
       pg_get_expr(p.polqual, p.polrelid) as using,
       pg_get_expr(p.polwithcheck, p.polrelid) as "with check"
  from pg_policy p
  join {relations} c on c.oid = p.polrelid;

-- Extended statistics; the columns by name, since their stored order is that of the table.
-- when pg_statistic_ext
select 'statistics' as kind,
       n.nsp || '.' || quote_ident(s.stxname) as name,
       'pg_statistic_ext:' || s.oid || ':0' as at,
       c.kind as "parent kind", c.full_name as parent,
       pg_get_userbyid(s.stxowner) as owner,
       nullif(s.stxstattarget, -1) as "statistics target", -- since 13
       pg_get_expr(s.stxexprs, s.stxrelid) as expressions, -- since 14
       s.stxkind::text as kinds,
       (select string_agg(quote_ident(a.attname), ', ' order by a.attname)
          from pg_attribute a where a.attrelid = s.stxrelid and a.attnum = any (s.stxkeys)) as columns
  from pg_statistic_ext s
  join {schemas} n on n.oid = s.stxnamespace
  join {relations} c on c.oid = s.stxrelid
 where s.oid not in {members of pg_statistic_ext};
