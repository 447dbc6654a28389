//! `scomo serve`: reads the settings and runs the service until it is told to stop.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

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
        let settings = settings(self.config.as_deref())?;
        telemetry::init(&settings.log).map_err(|error| usage(error.into()))?;
        Ok(app::serve(settings).await.context("the service stopped")?)
    }
}

/// The settings of a file, or the defaults, under this process's environment.
pub(super) fn settings(config: Option<&Path>) -> Result<Settings, Failure> {
    // A variable that is not text cannot be a setting.
    let text = |(name, value): (OsString, OsString)| name.into_string().ok().zip(value.into_string().ok());
    let environment: BTreeMap<String, String> = env::vars_os().filter_map(text).collect();
    Settings::load(config, &environment).map_err(|error| usage(error.into()))
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn usage(error: anyhow::Error) -> Failure {
    Failure::Usage(format!("{error:#}"))
}
