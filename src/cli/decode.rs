//! `scomo decode`: a protocol message as a person reads it, without any server.

use std::{
    fs,
    io::{self, Read as _},
};

use clap::{Args, ValueEnum};

use super::{Failure, Output};
use crate::wire::syncml::{limits::Limits, show, xml};

/// The most that is read, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

#[derive(Debug, Args)]
pub(super) struct Decode {
    /// The file, or `-` for standard input
    file: String,
    /// What it holds
    #[arg(long, value_enum, default_value_t = Kind::Auto)]
    from: Kind,
    /// Print credentials and nonces too
    #[arg(long)]
    secrets: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Look at the first bytes
    Auto,
    /// A SyncML message in XML
    Xml,
    /// A notification: Package 0 as the courier carries it
    Notification,
}

impl Decode {
    pub(super) fn run(self, output: Output) -> Result<(), Failure> {
        let bytes = read(&self.file)?;
        let text = match self.from {
            Kind::Auto if looks_like_xml(&bytes) => self.xml(&bytes)?,
            Kind::Xml => self.xml(&bytes)?,
            Kind::Auto | Kind::Notification => String::new(),
        };
        if output.json() {
            return output.value(&serde_json::json!({ "text": text }));
        }
        output.line(text.trim_end())
    }

    fn xml(&self, bytes: &[u8]) -> Result<String, Failure> {
        let limits = Limits { message_bytes: bytes.len(), ..Limits::default() };
        let message = xml::read(bytes, &limits)
            .map_err(|error| Failure::Work(format!("{} is not a SyncML message: {error}", self.file)))?;
        let secrets = if self.secrets { show::Secrets::Shown } else { show::Secrets::Hidden };
        Ok(show::show(&message, secrets))
    }
}

fn looks_like_xml(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes.trim_ascii_start().starts_with(b"<")
}

fn read(file: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = match file {
        "-" => io::stdin().lock().take(LARGEST).read_to_end(&mut bytes),
        path => fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes)),
    };
    read.map(|_| bytes).map_err(|e| Failure::Usage(format!("cannot read {file}: {e}")))
}
