//! The last touch on what a device sends: how it words commands and spells XML (DM 1.x sheets 12 and 16).

use super::profile::Dialect;
use crate::wire::syncml::{Command, Item, Meta, Results, Status};

/// Words the commands of a message as the device does.
pub(super) fn word(commands: &mut [Command], dialect: &Dialect) {
    let answered: Vec<String> = commands.iter().filter_map(|c| status(c).map(|s| s.cmd_ref.clone())).collect();
    for command in commands {
        match command {
            Command::Status(status) => {
                let alone = answered.iter().filter(|id| **id == status.cmd_ref).count() == 1;
                if !dialect.target_refs && alone {
                    status.target_refs.clear();
                    status.source_refs.clear();
                }
                if !dialect.header_ref && status.cmd_ref == "0" {
                    status.cmd_ref.clear();
                }
            }
            Command::Results(results) => word_results(results, dialect),
            Command::Alert(alert) => capitals(&mut alert.items, dialect),
            Command::Add(_)
            | Command::Replace(_)
            | Command::Copy(_)
            | Command::Delete(_)
            | Command::Get(_)
            | Command::Exec(_)
            | Command::Sequence(_)
            | Command::Atomic(_)
            | Command::Other(_) => {}
        }
    }
}

/// Spells a message as the device does.
pub(super) fn spell(bytes: Vec<u8>, dialect: &Dialect) -> Vec<u8> {
    if dialect.namespaces && !dialect.white_space {
        return bytes;
    }
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if !dialect.namespaces {
        for namespace in ["SYNCML:SYNCML1.2", "SYNCML:SYNCML1.1", "syncml:metinf"] {
            text = text.replace(&format!(" xmlns=\"{namespace}\""), "");
        }
    }
    if dialect.white_space {
        text = text.replace("><", ">\n <").replace("<LocURI>", "<LocURI>\n  ").replace("</LocURI>", "\n </LocURI>");
    }
    text.into_bytes()
}

/// A name as it stands in a list.
pub(super) fn listed(name: &str, dialect: &Dialect) -> String {
    if dialect.percent_names {
        url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
    } else {
        name.to_owned()
    }
}

fn word_results(results: &mut Results, dialect: &Dialect) {
    if !dialect.results_refs {
        results.cmd_ref.clear();
        results.msg_ref.clear();
    }
    capitals(&mut results.items, dialect);
    if dialect.results_meta_on_command
        && let Some(meta) = results.items.first().map(|item| item.meta.clone())
        && results.items.iter().all(|item| item.meta == meta)
    {
        results.meta = meta;
        results.items.iter_mut().for_each(|item| item.meta = Meta::default());
    }
}

fn capitals(items: &mut [Item], dialect: &Dialect) {
    if !dialect.capital_formats {
        return;
    }
    for format in items.iter_mut().filter_map(|item| item.meta.format.as_mut()) {
        if let Some(first) = format.get_mut(..1) {
            first.make_ascii_uppercase();
        }
    }
}

const fn status(command: &Command) -> Option<&Status> {
    if let Command::Status(status) = command { Some(status) } else { None }
}
