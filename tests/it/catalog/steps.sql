-- case add column
-- change
alter table @.users add column phone text
-- undo
alter table @.users drop column phone

-- case column and back at the end
-- change
alter table @.users drop column born
-- undo
alter table @.users add column born date

-- case column of a unique constraint and back
-- change
alter table @.orders drop column placed
-- undo
alter table @.orders add column placed timestamptz default now(), add constraint uq_orders unique (user_id, placed)

-- case column of a partitioned table
-- change
alter table @.events drop column payload
-- undo
alter table @.events add column payload jsonb

-- case nullable
-- change
alter table @.users alter column email drop not null
-- undo
alter table @.users alter column email set not null

-- case default
-- change
alter table @.users alter column name set default 'somebody'
-- undo
alter table @.users alter column name set default 'nobody'

-- case default not put back
-- change
alter table @.users alter column name drop default
-- undo
alter table @.users alter column name set default 'nobody'::text

-- case type
-- change
alter table @.orders alter column total type numeric(12, 3)
-- undo
alter table @.orders alter column total type numeric(10, 2)

-- case rename column
-- change
alter table @.users rename column extra to more
-- undo
alter table @.users rename column more to extra

-- case rename table
-- change
alter table @.users rename to people
-- undo
alter table @.people rename to users

-- case rename constraint
-- change
alter table @.orders rename constraint fk_orders_user to orders_user_id_fkey
-- undo
alter table @.orders rename constraint orders_user_id_fkey to fk_orders_user

-- case foreign key
-- change
alter table @.orders drop constraint fk_orders_user
-- undo
alter table @.orders add constraint fk_orders_user foreign key (user_id) references @.users (id) on delete cascade

-- case foreign key without its action
-- change
alter table @.orders drop constraint fk_orders_user
-- undo
alter table @.orders add constraint fk_orders_user foreign key (user_id) references @.users (id)

-- case primary key
-- change
alter table @.users drop constraint users_pkey cascade
-- undo
alter table @.users add constraint users_pkey primary key (id)

-- case index
-- change
drop index @.ix_orders_state
-- undo
create index ix_orders_state on @.orders (state) where state <> 'sent'

-- case index under another name
-- change
drop index @.ix_orders_state
-- undo
create index orders_state_idx on @.orders (state) where state <> 'sent'

-- case unique index no longer unique
-- change
drop index @.ix_users_email
-- undo
create index ix_users_email on @.users (lower(email::text))

-- case partitioned index
-- change
drop index @.ix_events_kind
-- undo
create index ix_events_kind on @.events (kind)

-- case partition
-- change
alter table @.events detach partition @.events_old
-- undo
alter table @.events attach partition @.events_old for values from (minvalue) to ('2020-01-01')

-- case partition dropped
-- change
drop table @.events_new
-- undo
create table @.events_new partition of @.events for values from ('2020-01-01') to (maxvalue)

-- case enum label
-- change
alter type @.state add value 'back' before 'sent'

-- case enum label renamed
-- change
alter type @.state rename value 'new' to 'fresh'
-- undo
alter type @.state rename value 'fresh' to 'new'

-- case enum type left behind
-- change
create type @.colour as enum ('red'); create table @.paint (c @.colour)
-- undo
drop table @.paint

-- case domain
-- change
alter domain @.mail drop constraint mail_check
-- undo
alter domain @.mail add constraint mail_check check (value like '%_')

-- case function
-- change
create or replace function @.touch() returns trigger language plpgsql as 'begin return new; end'
-- undo
create or replace function @.touch() returns trigger language plpgsql as 'begin new.placed := now(); return new; end'

-- case trigger
-- change
drop trigger tr_touch on @.orders
-- undo
create trigger tr_touch before update on @.orders for each row execute function @.touch()

-- case trigger disabled
-- change
alter table @.orders disable trigger tr_touch
-- undo
alter table @.orders enable trigger tr_touch

-- case view
-- change
drop view @.paid
-- undo
create view @.paid as select o.id, u.name from @.orders o join @.users u on u.id = o.user_id where o.state = 'paid'

-- case view to materialized view
-- change
drop view @.paid; create materialized view @.paid as select id from @.orders
-- undo
drop materialized view @.paid; create view @.paid as select o.id, u.name from @.orders o join @.users u on u.id = o.user_id where o.state = 'paid'

-- case policy
-- change
drop policy own on @.orders
-- undo
create policy own on @.orders using (user_id > 0)

-- case policy of another expression
-- change
alter policy own on @.orders using (user_id > 1)
-- undo
alter policy own on @.orders using (user_id >= 1)

-- case statistics
-- change
drop statistics @.st_orders
-- undo
create statistics @.st_orders on state, user_id from @.orders

-- case comment
-- change
comment on table @.users is null
-- undo
comment on table @.users is 'who buys'

-- case comment on a column
-- change
comment on column @.orders.total is 'without tax'
-- undo
comment on column @.orders.total is 'with tax'

-- case privileges
-- change
revoke select on @.users from cat_reader
-- undo
grant select on @.users to cat_reader

-- case more privileges
-- change
grant insert on @.users to cat_writer
-- undo
revoke insert on @.users from cat_writer

-- case owner
-- change
alter table @.orders owner to cat_writer
-- undo
alter table @.orders owner to postgres

-- case sequence
-- change
alter sequence @.users_id_seq increment by 3
-- undo
alter sequence @.users_id_seq increment by 1

-- case serial to identity
-- change
alter table @.users alter column id drop default; drop sequence @.users_id_seq; alter table @.users alter column id add generated by default as identity
-- undo
alter table @.users alter column id drop identity; create sequence @.users_id_seq as integer owned by @.users.id; alter table @.users alter column id set default nextval('@.users_id_seq')

-- case unlogged
-- change
alter table @.events_old set unlogged
-- undo
alter table @.events_old set logged

-- case storage
-- change
alter table @.users alter column name set storage external
-- undo
alter table @.users alter column name set storage extended

-- case table made and dropped
-- change
create table @.tmp (id serial primary key, u int references @.users)
-- undo
drop table @.tmp

-- case not valid
-- change
alter table @.orders drop constraint orders_total_check; alter table @.orders add constraint orders_total_check check (total >= 0) not valid
-- undo
alter table @.orders validate constraint orders_total_check

-- case schema of a function
-- change
create function @.f(a @.state) returns @.mail language sql as 'select null::text'
-- undo
drop function @.f(@.state)
