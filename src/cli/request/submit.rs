//! `scomo request submit`: a request from a file, from standard input, or put together from flags.

use std::{
    fs,
    io::{self, Read as _},
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::{SOURCE, watch};
use crate::{
    cli::{Client, Connection, Failure, Output},
    infra::system::SystemMint,
    model::clock::Mint as _,
};

pub(super) const EXAMPLE: &str = "Examples:
  scomo request submit request.json --watch
  scomo request submit --device IMEI:490154203237518 --package org.example.player@'>=2.1' --action install
  scomo request submit --device IMEI:490154203237518 --operation remove --component org.example.player.app
  scomo request submit --device IMEI:490154203237518 --inventory --watch
  scomo request submit --list north --package org.example.player
  scomo request submit --filter \"dev.man == 'Acme' && 'pilot' in tags\" --inventory";

/// The most that the server takes, in bytes.
const LARGEST: u64 = 1024 * 1024;

#[derive(Debug, Args)]
pub(in crate::cli) struct Submit {
    /// A file that holds the request, or `-` for standard input
    #[arg(conflicts_with_all = ["devices", "list", "filter", "package", "action", "operation", "component", "id"])]
    file: Option<String>,
    #[command(flatten)]
    wish: Wish,
    /// Follow it until all its jobs have ended
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    connection: Connection,
}

/// A request in flags.
#[derive(Debug, Args)]
struct Wish {
    /// A device that is meant; may be repeated
    #[arg(long = "device", value_name = "ID", required_unless_present_any = ["file", "list", "filter"])]
    devices: Vec<String>,
    /// All devices of a target list, by its name or key
    #[arg(long, value_name = "LIST", conflicts_with_all = ["devices", "filter"])]
    list: Option<String>,
    /// All registered devices on which a rule holds
    #[arg(long, value_name = "RULE", conflicts_with = "devices")]
    filter: Option<String>,
    /// The delivery package, with a version rule behind `@` if not just any version will do
    #[arg(long, value_name = "ID[@RULE]")]
    package: Option<String>,
    /// The end wanted of a download
    #[arg(long, value_enum, conflicts_with = "operation")]
    action: Option<Action>,
    /// An operation on what is on the device already, instead of a download
    #[arg(long, value_enum)]
    operation: Option<Operation>,
    /// The deployment component that the operation is about
    #[arg(long, value_name = "ID", requires = "operation", conflicts_with = "package")]
    component: Option<String>,
    /// Only read what the device is and holds
    #[arg(long, conflicts_with_all = ["package", "action", "operation", "component", "delivery", "allow_downgrade"])]
    inventory: bool,
    /// What to read of the device if what is known is too old; may be repeated. Absent: what is needed; `nothing`: nothing for
    /// the choice of a package
    #[arg(long, value_enum, value_name = "WHAT")]
    collect: Vec<Collect>,
    /// How old what is known of the device may be, such as `24h`
    #[arg(long, value_name = "SPAN")]
    collect_max_age: Option<String>,
    /// The way of delivery
    #[arg(long, value_enum)]
    delivery: Option<Delivery>,
    /// When to give up, in RFC 3339
    #[arg(long, value_name = "TIME")]
    deadline: Option<String>,
    /// Higher goes first
    #[arg(long)]
    priority: Option<u8>,
    /// What to call the request; the same id with the same content has one effect. Minted if absent
    #[arg(long, value_name = "REQUEST_ID")]
    id: Option<String>,
    /// In whose name
    #[arg(long, default_value = SOURCE)]
    source: String,
    /// Wait for devices that have no record yet, instead of failing
    #[arg(long)]
    wait_for_unknown: bool,
    /// Let an older version replace a newer one
    #[arg(long)]
    allow_downgrade: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    Deliver,
    Install,
    InstallInactive,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Operation {
    Install,
    InstallInactive,
    Remove,
    Activate,
    Deactivate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Collect {
    #[value(name = "devdetail")]
    DevDetail,
    Inventory,
    Nothing,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Delivery {
    Auto,
    Direct,
    Alternate,
}

impl Submit {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let client = Client::new(self.connection)?;
        let body = match &self.file {
            Some(file) => read(file)?,
            None => serde_json::to_vec(&self.wish.request()).context("the request cannot be written")?,
        };
        let cursor = if self.watch { Some(watch::cursor(&client).await?) } else { None };
        let answer = client.post(&["requests"], body).await?;
        if !(self.watch && output.json()) {
            let members = [("request", "/request_id"), ("source", "/source"), ("state", "/state"), ("jobs", "/counts")];
            output.record(&answer, &members)?;
        }
        match (cursor, named(&answer, "/source"), named(&answer, "/request_id")) {
            (Some(cursor), Some(source), Some(id)) => watch::watch(&client, source, id, cursor, output).await,
            (Some(_), ..) => Err(Failure::Work("the server did not say what it calls the request".to_owned())),
            (None, ..) => Ok(()),
        }
    }
}

impl Wish {
    /// The request as `scomo.request/1`; only what was said, so that the server's defaults hold.
    fn request(self) -> Value {
        let id = self.id.unwrap_or_else(|| SystemMint::new().token(22));
        let mut request = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                request.insert(name.to_owned(), value);
            }
        };
        put("schema", Some("scomo.request/1".into()));
        put("request_id", Some(id.into()));
        put("source", Some(self.source.into()));
        let kind = match (self.inventory, self.operation) {
            (true, _) => "inventory",
            (false, Some(_)) => "operation",
            (false, None) => "download",
        };
        put("kind", Some(kind.into()));
        let targets = match (self.list, self.filter) {
            (Some(list), _) => json!({ "list": list }),
            (None, Some(filter)) => json!({ "filter": filter }),
            (None, None) => json!({ "devices": self.devices }),
        };
        put("targets", Some(targets));
        put("package", self.package.as_deref().map(package));
        let usual = (kind == "download").then_some(Action::Install);
        put("action", self.action.or(usual).as_ref().map(word));
        put("operation", self.operation.as_ref().map(word));
        put("component", self.component.map(|id| json!({ "id": id })));
        put("delivery", self.delivery.as_ref().map(word));
        let sources = self.collect.iter().filter(|what| **what != Collect::Nothing).map(word).collect();
        put("collect", (!self.collect.is_empty()).then_some(Value::Array(sources)));
        put("collect_max_age", self.collect_max_age.map(Value::from));
        put("schedule", self.deadline.map(|deadline| json!({ "deadline": deadline })));
        put("priority", self.priority.map(Value::from));
        put("if_unknown_device", self.wait_for_unknown.then(|| "wait".into()));
        put("allow_downgrade", self.allow_downgrade.then(|| true.into()));
        Value::Object(request)
    }
}

/// `id` or `id@rule`.
pub(in crate::cli) fn package(text: &str) -> Value {
    match text.split_once('@') {
        Some((id, rule)) => json!({ "id": id, "version": rule }),
        None => json!({ "id": text }),
    }
}

fn word<T: ValueEnum>(choice: &T) -> Value {
    choice.to_possible_value().map_or(Value::Null, |value| value.get_name().into())
}

fn named<'v>(answer: &'v Value, pointer: &str) -> Option<&'v str> {
    answer.pointer(pointer).and_then(Value::as_str)
}

fn read(file: &str) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let read = match file {
        "-" => io::stdin().lock().take(LARGEST + 1).read_to_end(&mut body),
        path => fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut body)),
    };
    read.map_err(|e| Failure::Usage(format!("cannot read the request from {file}: {e}")))?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        submit: Submit,
    }

    fn request(line: &str) -> Value {
        let line = Line::try_parse_from(["submit"].into_iter().chain(line.split_whitespace())).unwrap();
        line.submit.wish.request()
    }

    #[test]
    fn flags_make_a_download() {
        let made =
            request("--device IMEI:1 --device IMEI:2 --package org.example.player@>=2.1 --id r1 --delivery direct");
        assert_eq!(
            made,
            json!({ "schema": "scomo.request/1", "request_id": "r1", "source": "cli", "kind": "download",
                "targets": { "devices": ["IMEI:1", "IMEI:2"] }, "action": "install", "delivery": "direct",
                "package": { "id": "org.example.player", "version": ">=2.1" } })
        );
    }

    #[test]
    fn flags_make_an_operation() {
        let made = request("--device D --operation remove --component app --id r2 --wait-for-unknown");
        assert_eq!(
            made,
            json!({ "schema": "scomo.request/1", "request_id": "r2", "source": "cli", "kind": "operation",
                "targets": { "devices": ["D"] }, "operation": "remove", "component": { "id": "app" },
                "if_unknown_device": "wait" })
        );
    }

    #[test]
    fn flags_say_what_is_to_be_collected() {
        let made = request("--device D --inventory --collect devdetail --collect-max-age 1h --id r3");
        assert_eq!(
            made,
            json!({ "schema": "scomo.request/1", "request_id": "r3", "source": "cli", "kind": "inventory",
                "targets": { "devices": ["D"] }, "collect": ["devdetail"], "collect_max_age": "1h" })
        );
        assert_eq!(request("--device D --collect nothing")["collect"], json!([]));
        assert_eq!(request("--device D").get("collect"), None);
        let mixed = ["submit", "--device", "D", "--inventory", "--package", "p"];
        assert!(Line::try_parse_from(mixed).is_err());
    }

    #[test]
    fn flags_name_devices_a_list_or_a_rule() {
        assert_eq!(request("--list north --package p")["targets"], json!({ "list": "north" }));
        assert_eq!(request("--filter true --package p")["targets"], json!({ "filter": "true" }));
        for both in ["--list l --filter true", "--device D --list l", "--device D --filter true"] {
            assert!(Line::try_parse_from(["submit"].into_iter().chain(both.split_whitespace())).is_err(), "{both}");
        }
    }

    #[test]
    fn an_id_is_minted_when_none_is_given() {
        let one = request("--device D --package p");
        let other = request("--device D --package p");
        assert_ne!(one["request_id"], other["request_id"]);
    }

    #[test]
    fn a_file_and_flags_do_not_mix() {
        for line in ["request.json --device D", "", "--device D --component c", "--device D --action fly"] {
            assert!(Line::try_parse_from(["submit"].into_iter().chain(line.split_whitespace())).is_err(), "{line:?}");
        }
    }
}
