-- case owner of a view
create view @.v as select 1 as a;
-- change
alter view @.v owner to cat_writer;
-- undo
alter view @.v owner to postgres;
