-- case sequence
-- change
create sequence @.s;
-- undo
drop sequence @.s;

-- case sequence parameters
create sequence @.s;
-- change
alter sequence @.s increment by 2 maxvalue 1000 cache 5 cycle;
-- undo
alter sequence @.s increment by 1 no maxvalue cache 1 no cycle;

-- case sequence start
create sequence @.s;
-- change
alter sequence @.s start with 7;
-- undo
alter sequence @.s start with 1;

-- case sequence minimum
create sequence @.s;
-- change
alter sequence @.s minvalue -5;
-- undo
alter sequence @.s minvalue 1;

-- case sequence type
create sequence @.s;
-- change
alter sequence @.s as int;
-- undo
alter sequence @.s as bigint;

-- case sequence owned by
create sequence @.s; create table @.t (a int);
-- change
alter sequence @.s owned by @.t.a;
-- undo
alter sequence @.s owned by none;

-- case sequence current value
create sequence @.s;
-- change
select setval('@.s', 100);
-- undo
select setval('@.s', 200);

-- case sequence renamed
create sequence @.s; create table @.t (a int default nextval('@.s'));
-- change
alter sequence @.s rename to s2;
-- undo
alter sequence @.s2 rename to s;

-- case sequence unlogged (since 15)
create sequence @.s;
-- change
alter sequence @.s set unlogged;
-- undo
alter sequence @.s set logged;

-- case sequence privileges
create sequence @.s;
-- change
grant usage on sequence @.s to cat_reader;
-- undo
revoke usage on sequence @.s from cat_reader;

-- case enum
-- change
create type @.e as enum ('a', 'b');
-- undo
drop type @.e;

-- case enum label at the end
create type @.e as enum ('a', 'b');
-- change
alter type @.e add value 'c';

-- case enum label in the middle
create type @.e as enum ('a', 'c');
-- change
alter type @.e add value 'b' before 'c';
-- undo
drop type @.e; create type @.e as enum ('a', 'c');

-- case enum labels in another order
create type @.e as enum ('a', 'b');
-- change
drop type @.e; create type @.e as enum ('b', 'a');
-- undo
drop type @.e; create type @.e as enum ('a', 'b');

-- case enum label renamed
create type @.e as enum ('a', 'b');
-- change
alter type @.e rename value 'a' to 'A''s';
-- undo
alter type @.e rename value 'A''s' to 'a';

-- case enum renamed
create type @.e as enum ('a', 'b'); create table @.t (a @.e default 'a');
-- change
alter type @.e rename to f;
-- undo
alter type @.f rename to e;

-- case enum left behind by its table
-- change
create type @.e as enum ('a', 'b'); create table @.t (a @.e);
-- undo
drop table @.t;

-- case enum added label the hard way
create type @.e as enum ('a', 'b', 'c'); create table @.t (a @.e);
-- change
alter type @.e rename to e_old; create type @.e as enum ('a', 'b'); alter table @.t alter column a type @.e using a::text::@.e; drop type @.e_old;
-- undo
alter type @.e rename to e_old; create type @.e as enum ('a', 'b', 'c'); alter table @.t alter column a type @.e using a::text::@.e; drop type @.e_old;

-- case type owner
create type @.e as enum ('a');
-- change
alter type @.e owner to cat_writer;
-- undo
alter type @.e owner to postgres;

-- case type comment
create type @.e as enum ('a');
-- change
comment on type @.e is 'letters';
-- undo
comment on type @.e is null;

-- case type privileges
create type @.e as enum ('a');
-- change
revoke usage on type @.e from public;
-- undo
grant usage on type @.e to public;

-- case domain
-- change
create domain @.d as text;
-- undo
drop domain @.d;

-- case domain base type
create domain @.d as varchar(10);
-- change
drop domain @.d; create domain @.d as varchar(20);
-- undo
drop domain @.d; create domain @.d as varchar(10);

-- case domain default
create domain @.d as text;
-- change
alter domain @.d set default 'x';
-- undo
alter domain @.d drop default;

-- case domain not null
create domain @.d as text;
-- change
alter domain @.d set not null;
-- undo
alter domain @.d drop not null;

-- case domain constraint
create domain @.d as int;
-- change
alter domain @.d add constraint ck check (value > 0);
-- undo
alter domain @.d drop constraint ck;

-- case domain constraint renamed
create domain @.d as int constraint ck check (value > 0);
-- change
alter domain @.d rename constraint ck to ck2;
-- undo
alter domain @.d rename constraint ck2 to ck;

-- case domain constraint not valid
create domain @.d as int; alter domain @.d add constraint ck check (value > 0) not valid;
-- change
alter domain @.d validate constraint ck;

-- case domain constraint comment
create domain @.d as int constraint ck check (value > 0);
-- change
comment on constraint ck on domain @.d is 'positive';
-- undo
comment on constraint ck on domain @.d is null;

-- case domain collation
create domain @.d as text;
-- change
drop domain @.d; create domain @.d as text collate "C";
-- undo
drop domain @.d; create domain @.d as text;

-- case domain comment and privileges
create domain @.d as text;
-- change
comment on domain @.d is 'x'; grant usage on domain @.d to cat_reader;
-- undo
comment on domain @.d is null; revoke usage on domain @.d from cat_reader;

-- case composite
-- change
create type @.c as (a int, b text);
-- undo
drop type @.c;

-- case composite attribute added
create type @.c as (a int);
-- change
alter type @.c add attribute b text;
-- undo
alter type @.c drop attribute b;

-- case composite attribute type
create type @.c as (a int, b varchar(5));
-- change
alter type @.c alter attribute b type varchar(6);
-- undo
alter type @.c alter attribute b type varchar(5);

-- case composite attributes in another order
create type @.c as (a int, b text);
-- change
alter type @.c drop attribute a; alter type @.c add attribute a int;
-- undo
alter type @.c drop attribute b; alter type @.c add attribute b text;

-- case composite attribute collation
create type @.c as (a text);
-- change
alter type @.c alter attribute a type text collate "C";
-- undo
alter type @.c alter attribute a type text;

-- case composite attribute comment
create type @.c as (a int);
-- change
comment on column @.c.a is 'first';
-- undo
comment on column @.c.a is null;

-- case composite attribute renamed
create type @.c as (a int);
-- change
alter type @.c rename attribute a to b;
-- undo
alter type @.c rename attribute b to a;

-- case range
-- change
create type @.r as range (subtype = float8, subtype_diff = float8mi);
-- undo
drop type @.r;

-- case range difference function
create type @.r as range (subtype = float8, subtype_diff = float8mi);
-- change
drop type @.r; create type @.r as range (subtype = float8);
-- undo
drop type @.r; create type @.r as range (subtype = float8, subtype_diff = float8mi);

-- case range multirange name
create type @.r as range (subtype = float8);
-- change
drop type @.r; create type @.r as range (subtype = float8, multirange_type_name = @.mr);
-- undo
drop type @.r; create type @.r as range (subtype = float8);

-- case range collation and operator class
create type @.r as range (subtype = text);
-- change
drop type @.r; create type @.r as range (subtype = text, collation = "C", subtype_opclass = text_pattern_ops);
-- undo
drop type @.r; create type @.r as range (subtype = text);

-- case shell type
-- change
create type @.shell;
-- undo
drop type @.shell;

-- case base type
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'int4in';
create function @.b_out(@.b) returns cstring language internal immutable strict as 'int4out';
-- change
create type @.b (input = @.b_in, output = @.b_out, internallength = 4, passedbyvalue, alignment = int4);

-- case base type attributes
create type @.b; create function @.b_in(cstring) returns @.b language internal immutable strict as 'textin';
create function @.b_out(@.b) returns cstring language internal immutable strict as 'textout';
create type @.b (input = @.b_in, output = @.b_out, storage = extended);
-- change
alter type @.b set (storage = main);
-- undo
alter type @.b set (storage = extended);

-- case collation
-- change
create collation @.co (locale = 'C');
-- undo
drop collation @.co;

-- case collation provider (icu)
create collation @.co (locale = 'C');
-- change
drop collation @.co; create collation @.co (provider = icu, locale = 'und');
-- undo
drop collation @.co; create collation @.co (locale = 'C');

-- case collation deterministic (icu)
create collation @.co (provider = icu, locale = 'und');
-- change
drop collation @.co; create collation @.co (provider = icu, locale = 'und', deterministic = false);
-- undo
drop collation @.co; create collation @.co (provider = icu, locale = 'und');

-- case collation locale (icu)
create collation @.co (provider = icu, locale = 'und');
-- change
drop collation @.co; create collation @.co (provider = icu, locale = 'de');
-- undo
drop collation @.co; create collation @.co (provider = icu, locale = 'und');

-- case conversion
-- change
create conversion @.conv for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
-- undo
drop conversion @.conv;

-- case conversion default
create conversion @.conv for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
-- change
drop conversion @.conv; create default conversion @.conv for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
-- undo
drop conversion @.conv; create conversion @.conv for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8;
