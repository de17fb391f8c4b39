//! What a database shares with the others of its server: roles with their settings and memberships, databases,
//! tablespaces. A script that changes them reaches beyond the throwaway database.

use super::batch::Answer;
use super::catalog::{Ask, fields, whole};
use crate::model::catalog::{Key, Object, Snapshot};

/// Our own throwaway databases come and go, and what is set for them is ours.
pub(super) const SHARED: &str = r"
select 'role' as kind, quote_ident(rolname) as name,
       concat_ws(' ', case when rolsuper then 'superuser' end, case when not rolinherit then 'noinherit' end,
         case when rolcreaterole then 'createrole' end, case when rolcreatedb then 'createdb' end,
         case when rolcanlogin then 'login' end, case when rolreplication then 'replication' end,
         case when rolbypassrls then 'bypassrls' end, 'limit ' || nullif(rolconnlimit, -1), 'until ' || rolvaliduntil) as is
  from pg_roles where rolname !~ '^pg_'
union all
select 'membership', format('%I in %I', m.rolname, r.rolname), case when a.admin_option then 'with admin option' else '' end
  from pg_auth_members a join pg_roles r on r.oid = a.roleid join pg_roles m on m.oid = a.member
union all
select 'settings', concat(quote_ident(r.rolname), ' in ' || quote_ident(d.datname)), array_to_string(s.setconfig, ', ')
  from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole left join pg_database d on d.oid = s.setdatabase
 where d.datname is null or d.datname !~ '^xtask_'
union all
select 'database', quote_ident(datname),
       concat_ws(' ', pg_get_userbyid(datdba), datacl::text, datconnlimit, datallowconn, datistemplate)
  from pg_database where datname !~ '^xtask_'
union all
select 'tablespace', quote_ident(spcname), concat_ws(' ', pg_get_userbyid(spcowner), spcacl::text, spcoptions::text)
  from pg_tablespace where spcname !~ '^xtask_';";

/// For [`add`].
pub(super) const OWN: &str = "
select coalesce((select string_agg(concat(quote_ident(r.rolname) || ': ', c), ', ' order by r.rolname, c)
                   from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) c
                  where s.setdatabase = d.oid), ''),
       coalesce(nullif(d.datconnlimit, -1)::text, '')
  from pg_database d where d.datname = current_database();";

/// Adds what is set for the database as such (`ALTER DATABASE … SET`). Its name is left out: a copy has another one.
pub(super) fn add(schema: &mut Snapshot, answer: &Answer) {
    add_values(schema, &[0, 1].map(|column| answer.text(column).unwrap_or_default().to_owned()));
}

/// The same through a session of somebody else, as [`super::catalog::take_through`]; whether that was to be asked.
pub fn add_settings_through(ask: Ask<'_>, schema: &mut Snapshot) -> bool {
    let Some(row) = ask(&[whole(OWN)]).and_then(|answers| answers.into_iter().flatten().next()) else { return false };
    let values: Vec<String> = fields(&row).into_iter().map(Option::unwrap_or_default).collect();
    add_values(schema, &values);
    true
}

fn add_values(schema: &mut Snapshot, values: &[String]) {
    let named = ["settings", "connection limit"].into_iter().zip(values);
    let set = named.filter(|(_, value)| !value.is_empty());
    let attributes: Vec<_> = set.map(|(name, value)| (name.into(), value.clone())).collect();
    if !attributes.is_empty() {
        schema.insert(Key::new("this", "database"), Object { parent: None, attributes });
    }
}

/// What the whole server shares, from the answer to [`SHARED`].
pub(super) fn snapshot(answer: &Answer) -> Snapshot {
    let mut shared = Snapshot::default();
    for row in &answer.rows {
        let text = |column: usize| row.get(column).unwrap_or_default().to_owned();
        let attributes = vec![("is".into(), text(2))];
        shared.insert(Key::new(text(0), text(1)), Object { parent: None, attributes });
    }
    shared
}
