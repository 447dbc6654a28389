//! The settings of the service: `deploy/scomo.toml` compiled in, then a file, then the environment; unknown keys are errors.
//!
//! What can be judged without touching the world is judged here, so that a wrong setting stops the start with its name.

mod check;
mod schema;
mod section;
mod source;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    providers::{Format as _, Toml},
};
use serde::Deserialize;

pub use check::{Complaint, Complaints};
pub use schema::schema;
pub use section::{
    Admin, AuthMode, Brake, Device, Download, Job, Limits, Ops, Retention, Role, Secrets, Token, TokenHash, Webhook,
};

use crate::{
    contract::class::Classes,
    infra::{broker, depot, store, telemetry},
    model::secret::Secret,
};
use source::Environment;

/// The documented defaults, which are also the file that operators start from.
pub const DEFAULTS: &str = include_str!("../../deploy/scomo.toml");

/// Everything that can be set (contract "Settings"; `deploy/scomo.toml` documents each key).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where state is kept.
    pub database: store::Settings,
    /// Where requests come from and events go to.
    pub bus: broker::Settings,
    /// Where payloads lie.
    pub depot: depot::Settings,
    /// The listener that devices speak to.
    pub device: Device,
    /// Alternate download.
    pub download: Download,
    /// The listener of the API.
    pub admin: Admin,
    /// The listener of probes and metrics.
    pub ops: Ops,
    /// How jobs are run when their request does not say.
    pub job: Job,
    /// When the service pauses something by itself.
    pub brake: Brake,
    /// The webhook courier.
    pub webhook: Webhook,
    /// The keys that encrypt secrets in the database.
    pub secrets: Secrets,
    /// What connections and requests may cost.
    pub limits: Limits,
    /// How long what has ended is kept.
    pub retention: Retention,
    /// What is logged.
    pub log: telemetry::Settings,
    /// Named sets of settings for devices that match a rule; the first match counts.
    #[serde(default, rename = "device_class")]
    pub device_classes: Classes,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is not there, or not readable.
    #[error("cannot read the settings file {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file of keys cannot be read.
    #[error("secrets.keys_file: cannot read {}", path.display())]
    KeyFile {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A variable ending in `_FILE` names a file that cannot be read.
    #[error("{variable}: cannot read the file {}", path.display())]
    SecretFile {
        /// The variable.
        variable: String,
        /// The file it names.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A variable of a setting that is not text does not hold a TOML value.
    #[error("{variable}: its value is neither a number, true, false, nor an array or table in TOML")]
    Variable {
        /// The variable.
        variable: String,
        /// What the reader said.
        source: toml::de::Error,
    },
    /// A key is unknown or missing, or its value has the wrong type or form.
    #[error("the settings are not valid: {}", each(.0))]
    Invalid(Box<figment::Error>),
    /// Each value is right, but they do not fit together.
    #[error("the settings do not fit together: {0}")]
    Unfit(Complaints),
    /// The compiled-in defaults cannot be read; only a broken build has this.
    #[error("the compiled-in defaults are broken")]
    Defaults(#[source] toml::de::Error),
}

impl Settings {
    /// Reads the settings: defaults, then `file` if one is named, then the variables `SCOMO__SECTION__KEY` of `environment`.
    ///
    /// # Errors
    /// Every key that is unknown, missing or wrong, with where it stands.
    pub fn load(file: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Self, LoadError> {
        let defaults: toml::Table = toml::from_str(DEFAULTS).map_err(LoadError::Defaults)?;
        let mut sources = Figment::from(Toml::string(DEFAULTS));
        if let Some(path) = file {
            std::fs::metadata(path).map_err(|source| LoadError::File { path: path.to_owned(), source })?;
            sources = sources.merge(Toml::file_exact(path));
        }
        let sources = sources.merge(Environment::read(environment, &defaults)?);
        let mut settings: Self = sources.extract().map_err(|error| LoadError::Invalid(Box::new(error)))?;
        settings.secrets.keys.extend(key_file(settings.secrets.keys_file.as_deref())?);
        settings.check().map_err(LoadError::Unfit)?;
        Ok(settings)
    }
}

/// The keys in a file, one a line; empty lines and those that begin with `#` do not count.
fn key_file(path: Option<&Path>) -> Result<Vec<Secret>, LoadError> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path).map_err(|source| LoadError::KeyFile { path: path.to_owned(), source })?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(|line| Secret::new(line.to_owned())).collect())
}

/// All errors of a list, each on its own line if there are several.
fn each(errors: &figment::Error) -> String {
    let all: Vec<String> = errors.clone().into_iter().map(|e| e.to_string().replace("default.", "")).collect();
    all.join("\n  ")
}
