//! `scomo pause` and `scomo resume`: the brake.

use anyhow::Context as _;
use clap::Args;
use serde_json::{Map, Value};

use super::{Client, Connection, Failure, Output, output::Column, paging::Paging};

/// What is to be paused, or to go on.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Scope {
    /// Every job
    #[arg(long)]
    all: bool,
    /// Jobs that bring or install this package
    #[arg(long, value_name = "ID[@VERSION]")]
    package: Option<String>,
    /// Jobs of devices of this class
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Jobs of this request
    #[arg(long, value_name = "REQUEST_ID")]
    request: Option<String>,
}

/// The same, or none at all.
#[derive(Debug, Args)]
#[group(required = true, multiple = false, id = "what")]
struct ScopeOrList {
    /// Show what is paused, by whom and since when
    #[arg(long)]
    list: bool,
    /// Every job
    #[arg(long)]
    all: bool,
    /// Jobs that bring or install this package
    #[arg(long, value_name = "ID[@VERSION]")]
    package: Option<String>,
    /// Jobs of devices of this class
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Jobs of this request
    #[arg(long, value_name = "REQUEST_ID")]
    request: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Pause {
    #[command(flatten)]
    what: ScopeOrList,
    /// Who sent the request
    #[arg(long, default_value = super::request::SOURCE)]
    source: String,
    /// Why, for those who ask what a job waits for
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    paging: Paging,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Resume {
    #[command(flatten)]
    what: Scope,
    /// Who sent the request
    #[arg(long, default_value = super::request::SOURCE)]
    source: String,
    #[command(flatten)]
    connection: Connection,
}

const COLUMNS: [Column; 6] = [
    ("SCOPE", "/scope"),
    ("WHAT", "/value"),
    ("SOURCE", "/source"),
    ("BY", "/by"),
    ("SINCE", "/since"),
    ("REASON", "/reason"),
];

impl Scope {
    /// As the admin API names it.
    fn named(self, source: String) -> Vec<(&'static str, String)> {
        let Self { all: _, package, class, request } = self;
        let of = |scope: &'static str, value: String| vec![("scope", scope.to_owned()), ("value", value)];
        match (package, class, request) {
            (Some(package), _, _) => of("package", package),
            (_, Some(class), _) => of("class", class),
            (_, _, Some(request)) => of("request", request).into_iter().chain([("source", source)]).collect(),
            (None, None, None) => vec![("scope", "all".to_owned())],
        }
    }
}

impl Pause {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let Self { what, source, reason, paging, connection } = self;
        let client = Client::new(connection)?;
        let ScopeOrList { list, all, package, class, request } = what;
        if list {
            let pauses = client.get(&["pauses"], &paging.query()).await?;
            return output.list(&pauses, "pauses", &COLUMNS, "Nothing is paused.");
        }
        let named = Scope { all, package, class, request }.named(source);
        let members = named.into_iter().chain(reason.map(|reason| ("reason", reason)));
        let order: Map<String, Value> = members.map(|(name, text)| (name.to_owned(), Value::from(text))).collect();
        let body = serde_json::to_vec(&order).context("the pause cannot be written")?;
        output.record(&client.post(&["pauses"], body).await?, &MEMBERS)
    }
}

impl Resume {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let lifted = Client::new(self.connection)?.take_away(&["pauses"], &self.what.named(self.source)).await?;
        output.record(&lifted, &MEMBERS)
    }
}

/// As [`COLUMNS`], a line each.
const MEMBERS: [Column; 6] = [
    ("scope", "/scope"),
    ("what", "/value"),
    ("source", "/source"),
    ("paused by", "/by"),
    ("since", "/since"),
    ("reason", "/reason"),
];
