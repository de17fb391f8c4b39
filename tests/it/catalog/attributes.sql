-- Cases in which one attribute alone tells the difference.

-- case owner of a aggregate
create aggregate @.agg(int) (sfunc = int4pl, stype = int);
-- change
alter aggregate @.agg(int) owner to cat_writer;
-- undo
alter aggregate @.agg(int) owner to postgres;

-- case owner of a collation
create collation @.co (locale = 'C');
-- change
alter collation @.co owner to cat_writer;
-- undo
alter collation @.co owner to postgres;

-- case owner of a conversion
create conversion @.conv for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
-- change
alter conversion @.conv owner to cat_writer;
-- undo
alter conversion @.conv owner to postgres;

-- case owner of a domain
create domain @.d as int;
-- change
alter domain @.d owner to cat_writer;
-- undo
alter domain @.d owner to postgres;

-- case owner of a event trigger
create function @.f() returns event_trigger language plpgsql as 'begin end'; create event trigger @_et on ddl_command_end execute function @.f();
-- change
alter event trigger @_et owner to cat_writer;
-- undo
alter event trigger @_et owner to postgres;

-- case owner of a foreign data wrapper
create foreign data wrapper @_fdw;
-- change
alter foreign data wrapper @_fdw owner to cat_writer;
-- undo
alter foreign data wrapper @_fdw owner to postgres;

-- case owner of a foreign table
create foreign data wrapper @_fdw; create server @_srv foreign data wrapper @_fdw; create foreign table @.ft (a int) server @_srv;
-- change
alter foreign table @.ft owner to cat_writer;
-- undo
alter foreign table @.ft owner to postgres;

-- case owner of a language
create trusted language @_lang handler plpgsql_call_handler;
-- change
alter language @_lang owner to cat_writer;
-- undo
alter language @_lang owner to postgres;

-- case owner of a materialized view
create materialized view @.v as select 1 as a;
-- change
alter materialized view @.v owner to cat_writer;
-- undo
alter materialized view @.v owner to postgres;

-- case owner of a operator class
create operator class @.oc for type int using btree as operator 3 =, function 1 btint4cmp(int, int);
-- change
alter operator class @.oc using btree owner to cat_writer;
-- undo
alter operator class @.oc using btree owner to postgres;

-- case owner of a operator family
create operator family @.fam using btree;
-- change
alter operator family @.fam using btree owner to cat_writer;
-- undo
alter operator family @.fam using btree owner to postgres;

-- case owner of a operator
create operator @.=== (leftarg = int, rightarg = int, function = int4eq);
-- change
alter operator @.=== (int, int) owner to cat_writer;
-- undo
alter operator @.=== (int, int) owner to postgres;

-- case owner of a procedure
create procedure @.p() language sql as '';
-- change
alter procedure @.p() owner to cat_writer;
-- undo
alter procedure @.p() owner to postgres;

-- case owner of a publication
create publication @_pub;
-- change
alter publication @_pub owner to cat_writer;
-- undo
alter publication @_pub owner to postgres;

-- case owner of a sequence
create sequence @.s;
-- change
alter sequence @.s owner to cat_writer;
-- undo
alter sequence @.s owner to postgres;

-- case owner of a server
create foreign data wrapper @_fdw; create server @_srv foreign data wrapper @_fdw;
-- change
alter server @_srv owner to cat_writer;
-- undo
alter server @_srv owner to postgres;

-- case owner of a statistics
create table @.t (a int, b int); create statistics @.st (ndistinct) on a, b from @.t;
-- change
alter statistics @.st owner to cat_writer;
-- undo
alter statistics @.st owner to postgres;

-- case owner of a subscription
create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false);
-- change
alter subscription @_sub owner to cat_writer;
-- undo
alter subscription @_sub owner to postgres;

-- case owner of a text search configuration
create text search configuration @.cfg (copy = pg_catalog.english);
-- change
alter text search configuration @.cfg owner to cat_writer;
-- undo
alter text search configuration @.cfg owner to postgres;

-- case owner of a text search dictionary
create text search dictionary @.dict (template = simple);
-- change
alter text search dictionary @.dict owner to cat_writer;
-- undo
alter text search dictionary @.dict owner to postgres;

-- case owner of a view
create view @.v as select 1 as a;
-- change
alter view @.v owner to cat_writer;
-- undo
alter view @.v owner to postgres;

-- case comment on a collation
create collation @.co (locale = 'C');
-- change
comment on collation @.co is 'x';
-- undo
comment on collation @.co is null;

-- case comment on a conversion
create conversion @.conv for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
-- change
comment on conversion @.conv is 'x';
-- undo
comment on conversion @.conv is null;

-- case comment on a domain
create domain @.d as int;
-- change
comment on domain @.d is 'x';
-- undo
comment on domain @.d is null;

-- case comment on a event trigger
create function @.f() returns event_trigger language plpgsql as 'begin end'; create event trigger @_et on ddl_command_end execute function @.f();
-- change
comment on event trigger @_et is 'x';
-- undo
comment on event trigger @_et is null;

-- case comment on a foreign data wrapper
create foreign data wrapper @_fdw;
-- change
comment on foreign data wrapper @_fdw is 'x';
-- undo
comment on foreign data wrapper @_fdw is null;

-- case comment on a foreign table
create foreign data wrapper @_fdw; create server @_srv foreign data wrapper @_fdw; create foreign table @.ft (a int) server @_srv;
-- change
comment on foreign table @.ft is 'x';
-- undo
comment on foreign table @.ft is null;

-- case comment on a language
create trusted language @_lang handler plpgsql_call_handler;
-- change
comment on language @_lang is 'x';
-- undo
comment on language @_lang is null;

-- case comment on a operator class
create operator class @.oc for type int using btree as operator 3 =, function 1 btint4cmp(int, int);
-- change
comment on operator class @.oc using btree is 'x';
-- undo
comment on operator class @.oc using btree is null;

-- case comment on a operator family
create operator family @.fam using btree;
-- change
comment on operator family @.fam using btree is 'x';
-- undo
comment on operator family @.fam using btree is null;

-- case comment on a operator
create operator @.=== (leftarg = int, rightarg = int, function = int4eq);
-- change
comment on operator @.=== (int, int) is 'x';
-- undo
comment on operator @.=== (int, int) is null;

-- case comment on a procedure
create procedure @.p() language sql as '';
-- change
comment on procedure @.p() is 'x';
-- undo
comment on procedure @.p() is null;

-- case comment on a publication
create publication @_pub;
-- change
comment on publication @_pub is 'x';
-- undo
comment on publication @_pub is null;

-- case comment on a sequence
create sequence @.s;
-- change
comment on sequence @.s is 'x';
-- undo
comment on sequence @.s is null;

-- case comment on a server
create foreign data wrapper @_fdw; create server @_srv foreign data wrapper @_fdw;
-- change
comment on server @_srv is 'x';
-- undo
comment on server @_srv is null;

-- case comment on a statistics
create table @.t (a int, b int); create statistics @.st (ndistinct) on a, b from @.t;
-- change
comment on statistics @.st is 'x';
-- undo
comment on statistics @.st is null;

-- case comment on a subscription
create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false);
-- change
comment on subscription @_sub is 'x';
-- undo
comment on subscription @_sub is null;

-- case comment on a text search configuration
create text search configuration @.cfg (copy = pg_catalog.english);
-- change
comment on text search configuration @.cfg is 'x';
-- undo
comment on text search configuration @.cfg is null;

-- case comment on a text search dictionary
create text search dictionary @.dict (template = simple);
-- change
comment on text search dictionary @.dict is 'x';
-- undo
comment on text search dictionary @.dict is null;

-- case comment on a view
create view @.v as select 1 as a;
-- change
comment on view @.v is 'x';
-- undo
comment on view @.v is null;

-- case aggregate combine function
create aggregate @.agg(int) (sfunc = int4pl, stype = int);
-- change
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int, combinefunc = int4pl);
-- undo
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int);

-- case aggregate parallel
create aggregate @.agg(int) (sfunc = int4pl, stype = int);
-- change
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int, parallel = safe);
-- undo
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int);

-- case aggregate final function modifies
create aggregate @.agg(int) (sfunc = int4pl, stype = int, finalfunc = int4um);
-- change
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int, finalfunc = int4um, finalfunc_modify = read_write);
-- undo
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int, finalfunc = int4um);

-- case aggregate final function
create aggregate @.agg(int) (sfunc = int4pl, stype = int);
-- change
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int, finalfunc = int4um);
-- undo
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int);

-- case aggregate state size
create aggregate @.agg(int) (sfunc = int4pl, stype = int);
-- change
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int, sspace = 100);
-- undo
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int);

-- case aggregate moving state function
create aggregate @.agg(int) (sfunc = int4pl, stype = int, msfunc = int4pl, minvfunc = int4mi, mstype = int);
-- change
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int, msfunc = int4mul, minvfunc = int4mi, mstype = int);
-- undo
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int, msfunc = int4pl, minvfunc = int4mi, mstype = int);

-- case aggregate moving inverse function
create aggregate @.agg(int) (sfunc = int4pl, stype = int, msfunc = int4pl, minvfunc = int4mi, mstype = int);
-- change
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int, msfunc = int4pl, minvfunc = int4mul, mstype = int);
-- undo
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int, msfunc = int4pl, minvfunc = int4mi, mstype = int);

-- case aggregate moving initial value
create aggregate @.agg(int) (sfunc = int4pl, stype = int, msfunc = int4pl, minvfunc = int4mi, mstype = int);
-- change
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int, msfunc = int4pl, minvfunc = int4mi, mstype = int, minitcond = '1');
-- undo
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int, msfunc = int4pl, minvfunc = int4mi, mstype = int);

-- case aggregate moving final function
create aggregate @.agg(int) (sfunc = int4pl, stype = int, msfunc = int4pl, minvfunc = int4mi, mstype = int);
-- change
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int, msfunc = int4pl, minvfunc = int4mi, mstype = int, mfinalfunc = int4um);
-- undo
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int, msfunc = int4pl, minvfunc = int4mi, mstype = int);

-- case aggregate moving final function modifies
create aggregate @.agg(int) (sfunc = int4pl, stype = int, msfunc = int4pl, minvfunc = int4mi, mstype = int, mfinalfunc = int4um);
-- change
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int, msfunc = int4pl, minvfunc = int4mi, mstype = int, mfinalfunc = int4um, mfinalfunc_modify = read_write);
-- undo
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = int4pl, stype = int, msfunc = int4pl, minvfunc = int4mi, mstype = int, mfinalfunc = int4um);

-- case aggregate argument name
create aggregate @.agg(a int) (sfunc = int4pl, stype = int);
-- change
drop aggregate @.agg(int); create aggregate @.agg(b int) (sfunc = int4pl, stype = int);
-- undo
drop aggregate @.agg(int); create aggregate @.agg(a int) (sfunc = int4pl, stype = int);

-- case aggregate state type
create function @.f(anyarray, int) returns anyarray language sql as 'select $1'; create aggregate @.agg(int) (sfunc = @.f, stype = int[]);
-- change
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = @.f, stype = int8[]);
-- undo
drop aggregate @.agg(int); create aggregate @.agg(int) (sfunc = @.f, stype = int[]);

-- case cast by another function
create type @.c as (a int); create function @.f(@.c) returns int language sql as 'select 1'; create function @.g(@.c) returns int language sql as 'select 2'; create cast (@.c as int) with function @.f(@.c);
-- change
drop cast (@.c as int); create cast (@.c as int) with function @.g(@.c);
-- undo
drop cast (@.c as int); create cast (@.c as int) with function @.f(@.c);

-- case collation ctype
create collation @.co (lc_collate = 'C', lc_ctype = 'C');
-- change
drop collation @.co; create collation @.co (lc_collate = 'C', lc_ctype = 'POSIX');
-- undo
drop collation @.co; create collation @.co (lc_collate = 'C', lc_ctype = 'C');

-- case collation collate
create collation @.co (lc_collate = 'C', lc_ctype = 'C');
-- change
drop collation @.co; create collation @.co (lc_collate = 'POSIX', lc_ctype = 'C');
-- undo
drop collation @.co; create collation @.co (lc_collate = 'C', lc_ctype = 'C');

-- case conversion from
create conversion @.conv for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
-- change
drop conversion @.conv; create conversion @.conv for 'LATIN2' to 'UTF8' from iso8859_to_utf8;
-- undo
drop conversion @.conv; create conversion @.conv for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;

-- case domain privileges alone
create domain @.d as int;
-- change
grant usage on domain @.d to cat_reader;
-- undo
revoke usage on domain @.d from cat_reader;

-- case column privileges alone
create table @.t (a int, b int);
-- change
grant select (a) on @.t to cat_reader;
-- undo
revoke select (a) on @.t from cat_reader;

-- case event trigger event
create function @.f() returns event_trigger language plpgsql as 'begin end'; create event trigger @_et on ddl_command_end execute function @.f();
-- change
drop event trigger @_et; create event trigger @_et on ddl_command_start execute function @.f();
-- undo
drop event trigger @_et; create event trigger @_et on ddl_command_end execute function @.f();

-- case event trigger function
create function @.f() returns event_trigger language plpgsql as 'begin end'; create function @.g() returns event_trigger language plpgsql as 'begin end'; create event trigger @_et on ddl_command_end execute function @.f();
-- change
drop event trigger @_et; create event trigger @_et on ddl_command_end execute function @.g();
-- undo
drop event trigger @_et; create event trigger @_et on ddl_command_end execute function @.f();

-- case foreign table server
create foreign data wrapper @_fdw; create server @_srv foreign data wrapper @_fdw; create server @_srv2 foreign data wrapper @_fdw; create foreign table @.ft (a int) server @_srv;
-- change
drop foreign table @.ft; create foreign table @.ft (a int) server @_srv2;
-- undo
drop foreign table @.ft; create foreign table @.ft (a int) server @_srv;

-- case function language alone
create language @_lang handler plpgsql_call_handler; create language @_lang2 handler plpgsql_call_handler; create function @.f() returns int language @_lang as 'select 1';
-- change
drop function @.f(); create function @.f() returns int language @_lang2 as 'select 1';
-- undo
drop function @.f(); create function @.f() returns int language @_lang as 'select 1';

-- case function library
create function @.f() returns language_handler language c as '$libdir/plpgsql', 'plpgsql_call_handler';
-- change
drop function @.f(); create function @.f() returns language_handler language c as 'plpgsql', 'plpgsql_call_handler';
-- undo
drop function @.f(); create function @.f() returns language_handler language c as '$libdir/plpgsql', 'plpgsql_call_handler';

-- case function window or not
create function @.w() returns bigint language internal immutable as 'window_row_number';
-- change
drop function @.w(); create function @.w() returns bigint language internal window immutable as 'window_row_number';
-- undo
drop function @.w(); create function @.w() returns bigint language internal immutable as 'window_row_number';

-- case language handler
create function @.h() returns language_handler language c as '$libdir/plpgsql', 'plpgsql_call_handler'; create function @.h2() returns language_handler language c as '$libdir/plpgsql', 'plpgsql_call_handler'; create function @.v(oid) returns void language c as '$libdir/plpgsql', 'plpgsql_validator'; create language @_lang handler @.h;
-- change
create or replace language @_lang handler @.h2;
-- undo
create or replace language @_lang handler @.h;

-- case language trusted
create function @.h() returns language_handler language c as '$libdir/plpgsql', 'plpgsql_call_handler'; create function @.h2() returns language_handler language c as '$libdir/plpgsql', 'plpgsql_call_handler'; create function @.v(oid) returns void language c as '$libdir/plpgsql', 'plpgsql_validator'; create language @_lang handler @.h;
-- change
create or replace trusted language @_lang handler @.h;
-- undo
create or replace language @_lang handler @.h;

-- case language validator
create function @.h() returns language_handler language c as '$libdir/plpgsql', 'plpgsql_call_handler'; create function @.h2() returns language_handler language c as '$libdir/plpgsql', 'plpgsql_call_handler'; create function @.v(oid) returns void language c as '$libdir/plpgsql', 'plpgsql_validator'; create language @_lang handler @.h;
-- change
create or replace language @_lang handler @.h validator @.v;
-- undo
create or replace language @_lang handler @.h;

-- case language privileges alone
create trusted language @_lang handler plpgsql_call_handler;
-- change
grant usage on language @_lang to cat_reader;
-- undo
revoke usage on language @_lang from cat_reader;

-- case materialized view definition
create materialized view @.v as select 1 as a;
-- change
drop materialized view @.v; create materialized view @.v as select 2 as a;
-- undo
drop materialized view @.v; create materialized view @.v as select 1 as a;

-- case materialized view options alone
create materialized view @.v as select 1 as a;
-- change
alter materialized view @.v set (fillfactor = 60);
-- undo
alter materialized view @.v reset (fillfactor);

-- case materialized view access method (since 15)
create access method @_am type table handler heap_tableam_handler; create materialized view @.v as select 1 as a;
-- change
alter materialized view @.v set access method @_am;
-- undo
alter materialized view @.v set access method heap;

-- case access method handler
create access method @_am type index handler bthandler;
-- change
drop access method @_am; create access method @_am type index handler hashhandler;
-- undo
drop access method @_am; create access method @_am type index handler bthandler;

-- case operator function
create operator @.=== (leftarg = int, rightarg = int, function = int4eq);
-- change
drop operator @.=== (int, int); create operator @.=== (leftarg = int, rightarg = int, function = int4ne);
-- undo
drop operator @.=== (int, int); create operator @.=== (leftarg = int, rightarg = int, function = int4eq);

-- case operator result
create function @.f(int, int) returns int language sql as 'select 1'; create function @.g(int, int) returns bigint language sql as 'select 1::bigint'; create operator @.=== (leftarg = int, rightarg = int, function = @.f);
-- change
drop operator @.=== (int, int); create operator @.=== (leftarg = int, rightarg = int, function = @.g);
-- undo
drop operator @.=== (int, int); create operator @.=== (leftarg = int, rightarg = int, function = @.f);

-- case operator hashes
create operator @.=== (leftarg = int, rightarg = int, function = int4eq);
-- change
drop operator @.=== (int, int); create operator @.=== (leftarg = int, rightarg = int, function = int4eq, hashes);
-- undo
drop operator @.=== (int, int); create operator @.=== (leftarg = int, rightarg = int, function = int4eq);

-- case operator merges
create operator @.=== (leftarg = int, rightarg = int, function = int4eq);
-- change
drop operator @.=== (int, int); create operator @.=== (leftarg = int, rightarg = int, function = int4eq, merges);
-- undo
drop operator @.=== (int, int); create operator @.=== (leftarg = int, rightarg = int, function = int4eq);

-- case operator restrict alone
create operator @.=== (leftarg = int, rightarg = int, function = int4eq);
-- change
drop operator @.=== (int, int); create operator @.=== (leftarg = int, rightarg = int, function = int4eq, restrict = eqsel);
-- undo
drop operator @.=== (int, int); create operator @.=== (leftarg = int, rightarg = int, function = int4eq);

-- case operator join alone
create operator @.=== (leftarg = int, rightarg = int, function = int4eq);
-- change
drop operator @.=== (int, int); create operator @.=== (leftarg = int, rightarg = int, function = int4eq, join = eqjoinsel);
-- undo
drop operator @.=== (int, int); create operator @.=== (leftarg = int, rightarg = int, function = int4eq);

-- case operator commutator alone
create operator @.=== (leftarg = int, rightarg = int, function = int4eq);
-- change
drop operator @.=== (int, int); create operator @.=== (leftarg = int, rightarg = int, function = int4eq, commutator = operator(@.===));
-- undo
drop operator @.=== (int, int); create operator @.=== (leftarg = int, rightarg = int, function = int4eq);

-- case operator family function
create operator class @.oc for type int using btree as operator 3 =, function 1 btint4cmp(int, int);
-- change
drop operator family @.oc using btree; create operator class @.oc for type int using btree as operator 3 =, function 1 btint4cmp(int, int), function 2 btint4sortsupport(internal);
-- undo
drop operator family @.oc using btree; create operator class @.oc for type int using btree as operator 3 =, function 1 btint4cmp(int, int);

-- case operator family operator alone
create operator family @.fam using btree;
-- change
alter operator family @.fam using btree add operator 1 < (int, bigint);
-- undo
alter operator family @.fam using btree drop operator 1 (int, bigint);

-- case operator family function alone
create operator family @.fam using btree;
-- change
alter operator family @.fam using btree add function 1 (int, bigint) btint48cmp(int, bigint);
-- undo
alter operator family @.fam using btree drop function 1 (int, bigint);

-- case operator class family
create operator family @.fam using btree; create operator family @.fam2 using btree; create operator class @.oc for type int using btree family @.fam as storage int;
-- change
drop operator class @.oc using btree; create operator class @.oc for type int using btree family @.fam2 as storage int;
-- undo
drop operator class @.oc using btree; create operator class @.oc for type int using btree family @.fam as storage int;

-- case operator class type
create operator family @.fam using btree; create operator family @.fam2 using btree; create operator class @.oc for type int using btree family @.fam as function 1 (int, int) btint4cmp(int, int);
-- change
drop operator class @.oc using btree; create operator class @.oc for type bigint using btree family @.fam as function 1 (int, int) btint4cmp(int, int);

-- case operator class member becomes loose
create operator class @.oc for type int using btree as operator 3 =, function 1 btint4cmp(int, int);
-- change
drop operator class @.oc using btree; create operator class @.oc for type int using btree family @.oc as operator 3 =; alter operator family @.oc using btree add function 1 (int, int) btint4cmp(int, int);

-- case procedure argument name
create procedure @.p(a int) language sql as '';
-- change
drop procedure @.p(int); create procedure @.p(b int) language sql as '';
-- undo
drop procedure @.p(int); create procedure @.p(a int) language sql as '';

-- case procedure body
create procedure @.p() language sql as 'select 1';
-- change
drop procedure @.p(); create procedure @.p() language sql as 'select 2';
-- undo
drop procedure @.p(); create procedure @.p() language sql as 'select 1';

-- case procedure language
create language @_lang handler plpgsql_call_handler; create language @_lang2 handler plpgsql_call_handler; create procedure @.p() language @_lang as '';
-- change
drop procedure @.p(); create procedure @.p() language @_lang2 as '';
-- undo
drop procedure @.p(); create procedure @.p() language @_lang as '';

-- case procedure settings
create procedure @.p() language sql as '';
-- change
drop procedure @.p(); create procedure @.p() language sql set work_mem = '1MB' as '';
-- undo
drop procedure @.p(); create procedure @.p() language sql as '';

-- case procedure security
create procedure @.p() language sql as '';
-- change
drop procedure @.p(); create procedure @.p() language sql security definer as '';
-- undo
drop procedure @.p(); create procedure @.p() language sql as '';

-- case publication without insert
create publication @_pub;
-- change
alter publication @_pub set (publish = 'update, delete, truncate');
-- undo
alter publication @_pub set (publish = 'insert, update, delete, truncate');

-- case publication without update
create publication @_pub;
-- change
alter publication @_pub set (publish = 'insert, delete, truncate');
-- undo
alter publication @_pub set (publish = 'insert, update, delete, truncate');

-- case publication without delete
create publication @_pub;
-- change
alter publication @_pub set (publish = 'insert, update, truncate');
-- undo
alter publication @_pub set (publish = 'insert, update, delete, truncate');

-- case publication without truncate
create publication @_pub;
-- change
alter publication @_pub set (publish = 'insert, update, delete');
-- undo
alter publication @_pub set (publish = 'insert, update, delete, truncate');

-- case publication by the root
create publication @_pub;
-- change
alter publication @_pub set (publish_via_partition_root = true);
-- undo
alter publication @_pub set (publish_via_partition_root = false);

-- case sequence increment
create sequence @.s;
-- change
alter sequence @.s increment by 2;
-- undo
alter sequence @.s increment by 1;

-- case sequence maximum
create sequence @.s;
-- change
alter sequence @.s maxvalue 1000;
-- undo
alter sequence @.s no maxvalue;

-- case sequence cache
create sequence @.s;
-- change
alter sequence @.s cache 5;
-- undo
alter sequence @.s cache 1;

-- case sequence cycle
create sequence @.s;
-- change
alter sequence @.s cycle;
-- undo
alter sequence @.s no cycle;

-- case sequence type alone
create sequence @.s maxvalue 10;
-- change
alter sequence @.s as int;
-- undo
alter sequence @.s as bigint;

-- case server options alone
create foreign data wrapper @_fdw; create server @_srv foreign data wrapper @_fdw;
-- change
alter server @_srv options (host 'h');
-- undo
alter server @_srv options (drop host);

-- case server version
create foreign data wrapper @_fdw; create server @_srv foreign data wrapper @_fdw;
-- change
alter server @_srv version '2';

-- case server type
create foreign data wrapper @_fdw; create server @_srv type 'a' foreign data wrapper @_fdw;
-- change
drop server @_srv; create server @_srv type 'b' foreign data wrapper @_fdw;
-- undo
drop server @_srv; create server @_srv type 'a' foreign data wrapper @_fdw;

-- case server wrapper
create foreign data wrapper @_fdw; create foreign data wrapper @_fdw2; create server @_srv foreign data wrapper @_fdw;
-- change
drop server @_srv; create server @_srv foreign data wrapper @_fdw2;
-- undo
drop server @_srv; create server @_srv foreign data wrapper @_fdw;

-- case server privileges alone
create foreign data wrapper @_fdw; create server @_srv foreign data wrapper @_fdw;
-- change
grant usage on foreign server @_srv to cat_reader;
-- undo
revoke usage on foreign server @_srv from cat_reader;

-- case statistics columns
create table @.t (a int, b int, c int); create statistics @.st (ndistinct) on a, b from @.t;
-- change
drop statistics @.st; create statistics @.st (ndistinct) on a, c from @.t;
-- undo
drop statistics @.st; create statistics @.st (ndistinct) on a, b from @.t;

-- case subscription binary
create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false);
-- change
alter subscription @_sub set (binary = true);
-- undo
alter subscription @_sub set (binary = false);

-- case subscription streaming
create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false);
-- change
alter subscription @_sub set (streaming = true);
-- undo
alter subscription @_sub set (streaming = false);

-- case subscription synchronous commit
create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false);
-- change
alter subscription @_sub set (synchronous_commit = 'local');
-- undo
alter subscription @_sub set (synchronous_commit = 'off');

-- case subscription slot
create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false);
-- change
alter subscription @_sub set (slot_name = other);
-- undo
alter subscription @_sub set (slot_name = @_sub);

-- case subscription two phase (since 15)
create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false, slot_name = none);
-- change
drop subscription @_sub; create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false, slot_name = none, two_phase = true);
-- undo
drop subscription @_sub; create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false, slot_name = none);

-- case subscription enabled (more than pg_dump)
create subscription @_sub connection 'dbname=nowhere' publication p with (connect = false);
-- change
alter subscription @_sub enable;
-- undo
alter subscription @_sub disable;

-- case text search dictionary template
create text search template @.tmpl (init = dsimple_init, lexize = dsimple_lexize); create text search dictionary @.dict (template = simple);
-- change
drop text search dictionary @.dict; create text search dictionary @.dict (template = @.tmpl);
-- undo
drop text search dictionary @.dict; create text search dictionary @.dict (template = simple);

-- case text search configuration parser
create text search parser @.prs (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype); create text search configuration @.cfg (parser = pg_catalog."default");
-- change
drop text search configuration @.cfg; create text search configuration @.cfg (parser = @.prs);
-- undo
drop text search configuration @.cfg; create text search configuration @.cfg (parser = pg_catalog."default");

-- case text search template lexize
create text search template @.tmpl (lexize = dsimple_lexize);
-- change
drop text search template @.tmpl; create text search template @.tmpl (lexize = dsynonym_lexize);
-- undo
drop text search template @.tmpl; create text search template @.tmpl (lexize = dsimple_lexize);

-- case transform the other way
create function @.a(internal) returns internal language internal immutable as 'varbit_support'; create function @.b(internal) returns internal language internal immutable as 'varbit_support'; create type @.ty as (a int); create language @_lang handler plpgsql_call_handler; create transform for @.ty language @_lang (from sql with function @.a(internal));
-- change
drop transform for @.ty language @_lang; create transform for @.ty language @_lang (from sql with function @.b(internal));
-- undo
drop transform for @.ty language @_lang; create transform for @.ty language @_lang (from sql with function @.a(internal));

-- case range subtype
create type @.r as range (subtype = float8, multirange_type_name = @.mr);
-- change
drop type @.r; create type @.r as range (subtype = float4, multirange_type_name = @.mr);
-- undo
drop type @.r; create type @.r as range (subtype = float8, multirange_type_name = @.mr);

-- case range multirange
create type @.r as range (subtype = float8);
-- change
drop type @.r; create type @.r as range (subtype = float8, multirange_type_name = @.mr);
-- undo
drop type @.r; create type @.r as range (subtype = float8);

-- case range operator class
create type @.r as range (subtype = text);
-- change
drop type @.r; create type @.r as range (subtype = text, subtype_opclass = text_pattern_ops);
-- undo
drop type @.r; create type @.r as range (subtype = text);

-- case range collation
create type @.r as range (subtype = text);
-- change
drop type @.r; create type @.r as range (subtype = text, collation = "C");
-- undo
drop type @.r; create type @.r as range (subtype = text);

-- case user mapping options
create foreign data wrapper @_fdw; create server @_srv foreign data wrapper @_fdw; create user mapping for public server @_srv options (user 'u');
-- change
alter user mapping for public server @_srv options (password 'x');
-- undo
alter user mapping for public server @_srv options (drop password);

-- case inherited column becomes own
create table @.p (a int); create table @.t () inherits (@.p);
-- change
alter table @.t no inherit @.p; alter table @.t inherit @.p;

-- case constraint index part of another
create table @.t (a int) partition by list (a); create table @.t1 partition of @.t for values in (1); alter table only @.t add constraint pk unique (a); alter table @.t1 add constraint pk1 unique (a);
-- change
alter index @.pk attach partition @.pk1;

-- case base type delimiter
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);
-- change
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out, delimiter = ';');
-- undo
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);

-- case base type category
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);
-- change
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out, category = 'X');
-- undo
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);

-- case base type preferred
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);
-- change
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out, preferred = true);
-- undo
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);

-- case base type default
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);
-- change
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out, default = 'x');
-- undo
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);

-- case base type alignment
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);
-- change
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out, alignment = double);
-- undo
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);

-- case base type collatable
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);
-- change
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out, collatable = true);
-- undo
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);

-- case base type element (since 14)
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);
-- change
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out, element = int, subscript = raw_array_subscript_handler);
-- undo
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);

-- case base type length
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);
-- change
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out, internallength = 8);
-- undo
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);

-- case base type analyze
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);
-- change
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out, analyze = ts_typanalyze);
-- undo
drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out);

-- case base type receive
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create function @.b_recv(internal) returns @.b language internal immutable strict as 'textrecv'; create function @.b_send(@.b) returns bytea language internal immutable strict as 'textsend'; create function @.m_in(cstring[]) returns int language internal immutable strict as 'varchartypmodin'; create function @.m_out(int) returns cstring language internal immutable strict as 'varchartypmodout';
create type @.b (input = @.b_in, output = @.b_out);
-- change
drop function @.m_in, @.m_out; drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create function @.b_recv(internal) returns @.b language internal immutable strict as 'textrecv'; create function @.b_send(@.b) returns bytea language internal immutable strict as 'textsend'; create function @.m_in(cstring[]) returns int language internal immutable strict as 'varchartypmodin'; create function @.m_out(int) returns cstring language internal immutable strict as 'varchartypmodout';
create type @.b (input = @.b_in, output = @.b_out, receive = @.b_recv);
-- undo
drop type @.b cascade; drop function if exists @.m_in; drop function if exists @.m_out;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create function @.b_recv(internal) returns @.b language internal immutable strict as 'textrecv'; create function @.b_send(@.b) returns bytea language internal immutable strict as 'textsend'; create function @.m_in(cstring[]) returns int language internal immutable strict as 'varchartypmodin'; create function @.m_out(int) returns cstring language internal immutable strict as 'varchartypmodout';
create type @.b (input = @.b_in, output = @.b_out);

-- case base type send
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create function @.b_recv(internal) returns @.b language internal immutable strict as 'textrecv'; create function @.b_send(@.b) returns bytea language internal immutable strict as 'textsend'; create function @.m_in(cstring[]) returns int language internal immutable strict as 'varchartypmodin'; create function @.m_out(int) returns cstring language internal immutable strict as 'varchartypmodout';
create type @.b (input = @.b_in, output = @.b_out);
-- change
drop function @.m_in, @.m_out; drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create function @.b_recv(internal) returns @.b language internal immutable strict as 'textrecv'; create function @.b_send(@.b) returns bytea language internal immutable strict as 'textsend'; create function @.m_in(cstring[]) returns int language internal immutable strict as 'varchartypmodin'; create function @.m_out(int) returns cstring language internal immutable strict as 'varchartypmodout';
create type @.b (input = @.b_in, output = @.b_out, send = @.b_send);
-- undo
drop type @.b cascade; drop function if exists @.m_in; drop function if exists @.m_out;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create function @.b_recv(internal) returns @.b language internal immutable strict as 'textrecv'; create function @.b_send(@.b) returns bytea language internal immutable strict as 'textsend'; create function @.m_in(cstring[]) returns int language internal immutable strict as 'varchartypmodin'; create function @.m_out(int) returns cstring language internal immutable strict as 'varchartypmodout';
create type @.b (input = @.b_in, output = @.b_out);

-- case base type modifier in
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create function @.b_recv(internal) returns @.b language internal immutable strict as 'textrecv'; create function @.b_send(@.b) returns bytea language internal immutable strict as 'textsend'; create function @.m_in(cstring[]) returns int language internal immutable strict as 'varchartypmodin'; create function @.m_out(int) returns cstring language internal immutable strict as 'varchartypmodout';
create type @.b (input = @.b_in, output = @.b_out);
-- change
drop function @.m_in, @.m_out; drop type @.b cascade;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create function @.b_recv(internal) returns @.b language internal immutable strict as 'textrecv'; create function @.b_send(@.b) returns bytea language internal immutable strict as 'textsend'; create function @.m_in(cstring[]) returns int language internal immutable strict as 'varchartypmodin'; create function @.m_out(int) returns cstring language internal immutable strict as 'varchartypmodout';
create type @.b (input = @.b_in, output = @.b_out, typmod_in = @.m_in);
-- undo
drop type @.b cascade; drop function if exists @.m_in; drop function if exists @.m_out;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create function @.b_recv(internal) returns @.b language internal immutable strict as 'textrecv'; create function @.b_send(@.b) returns bytea language internal immutable strict as 'textsend'; create function @.m_in(cstring[]) returns int language internal immutable strict as 'varchartypmodin'; create function @.m_out(int) returns cstring language internal immutable strict as 'varchartypmodout';
create type @.b (input = @.b_in, output = @.b_out);

-- case base type modifier out
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create function @.b_recv(internal) returns @.b language internal immutable strict as 'textrecv'; create function @.b_send(@.b) returns bytea language internal immutable strict as 'textsend'; create function @.m_in(cstring[]) returns int language internal immutable strict as 'varchartypmodin'; create function @.m_out(int) returns cstring language internal immutable strict as 'varchartypmodout';
create type @.b (input = @.b_in, output = @.b_out, typmod_in = @.m_in);
-- change
drop type @.b cascade; drop function @.m_in, @.m_out;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create function @.b_recv(internal) returns @.b language internal immutable strict as 'textrecv'; create function @.b_send(@.b) returns bytea language internal immutable strict as 'textsend'; create function @.m_in(cstring[]) returns int language internal immutable strict as 'varchartypmodin'; create function @.m_out(int) returns cstring language internal immutable strict as 'varchartypmodout';
create type @.b (input = @.b_in, output = @.b_out, typmod_in = @.m_in, typmod_out = @.m_out);
-- undo
drop type @.b cascade; drop function if exists @.m_in; drop function if exists @.m_out;
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin'; create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create function @.b_recv(internal) returns @.b language internal immutable strict as 'textrecv'; create function @.b_send(@.b) returns bytea language internal immutable strict as 'textsend'; create function @.m_in(cstring[]) returns int language internal immutable strict as 'varchartypmodin'; create function @.m_out(int) returns cstring language internal immutable strict as 'varchartypmodout';
create type @.b (input = @.b_in, output = @.b_out, typmod_in = @.m_in);
