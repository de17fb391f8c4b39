//! What a driver makes of a URL. Each has its own rules for what the query overrides, which variables it reads and what
//! it does when everything is left out.

use std::path::Path;
use std::time::Duration;

use super::{Address, Driver, Endpoint, Parts, Secret, Session, Ssl, SslMode, Surroundings, Target, UrlError, pgpass};

/// Where the driver would go with these parts, here.
pub(super) fn resolve(parts: &Parts, driver: Driver, around: &Surroundings) -> Result<Target, UrlError> {
    let look = Look { parts, driver, around };
    look.refuse_what_leads_elsewhere()?;
    let user = look.user()?;
    let database_key = if driver.is_libpq() { "dbname" } else { "database" };
    let database = look
        .text(database_key, parts.database.as_deref(), "PGDATABASE")
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| user.clone());
    let mut target = Target {
        endpoints: look.endpoints()?,
        user,
        database,
        ssl: look.ssl()?,
        connect_timeout: look.timeout()?,
        options: look.text("options", None, "PGOPTIONS").filter(|_| driver.is_libpq()),
        session: look.session()?,
    };
    look.passwords(&mut target);
    Ok(target)
}

struct Look<'a> {
    parts: &'a Parts,
    driver: Driver,
    around: &'a Surroundings,
}

impl Look<'_> {
    /// An environment variable, where the driver reads any; an empty one counts as unset.
    fn var(&self, name: &str) -> Option<&str> {
        let value = self.around.vars.get(name).filter(|value| !value.is_empty())?;
        (self.driver != Driver::Pg8000).then_some(value)
    }

    /// The query overrides the part (SQLAlchemy's `opts.update(url.query)`), the part the variable.
    fn text(&self, key: &str, part: Option<&str>, var: &str) -> Option<String> {
        let part = part.filter(|part| !part.is_empty());
        self.parts.one(key).or(part).or_else(|| self.var(var)).map(str::to_owned)
    }

    /// What would lead the driver to a server that we cannot work out must not be passed over in silence.
    fn refuse_what_leads_elsewhere(&self) -> Result<(), UrlError> {
        let refused = [("service", "PGSERVICE"), ("hostaddr", "PGHOSTADDR"), ("dsn", "")];
        for (key, var) in refused {
            let by_var = self.driver.is_libpq() && self.var(var).is_some();
            if self.parts.one(key).is_some() || by_var && self.names_no_host() {
                let name = if by_var { var } else { key };
                return Err(UrlError::new(format!(
                    "`{name}` is not followed by this tool; write host, port and database into the URL"
                )));
            }
        }
        Ok(())
    }

    fn names_no_host(&self) -> bool {
        self.parts.host.is_none() && self.parts.one("host").is_none()
    }

    fn user(&self) -> Result<String, UrlError> {
        let named = self.text("user", self.parts.user.as_deref(), "PGUSER");
        if named.is_none() && self.driver == Driver::Pg8000 {
            return Err(UrlError::new("pg8000 takes no user from the environment; write one into the URL"));
        }
        // asyncpg asks Python's getpass, which believes the environment first.
        let by_env = ["LOGNAME", "USER", "LNAME", "USERNAME"].iter().find_map(|name| self.var(name));
        let by_env = by_env.filter(|_| self.driver == Driver::Asyncpg).map(str::to_owned);
        Ok(named.or(by_env).or_else(|| self.around.os_user.clone()).unwrap_or_default())
    }

    fn endpoints(&self) -> Result<Vec<Endpoint>, UrlError> {
        if let Some(path) = self.parts.one("unix_sock").filter(|_| self.driver == Driver::Pg8000) {
            return Ok(vec![socket_file(path)?]);
        }
        let (hosts, ports) = self.hosts_and_ports()?;
        let ports = spread(&ports, hosts.len())?;
        hosts.iter().zip(ports).map(|(host, port)| endpoint(host, port)).collect()
    }

    fn hosts_and_ports(&self) -> Result<(Vec<String>, Vec<Option<u16>>), UrlError> {
        let query = self.parts.all("host");
        let (mut hosts, mut ports) = match query {
            [] => (self.part_hosts(), self.parts.port.map(|port| vec![Some(port)]).unwrap_or_default()),
            [one] => single_host(one, self.parts.one("port").is_some())?,
            many => host_port_pairs(many)?,
        };
        if !query.is_empty() && ports.iter().all(Option::is_none) {
            // SQLAlchemy leaves the port of the URL itself in force under a `?host=`.
            ports = self.parts.port.map(|port| vec![Some(port)]).unwrap_or_default();
        }
        let listed = self.parts.all("port");
        if !listed.is_empty() {
            if query.len() > 1 {
                return Err(UrlError::new(
                    "`host` is given several times and `port` besides; use one of the two forms",
                ));
            }
            ports = listed.iter().flat_map(|text| text.split(',')).map(port).collect::<Result<_, _>>()?;
        }
        if hosts.is_empty() {
            hosts = self.default_hosts();
        }
        if ports.iter().all(Option::is_none)
            && let Some(text) = self.var("PGPORT")
        {
            ports = text.split(',').map(port).collect::<Result<_, _>>()?;
        }
        Ok((hosts, ports))
    }

    fn part_hosts(&self) -> Vec<String> {
        let host = self.parts.host.as_deref().unwrap_or_default();
        match self.driver.is_libpq() {
            _ if host.is_empty() => Vec::new(),
            true => host.split(',').map(str::to_owned).collect(),
            false => vec![host.to_owned()],
        }
    }

    /// What a driver tries when nobody names a host. libpq has one folder built in, which differs by who built it:
    /// trying the usual ones in turn finds the one where a server listens.
    fn default_hosts(&self) -> Vec<String> {
        if let Some(text) = self.var("PGHOST") {
            return text.split(',').map(str::to_owned).collect();
        }
        let hosts: &[&str] = match self.driver {
            Driver::Asyncpg => &["/run/postgresql", "/var/run/postgresql", "/tmp", "/private/tmp", "localhost"],
            Driver::Pg8000 => &["localhost"],
            Driver::Psycopg | Driver::Psycopg2 => &["/var/run/postgresql", "/tmp"],
        };
        hosts.iter().map(|host| (*host).to_owned()).collect()
    }

    fn ssl(&self) -> Result<Ssl, UrlError> {
        let mode = self.parts.one("sslmode").or_else(|| self.parts.one("ssl")).or_else(|| self.var("PGSSLMODE"));
        let file = |key: &str, var: &str| self.text(key, None, var);
        let home = self.around.vars.get("HOME").filter(|home| !home.is_empty() && self.driver != Driver::Pg8000);
        Ok(Ssl {
            mode: mode.map_or(Ok(SslMode::default()), ssl_mode)?,
            root_cert: file("sslrootcert", "PGSSLROOTCERT"),
            cert: file("sslcert", "PGSSLCERT"),
            key: file("sslkey", "PGSSLKEY"),
            weak_verifies: self.driver.is_libpq(),
            home: home.map(|home| Path::new(home).join(".postgresql")),
        })
    }

    fn timeout(&self) -> Result<Option<Duration>, UrlError> {
        let Some(text) = self.text("connect_timeout", None, "PGCONNECT_TIMEOUT").filter(|_| self.driver.is_libpq())
        else {
            return Ok(None);
        };
        let seconds: i64 =
            text.trim().parse().map_err(|_| UrlError::new("`connect_timeout` is no number of seconds"))?;
        // Zero and less mean no limit to libpq; the caller's own limit stays.
        Ok(u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs))
    }

    fn session(&self) -> Result<Session, UrlError> {
        match self.text("target_session_attrs", None, "PGTARGETSESSIONATTRS").as_deref() {
            None | Some("any" | "prefer-standby" | "prefer_standby") => Ok(Session::Any),
            Some("read-write" | "read_write" | "primary") => Ok(Session::ReadWrite),
            Some("read-only" | "read_only" | "standby") => Ok(Session::ReadOnly),
            Some(other) => Err(UrlError::new(format!("`target_session_attrs` has no value `{other}`"))),
        }
    }

    /// One password for all from the URL or the environment, else each server's own from the password file.
    fn passwords(&self, target: &mut Target) {
        let part = self.parts.password.as_ref().map(Secret::expose);
        let common = self.text("password", part, "PGPASSWORD").map(Secret);
        let file = self.around.pgpass.as_ref().filter(|_| self.driver != Driver::Pg8000);
        for endpoint in &mut target.endpoints {
            let port = endpoint.port.to_string();
            let host = self.pgpass_host(&endpoint.address);
            let in_file =
                || file.and_then(|text| pgpass::find(text.expose(), [&host, &port, &target.database, &target.user]));
            endpoint.password = common.clone().or_else(in_file);
        }
    }

    /// The default socket is `localhost` to libpq, any other its folder; asyncpg looks for what it was given.
    fn pgpass_host(&self, address: &Address) -> String {
        match address {
            Address::Host(host) => host.clone(),
            Address::Socket(_) if self.names_no_host() && self.var("PGHOST").is_none() => "localhost".to_owned(),
            Address::Socket(dir) if self.driver.is_libpq() && is_default_folder(dir) => "localhost".to_owned(),
            Address::Socket(dir) => dir.display().to_string(),
        }
    }
}

fn is_default_folder(dir: &Path) -> bool {
    [Path::new("/var/run/postgresql"), Path::new("/tmp")].contains(&dir)
}

/// One `?host=`: a comma list, or one host with its port behind a colon.
fn single_host(text: &str, port_elsewhere: bool) -> Result<(Vec<String>, Vec<Option<u16>>), UrlError> {
    let name = |host: &str| host.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-');
    match text.split_once(':') {
        Some((host, digits)) if !port_elsewhere && name(host) && !digits.contains(':') => {
            Ok((vec![host.to_owned()], vec![port(digits)?]))
        }
        _ => Ok((text.split(',').map(str::to_owned).collect(), Vec::new())),
    }
}

/// `?host=a:1&host=b:2`.
fn host_port_pairs(values: &[String]) -> Result<(Vec<String>, Vec<Option<u16>>), UrlError> {
    let mut hosts = Vec::new();
    let mut ports = Vec::new();
    for value in values {
        let (host, digits) = value.split_once(':').unwrap_or((value, ""));
        hosts.push(host.to_owned());
        ports.push(port(digits)?);
    }
    Ok((hosts, ports))
}

/// One port for all, or one for each.
fn spread(ports: &[Option<u16>], count: usize) -> Result<Vec<u16>, UrlError> {
    const DEFAULT: u16 = 5432;
    match ports {
        [] => Ok(vec![DEFAULT; count]),
        [one] => Ok(vec![one.unwrap_or(DEFAULT); count]),
        many if many.len() == count => Ok(many.iter().map(|port| port.unwrap_or(DEFAULT)).collect()),
        many => Err(UrlError::new(format!("{} ports do not fit {count} hosts", many.len()))),
    }
}

fn endpoint(host: &str, port: u16) -> Result<Endpoint, UrlError> {
    if host.is_empty() {
        return Err(UrlError::new("a host in the list is empty"));
    }
    if !host.starts_with('/') {
        let name = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        return Ok(Endpoint { address: Address::Host(name.to_owned()), port, password: None });
    }
    if host.contains(".s.PGSQL.") {
        return socket_file(host);
    }
    Ok(Endpoint::on_socket(Path::new(host), port))
}

/// A socket by its file: the folder and the number at its end.
fn socket_file(path: &str) -> Result<Endpoint, UrlError> {
    let (dir, file) = path.rsplit_once('/').unwrap_or((".", path));
    match file.strip_prefix(".s.PGSQL.").map(port) {
        Some(Ok(Some(port))) => Ok(Endpoint::on_socket(Path::new(dir), port)),
        _ => Err(UrlError::new(format!("the socket `{path}` is not named `.s.PGSQL.` and a port"))),
    }
}

fn port(text: &str) -> Result<Option<u16>, UrlError> {
    match text.trim() {
        "" => Ok(None),
        digits => digits.parse().map(Some).map_err(|_| UrlError::new(format!("`{digits}` is no port"))),
    }
}

fn ssl_mode(text: &str) -> Result<SslMode, UrlError> {
    match text.replace('_', "-").as_str() {
        "disable" => Ok(SslMode::Disable),
        "allow" => Ok(SslMode::Allow),
        "prefer" => Ok(SslMode::Prefer),
        "require" => Ok(SslMode::Require),
        "verify-ca" => Ok(SslMode::VerifyCa),
        "verify-full" => Ok(SslMode::VerifyFull),
        _ => Err(UrlError::new(format!(
            "`sslmode` has no value `{text}`; one of disable, allow, prefer, require, verify-ca, verify-full"
        ))),
    }
}
