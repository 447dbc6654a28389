//! `scomo device`: add, list, show, inventory, remove.

use std::{
    fs,
    io::{self, Read as _},
};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::{Client, Connection, Failure, Output, output::Column, paging::Paging};

/// What to do with device records.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Register a device: a record as JSON, or flags
    #[command(after_help = "Examples:
  scomo device add IMEI:490154203237518 --user dev1 --secret-file dev1.key --webhook http://127.0.0.1:9000/wake
  scomo device add --file device.json")]
    Add(Box<Add>),
    /// List devices
    #[command(after_help = "Example:\n  scomo device list --limit 20")]
    List(List),
    /// Show one device and what is known of it; never its secrets
    #[command(after_help = "Example:\n  scomo device show IMEI:490154203237518")]
    Show(Name),
    /// Show the packages and components of a device, as they were last read
    #[command(after_help = "Examples:
  scomo device inventory IMEI:490154203237518
  scomo device inventory IMEI:490154203237518 --history
A request of kind `inventory` has them read again.")]
    Inventory(Inventory),
    /// Forget a device
    #[command(after_help = "Example:\n  scomo device remove IMEI:490154203237518")]
    Remove(Name),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The device as `./DevInfo/DevId` names it
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    id: Option<String>,
    /// The record as JSON; `-` reads standard input
    #[arg(long, value_name = "FILE|-")]
    file: Option<String>,
    /// What the device calls itself when it authenticates
    #[arg(long, required_unless_present = "file")]
    user: Option<String>,
    /// A file that holds the device's password; `-` reads standard input
    #[arg(long, value_name = "FILE|-", required_unless_present = "file")]
    secret_file: Option<String>,
    /// A file that holds the password by which the server authenticates to the device
    #[arg(long, value_name = "FILE")]
    server_secret_file: Option<String>,
    /// How both authenticate
    #[arg(long, value_enum)]
    scheme: Option<Scheme>,
    /// Where its notifications are posted
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// A tag that rules may read; may be repeated
    #[arg(long = "tag")]
    tags: Vec<String>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scheme {
    Basic,
    Md5,
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
    /// The device's id
    id: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(super) struct Inventory {
    /// The device's id
    id: String,
    /// As it was each time that it differed from the time before, newest first
    #[arg(long)]
    history: bool,
    #[command(flatten)]
    connection: Connection,
}

const MEMBERS: [Column; 10] = [
    ("device", "/id"),
    ("user", "/user"),
    ("scheme", "/scheme"),
    ("class", "/class"),
    ("addresses", "/addresses"),
    ("tags", "/tags"),
    ("told", "/dev_info"),
    ("details", "/dev_detail"),
    ("installed", "/installed"),
    ("no SCOMO", "/no_scomo_at"),
];

impl Command {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.run(output).await,
            Self::List(list) => list.run(output).await,
            Self::Show(Name { id, connection }) => {
                output.record(&Client::new(connection)?.get(&["devices", &id], &[]).await?, &MEMBERS)
            }
            Self::Inventory(inventory) => inventory.run(output).await,
            Self::Remove(Name { id, connection }) => {
                Client::new(connection)?.delete(&["devices", &id]).await?;
                output.told(&json!({ "id": id }), &format!("{id} is forgotten."))
            }
        }
    }
}

impl Add {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let body = match &self.file {
            Some(file) => read(file)?.into_bytes(),
            None => serde_json::to_vec(&self.record()?).context("the record cannot be written")?,
        };
        output.record(&Client::new(self.connection)?.post(&["devices"], body).await?, &MEMBERS)
    }

    fn record(&self) -> Result<Value, Failure> {
        let secret = |file: &Option<String>| -> Result<Option<Value>, Failure> {
            let text = file.as_deref().map(read).transpose()?;
            Ok(text.map(|text| text.trim_end_matches(['\r', '\n']).into()))
        };
        let members = [
            ("id", self.id.as_deref().map(Value::from)),
            ("user", self.user.as_deref().map(Value::from)),
            ("secret", secret(&self.secret_file)?),
            ("server_secret", secret(&self.server_secret_file)?),
            ("scheme", self.scheme.and_then(|s| s.to_possible_value()).map(|s| s.get_name().into())),
            ("addresses", self.webhook.as_deref().map(|url| json!({ "webhook": url }))),
            ("tags", (!self.tags.is_empty()).then(|| json!(self.tags))),
        ];
        let given = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Ok(Value::Object(given.collect::<Map<_, _>>()))
    }
}

impl Inventory {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let query: &[(&str, String)] = if self.history { &[("history", "true".to_owned())] } else { &[] };
        let answer = Client::new(self.connection)?.get(&["devices", &self.id, "inventory"], query).await?;
        if output.json() {
            return output.value(&answer);
        }
        if !self.history {
            return holdings(&answer, "read", "/read_at", output);
        }
        let told = answer.get("inventories").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if told.is_empty() {
            return output.line("No inventory was told yet.");
        }
        for (n, inventory) in told.iter().enumerate() {
            if n > 0 {
                output.line("")?;
            }
            holdings(inventory, "told", "/told_at", output)?;
        }
        Ok(())
    }
}

/// Prints one inventory: when, then its packages and its components.
fn holdings(inventory: &Value, name: &'static str, when: &'static str, output: Output) -> Result<(), Failure> {
    output.record(inventory, &[(name, when)])?;
    let packages = [("PACKAGE", "/id"), ("STATE", "/state"), ("ROOT", "/root")];
    output.list(inventory, "packages", &packages, "No packages.")?;
    let components =
        [("COMPONENT", "/id"), ("VERSION", "/version"), ("STATE", "/state"), ("FROM", "/pkg"), ("ROOT", "/root")];
    output.list(inventory, "components", &components, "No components.")
}

impl List {
    async fn run(self, output: Output) -> Result<(), Failure> {
        let devices = Client::new(self.connection)?.get(&["devices"], &self.paging.query()).await?;
        let columns = [
            ("DEVICE", "/id"),
            ("SCHEME", "/scheme"),
            ("MAKER", "/dev_info/man"),
            ("MODEL", "/dev_info/mod"),
            ("TAGS", "/tags"),
        ];
        output.list(&devices, "devices", &columns, "No devices.")
    }
}

fn read(file: &str) -> Result<String, Failure> {
    let text = if file == "-" {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    text.map_err(|e| Failure::Usage(format!("cannot read {file}: {e}")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        add: Add,
    }

    #[test]
    fn flags_make_a_record_and_secrets_come_from_files() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("key");
        fs::write(&key, "pw-dev\n").unwrap();
        let line = format!("add IMEI:1 --user dev --secret-file {} --scheme md5 --webhook http://h/w", key.display());
        let record = Line::try_parse_from(line.split(' ')).unwrap().add.record().unwrap();
        assert_eq!(
            record,
            json!({ "id": "IMEI:1", "user": "dev", "secret": "pw-dev", "scheme": "md5", "addresses": { "webhook": "http://h/w" } })
        );
    }

    #[test]
    fn a_device_needs_a_name_and_files_must_be_there() {
        assert!(Line::try_parse_from(["add"]).is_err());
        assert!(Line::try_parse_from(["add", "IMEI:1"]).is_err(), "it cannot authenticate without a user and a secret");
        let line = Line::try_parse_from(["add", "IMEI:1", "--user", "dev", "--secret-file", "/nowhere"]).unwrap();
        assert_eq!(line.add.record().unwrap_err().code(), 2);
    }
}
