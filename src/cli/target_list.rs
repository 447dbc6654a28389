//! `scomo target-list`: add, list, show, remove.

use std::{fs::File, io, os::fd::AsFd as _, path::PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use tokio_util::io::ReaderStream;

use super::{Client, Connection, Failure, Output, output::Column, paging::Paging};

/// What to do with target lists.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Upload a list of devices, one a line: a JSON string, or {"device": id}
    #[command(after_help = "Examples:
  scomo target-list add north.ndjson --name north
  jq -c '.devices[].id' fleet.json | scomo target-list add - --name fleet
  scomo request submit --list north --package org.example.player")]
    Add(Add),
    /// List target lists, the newest first
    #[command(after_help = "Example:\n  scomo target-list list --limit 20")]
    List(List),
    /// Show one target list
    #[command(after_help = "Example:\n  scomo target-list show north")]
    Show(Name),
    /// Remove a target list; requests that use it already go on with it
    #[command(after_help = "Example:\n  scomo target-list remove north")]
    Remove(Name),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The file that holds the lines, or `-` for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// What to call the list; its key if absent
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    connection: Connection,
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
    /// The list's name or key
    name: String,
    #[command(flatten)]
    connection: Connection,
}

/// Bytes that are sent at a time.
const PIECE: usize = 64 * 1024;

const MEMBERS: [Column; 6] = [
    ("name", "/name"),
    ("list", "/list"),
    ("devices", "/devices"),
    ("duplicates", "/duplicates"),
    ("uploaded", "/created_at"),
    ("used", "/used_at"),
];

impl Command {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.run(output).await,
            Self::List(list) => list.run(output).await,
            Self::Show(Name { name, connection }) => {
                output.record(&Client::new(connection)?.get(&["target-lists", &name], &[]).await?, &MEMBERS)
            }
            Self::Remove(Name { name, connection }) => {
                Client::new(connection)?.delete(&["target-lists", &name]).await?;
                output.told(&json!({ "name": name }), &format!("{name} is removed."))
            }
        }
    }
}

impl Add {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let lines = self.open().map_err(|e| Failure::Usage(format!("cannot read {}: {e}", self.file.display())))?;
        let lines = ReaderStream::with_capacity(tokio::fs::File::from_std(lines), PIECE);
        let query: Vec<(&str, String)> = self.name.map(|name| ("name", name)).into_iter().collect();
        let list = Client::new(self.connection)?.upload(&["target-lists"], &query, lines).await?;
        output.record(&list, &MEMBERS)
    }

    fn open(&self) -> io::Result<File> {
        if self.file.as_os_str() == "-" {
            return io::stdin().as_fd().try_clone_to_owned().map(File::from);
        }
        File::open(&self.file)
    }
}

impl List {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let lists = Client::new(self.connection)?.get(&["target-lists"], &self.paging.query()).await?;
        let columns = [
            ("NAME", "/name"),
            ("DEVICES", "/devices"),
            ("DUPLICATES", "/duplicates"),
            ("UPLOADED", "/created_at"),
            ("USED", "/used_at"),
        ];
        output.list(&lists, "target_lists", &columns, "No target lists.")
    }
}
