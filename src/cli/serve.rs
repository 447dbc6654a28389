//! `scomo serve`: reads the settings and runs the service until it is told to stop.

use std::{collections::BTreeMap, env, path::PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::Failure;
use crate::{
    infra::telemetry,
    server::{app, config::Settings},
};

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The settings file; `deploy/scomo.toml` documents every key. Without it the defaults hold
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        // A variable that is not text cannot be a setting.
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            name.into_string().ok().zip(value.into_string().ok())
        };
        let environment: BTreeMap<String, String> = env::vars_os().filter_map(text).collect();
        let settings = Settings::load(self.config.as_deref(), &environment);
        let settings = settings.map_err(|error| Failure::Usage(format!("{:#}", anyhow::Error::from(error))))?;
        telemetry::init(&settings.log).map_err(|error| Failure::Usage(format!("{:#}", anyhow::Error::from(error))))?;
        app::serve(settings).await.context("the service stopped")?;
        Ok(())
    }
}
