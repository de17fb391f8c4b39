//! The config file of a Backend.AI service: it is searched as the service itself does, and its addresses are read. Only
//! values that were asked for are given out: the file holds passwords and secrets.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::sys::files;
use crate::sys::net::Place;

/// Read; `-` and `_` in keys are one, as to the services.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    pub path: PathBuf,
    values: Vec<(String, Value)>,
}

#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Number(i64),
    Switch(bool),
    List(Vec<Value>),
    Other,
}

/// Why there is none.
#[derive(Clone, Debug)]
pub enum Missing {
    /// In none of these places.
    Nowhere(Vec<PathBuf>),
    /// It cannot be read, or is no TOML: the file, the line and what is wrong, without the text of the line.
    Broken(PathBuf, Option<usize>, String),
}

/// Variables that the manager, the storage proxy and the agent take before what their files say.
const VARIABLES: [(&str, &str); 8] = [
    ("etcd.namespace", "BACKEND_NAMESPACE"),
    ("etcd.addr", "BACKEND_ETCD_ADDR"),
    ("etcd.user", "BACKEND_ETCD_USER"),
    ("etcd.password", "BACKEND_ETCD_PASSWORD"),
    ("db.addr", "BACKEND_DB_ADDR"),
    ("db.name", "BACKEND_DB_NAME"),
    ("db.user", "BACKEND_DB_USER"),
    ("db.password", "BACKEND_DB_PASSWORD"),
];

/// The places where a service that runs in `root` looks for `file`, in its order. The web server looks in one alone.
pub fn searched(root: &Path, file: &str, variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let is_toml = file.ends_with(".toml");
    if let Some(named) = variable("BACKEND_CONFIG_FILE").filter(|named| is_toml && !named.is_empty()) {
        return vec![root.join(named)];
    }
    let mut places = vec![root.join(file)];
    if is_toml {
        let home = variable("HOME").map(PathBuf::from);
        let above = root.ancestors().skip(1);
        let below_home = above.take_while(|folder| home.as_ref().is_some_and(|home| folder.starts_with(home)));
        places.extend(below_home.filter(|folder| folder.join("BUILD_ROOT").exists()).map(|folder| folder.join(file)));
        places.extend(home.map(|home| home.join(".config/backend.ai").join(file)));
        places.push(Path::new("/etc/backend.ai").join(file));
    }
    places
}

impl ServiceConfig {
    /// Finds and reads it; `named` is the file that the command line names.
    ///
    /// # Errors
    /// Where it was searched, or what is wrong with it.
    pub fn find(root: &Path, file: &str, named: Option<&Path>) -> Result<ServiceConfig, Missing> {
        let variable = |key: &str| std::env::var(key).ok();
        let places = named.map_or_else(|| searched(root, file, variable), |named| vec![root.join(named)]);
        let Some(path) = places.iter().find(|path| path.is_file()) else { return Err(Missing::Nowhere(places)) };
        let mut config = ServiceConfig::read(path)?;
        for (key, name) in VARIABLES {
            if let Some(value) = variable(name) {
                let below = format!("{key}.");
                config.values.retain(|(known, _)| known != key && !known.starts_with(&below));
                config.values.push((key.to_owned(), Value::Text(value)));
            }
        }
        Ok(config)
    }

    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(path: &Path) -> Result<ServiceConfig, Missing> {
        let broken = |line, why: String| Missing::Broken(path.to_owned(), line, why);
        let text = files::read_text(path).map_err(|error| broken(None, error.root_cause().to_string()))?;
        let table = DeTable::parse(&text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            broken(line, error.message().to_owned())
        })?;
        let mut values = Vec::new();
        collect(table.get_ref(), "", &mut values);
        Ok(ServiceConfig { path: path.to_owned(), values })
    }

    fn value(&self, key: &str) -> Option<&Value> {
        let key = key.replace('_', "-");
        self.values.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A switch, also as the text that a variable or etcd has for it.
    pub fn is_on(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            Value::Switch(is_on) => Some(*is_on),
            Value::Text(text) => Some(is_yes(text)),
            Value::Number(number) => Some(*number != 0),
            _ => None,
        }
    }

    /// Texts in a list, or in one text with commas.
    pub fn texts(&self, key: &str) -> Vec<&str> {
        match self.value(key) {
            Some(Value::Text(text)) => text.split(',').map(str::trim).filter(|text| !text.is_empty()).collect(),
            Some(Value::List(list)) => list
                .iter()
                .filter_map(|it| if let Value::Text(text) = it { Some(text.as_str()) } else { None })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// An address: `{ host = "…", port = … }`, `ip` and `port` beside each other, or `"host:port"`; of a list the first.
    pub fn place(&self, key: &str) -> Option<Place> {
        if let Some(text) = self.texts(key).first() {
            return Place::parse(text);
        }
        let part = |name: &str| self.value(&format!("{key}.{name}"));
        let host = [part("host"), part("ip")].into_iter().flatten().find_map(|host| match host {
            Value::Text(host) => Some(host.clone()),
            _ => None,
        });
        let port = match part("port")? {
            Value::Number(port) => u16::try_from(*port).ok(),
            Value::Text(port) => port.parse().ok(),
            _ => None,
        };
        Some(Place::new(host.unwrap_or_default(), port?))
    }

    /// The names of the tables below a key: of `volume`, each volume.
    pub fn names_below(&self, key: &str) -> Vec<String> {
        let start = format!("{key}.");
        let mut names: Vec<String> = Vec::new();
        for (known, _) in &self.values {
            let Some((name, _)) = known.strip_prefix(&start).and_then(|rest| rest.split_once('.')) else { continue };
            if !names.iter().any(|other| other == name) {
                names.push(name.to_owned());
            }
        }
        names
    }
}

/// As the services read a switch that is a text.
pub fn is_yes(text: &str) -> bool {
    ["true", "yes", "on", "1", "t", "y"].contains(&text.trim().to_ascii_lowercase().as_str())
}

fn collect(table: &DeTable<'_>, before: &str, values: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let key = format!("{before}{}", name.get_ref().replace('_', "-"));
        match value.get_ref() {
            DeValue::Table(inner) => collect(inner, &format!("{key}."), values),
            // The first of a list of addresses stands for all of them.
            DeValue::Array(list) if matches!(list.first().map(|it| it.get_ref()), Some(DeValue::Table(_))) => {
                if let Some(DeValue::Table(first)) = list.first().map(|it| it.get_ref()) {
                    collect(first, &format!("{key}."), values);
                }
            }
            other => values.push((key, plain(other))),
        }
    }
}

fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Other, Value::Number)
        }
        DeValue::Boolean(is_on) => Value::Switch(*is_on),
        DeValue::Array(list) => Value::List(list.iter().map(|it| plain(it.get_ref())).collect()),
        _ => Value::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<ServiceConfig, Missing> {
        let folder = std::env::temp_dir().join(format!("xsc-{}-{}", std::process::id(), text.len()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("x.toml"), text).unwrap();
        let config = ServiceConfig::read(&folder.join("x.toml"));
        std::fs::remove_dir_all(&folder).unwrap();
        config
    }

    #[test]
    fn addresses_in_every_form() {
        let text = "[etcd]\naddr = [{ host = \"a\", port = 1 }, { host = \"b\", port = 2 }]\n[db]\naddr = \"c:3\"\n\
                    [service]\nip = \"0.0.0.0\"\nport = 8_090\n[session.redis]\naddr = \"d:5\"\n\
                    [proxy_worker]\napi_bind_addr = { host = \"e\", port = 6 }\n[api]\nendpoint = [\"http://f:7\"]\n\
                    [volume.v1]\npath = \"/v\"\n";
        let config = config(text).unwrap();
        let place = |key| config.place(key).map(|place| place.to_string()).unwrap_or_default();
        let keys =
            ["etcd.addr", "db.addr", "service", "session.redis.addr", "proxy_worker.api-bind-addr", "api.endpoint"];
        assert_eq!(keys.map(place), ["a:1", "c:3", "0.0.0.0:8090", "d:5", "e:6", "f:7"]);
        assert_eq!((config.names_below("volume"), config.text("volume.v1.path")), (vec!["v1".to_owned()], Some("/v")));
    }

    /// What the service itself would read, and never the text of a line, which may be a password.
    #[test]
    fn what_is_wrong_with_it() {
        let Err(Missing::Broken(_, line, why)) = config("a = 1\npassword = hidden\n") else { panic!("it was read") };
        assert_eq!(line, Some(2));
        assert!(!why.contains("hidden"), "{why}");
    }

    #[test]
    fn the_order_of_the_search() {
        let folder = std::env::temp_dir().join(format!("xso-{}", std::process::id()));
        let root = folder.join("home/up/project");
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(folder.join("home/up/BUILD_ROOT"), "").unwrap();
        std::fs::write(folder.join("BUILD_ROOT"), "").unwrap();
        let home = folder.join("home").display().to_string();
        let shown = |file, named: Option<&str>| {
            let variable = |key: &str| match key {
                "HOME" => Some(home.clone()),
                _ => named.map(str::to_owned),
            };
            let all = searched(&root, file, variable);
            all.iter()
                .map(|it| it.strip_prefix(&folder).unwrap_or(it).display().to_string())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            shown("manager.toml", None),
            "home/up/project/manager.toml home/up/manager.toml home/.config/backend.ai/manager.toml /etc/backend.ai/manager.toml"
        );
        assert_eq!(shown("manager.toml", Some("/x/other.toml")), "/x/other.toml");
        assert_eq!(shown("webserver.conf", Some("/x/other.toml")), "home/up/project/webserver.conf");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
