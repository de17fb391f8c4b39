//! Reads the properties of a database that its copy has to get, too: encoding, locale, owner, settings, grants.

use anyhow::Result;

use super::ask::Ask;
use super::errors::createdb;
use super::{Db, ident, literal, sql_fail};
use crate::fail::{Fail, Kind};
use crate::model::action::own;

/// What a clone has to know of its source.
pub(super) struct Source {
    pub(super) owner: String,
    /// For `create database`: encoding, locale, tablespace.
    pub(super) options: String,
    pub(super) in_use: bool,
    /// By a session of this process.
    pub(super) in_use_by_us: bool,
    pub(super) settings: Vec<Setting>,
    pub(super) grants: Vec<String>,
}

/// One thing that is set for a database.
pub(super) struct Setting {
    /// Only for this role (`alter role … in database …`), ready for SQL.
    role: Option<String>,
    /// `set …`
    tail: String,
}

impl Setting {
    pub(super) fn sql(&self, database: &str) -> String {
        let (database, tail) = (ident(database), &self.tail);
        match &self.role {
            Some(role) => format!("alter role {role} in database {database} {tail}"),
            None => format!("alter database {database} {tail}"),
        }
    }
}

impl Db {
    /// Reads the properties of a database of this server.
    ///
    /// # Errors
    /// `database-missing`; when the connection is lost.
    pub(super) fn source(&mut self, source: &str) -> Result<Source> {
        let us = format!(" {}", std::process::id());
        let row = self.client().ask_opt(SOURCE, &[&source, &us]);
        let row = row.map_err(|error| sql_fail(&error, "looking at the database to clone"))?;
        let row = row.ok_or_else(|| {
            Fail::new(Kind::DatabaseMissing, "The database does not exist")
                .details(format!("{source} on {}", self.endpoint()))
                .run("Create it", createdb(self.endpoint(), &self.url().target().user, source))
                .related(own("db-status"))
        })?;
        let (roles, texts): (Vec<Option<String>>, Vec<String>) = (row.get("roles"), row.get("settings"));
        let setting = |(role, text): (Option<String>, &String)| Some(Setting { role, tail: set_tail(text)? });
        let settings = roles.into_iter().zip(&texts).filter_map(setting).collect();
        let owner = row.get("owner");
        Ok(Source {
            owner,
            options: row.get("options"),
            in_use: row.get("in_use"),
            in_use_by_us: row.get("in_use_by_us"),
            settings,
            grants: row.get("grants"),
        })
    }
}

/// The properties of a database in `pg_database` and beside it, whatever the server's version calls them. The right to
/// connect is left out: the copy is closed to others. So are settings for other roles: only a superuser may make them,
/// and no other role uses the copy.
const SOURCE: &str = r"
with set_for as (
  select quote_ident(r.rolname) as role, c.text, c.at
    from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase left join pg_roles r on r.oid = s.setrole
   cross join lateral unnest(s.setconfig) with ordinality c(text, at)
   where d.datname = $1
     and (s.setrole = 0 or r.rolname = current_user or (select rolsuper from pg_roles where rolname = current_user)))
select concat_ws(' ', format('encoding %L lc_collate %L lc_ctype %L', pg_encoding_to_char(d.encoding), d.datcollate, d.datctype),
         case j.provider when 'i' then format('locale_provider icu icu_locale %L', j.locale)
                         when 'b' then format('locale_provider builtin builtin_locale %L', j.locale) end,
         'icu_rules ' || quote_literal(j.rules),
         (select format('tablespace %I', spcname) from pg_tablespace t
           where t.oid = d.dattablespace and spcname not in ('pg_default', 'xtask_memory'))) as options,
       pg_get_userbyid(d.datdba)::text as owner,
       exists (select from pg_stat_activity a
                where a.datid = d.oid and a.backend_type = 'client backend') as in_use,
       exists (select from pg_stat_activity a
                where a.datid = d.oid and a.backend_type = 'client backend' and a.application_name like 'xtask %'
                  and right(a.application_name, length($2)) = $2) as in_use_by_us,
       array(select c.text from set_for c order by c.role nulls first, c.at) as settings,
       array(select c.role from set_for c order by c.role nulls first, c.at) as roles,
       array(select concat(a.privilege_type, ' ',
                      case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end)
               from aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
              where a.privilege_type <> 'CONNECT' and a.grantee <> d.datdba) as grants
  from pg_database d
  cross join lateral (select to_jsonb(d) as j) r
  cross join lateral (select r.j ->> 'datlocprovider' as provider, coalesce(r.j ->> 'datlocale', r.j ->> 'daticulocale') as locale,
                             coalesce(r.j ->> 'daticurules', r.j ->> 'datcollrules') as rules) j
 where d.datname = $1";

/// `search_path=a, "B"` to `set search_path = a, "B"`. Lists are stored quoted, other values plain.
fn set_tail(setting: &str) -> Option<String> {
    const LISTS: &[&str] = &["search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries"];
    let (name, value) = setting.split_once('=')?;
    let value = if LISTS.contains(&name) && !value.is_empty() { value.to_owned() } else { literal(value) };
    let name = name.split('.').map(ident).collect::<Vec<_>>().join(".");
    Some(format!("set {name} = {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_a_database() {
        assert_eq!(set_tail("search_path=app, \"B\"").as_deref(), Some("set \"search_path\" = app, \"B\""));
        assert_eq!(set_tail("work_mem=4MB").as_deref(), Some("set \"work_mem\" = '4MB'"));
        assert_eq!(set_tail("app.name=it's").as_deref(), Some("set \"app\".\"name\" = 'it''s'"));
        assert_eq!(set_tail("search_path=").as_deref(), Some("set \"search_path\" = ''"));
        assert_eq!(set_tail("odd"), None);
    }
}
