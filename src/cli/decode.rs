//! `scomo decode`: a protocol message as a person reads it, without any server.

use std::{
    fs,
    io::{self, Read as _},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::{Args, ValueEnum};

use super::{Failure, Output};
use crate::{
    protocol::notification::{self, Notification, UiMode},
    wire::syncml::{limits::Limits, show, xml},
};

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
        let text = self.text()?;
        if output.json() {
            return output.value(&serde_json::json!({ "text": text }));
        }
        output.line(text.trim_end())
    }

    fn text(&self) -> Result<String, Failure> {
        let bytes = read(&self.file)?;
        match self.from {
            Kind::Auto if looks_like_xml(&bytes) => self.xml(&bytes),
            Kind::Xml => self.xml(&bytes),
            Kind::Notification => self.notification(&bytes),
            Kind::Auto => self.notification(&bytes).map_err(|_| {
                Failure::Work(format!("{} is neither a SyncML message in XML nor a notification", self.name()))
            }),
        }
    }

    /// The file as people call it.
    fn name(&self) -> &str {
        if self.file == "-" { "standard input" } else { &self.file }
    }

    fn xml(&self, bytes: &[u8]) -> Result<String, Failure> {
        let limits = Limits { message_bytes: bytes.len(), ..Limits::default() };
        let message = xml::read(bytes, &limits)
            .map_err(|error| Failure::Work(format!("{} is not a SyncML message: {error}", self.name())))?;
        let secrets = if self.secrets { show::Secrets::Shown } else { show::Secrets::Hidden };
        Ok(show::show(&message, secrets))
    }

    fn notification(&self, bytes: &[u8]) -> Result<String, Failure> {
        let Notification { digest, trigger } = notification::read(bytes)
            .map_err(|error| Failure::Work(format!("{} is not a notification: {error}", self.name())))?;
        let vendor = if trigger.vendor.is_empty() {
            String::new()
        } else {
            format!("\n  vendor data, {} bytes", trigger.vendor.len())
        };
        let digest = if self.secrets { STANDARD.encode(digest) } else { format!("{} bytes", digest.len()) };
        let initiator = if trigger.by_server { "the server" } else { "a user" };
        Ok(format!(
            "Notification (Package 0), version {}.{}\n  server {:?} asks for session {} (hexadecimal {:X})\n  \
             wanted by {initiator}, user interaction: {}\n  digest {digest}{vendor}",
            trigger.version / 10,
            trigger.version % 10,
            trigger.server_id,
            trigger.session_id,
            trigger.session_id,
            interaction(trigger.ui_mode),
        ))
    }
}

const fn interaction(mode: UiMode) -> &'static str {
    match mode {
        UiMode::Unspecified => "left to the device",
        UiMode::Background => "none",
        UiMode::Informative => "tell the user",
        UiMode::Interactive => "ask the user",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::secret::Secret, protocol::notification::Trigger};

    fn decode(bytes: &[u8], from: Kind, secrets: bool) -> Result<String, Failure> {
        let file = tempfile::NamedTempFile::new()?;
        fs::write(file.path(), bytes)?;
        let file = file.path().display().to_string();
        Decode { file, from, secrets }.text()
    }

    const MESSAGE: &str = "<SyncML><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID>\
        <MsgID>1</MsgID><Target><LocURI>http://dm.example.org/dm</LocURI></Target><Source><LocURI>IMEI:1</LocURI></Source>\
        <Cred><Meta><Type xmlns=\"syncml:metinf\">syncml:auth-basic</Type></Meta><Data>ZGV2OnB3</Data></Cred></SyncHdr>\
        <SyncBody><Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Final/></SyncBody></SyncML>";

    #[test]
    fn a_message_is_told_by_its_first_byte() {
        let text = decode(format!("\u{feff} {MESSAGE}").as_bytes(), Kind::Auto, false);
        assert!(text.unwrap().contains("IMEI:1"));
        let notification =
            Trigger::new("scomo", 0xA7, UiMode::Background).sign(&Secret::new("pw".to_owned()), b"nonce");
        let text = decode(&notification.unwrap(), Kind::Auto, false).unwrap();
        assert!(text.contains("session 167 (hexadecimal A7)") && text.contains("user interaction: none"), "{text}");
    }

    #[test]
    fn credentials_show_only_when_asked_for() {
        assert!(!decode(MESSAGE.as_bytes(), Kind::Auto, false).unwrap().contains("ZGV2OnB3"));
        assert!(decode(MESSAGE.as_bytes(), Kind::Auto, true).unwrap().contains("ZGV2OnB3"));
    }

    #[test]
    fn what_is_neither_is_the_works_failure_and_a_missing_file_the_users() {
        assert_eq!(decode(b"nonsense", Kind::Auto, false).unwrap_err().code(), 1);
        assert_eq!(decode(b"<html/>", Kind::Xml, false).unwrap_err().code(), 1);
        let nowhere = Decode { file: "/nowhere".to_owned(), from: Kind::Auto, secrets: false };
        assert_eq!(nowhere.text().unwrap_err().code(), 2);
    }
}
