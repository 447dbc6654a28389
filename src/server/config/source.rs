//! Where settings come from besides the file: `SCOMO__SECTION__KEY`, and `…_FILE` for secrets that are mounted as files.

use std::{collections::BTreeMap, fs};

use figment::{
    Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

use super::LoadError;

/// What every variable of the service's settings begins with.
const PREFIX: &str = "SCOMO__";

/// The settings whose value may be read from a file that a variable ending in `_FILE` names.
const SECRETS: [&[&str]; 3] = [&["database", "url"], &["bus", "url"], &["webhook", "signing_key"]];

/// The variables of the environment that are settings, each as its path of keys.
#[derive(Debug)]
pub(super) struct Environment(Vec<(Vec<String>, toml::Value)>);

impl Environment {
    /// Takes the settings out of an environment. The compiled-in `defaults` tell what is text and what is a TOML value.
    pub(super) fn read(environment: &BTreeMap<String, String>, defaults: &toml::Table) -> Result<Self, LoadError> {
        let settings = environment.iter().filter_map(|(name, text)| Some((name, name.strip_prefix(PREFIX)?, text)));
        settings.map(|(name, rest, text)| setting(name, rest, text, defaults)).collect::<Result<_, _>>().map(Self)
    }
}

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment variable").interpolater(|_, keys| variable(keys))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut whole = Dict::new();
        for (path, value) in &self.0 {
            insert(&mut whole, path, Value::serialize(value)?);
        }
        Ok(Profile::Default.collect(whole))
    }
}

fn setting(
    name: &str,
    rest: &str,
    text: &str,
    defaults: &toml::Table,
) -> Result<(Vec<String>, toml::Value), LoadError> {
    let path: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
    if let Some(secret) = SECRETS.iter().find(|secret| variable(secret).to_uppercase() + "_FILE" == name) {
        let text = fs::read_to_string(text).map_err(|source| LoadError::SecretFile {
            variable: name.to_owned(),
            path: text.into(),
            source,
        })?;
        let path = secret.iter().map(|&key| key.to_owned()).collect();
        return Ok((path, toml::Value::String(text.trim_end_matches(['\r', '\n']).to_owned())));
    }
    let value = match default_of(defaults, &path) {
        // What has no default is text or a list.
        None if text.starts_with('[') => parse(text).unwrap_or_else(|_| toml::Value::String(text.to_owned())),
        None | Some(toml::Value::String(_)) => toml::Value::String(text.to_owned()),
        Some(_) => parse(text).map_err(|source| LoadError::Variable { variable: name.to_owned(), source })?,
    };
    Ok((path, value))
}

fn default_of<'d>(defaults: &'d toml::Table, path: &[String]) -> Option<&'d toml::Value> {
    let (last, tables) = path.split_last()?;
    tables.iter().try_fold(defaults, |table, key| table.get(key)?.as_table())?.get(last)
}

fn parse(text: &str) -> Result<toml::Value, toml::de::Error> {
    let mut table: toml::Table = toml::from_str(&format!("value = {text}"))?;
    Ok(table.remove("value").unwrap_or_else(|| toml::Value::String(text.to_owned())))
}

fn insert(into: &mut Dict, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => {
            into.insert(key.clone(), value);
        }
        [key, rest @ ..] => {
            let mut inner = into.remove(key).and_then(Value::into_dict).unwrap_or_default();
            insert(&mut inner, rest, value);
            into.insert(key.clone(), inner.into());
        }
    }
}

fn variable(keys: &[impl AsRef<str>]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| key.as_ref().to_ascii_uppercase()).collect();
    PREFIX.to_owned() + &keys.join("__")
}
