//! `scomo migrate`: brings the database's schema up to date without serving.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use clap::Args;

use super::{Failure, Output, serve};
use crate::infra::{
    store::{Keys, Store},
    system::SystemClock,
};

#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// The settings file; `deploy/scomo.toml` documents every key. Without it the defaults hold
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Migrate {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let settings = serve::settings(self.config.as_deref())?;
        let keys = Keys::choose(&settings.secrets.keys, &settings.database).context("the keys cannot be used")?;
        let store = Store::open(&settings.database, keys, Arc::new(SystemClock)).await;
        store.context("the database cannot be brought up to date")?.close().await;
        if output.json() {
            return output.value(&serde_json::json!({ "migrated": true }));
        }
        output.line("The schema is up to date.")
    }
}
