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

    /// Also make the changes that the release before cannot live with: only once no replica of it is left
    #[arg(long)]
    finish: bool,
}

impl Migrate {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let mut settings = serve::settings(self.config.as_deref())?;
        settings.database.migrate = true; // whatever the service may do by itself
        let keys = Keys::choose(&settings.secrets.keys, &settings.database).context("the keys cannot be used")?;
        let store = Store::open(&settings.database, keys, Arc::new(SystemClock)).await;
        let store = store.context("the database cannot be brought up to date")?;
        let finished = if self.finish { Some(store.finish_schema(&settings.database).await) } else { None };
        store.close().await;
        let finished = finished.transpose().context("the schema cannot be finished")?;
        if output.json() {
            return output.value(&serde_json::json!({ "migrated": true, "finished": finished }));
        }
        output.line("The schema is up to date.")?;
        match finished {
            None => Ok(()),
            Some(0) => output.line("There is nothing to finish."),
            Some(steps) => output.line(&format!("Steps that older releases cannot live with: {steps} made.")),
        }
    }
}
