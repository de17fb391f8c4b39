//! Reads from a compose file which ports it publishes and which files it mounts. It is read line by line: developers'
//! files have the short forms, and nothing here needs the rest of YAML.

use std::path::{Path, PathBuf};

/// The ports of this machine that lead to a port of a container: `"8100:5432"`, `127.0.0.1:8100:5432`.
pub fn ports_to(text: &str, container: u16) -> Vec<u16> {
    items(text)
        .filter_map(|item| {
            let (before, inside) = item.split_once('/').map_or(item, |(port, _)| port).rsplit_once(':')?;
            let outside = before.rsplit(':').next()?;
            (inside.parse() == Ok(container)).then(|| outside.parse().ok()).flatten()
        })
        .collect()
}

/// The single files that are mounted, relative to the compose file's folder: `file: ./x.yaml` of `configs` and `secrets`, and
/// `./x.yaml:/etc/x.yaml` of `volumes` where both ends look like a file.
pub fn mounted_files(text: &str) -> Vec<PathBuf> {
    let named = text.lines().filter_map(|line| line.trim().strip_prefix("file:")).map(plain).map(PathBuf::from);
    let bound = items(text).filter_map(|item| {
        let (outside, inside) = item.split_once(':')?;
        let inside = inside.split(':').next()?;
        let is_file = |path: &str| Path::new(path).extension().is_some();
        let is_bound = outside.starts_with("./") && inside.starts_with('/') && is_file(outside) && is_file(inside);
        is_bound.then(|| PathBuf::from(outside))
    });
    let mut all: Vec<PathBuf> = Vec::new();
    for path in named.chain(bound) {
        let path = path.strip_prefix("./").map_or(path.clone(), Path::to_owned);
        // What a variable stands for is not known here.
        if !all.contains(&path) && !path.to_string_lossy().contains('$') {
            all.push(path);
        }
    }
    all
}

/// The items of lists.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.trim().strip_prefix("- ")).map(plain)
}

fn plain(value: &str) -> &str {
    let value = value.trim();
    let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.split(quote).next());
    quoted.unwrap_or_else(|| value.split(" #").next().unwrap_or(value).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
configs:
  prometheus_config:
    file: ./prometheus.yaml
  other:
    file: "etc/other.yaml"   # said so
services:
  db:
    ports:
      - "8100:5432"
      - 127.0.0.1:8101:5432/tcp
      - '6379'
    volumes:
      - "./volumes/postgres-data:/var/lib/postgresql/data:rw"
      - ./loki.yaml:/etc/loki/local.yaml:ro
      - ./${WHERE}.yaml:/etc/x.yaml
  redis:
    ports: ["8110:6379"]
"#;

    #[test]
    fn ports_and_files() {
        assert_eq!(ports_to(TEXT, 5432), [8100, 8101]);
        assert_eq!(ports_to(TEXT, 2379), [0; 0]);
        let files: Vec<String> = mounted_files(TEXT).iter().map(|path| path.display().to_string()).collect();
        assert_eq!(files, ["prometheus.yaml", "etc/other.yaml", "loki.yaml"]);
    }
}
