-- case schema
-- change
create schema @_b;
-- undo
drop schema @_b;

-- case schema owner
-- change
alter schema @ owner to cat_writer;
-- undo
alter schema @ owner to postgres;

-- case schema comment
-- change
comment on schema @ is 'x';
-- undo
comment on schema @ is null;

-- case schema privileges
-- change
grant usage on schema @ to cat_reader;
-- undo
revoke usage on schema @ from cat_reader;

-- case schema renamed
create schema @_b; create table @_b.t (a int);
-- change
alter schema @_b rename to @_c;
-- undo
alter schema @_c rename to @_b;

-- case table privileges
create table @.t (a int);
-- change
grant select, insert on @.t to cat_reader;
-- undo
revoke select, insert on @.t from cat_reader;

-- case table privileges with grant option
create table @.t (a int); grant select on @.t to cat_reader;
-- change
grant select on @.t to cat_reader with grant option;
-- undo
revoke grant option for select on @.t from cat_reader;

-- case table privileges of the owner written out
create table @.t (a int);
-- change
grant all on @.t to postgres;

-- case table privileges of the owner taken
create table @.t (a int);
-- change
revoke insert on @.t from postgres;
-- undo
grant insert on @.t to postgres;

-- case table privileges in another order
create table @.t (a int); grant select on @.t to cat_reader; grant insert on @.t to cat_writer;
-- change
revoke select on @.t from cat_reader; grant select on @.t to cat_reader;

-- case table privileges to public
create table @.t (a int);
-- change
grant select on @.t to public;
-- undo
revoke select on @.t from public;

-- case table all privileges revoked
create table @.t (a int);
-- change
revoke all on @.t from postgres;
-- undo
grant all on @.t to postgres;

-- case column privileges
create table @.t (a int, b int);
-- change
grant select (a), update (b) on @.t to cat_reader;
-- undo
revoke select (a), update (b) on @.t from cat_reader;

-- case language
-- change
create language @_lang handler plpgsql_call_handler;
-- undo
drop language @_lang;

-- case language attributes
create function @.h() returns language_handler language c as '$libdir/plpgsql', 'plpgsql_call_handler';
create function @.i(internal) returns void language c as '$libdir/plpgsql', 'plpgsql_inline_handler';
create function @.v(oid) returns void language c as '$libdir/plpgsql', 'plpgsql_validator';
create language @_lang handler @.h;
-- change
create or replace trusted language @_lang handler @.h inline @.i validator @.v;
-- undo
create or replace language @_lang handler @.h;

-- case language with the handlers of another (more than pg_dump)
create language @_lang handler plpgsql_call_handler;
-- change
create or replace language @_lang handler plpgsql_call_handler inline plpgsql_inline_handler;

-- case language privileges and comment
create trusted language @_lang handler plpgsql_call_handler;
-- change
revoke usage on language @_lang from public; comment on language @_lang is 'x';
-- undo
grant usage on language @_lang to public; comment on language @_lang is null;

-- case access method
-- change
create access method @_am type index handler bthandler;
-- undo
drop access method @_am;

-- case access method comment
create access method @_am type table handler heap_tableam_handler;
-- change
comment on access method @_am is 'heap';
-- undo
comment on access method @_am is null;

-- case operator
-- change
create operator @.=== (leftarg = int, rightarg = int, function = int4eq);
-- undo
drop operator @.=== (int, int);

-- case operator estimators
create operator @.=== (leftarg = int, rightarg = int, function = int4eq);
-- change
alter operator @.=== (int, int) set (restrict = eqsel, join = eqjoinsel);
-- undo
alter operator @.=== (int, int) set (restrict = none, join = none);

-- case operator commutator
create operator @.=== (leftarg = int, rightarg = int, function = int4eq);
-- change
drop operator @.=== (int, int); create operator @.=== (leftarg = int, rightarg = int, function = int4eq, commutator = operator(@.===), hashes, merges);
-- undo
drop operator @.=== (int, int); create operator @.=== (leftarg = int, rightarg = int, function = int4eq);

-- case operator prefix
-- change
create operator @.!!! (rightarg = int, function = int4um);
-- undo
drop operator @.!!! (none, int);

-- case operator owner and comment
create operator @.=== (leftarg = int, rightarg = int, function = int4eq);
-- change
alter operator @.=== (int, int) owner to cat_writer; comment on operator @.=== (int, int) is 'same';
-- undo
alter operator @.=== (int, int) owner to postgres; comment on operator @.=== (int, int) is null;

-- case operator class
-- change
create operator class @.oc for type int using btree as operator 3 =, function 1 btint4cmp(int, int);
-- undo
drop operator family @.oc using btree;

-- case operator class members
create operator class @.oc for type int using btree as operator 3 =, function 1 btint4cmp(int, int);
-- change
drop operator family @.oc using btree;
create operator class @.oc for type int using btree as operator 1 <, operator 3 =, function 1 btint4cmp(int, int);
-- undo
drop operator family @.oc using btree;
create operator class @.oc for type int using btree as operator 3 =, function 1 btint4cmp(int, int);

-- case operator class storage
create operator class @.oc for type int[] using gin as operator 1 &&(anyarray, anyarray), function 1 btint4cmp(int, int),
function 2 ginarrayextract(anyarray, internal, internal), function 3 ginqueryarrayextract(anyarray, internal, int2, internal, internal, internal, internal);
-- change
drop operator family @.oc using gin;
create operator class @.oc for type int[] using gin as operator 1 &&(anyarray, anyarray), function 1 btint4cmp(int, int),
function 2 ginarrayextract(anyarray, internal, internal), function 3 ginqueryarrayextract(anyarray, internal, int2, internal, internal, internal, internal), storage int;
-- undo
drop operator family @.oc using gin;
create operator class @.oc for type int[] using gin as operator 1 &&(anyarray, anyarray), function 1 btint4cmp(int, int),
function 2 ginarrayextract(anyarray, internal, internal), function 3 ginqueryarrayextract(anyarray, internal, int2, internal, internal, internal, internal);

-- case operator family
-- change
create operator family @.fam using btree;
-- undo
drop operator family @.fam using btree;

-- case operator family loose members
create operator family @.fam using btree;
-- change
alter operator family @.fam using btree add operator 1 < (int, bigint), function 1 (int, bigint) btint48cmp(int, bigint);
-- undo
alter operator family @.fam using btree drop operator 1 (int, bigint); alter operator family @.fam using btree drop function 1 (int, bigint);

-- case operator class default
create operator class @.oc for type circle using btree as operator 3 =(int, int), function 1 btint4cmp(int, int);
-- change
drop operator family @.oc using btree;
create operator class @.oc default for type circle using btree as operator 3 =(int, int), function 1 btint4cmp(int, int);
-- undo
drop operator family @.oc using btree;
create operator class @.oc for type circle using btree as operator 3 =(int, int), function 1 btint4cmp(int, int);

-- case operator class comment
create operator class @.oc for type int using btree as operator 3 =, function 1 btint4cmp(int, int);
-- change
comment on operator class @.oc using btree is 'x'; comment on operator family @.oc using btree is 'y';
-- undo
comment on operator class @.oc using btree is null; comment on operator family @.oc using btree is null;

-- case cast
create type @.c as (a int);
-- change
create cast (@.c as text) with inout;
-- undo
drop cast (@.c as text);

-- case cast context
create type @.c as (a int); create cast (@.c as int) with inout;
-- change
drop cast (@.c as int); create cast (@.c as int) with inout as assignment;
-- undo
drop cast (@.c as int); create cast (@.c as int) with inout;

-- case cast function
create type @.c as (a int); create function @.f(@.c) returns int language sql as 'select 1';
create cast (@.c as int) with inout;
-- change
drop cast (@.c as int); create cast (@.c as int) with function @.f(@.c) as implicit;
-- undo
drop cast (@.c as int); create cast (@.c as int) with inout;

-- case cast comment
create type @.c as (a int); create cast (@.c as int) with inout;
-- change
comment on cast (@.c as int) is 'odd';
-- undo
comment on cast (@.c as int) is null;

-- case text search configuration
-- change
create text search configuration @.cfg (copy = pg_catalog.english);
-- undo
drop text search configuration @.cfg;

-- case text search mapping
create text search configuration @.cfg (copy = pg_catalog.english);
-- change
alter text search configuration @.cfg alter mapping for asciiword with simple;
-- undo
alter text search configuration @.cfg alter mapping for asciiword with english_stem;

-- case text search mapping dropped
create text search configuration @.cfg (copy = pg_catalog.english);
-- change
alter text search configuration @.cfg drop mapping for url;
-- undo
alter text search configuration @.cfg add mapping for url with simple;

-- case text search mapping order
create text search configuration @.cfg (copy = pg_catalog.english);
alter text search configuration @.cfg alter mapping for asciiword with english_stem, simple;
-- change
alter text search configuration @.cfg alter mapping for asciiword with simple, english_stem;
-- undo
alter text search configuration @.cfg alter mapping for asciiword with english_stem, simple;

-- case text search dictionary
-- change
create text search dictionary @.dict (template = simple);
-- undo
drop text search dictionary @.dict;

-- case text search dictionary options
create text search dictionary @.dict (template = simple);
-- change
alter text search dictionary @.dict (accept = false);
-- undo
alter text search dictionary @.dict (accept);

-- case text search template
-- change
create text search template @.tmpl (lexize = dsimple_lexize);
-- undo
drop text search template @.tmpl;

-- case text search template init
create text search template @.tmpl (lexize = dsimple_lexize);
-- change
drop text search template @.tmpl; create text search template @.tmpl (init = dsimple_init, lexize = dsimple_lexize);
-- undo
drop text search template @.tmpl; create text search template @.tmpl (lexize = dsimple_lexize);

-- case text search parser
-- change
create text search parser @.prs (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype);
-- undo
drop text search parser @.prs;

-- case text search parser headline
create text search parser @.prs (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype);
-- change
drop text search parser @.prs;
create text search parser @.prs (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype, headline = prsd_headline);
-- undo
drop text search parser @.prs;
create text search parser @.prs (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype);

-- case text search owners and comments
create text search configuration @.cfg (copy = pg_catalog.english); create text search dictionary @.dict (template = simple);
-- change
alter text search configuration @.cfg owner to cat_writer; comment on text search configuration @.cfg is 'x';
alter text search dictionary @.dict owner to cat_writer; comment on text search dictionary @.dict is 'y';
-- undo
alter text search configuration @.cfg owner to postgres; comment on text search configuration @.cfg is null;
alter text search dictionary @.dict owner to postgres; comment on text search dictionary @.dict is null;

-- case foreign data wrapper
-- change
create foreign data wrapper @_fdw;
-- undo
drop foreign data wrapper @_fdw;

-- case foreign data wrapper options
create foreign data wrapper @_fdw options (a 'one');
-- change
alter foreign data wrapper @_fdw options (set a 'two', b 'x');
-- undo
alter foreign data wrapper @_fdw options (set a 'one', drop b);

-- case foreign data wrapper validator
create foreign data wrapper @_fdw;
-- change
alter foreign data wrapper @_fdw validator postgresql_fdw_validator;
-- undo
alter foreign data wrapper @_fdw no validator;

-- case foreign data wrapper privileges
create foreign data wrapper @_fdw;
-- change
grant usage on foreign data wrapper @_fdw to cat_reader;
-- undo
revoke usage on foreign data wrapper @_fdw from cat_reader;

-- case server
create foreign data wrapper @_fdw;
-- change
create server @_srv foreign data wrapper @_fdw;
-- undo
drop server @_srv;

-- case server options
create foreign data wrapper @_fdw; create server @_srv type 'a' version '1' foreign data wrapper @_fdw options (host 'h');
-- change
alter server @_srv version '2' options (set host 'i');
-- undo
alter server @_srv version '1' options (set host 'h');

-- case server privileges and comment
create foreign data wrapper @_fdw; create server @_srv foreign data wrapper @_fdw;
-- change
grant usage on foreign server @_srv to cat_reader; comment on server @_srv is 'x';
-- undo
revoke usage on foreign server @_srv from cat_reader; comment on server @_srv is null;

-- case user mapping
create foreign data wrapper @_fdw; create server @_srv foreign data wrapper @_fdw;
-- change
create user mapping for cat_reader server @_srv options (user 'u', password 'p');
-- undo
drop user mapping for cat_reader server @_srv;

-- case user mapping password
create foreign data wrapper @_fdw; create server @_srv foreign data wrapper @_fdw;
create user mapping for public server @_srv options (user 'u', password 'p');
-- change
alter user mapping for public server @_srv options (set password 'q');
-- undo
alter user mapping for public server @_srv options (set password 'p');

-- case foreign table
create foreign data wrapper @_fdw; create server @_srv foreign data wrapper @_fdw;
-- change
create foreign table @.ft (a int options (column_name 'x')) server @_srv options (table_name 'y');
-- undo
drop foreign table @.ft;

-- case foreign table options
create foreign data wrapper @_fdw; create server @_srv foreign data wrapper @_fdw;
create foreign table @.ft (a int) server @_srv options (table_name 'y');
-- change
alter foreign table @.ft options (set table_name 'z');
-- undo
alter foreign table @.ft options (set table_name 'y');

-- case foreign table column options
create foreign data wrapper @_fdw; create server @_srv foreign data wrapper @_fdw;
create foreign table @.ft (a int) server @_srv;
-- change
alter foreign table @.ft alter column a options (add column_name 'b');
-- undo
alter foreign table @.ft alter column a options (drop column_name);

-- case foreign table check and not null
create foreign data wrapper @_fdw; create server @_srv foreign data wrapper @_fdw;
create foreign table @.ft (a int) server @_srv;
-- change
alter foreign table @.ft alter column a set not null, add constraint ck check (a > 0);
-- undo
alter foreign table @.ft alter column a drop not null, drop constraint ck;

-- case foreign table comment and server
create foreign data wrapper @_fdw; create server @_srv foreign data wrapper @_fdw; create server @_srv2 foreign data wrapper @_fdw;
create foreign table @.ft (a int) server @_srv;
-- change
drop foreign table @.ft; create foreign table @.ft (a int) server @_srv2; comment on foreign table @.ft is 'x';
-- undo
drop foreign table @.ft; create foreign table @.ft (a int) server @_srv;

-- case publication
create table @.t (a int primary key, b int);
-- change
create publication @_pub for table @.t;
-- undo
drop publication @_pub;

-- case publication operations
create publication @_pub;
-- change
alter publication @_pub set (publish = 'insert', publish_via_partition_root = true);
-- undo
alter publication @_pub set (publish = 'insert, update, delete, truncate', publish_via_partition_root = false);

-- case publication tables
create table @.t (a int primary key, b int); create publication @_pub;
-- change
alter publication @_pub add table @.t;
-- undo
alter publication @_pub drop table @.t;

-- case publication columns (since 15)
create table @.t (a int primary key, b int); create publication @_pub for table @.t;
-- change
alter publication @_pub set table @.t (a);
-- undo
alter publication @_pub set table @.t;

-- case publication condition (since 15)
create table @.t (a int primary key, b int); create publication @_pub for table @.t;
-- change
alter publication @_pub set table @.t where (a > 5);
-- undo
alter publication @_pub set table @.t;

-- case publication of a schema (since 15)
create publication @_pub;
-- change
alter publication @_pub add tables in schema @;
-- undo
alter publication @_pub drop tables in schema @;

-- case publication of all tables
create publication @_pub;
-- change
drop publication @_pub; create publication @_pub for all tables;
-- undo
drop publication @_pub; create publication @_pub;

-- case publication owner and comment
create publication @_pub;
-- change
alter publication @_pub owner to cat_writer; comment on publication @_pub is 'x';
-- undo
alter publication @_pub owner to postgres; comment on publication @_pub is null;

-- case subscription
-- change
create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false);
-- undo
alter subscription @_sub set (slot_name = none); drop subscription @_sub;

-- case subscription connection
create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false);
-- change
alter subscription @_sub connection 'dbname=elsewhere';
-- undo
alter subscription @_sub connection 'dbname=nowhere';

-- case subscription publications
create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false);
-- change
alter subscription @_sub set publication p, q with (refresh = false);
-- undo
alter subscription @_sub set publication p with (refresh = false);

-- case subscription options
create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false);
-- change
alter subscription @_sub set (binary = true, synchronous_commit = 'local');
-- undo
alter subscription @_sub set (binary = false, synchronous_commit = 'off');

-- case subscription disabled on error (since 15)
create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false);
-- change
alter subscription @_sub set (disable_on_error = true);
-- undo
alter subscription @_sub set (disable_on_error = false);

-- case extension
-- change
create extension citext schema @;
-- undo
drop extension citext;

-- case extension members are not told
create extension hstore schema @;
-- change
drop extension hstore;
-- undo
create extension hstore schema @;

-- case extension schema
create extension pg_trgm schema @; create schema @_b;
-- change
alter extension pg_trgm set schema @_b;
-- undo
alter extension pg_trgm set schema @;

-- case extension comment
create extension ltree schema @;
-- change
comment on extension ltree is 'trees of @';
-- undo
comment on extension ltree is 'other trees of @';

-- case extension version (more than pg_dump)
create extension pg_stat_statements schema @ version '1.8';
-- change
alter extension pg_stat_statements update to '1.9';

-- case extension member becomes a plain one
create extension unaccent schema @;
-- change
alter extension unaccent drop function @.unaccent(text);
-- undo
alter extension unaccent add function @.unaccent(text);

-- case extension takes a table
create extension isn schema @; create table @.t (a int);
-- change
alter extension isn add table @.t;
-- undo
alter extension isn drop table @.t;

-- case default privileges in a schema
-- change
alter default privileges in schema @ grant select on tables to cat_reader;
-- undo
alter default privileges in schema @ revoke select on tables from cat_reader;

-- case default privileges on functions
alter default privileges in schema @ grant execute on functions to cat_reader;
-- change
alter default privileges in schema @ grant execute on functions to cat_reader with grant option;
-- undo
alter default privileges in schema @ revoke grant option for execute on functions from cat_reader;

-- case default privileges of a role
do 'begin create role @_role; exception when others then null; end';
-- change
alter default privileges for role @_role grant usage on sequences to cat_reader;
-- undo
alter default privileges for role @_role revoke usage on sequences from cat_reader;

-- case default privileges taken from public
do 'begin create role @_role; exception when others then null; end';
-- change
alter default privileges for role @_role revoke execute on functions from public;
-- undo
alter default privileges for role @_role grant execute on functions to public;

-- case default privileges on types and schemas
do 'begin create role @_role; exception when others then null; end';
-- change
alter default privileges for role @_role grant usage on types to cat_reader; alter default privileges for role @_role grant create on schemas to cat_reader;
-- undo
alter default privileges for role @_role revoke usage on types from cat_reader; alter default privileges for role @_role revoke create on schemas from cat_reader;

-- case new objects under default privileges
alter default privileges in schema @ grant select on tables to cat_reader;
-- change
create table @.t (a int);
-- undo
drop table @.t;

-- case rows alone
create table @.t (a int); insert into @.t values (1);
-- change
insert into @.t values (2);
-- undo
delete from @.t;

-- case vacuum and analyze
create table @.t (a int); insert into @.t values (1);
-- change
analyze @.t;
-- undo
truncate @.t;

-- case privileges on a function of the server
do 'begin create role @_role; exception when others then null; end';
-- change
grant execute on function pg_catalog.pg_read_file(text) to @_role;
-- undo
revoke execute on function pg_catalog.pg_read_file(text) from @_role;

-- case privileges on a table of the server
do 'begin create role @_role; exception when others then null; end';
grant select on pg_catalog.pg_authid to @_role;
-- change
grant insert on pg_catalog.pg_authid to @_role;
-- undo
revoke select, insert on pg_catalog.pg_authid from @_role;

-- case privileges on a function of an extension
do 'begin create role @_role; exception when others then null; end'; create extension cube schema @;
-- change
grant execute on function @.cube_dim(@.cube) to @_role;
-- undo
revoke execute on function @.cube_dim(@.cube) from @_role;
