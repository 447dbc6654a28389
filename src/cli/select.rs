//! `scomo select`: what selection would choose for a device, and each refusal.

use anyhow::Context as _;
use clap::Args;
use serde_json::{Map, Value};

use super::{Client, Connection, Failure, Output, request::package};

#[derive(Debug, Args)]
pub(super) struct Select {
    /// The device
    #[arg(long, value_name = "ID")]
    device: String,
    /// The delivery package, with a version rule behind `@`; absent: the best match
    #[arg(long, value_name = "ID[@RULE]")]
    package: Option<String>,
    /// Let an older version replace a newer one
    #[arg(long)]
    allow_downgrade: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Select {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let mut ask = Map::from_iter([("device".to_owned(), Value::from(self.device))]);
        ask.extend(self.package.as_deref().map(|text| ("package".to_owned(), package(text))));
        ask.extend(self.allow_downgrade.then(|| ("allow_downgrade".to_owned(), true.into())));
        let body = serde_json::to_vec(&ask).context("the question cannot be written")?;
        let answer = Client::new(self.connection)?.post(&["select"], body).await?;
        output.record(&answer, &[("outcome", "/outcome"), ("package", "/package"), ("reason", "/reason")])?;
        if output.json() {
            return Ok(());
        }
        let columns = [("PACKAGE", "/package"), ("VERSION", "/version"), ("WHY NOT", "/reason")];
        output.list(&answer, "refused", &columns, "Nothing was refused.")
    }
}
