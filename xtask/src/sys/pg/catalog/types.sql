-- Enums, domains, composite, range and base types; not the row types of tables, nor array types.
select case t.typtype when 'd' then 'domain' else 'type' end as kind,
       n.nsp || '.' || quote_ident(t.typname) as name,
       'pg_type:' || t.oid || ':0' as at,
       pg_get_userbyid(t.typowner) as owner,
       case when not t.typisdefined then 'shell'
            else case t.typtype when 'e' then 'enum' when 'c' then 'composite' when 'r' then 'range'
                                when 'b' then 'base' end
       end as form,
       case when t.typtype = 'e' then
         (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder)
            from pg_enum e where e.enumtypid = t.oid)
       end as labels,
       case when t.typtype = 'c' then
         (select string_agg(quote_ident(a.attname), ', ' order by a.attnum)
            from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped)
       end as attributes,
       case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end as "base type",
       case when t.typtype = 'd' then case when t.typnotnull then 'no' else 'yes' end end as nullable,
       case when t.typtype = 'd' then t.typdefault end as "default",
       case when t.typtype = 'd' and t.typcollation <> b.typcollation then
         (select quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
            from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace where co.oid = t.typcollation)
       end as collation,
       case when t.typtype = 'b' then
         to_jsonb(t) - '{oid,typname,typnamespace,typowner,typrelid,typelem,typarray,typcollation,typacl,typtype,typisdefined,typdefaultbin,typnotnull,typndims,typtypmod,typbasetype}'::text[]
       end as more,
       case when t.typtype = 'b' and t.typelem <> 0 then format_type(t.typelem, null) end as element,
       case when t.typtype = 'b' and t.typcollation <> 0 then 'yes' end as collatable
  from pg_type t
  join {schemas} n on n.oid = t.typnamespace
  left join pg_type b on b.oid = t.typbasetype
  left join pg_class c on c.oid = t.typrelid
 where t.oid >= 16384 and t.typtype in ('b', 'c', 'd', 'e', 'p', 'r')
   and (t.typrelid = 0 or c.relkind = 'c')
   and (t.typelem = 0 or (select e.typarray from pg_type e where e.oid = t.typelem) <> t.oid)
   and t.oid not in {members of pg_type};

-- What makes a range type one.
-- when pg_range where rngtypid >= 16384
select 'type' as kind,
       'pg_type:' || r.rngtypid || ':0' as "more of",
       format_type(r.rngsubtype, null) as subtype,
       (select quote_ident(cn.nspname) || '.' || quote_ident(co.collname)
          from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace where co.oid = r.rngcollation)
         as "range collation",
       (select quote_ident(cn.nspname) || '.' || quote_ident(o.opcname)
          from pg_opclass o join pg_namespace cn on cn.oid = o.opcnamespace where o.oid = r.rngsubopc)
         as "operator class",
       format_type(r.rngmultitypid, null) as multirange, -- since 14
       nullif(r.rngcanonical::text, '-') as canonical,
       nullif(r.rngsubdiff::text, '-') as difference
  from pg_range r
 where r.rngtypid >= 16384;

-- Constraints of domains.
-- when pg_constraint where oid >= 16384 and contypid <> 0
select 'constraint' as kind,
       quote_ident(k.conname) as child,
       'pg_constraint:' || k.oid || ':0' as at,
       'domain' as "parent kind",
       n.nsp || '.' || quote_ident(t.typname) as parent,
       pg_get_constraintdef(k.oid) as definition
  from pg_constraint k
  join pg_type t on t.oid = k.contypid
  join {schemas} n on n.oid = t.typnamespace
 where k.contype = 'c'
   and t.oid not in {members of pg_type};

-- Functions, procedures, aggregates and window functions.
-- when pg_proc where oid >= 16384
select case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end as kind,
       n.nsp || '.' || quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')' as name,
       'pg_proc:' || p.oid || ':0' as at,
       pg_get_userbyid(p.proowner) as owner,
       case p.prokind when 'w' then 'yes' end as window,
       pg_get_function_arguments(p.oid) as arguments,
       pg_get_function_result(p.oid) as returns,
       case when p.prokind <> 'a' then l.lanname end as language,
       case when p.prokind in ('f', 'w') then
         case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end
       end as volatility,
       case when p.proisstrict then 'yes' end as strict,
       case when p.prosecdef then 'definer' end as security,
       case when p.proleakproof then 'yes' end as leakproof,
       case p.proparallel when 's' then 'safe' when 'r' then 'restricted' end as parallel,
       case when p.prokind in ('f', 'w') then p.procost end as cost, nullif(p.prorows, 0) as rows,
       nullif(p.prosupport::text, '-') as support,
       case when p.proconfig is not null then (select string_agg(o, ', ' order by o) from unnest(p.proconfig) o) end
         as settings,
       case when p.protrftypes is not null then
         (select string_agg(format_type(y, null), ', ') from unnest(p.protrftypes) y)
       end as transforms,
       case when p.prokind <> 'a' then nullif(p.prosrc, '') end as body,
       pg_get_function_sqlbody(p.oid) as "sql body", -- since 14
       p.probin as library
  from pg_proc p
  join {schemas} n on n.oid = p.pronamespace
  join pg_language l on l.oid = p.prolang
 where p.oid >= 16384 and p.oid not in {members of pg_proc};

-- What makes an aggregate one.
-- when pg_aggregate where aggfnoid >= 16384
select 'aggregate' as kind,
       'pg_proc:' || p.oid || ':0' as "more of",
       case a.aggkind when 'o' then 'ordered-set' when 'h' then 'hypothetical-set' end as form,
       a.aggnumdirectargs as "direct arguments",
       a.aggtransfn as "state function", nullif(a.aggfinalfn::text, '-') as "final function",
       nullif(a.aggcombinefn::text, '-') as "combine function",
       nullif(a.aggserialfn::text, '-') as "serial function",
       nullif(a.aggdeserialfn::text, '-') as "deserial function",
       nullif(a.aggmtransfn::text, '-') as "moving state function",
       nullif(a.aggminvtransfn::text, '-') as "moving inverse function",
       nullif(a.aggmfinalfn::text, '-') as "moving final function",
       case when a.aggfinalextra then 'yes' end as "final extra",
       case when a.aggmfinalextra then 'yes' end as "moving final extra",
       a.aggfinalmodify as "final modify", a.aggmfinalmodify as "moving final modify",
       nullif(a.aggsortop, 0)::regoperator as "sort operator",
       format_type(a.aggtranstype, null) as "state type", nullif(a.aggtransspace, 0) as "state size",
       case when a.aggmtranstype <> 0 then format_type(a.aggmtranstype, null) end as "moving state type",
       nullif(a.aggmtransspace, 0) as "moving state size",
       a.agginitval as "initial value", a.aggminitval as "moving initial value"
  from pg_aggregate a
  join pg_proc p on p.oid = a.aggfnoid
 where p.oid >= 16384;

-- Operators.
-- when pg_operator where oid >= 16384
select 'operator' as kind,
       n.nsp || '.' || o.oprname || '(' || coalesce(format_type(nullif(o.oprleft, 0), null), 'none') || ', '
         || coalesce(format_type(nullif(o.oprright, 0), null), 'none') || ')' as name,
       'pg_operator:' || o.oid || ':0' as at,
       pg_get_userbyid(o.oprowner) as owner,
       o.oprcode as function, format_type(o.oprresult, null) as returns,
       nullif(o.oprcom, 0)::regoperator as commutator, nullif(o.oprnegate, 0)::regoperator as negator,
       nullif(o.oprrest::text, '-') as restrict, nullif(o.oprjoin::text, '-') as join,
       case when o.oprcanhash then 'yes' end as hashes, case when o.oprcanmerge then 'yes' end as merges
  from pg_operator o
  join {schemas} n on n.oid = o.oprnamespace
 where o.oid not in {members of pg_operator};

-- Operator families with their members, and operator classes.
-- when pg_opfamily where oid >= 16384
select 'operator family' as kind,
       n.nsp || '.' || quote_ident(f.opfname) || ' using ' || am.amname as name,
       'pg_opfamily:' || f.oid || ':0' as at,
       pg_get_userbyid(f.opfowner) as owner,
       (select string_agg(o.amopstrategy || ' ' || o.amopopr::regoperator || coalesce(' for order by '
                 || (select s.opfname from pg_opfamily s where s.oid = o.amopsortfamily), ''), ', '
                 order by o.amopstrategy, o.amopopr::regoperator::text)
          from pg_amop o where o.amopfamily = f.oid) as operators,
       (select string_agg(p.amprocnum || ' (' || format_type(p.amproclefttype, null) || ', '
                 || format_type(p.amprocrighttype, null) || ') ' || p.amproc::regprocedure, ', '
                 order by p.amprocnum, p.amproclefttype::regtype::text, p.amprocrighttype::regtype::text)
          from pg_amproc p where p.amprocfamily = f.oid) as functions
  from pg_opfamily f
  join {schemas} n on n.oid = f.opfnamespace
  join pg_am am on am.oid = f.opfmethod
 where f.oid not in {members of pg_opfamily};

-- when pg_opclass where oid >= 16384
select 'operator class' as kind,
       n.nsp || '.' || quote_ident(o.opcname) || ' using ' || am.amname as name,
       'pg_opclass:' || o.oid || ':0' as at,
       pg_get_userbyid(o.opcowner) as owner,
       format_type(o.opcintype, null) as type,
       (select quote_ident(fn.nspname) || '.' || quote_ident(f.opfname)
          from pg_opfamily f join pg_namespace fn on fn.oid = f.opfnamespace where f.oid = o.opcfamily) as family,
       case when o.opcdefault then 'yes' end as "default",
       case when o.opckeytype <> 0 then format_type(o.opckeytype, null) end as storage,
       -- What belongs to the class itself goes with it; the rest is loose in its family.
       (select string_agg(pg_describe_object(d.classid, d.objid, d.objsubid), ', '
                          order by pg_describe_object(d.classid, d.objid, d.objsubid))
          from pg_depend d where d.refclassid = 'pg_opclass'::regclass and d.refobjid = o.oid and d.deptype = 'i')
         as members
  from pg_opclass o
  join {schemas} n on n.oid = o.opcnamespace
  join pg_am am on am.oid = o.opcmethod
 where o.oid not in {members of pg_opclass};

-- Casts and transforms.
-- when pg_cast where oid >= 16384
select 'cast' as kind,
       format_type(c.castsource, null) || ' as ' || format_type(c.casttarget, null) as name,
       'pg_cast:' || c.oid || ':0' as at,
       case when c.castfunc <> 0 then c.castfunc::regprocedure::text end as function,
       case c.castcontext when 'i' then 'implicit' when 'a' then 'assignment' else 'explicit' end as context,
       case c.castmethod when 'i' then 'inout' when 'b' then 'binary' else 'function' end as method
  from pg_cast c
 where c.oid >= 16384
   and c.oid not in {members of pg_cast};

-- when pg_transform
select 'transform' as kind,
       format_type(t.trftype, null) || ' language ' || quote_ident(l.lanname) as name,
       'pg_transform:' || t.oid || ':0' as at,
       case when t.trffromsql <> 0 then t.trffromsql::regprocedure::text end as "from sql",
       case when t.trftosql <> 0 then t.trftosql::regprocedure::text end as "to sql"
  from pg_transform t
  join pg_language l on l.oid = t.trflang
 where t.oid not in {members of pg_transform};

-- Collations and conversions; the version of a collation's library is the machine's.
-- when pg_collation where oid >= 16384
select 'collation' as kind,
       n.nsp || '.' || quote_ident(c.collname) as name,
       'pg_collation:' || c.oid || ':0' as at,
       pg_get_userbyid(c.collowner) as owner,
       to_jsonb(c) - '{oid,collname,collnamespace,collowner,collversion}'::text[] as more
  from pg_collation c
  join {schemas} n on n.oid = c.collnamespace
 where c.oid not in {members of pg_collation};

-- when pg_conversion where oid >= 16384
select 'conversion' as kind,
       n.nsp || '.' || quote_ident(c.conname) as name,
       'pg_conversion:' || c.oid || ':0' as at,
       pg_get_userbyid(c.conowner) as owner,
       pg_encoding_to_char(c.conforencoding) as "from", pg_encoding_to_char(c.contoencoding) as "to",
       c.conproc as function,
       case when c.condefault then 'yes' end as "default"
  from pg_conversion c
  join {schemas} n on n.oid = c.connamespace
 where c.oid not in {members of pg_conversion};
