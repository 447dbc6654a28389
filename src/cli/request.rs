//! `scomo request`: submit, show, watch, pause, resume, cancel.

mod submit;
mod watch;

use clap::{Args, Subcommand};

pub(super) use submit::package;

use super::{Client, Connection, Failure, Output, output::Column};

/// What to do with requests.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Hand in a request: a file of `scomo.request/1`, or flags
    #[command(after_help = submit::EXAMPLE)]
    Submit(Box<submit::Submit>),
    /// Show a request and where its jobs stand
    #[command(after_help = "Example:\n  scomo request show 0f8e --source oss/campaigns")]
    Show(Name),
    /// Follow a request until all its jobs have ended; exit 1 if one did not succeed
    #[command(after_help = "Example:\n  scomo request watch 0f8e")]
    Watch(Name),
    /// Hold back what has not begun yet
    #[command(after_help = "Example:\n  scomo request pause 0f8e")]
    Pause(Name),
    /// Let a paused request go on
    #[command(after_help = "Example:\n  scomo request resume 0f8e")]
    Resume(Name),
    /// Stop what has not ended yet
    #[command(after_help = "Example:\n  scomo request cancel 0f8e")]
    Cancel(Name),
}

/// A request as its sender names it.
#[derive(Debug, Clone, Args)]
pub(super) struct Name {
    /// The request's id, as given or printed when it was submitted
    request_id: String,
    /// Who sent it
    #[arg(long, default_value = SOURCE)]
    source: String,
    #[command(flatten)]
    connection: Connection,
}

/// The source of what is submitted by flags, unless another is named.
pub(super) const SOURCE: &str = "cli";

/// The columns of a request's jobs.
const JOBS: [Column; 5] =
    [("JOB", "/job_id"), ("DEVICE", "/device"), ("STATE", "/state"), ("RESULT", "/result/code"), ("REASON", "/reason")];

impl Command {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        match self {
            Self::Submit(submit) => submit.run(output).await,
            Self::Show(name) => name.show(output).await,
            Self::Watch(name) => {
                let Name { request_id, source, connection } = name;
                let client = Client::new(connection)?;
                let cursor = watch::cursor(&client).await?;
                watch::watch(&client, &source, &request_id, cursor, output).await
            }
            Self::Pause(name) => name.change("pause", output).await,
            Self::Resume(name) => name.change("resume", output).await,
            Self::Cancel(name) => name.change("cancel", output).await,
        }
    }
}

impl Name {
    async fn show(self, output: Output) -> Result<(), Failure> {
        let client = Client::new(self.connection)?;
        let request = client.get(&["requests", &self.source, &self.request_id], &[]).await?;
        if output.json() {
            return output.value(&request);
        }
        let members = [
            ("request", "/request_id"),
            ("source", "/source"),
            ("state", "/state"),
            ("received", "/received_at"),
            ("completed", "/completed_at"),
            ("asked", "/asked"),
            ("jobs", "/counts"),
            ("spread", "/fan_out"),
        ];
        output.record(&request, &members)?;
        output.line("")?;
        output.list(&request, "first_jobs", &JOBS, "No jobs.")
    }

    async fn change(self, how: &str, output: Output) -> Result<(), Failure> {
        let client = Client::new(self.connection)?;
        let answer = client.post(&["requests", &self.source, &self.request_id, how], b"{}".to_vec()).await?;
        let members = [
            ("request", "/request_id"),
            ("state", "/state"),
            ("paused", "/paused/since"),
            ("by", "/paused/by"),
            ("jobs stopped", "/cancelled"),
        ];
        output.record(&answer, &members)
    }
}
