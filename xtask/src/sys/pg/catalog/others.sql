-- Schemas.
select 'schema' as kind, quote_ident(n.nspname) as name, 'pg_namespace:' || n.oid || ':0' as at,
       pg_get_userbyid(n.nspowner) as owner
  from pg_namespace n
 where n.nspname not like 'pg\_%' and n.nspname <> 'information_schema'
   and n.oid not in {members of pg_namespace};

-- Extensions stand for all their members.
select 'extension' as kind, quote_ident(e.extname) as name, 'pg_extension:' || e.oid || ':0' as at,
       quote_ident(n.nspname) as schema, e.extversion as version
  from pg_extension e
  join pg_namespace n on n.oid = e.extnamespace;

-- Languages and access methods.
select 'language' as kind, quote_ident(l.lanname) as name, 'pg_language:' || l.oid || ':0' as at,
       pg_get_userbyid(l.lanowner) as owner,
       case when l.lanpltrusted then 'yes' else 'no' end as trusted,
       nullif(l.lanplcallfoid, 0)::regprocedure as handler,
       nullif(l.laninline, 0)::regprocedure as inline,
       nullif(l.lanvalidator, 0)::regprocedure as validator
  from pg_language l
 where l.lanispl
   and l.oid not in {members of pg_language};

-- when pg_am where oid >= 16384
select 'access method' as kind, quote_ident(a.amname) as name, 'pg_am:' || a.oid || ':0' as at,
       a.amtype as type, a.amhandler as handler
  from pg_am a
 where a.oid >= 16384
   and a.oid not in {members of pg_am};

-- Text search.
-- when pg_ts_config where oid >= 16384
select 'text search configuration' as kind, n.nsp || '.' || quote_ident(c.cfgname) as name,
       'pg_ts_config:' || c.oid || ':0' as at,
       pg_get_userbyid(c.cfgowner) as owner,
       (select quote_ident(pn.nspname) || '.' || quote_ident(p.prsname)
          from pg_ts_parser p join pg_namespace pn on pn.oid = p.prsnamespace where p.oid = c.cfgparser) as parser,
       (select string_agg(m.maptokentype || ' ' || m.mapdict::regdictionary, ', ' order by m.maptokentype, m.mapseqno)
          from pg_ts_config_map m where m.mapcfg = c.oid) as mappings
  from pg_ts_config c
  join {schemas} n on n.oid = c.cfgnamespace
 where c.oid not in {members of pg_ts_config};

-- when pg_ts_dict where oid >= 16384
select 'text search dictionary' as kind, n.nsp || '.' || quote_ident(d.dictname) as name,
       'pg_ts_dict:' || d.oid || ':0' as at,
       pg_get_userbyid(d.dictowner) as owner,
       (select quote_ident(tn.nspname) || '.' || quote_ident(t.tmplname)
          from pg_ts_template t join pg_namespace tn on tn.oid = t.tmplnamespace where t.oid = d.dicttemplate)
         as template,
       d.dictinitoption as options
  from pg_ts_dict d
  join {schemas} n on n.oid = d.dictnamespace
 where d.oid not in {members of pg_ts_dict};

-- when pg_ts_template where oid >= 16384
select 'text search template' as kind, n.nsp || '.' || quote_ident(t.tmplname) as name,
       'pg_ts_template:' || t.oid || ':0' as at,
       nullif(t.tmplinit::text, '-') as init, t.tmpllexize as lexize
  from pg_ts_template t
  join {schemas} n on n.oid = t.tmplnamespace
 where t.oid not in {members of pg_ts_template};

-- when pg_ts_parser where oid >= 16384
select 'text search parser' as kind, n.nsp || '.' || quote_ident(p.prsname) as name,
       'pg_ts_parser:' || p.oid || ':0' as at,
       p.prsstart as start, p.prstoken as token, p.prsend as "end", nullif(p.prsheadline::text, '-') as headline,
       p.prslextype as lextypes
  from pg_ts_parser p
  join {schemas} n on n.oid = p.prsnamespace
 where p.oid not in {members of pg_ts_parser};

-- Event triggers.
-- when pg_event_trigger
select 'event trigger' as kind, quote_ident(e.evtname) as name, 'pg_event_trigger:' || e.oid || ':0' as at,
       pg_get_userbyid(e.evtowner) as owner,
       e.evtevent as event, e.evtfoid::regprocedure as function,
       case e.evtenabled when 'O' then 'yes' when 'D' then 'no' when 'R' then 'replica' else 'always' end as enabled,
       (select string_agg(x, ', ' order by x) from unnest(e.evttags) x) as tags
  from pg_event_trigger e
 where e.oid not in {members of pg_event_trigger};

-- Foreign data: wrappers, servers, user mappings. The options of a mapping hold passwords: only their digest is taken.
-- when pg_foreign_data_wrapper
select 'foreign data wrapper' as kind, quote_ident(w.fdwname) as name, 'pg_foreign_data_wrapper:' || w.oid || ':0' as at,
       pg_get_userbyid(w.fdwowner) as owner,
       nullif(w.fdwhandler, 0)::regprocedure as handler, nullif(w.fdwvalidator, 0)::regprocedure as validator,
       (select string_agg(o, ', ' order by o) from unnest(w.fdwoptions) o) as options
  from pg_foreign_data_wrapper w
 where w.oid not in {members of pg_foreign_data_wrapper};

-- when pg_foreign_server
select 'server' as kind, quote_ident(s.srvname) as name, 'pg_foreign_server:' || s.oid || ':0' as at,
       pg_get_userbyid(s.srvowner) as owner, s.srvtype as type, s.srvversion as version,
       (select quote_ident(w.fdwname) from pg_foreign_data_wrapper w where w.oid = s.srvfdw) as wrapper,
       (select string_agg(o, ', ' order by o) from unnest(s.srvoptions) o) as options
  from pg_foreign_server s
 where s.oid not in {members of pg_foreign_server};

-- when pg_user_mappings
select 'user mapping' as kind, 'for ' || quote_ident(m.usename) || ' server ' || quote_ident(m.srvname) as name,
       'pg_user_mapping:' || m.umid || ':0' as at,
       (select string_agg(split_part(o, '=', 1), ', ' order by o) from unnest(m.umoptions) o) as options,
       (select left(encode(sha256(convert_to(string_agg(o, chr(10) order by o), 'UTF8')), 'hex'), 16)
          from unnest(m.umoptions) o) as "digest of the options"
  from pg_user_mappings m;

-- Publications with their tables and schemas, and subscriptions with a digest of their connection string.
-- when pg_publication
select 'publication' as kind, quote_ident(p.pubname) as name, 'pg_publication:' || p.oid || ':0' as at,
       pg_get_userbyid(p.pubowner) as owner,
       to_jsonb(p) - '{oid,pubname,pubowner}'::text[] as more,
       (select string_agg(s.pnnspid::regnamespace::text, ', ' order by s.pnnspid::regnamespace::text) -- since 15
          from pg_publication_namespace s where s.pnpubid = p.oid) as schemas, -- since 15
       (select string_agg(r.prrelid::regclass::text
                 || coalesce(' (' || (select string_agg(quote_ident(a.attname), ', ' order by a.attname) -- since 15
                                        from pg_attribute a -- since 15
                                       where a.attrelid = r.prrelid and a.attnum = any (r.prattrs)) || ')', '') -- since 15
                 || coalesce(' where ' || pg_get_expr(r.prqual, r.prrelid), '') -- since 15
                 , ', ' order by r.prrelid::regclass::text)
          from pg_publication_rel r where r.prpubid = p.oid) as tables
  from pg_publication p;

-- As for pg_dump, they are for a superuser alone to see.
-- when pg_subscription where current_setting('is_superuser') = 'on' and subdbid = (select oid from pg_database where datname = current_database())
select 'subscription' as kind, quote_ident(s.subname) as name, 'pg_subscription:' || s.oid || ':0' as at,
       pg_get_userbyid(s.subowner) as owner,
       s.subslotname as slot, s.subsynccommit as "synchronous commit",
       array_to_string(s.subpublications, ', ') as publications,
       s.subbinary as binary, -- since 14
       s.substream as streaming, -- since 14
       s.subtwophasestate as "two phase", -- since 15
       s.subdisableonerr as "disable on error", -- since 15
       s.suborigin as origin, -- since 16
       s.subpasswordrequired as "password required", -- since 16
       s.subrunasowner as "run as owner", -- since 16
       s.subfailover as failover, -- since 17
       left(encode(sha256(convert_to(s.subconninfo, 'UTF8')), 'hex'), 16) as "digest of the connection",
       s.subenabled as enabled
  from pg_subscription s
 where s.subdbid = (select d.oid from pg_database d where d.datname = current_database());

-- Default privileges.
-- when pg_default_acl
select 'default privileges' as kind,
       'for ' || quote_ident(pg_get_userbyid(d.defaclrole)) || coalesce(' in ' || quote_ident(n.nspname), '') || ' on '
         || case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
                                 when 'T' then 'types' when 'n' then 'schemas' else d.defaclobjtype::text end as name,
       'pg_default_acl:' || d.oid || ':0' as at,
       coalesce((select string_agg(x::text, ', ' order by x::text) from unnest(d.defaclacl) x), 'none') as privileges
  from pg_default_acl d
  left join pg_namespace n on n.oid = d.defaclnamespace;

-- Privileges that are not the default ones; an owner's own, written out, are still the default.
select a.at as "more of",
       case when a.given is distinct from a.built_in then coalesce(a.given, 'none') end as privileges
  from (select g.at,
               (select string_agg(x::text, ', ' order by x::text) from unnest(g.acl) x) as given,
               (select string_agg(x::text, ', ' order by x::text) from unnest(acldefault(g.type, g.owner)) x) as built_in
          from (select 'pg_class:' || oid || ':0' as at, relacl as acl,
                       case relkind when 'S' then 's'::"char" else 'r'::"char" end as type, relowner as owner
                  from pg_class where relacl is not null and oid >= 16384
                union all
                select 'pg_proc:' || oid || ':0', proacl, 'f', proowner
                  from pg_proc where proacl is not null and oid >= 16384
                union all
                select 'pg_type:' || oid || ':0', typacl, 'T', typowner
                  from pg_type where typacl is not null and oid >= 16384
                union all
                select 'pg_namespace:' || oid || ':0', nspacl, 'n', nspowner from pg_namespace where nspacl is not null
                union all
                select 'pg_language:' || oid || ':0', lanacl, 'l', lanowner from pg_language where lanacl is not null
                union all
                select 'pg_foreign_data_wrapper:' || oid || ':0', fdwacl, 'F', fdwowner
                  from pg_foreign_data_wrapper where fdwacl is not null
                union all
                select 'pg_foreign_server:' || oid || ':0', srvacl, 'S', srvowner
                  from pg_foreign_server where srvacl is not null) g) a;

-- Privileges on what is the server's own or an extension's, where they are not those that came with it. The first
-- condition, which order can fool, keeps most rows from the second.
select 'privileges' as kind, g.name, 'pg_init_privs:' || g.class || g.oid || ':0' as at,
       coalesce((select string_agg(x::text, ', ' order by x::text) from unnest(g.acl) x), 'none') as privileges
  from (select 'pg_class'::regclass as class, oid, 'on ' || oid::regclass as name, relacl as acl,
               case relkind when 'S' then 's'::"char" else 'r'::"char" end as type, relowner as owner
          from pg_class
         where relacl is not null and (oid < 16384 or oid in {members of pg_class})
           and relnamespace <> 'information_schema'::regnamespace
        union all
        select 'pg_proc'::regclass, oid, 'on function ' || oid::regprocedure, proacl, 'f', proowner
          from pg_proc
         where proacl is not null and (oid < 16384 or oid in {members of pg_proc})) g
  left join pg_init_privs i on i.objoid = g.oid and i.classoid = g.class and i.objsubid = 0
 where g.acl is distinct from i.initprivs
   and (select array_agg(x::text order by x::text) from unnest(g.acl) x) is distinct from
       (select array_agg(x::text order by x::text) from unnest(coalesce(i.initprivs, acldefault(g.type, g.owner))) x);

-- Comments and security labels on anything.
select d.classoid::regclass || ':' || d.objoid || ':' || d.objsubid as "more of", d.description as comment
  from pg_description d
 where d.objoid >= 16384 or d.classoid = 'pg_namespace'::regclass;

-- when pg_seclabel
select l.classoid::regclass || ':' || l.objoid || ':' || l.objsubid as "more of",
       l.provider || ': ' || l.label as "security label"
  from pg_seclabel l;
