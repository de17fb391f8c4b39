//! Asks etcd through its HTTP gateway whether it is healthy, and for the value of a key. Its version 3 API takes keys
//! and values in base64.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use crate::sys::net::{self, Place, Trouble};

/// An etcd, and whose values are asked for.
#[derive(Clone, Debug)]
pub struct Etcd {
    pub place: Place,
    pub namespace: String,
    /// Name and password, where it wants them.
    pub user: Option<(String, String)>,
}

impl Etcd {
    /// Whether it says that it is well; else what it says.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn health(&self, limit: Duration) -> Result<Result<(), String>, Trouble> {
        let answer = net::get(&self.place, "/health", limit)?;
        let said = serde_json::from_str::<Value>(&answer.body).unwrap_or_default();
        Ok(match said["health"].as_str().or(said["health"].as_bool().map(|is| if is { "true" } else { "false" })) {
            Some("true") => Ok(()),
            Some(_) => {
                Err(format!("it says that it is not well: {}", said["reason"].as_str().unwrap_or("no reason given")))
            }
            None => Err(format!("what answers there is no etcd (HTTP {})", answer.status)),
        })
    }

    /// The values of Backend.AI's keys in its namespace; `None` where there is none.
    ///
    /// # Errors
    /// Why it cannot be told, as a sentence without secrets.
    pub fn values(&self, keys: &[&str], limit: Duration) -> Result<Vec<Option<String>>, String> {
        let header = self.token(limit)?.map(|token| format!("Authorization: {token}\r\n")).unwrap_or_default();
        let one = |key: &&str| {
            let key = format!("/sorna/{}/{key}", self.namespace);
            let said = self.call("kv/range", &header, &json!({"key": BASE64_STANDARD.encode(key)}), limit)?;
            let value = said["kvs"][0]["value"].as_str();
            Ok(value.and_then(|value| String::from_utf8(BASE64_STANDARD.decode(value).ok()?).ok()))
        };
        keys.iter().map(one).collect()
    }

    fn token(&self, limit: Duration) -> Result<Option<String>, String> {
        let Some((name, password)) = &self.user else { return Ok(None) };
        let said = self.call("auth/authenticate", "", &json!({"name": name, "password": password}), limit);
        match said {
            // Whoever is named where nobody has to be is let in by Backend.AI's own client as well.
            Err(why) if why.contains("authentication is not enabled") => Ok(None),
            said => Ok(said?["token"].as_str().map(str::to_owned)),
        }
    }

    fn call(&self, what: &str, header: &str, body: &Value, limit: Duration) -> Result<Value, String> {
        let at = self.place.to_string();
        let answer = net::post(&self.place, &format!("/v3/{what}"), header, &body.to_string(), limit);
        let answer = answer.map_err(|trouble| trouble.words(&at))?;
        let said = serde_json::from_str::<Value>(&answer.body).unwrap_or_default();
        if answer.status == 200 {
            return Ok(said);
        }
        let why = said["message"].as_str().or(said["error"].as_str()).unwrap_or("no reason given");
        Err(format!("{at} does not tell it: {why} (HTTP {})", answer.status))
    }
}
