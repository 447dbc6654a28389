//! `scomo dead`: list, show, requeue, drop.

use clap::{Args, Subcommand};

use super::{Client, Connection, Failure, Output, output::Column, paging::Paging};

/// What to do with messages of the bus that were refused.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List refused messages, the newest first
    #[command(after_help = "Example:\n  scomo dead list --limit 10")]
    List(List),
    /// Show one refused message: what it was, and why it was refused
    #[command(after_help = "Example:\n  scomo dead show 0190b4c2-7a4e-7c3a-9b1f-2f6f0e3c1d55")]
    Show(Name),
    /// Hand one in again, for example after an upgrade
    #[command(after_help = "Example:\n  scomo dead requeue 0190b4c2-7a4e-7c3a-9b1f-2f6f0e3c1d55")]
    Requeue(Name),
    /// Forget one
    #[command(after_help = "Example:\n  scomo dead drop 0190b4c2-7a4e-7c3a-9b1f-2f6f0e3c1d55")]
    Drop(Name),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Name {
    /// Its id, as `scomo dead list` and the `message_id` in the dead queue show it
    id: String,
    #[command(flatten)]
    connection: Connection,
}

const COLUMNS: [Column; 5] = [
    ("ID", "/id"),
    ("REFUSED", "/refused_at"),
    ("MESSAGE", "/message_id"),
    ("CODE", "/problem/code"),
    ("WHY", "/problem/detail"),
];

impl Command {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run(output).await,
            Self::Show(name) => name.show(output).await,
            Self::Requeue(name) => name.requeue(output).await,
            Self::Drop(name) => name.forget(output).await,
        }
    }
}

impl List {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let dead = Client::new(self.connection)?.get(&["dead"], &self.paging.query()).await?;
        output.list(&dead, "dead", &COLUMNS, "No dead letters.")
    }
}

impl Name {
    async fn show(self, output: Output) -> Result<(), Failure> {
        let dead = Client::new(self.connection)?.get(&["dead", &self.id], &[]).await?;
        output.record(
            &dead,
            &[
                ("id", "/id"),
                ("refused", "/refused_at"),
                ("kind", "/kind"),
                ("message", "/message_id"),
                ("source", "/source"),
                ("bytes", "/size"),
                ("code", "/problem/code"),
                ("why", "/problem/detail"),
                ("headers", "/headers"),
                ("body", "/body"),
                ("base64", "/body_base64"),
            ],
        )
    }

    async fn requeue(self, output: Output) -> Result<(), Failure> {
        let client = Client::new(self.connection)?;
        let taken = client.post(&["dead", &self.id, "requeue"], b"{}".to_vec()).await?;
        output.record(&taken, &[("request", "/request_id"), ("source", "/source"), ("jobs", "/jobs")])
    }

    async fn forget(self, output: Output) -> Result<(), Failure> {
        Client::new(self.connection)?.delete(&["dead", &self.id]).await?;
        output.told(&serde_json::json!({ "id": self.id }), &format!("{} is forgotten.", self.id))
    }
}
