//! `scomo job`: list, show, why, cancel.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    Client, Connection, Failure, Output,
    output::{Column, cell, table},
    paging::Paging,
};

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List jobs, the newest first
    #[command(after_help = "Example:\n  scomo job list --device IMEI:490154203237518 --state failed")]
    List(List),
    /// Show one job: its state, its result, and how it got there
    #[command(after_help = "Example:\n  scomo job show 0190b4c2-7a4e-7c3a-9b1f-2f6f0e3c1d55")]
    Show(Name),
    /// Say what one job waits for, what its device said last, and what happens next
    #[command(after_help = "Example:\n  scomo job why 0190b4c2-7a4e-7c3a-9b1f-2f6f0e3c1d55")]
    Why(Name),
    /// Stop one job
    #[command(after_help = "Example:\n  scomo job cancel 0190b4c2-7a4e-7c3a-9b1f-2f6f0e3c1d55")]
    Cancel(Name),
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only jobs of this request
    #[arg(long, value_name = "REQUEST_ID")]
    request: Option<String>,
    /// Only jobs of requests from this source
    #[arg(long)]
    source: Option<String>,
    /// Only jobs of this device
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Only jobs in this state
    #[arg(long)]
    state: Option<String>,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Name {
    /// The job's id
    job_id: String,
    #[command(flatten)]
    connection: Connection,
}

const COLUMNS: [Column; 6] = [
    ("JOB", "/job_id"),
    ("DEVICE", "/device"),
    ("STATE", "/state"),
    ("PACKAGE", "/package/id"),
    ("VERSION", "/package/version"),
    ("RESULT", "/result/code"),
];

/// What became of each command of a list.
const ITEMS: [Column; 5] =
    [("COMMAND", "/index"), ("OUTCOME", "/outcome"), ("STATUS", "/status"), ("VALUE", "/value"), ("TEXT", "/text")];

/// Takes the items out of a job's result: they are shown as a table.
fn items(job: &mut Value) -> Vec<Value> {
    let result = job.get_mut("result").and_then(Value::as_object_mut);
    let items = result.and_then(|result| result.remove("items"));
    items.and_then(|items| items.as_array().cloned()).unwrap_or_default()
}

impl Command {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run(output).await,
            Self::Show(name) => name.show(output).await,
            Self::Why(name) => name.why(output).await,
            Self::Cancel(name) => name.cancel(output).await,
        }
    }
}

impl List {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let wished =
            [("request", self.request), ("source", self.source), ("device", self.device), ("state", self.state)];
        let wished = wished.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let query: Vec<_> = wished.chain(self.paging.query()).collect();
        let jobs = Client::new(self.connection)?.get(&["jobs"], &query).await?;
        output.list(&jobs, "jobs", &COLUMNS, "No jobs.")
    }
}

impl Name {
    async fn show(self, output: Output) -> Result<(), Failure> {
        let job = Client::new(self.connection)?.get(&["jobs", &self.job_id], &[]).await?;
        let members = [
            ("job", "/job_id"),
            ("request", "/request_id"),
            ("source", "/source"),
            ("device", "/device"),
            ("state", "/state"),
            ("attempt", "/attempt"),
            ("package", "/package"),
            ("delivery", "/delivery"),
            ("result", "/result"),
            ("reason", "/reason"),
            ("deadline", "/deadline"),
        ];
        if output.json() {
            return output.value(&job);
        }
        let mut job = job;
        let items = items(&mut job);
        output.record(&job, &members)?;
        if !items.is_empty() {
            output.line(&table(&items, &ITEMS))?;
        }
        let notes = job.get("history").and_then(Value::as_array).into_iter().flatten();
        notes
            .map(|note| format!("  {}  {}", cell(note, "/at"), cell(note, "/text")))
            .try_for_each(|note| output.line(&note))
    }

    async fn why(self, output: Output) -> Result<(), Failure> {
        let why = Client::new(self.connection)?.get(&["jobs", &self.job_id, "why"], &[]).await?;
        if output.json() {
            return output.value(&why);
        }
        output.line(&format!("{}: {}", cell(&why, "/state"), cell(&why, "/why")))?;
        for (name, member) in [("The device said", "/device_said"), ("Next", "/next")] {
            let (text, at) = (cell(&why, &format!("{member}/text")), cell(&why, &format!("{member}/at")));
            let name = if at.is_empty() { name.to_owned() } else { format!("{name}, {at}") };
            if !text.is_empty() {
                output.line(&format!("{name}: {text}."))?;
            }
        }
        Ok(())
    }

    async fn cancel(self, output: Output) -> Result<(), Failure> {
        let client = Client::new(self.connection)?;
        let job = client.post(&["jobs", &self.job_id, "cancel"], b"{}".to_vec()).await?;
        output.record(&job, &[("job", "/job_id"), ("state", "/state"), ("reason", "/reason")])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_items_of_a_result_are_a_table_of_their_own() {
        let mut job = json!({ "result": { "text": "t", "items": [{ "index": 0, "outcome": "done", "status": 404 }] } });
        let items = items(&mut job);
        assert_eq!(job, json!({ "result": { "text": "t" } }));
        let shown = table(&items, &ITEMS);
        assert!(shown.contains("COMMAND") && shown.contains("done") && shown.contains("404"), "{shown}");
        assert!(super::items(&mut json!({ "state": "waiting" })).is_empty());
    }
}
