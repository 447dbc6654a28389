//! Rows of the SCOMO sheet's matrix (9.2), a file per group, each played over real HTTP: what the device is like, and what the
//! server has to do. `tests/it/matrix.rs` holds the list of rows; some of them are tests of other files.

mod ci;
mod dir;
mod disc;
mod dl;
mod dlo;
mod inv;
mod op;
mod rc;
mod rpt;
mod tmo;
mod ui;

use scomo::wire::syncml::{Command, Item, Message, limits::Limits, xml};
use serde_json::Value;

use super::device;
use crate::support::{
    database::Database,
    gate::Mode,
    world::{Plan, World},
};

const D1: &str = "dev-1";
/// What two packages are called on devices.
const HELLO_PKG: &str = "org.example.hello@1.1.0";
const SINE_PKG: &str = "org.example.sine@1.0.0";
/// A class of all devices that says `scomo` of them.
macro_rules! class {
    ($scomo:literal) => {
        concat!("[[device_class]]\nname = \"c\"\nmatch = \"true\"\n[device_class.scomo]\n", $scomo, "\n")
    };
}
use class;

/// One device, and everything that it and the server say.
async fn watched(tables: &str) -> World {
    watched_by("", &[tables]).await
}

/// Devices 1 and up, and everything that they and a server of these settings say.
async fn watched_by(settings: &str, devices: &[&str]) -> World {
    let devices: String = (1..).zip(devices).map(|(number, tables)| device(number, tables) + "\n").collect();
    Plan::of(Database::sqlite()).devices(&devices).settings(settings).gate(Mode::Pass).start().await
}

fn read(bytes: &[u8]) -> Message {
    xml::read(bytes, &Limits::default()).unwrap()
}

/// What the server said so far.
fn said(world: &World) -> Vec<Message> {
    world.gate.as_ref().unwrap().passed().iter().map(|passed| read(&passed.answers[0].1)).collect()
}

/// What the devices said so far.
fn heard(world: &World) -> Vec<Message> {
    world.gate.as_ref().unwrap().passed().iter().map(|passed| read(&passed.request)).collect()
}

/// All commands of some messages, those in groups behind their group.
fn flat(messages: &[Message]) -> Vec<Command> {
    fn add(command: &Command, all: &mut Vec<Command>) {
        all.push(command.clone());
        if let Command::Sequence(group) | Command::Atomic(group) = command {
            group.commands.iter().for_each(|inner| add(inner, all));
        }
    }
    let mut all = Vec::new();
    messages.iter().flat_map(|message| &message.body.commands).for_each(|command| add(command, &mut all));
    all
}

fn items(command: &Command) -> &[Item] {
    match command {
        Command::Status(status) => &status.items,
        Command::Alert(alert) => &alert.items,
        Command::Results(results) => &results.items,
        Command::Add(write) | Command::Replace(write) | Command::Copy(write) => &write.items,
        Command::Delete(delete) => &delete.items,
        Command::Get(get) => &get.items,
        Command::Exec(exec) => &exec.items,
        Command::Sequence(_) | Command::Atomic(_) | Command::Other(_) => &[],
    }
}

/// The commands of this name.
fn named(messages: &[Message], name: &str) -> Vec<Command> {
    flat(messages).into_iter().filter(|command| command.name() == name).collect()
}

/// What the commands of this name are about.
fn targets(messages: &[Message], name: &str) -> Vec<String> {
    let uris = |command: Command| items(&command).iter().map(|item| item.target_uri().to_owned()).collect::<Vec<_>>();
    named(messages, name).into_iter().flat_map(uris).collect()
}

/// The items that go to nodes of this name, with the command's own Size.
fn sent_to(messages: &[Message], leaf: &str) -> Vec<(Item, Option<String>)> {
    let end = format!("/{leaf}");
    let mut found = Vec::new();
    for command in flat(messages) {
        let (Command::Add(write) | Command::Replace(write)) = &command else { continue };
        for item in write.items.iter().filter(|item| item.target_uri().ends_with(&end)) {
            found.push((item.clone(), item.meta.size.clone().or_else(|| write.meta.size.clone())));
        }
    }
    found
}

/// The text that was written to the first node of this name.
fn written(messages: &[Message], leaf: &str) -> Option<String> {
    let (item, _) = sent_to(messages, leaf).into_iter().next()?;
    item.data.and_then(|data| data.text().map(str::to_owned))
}

/// The codes of the Statuses of commands of this name.
fn codes(messages: &[Message], name: &str) -> Vec<u16> {
    let code = |command: &Command| {
        let Command::Status(status) = command else { return None };
        (status.cmd == name).then(|| status.code().unwrap())
    };
    flat(messages).iter().filter_map(code).collect()
}

/// The codes of the alerts of some messages.
fn alerts(messages: &[Message]) -> Vec<String> {
    let code = |command: Command| if let Command::Alert(alert) = command { Some(alert.data) } else { None };
    flat(messages).into_iter().filter_map(code).collect()
}

/// What the server said to the alerts of this Type.
fn answered(world: &World, wanted: &str) -> Vec<u16> {
    let (said, heard) = (said(world), heard(world));
    let mut found = Vec::new();
    for (question, answer) in heard.iter().zip(&said) {
        for command in flat(std::slice::from_ref(question)) {
            let is_wanted = items(&command).iter().any(|item| item.meta.r#type.as_deref() == Some(wanted));
            if !matches!(command, Command::Alert(_)) || !is_wanted {
                continue;
            }
            let status = |c: &Command| {
                let Command::Status(status) = c else { return None };
                (status.cmd_ref == command.cmd_id()).then(|| status.code().unwrap())
            };
            found.extend(flat(std::slice::from_ref(answer)).iter().filter_map(status));
        }
    }
    found
}

/// A device's entries as the API lists them: identifiers and states of `packages` or `components`.
async fn listed(world: &World, device: &str, list: &str) -> Vec<(String, String)> {
    let inventory = world.api.get(&format!("devices/{device}/inventory")).await;
    let text = |entry: &Value, member: &str| entry[member].as_str().unwrap_or("-").to_owned();
    inventory[list].as_array().unwrap().iter().map(|entry| (text(entry, "id"), text(entry, "state"))).collect()
}

/// Pairs as [`listed`] gives them.
fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(id, state)| ((*id).to_owned(), (*state).to_owned())).collect()
}

/// What the history of a request's only job says.
async fn history(world: &World, request: &str) -> String {
    world.api.job(request).await["history"].to_string()
}
