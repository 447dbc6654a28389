//! A message as a person reads it.

use super::names;
use super::{Alert, Chal, Command, Cred, Data, Group, Header, Item, Location, Message, Meta, Results, Status};

/// Whether credentials, nonces and the passwords inside account nodes are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// Only their length.
    Hidden,
    /// As they stand.
    Shown,
}

/// Renders a message: the header, then one line a command, with its items below it.
///
/// Control characters are escaped, so text from a device cannot steer a terminal. The end is a line feed.
///
/// ```
/// use scomo::wire::syncml::{limits::Limits, show::{Secrets, show}, xml};
///
/// let bytes = br#"<SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr><MsgID>1</MsgID></SyncHdr>
///   <SyncBody><Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Final/></SyncBody></SyncML>"#;
/// let text = show(&xml::read(bytes, &Limits::default())?, Secrets::Hidden);
/// assert!(text.contains("1201"), "{text}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn show(message: &Message, secrets: Secrets) -> String {
    let mut page = Page { out: String::new(), secrets };
    page.header(&message.header, message.body.is_final);
    for command in &message.body.commands {
        page.command(0, command);
    }
    page.out
}

/// Characters of a value that are printed.
const DATA_MAX: usize = 96;

struct Page {
    out: String,
    secrets: Secrets,
}

impl Page {
    fn line(&mut self, indent: usize, text: &str) {
        self.out.extend(std::iter::repeat_n("  ", indent));
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn header(&mut self, header: &Header, is_final: bool) {
        let end = if is_final { "final" } else { "not final" };
        let (proto, dtd) = (plain(&header.ver_proto), plain(&header.ver_dtd));
        let (session, number) = (plain(&header.session_id), plain(&header.msg_id));
        self.line(0, &format!("SyncML {proto} (DTD {dtd}), session {session}, message {number}, {end}"));
        self.line(1, &format!("to {}", place(&header.target)));
        self.line(1, &format!("from {}", place(&header.source)));
        if let Some(uri) = &header.resp_uri {
            self.line(1, &format!("answer to {}", plain(uri)));
        }
        if let Some(cred) = &header.cred {
            self.cred(cred);
        }
        if let Some(size) = &header.meta.max_msg_size {
            self.line(1, &format!("takes messages up to {} bytes", plain(size)));
        }
        if let Some(size) = &header.meta.max_obj_size {
            self.line(1, &format!("takes objects up to {} bytes", plain(size)));
        }
    }

    fn cred(&mut self, cred: &Cred) {
        let data = self.secret(&cred.data);
        self.line(1, &format!("credentials {data}{}", kind(&cred.meta)));
    }

    fn command(&mut self, indent: usize, command: &Command) {
        let id = if command.cmd_id().is_empty() { "?".to_owned() } else { plain(command.cmd_id()) };
        let head = format!("#{id} {}", plain(command.name()));
        match command {
            Command::Status(status) => self.status(indent, &head, status),
            Command::Alert(alert) => self.alert(indent, &head, alert),
            Command::Results(results) => self.results(indent, &head, results),
            Command::Add(c) | Command::Replace(c) | Command::Copy(c) => {
                self.operands(indent, &head, &c.meta, &c.items);
            }
            Command::Delete(c) => self.operands(indent, &head, &c.meta, &c.items),
            Command::Get(c) => self.operands(indent, &head, &c.meta, &c.items),
            Command::Exec(c) => {
                let head = format!("{head}{}", correlator(c.correlator.as_ref()));
                self.operands(indent, &head, &c.meta, &c.items);
            }
            Command::Sequence(group) | Command::Atomic(group) => self.group(indent, &head, group),
            Command::Other(_) => self.line(indent, &format!("{head} (not a command of OMA DM)")),
        }
    }

    fn status(&mut self, indent: usize, head: &str, status: &Status) {
        let code = coded(&status.data, names::status);
        let to = referred(&status.cmd_ref, &status.msg_ref);
        self.line(indent, &format!("{head} {code}, for {} {to}", plain(&status.cmd)));
        for uri in &status.target_refs {
            self.line(indent + 1, &format!("target {}", plain(uri)));
        }
        for uri in &status.source_refs {
            self.line(indent + 1, &format!("source {}", plain(uri)));
        }
        if let Some(chal) = &status.chal {
            self.chal(indent + 1, chal);
        }
        self.items(indent + 1, &status.items);
    }

    fn chal(&mut self, indent: usize, chal: &Chal) {
        let nonce = chal.meta.next_nonce.as_ref().map(|nonce| format!(", next nonce {}", self.secret(nonce)));
        self.line(indent, &format!("challenge{}{}", kind(&chal.meta), nonce.unwrap_or_default()));
    }

    fn alert(&mut self, indent: usize, head: &str, alert: &Alert) {
        let code = coded(&alert.data, names::alert);
        self.line(indent, &format!("{head} {code}{}", correlator(alert.correlator.as_ref())));
        self.items(indent + 1, &alert.items);
    }

    fn results(&mut self, indent: usize, head: &str, results: &Results) {
        let to = referred(&results.cmd_ref, &results.msg_ref);
        self.line(indent, &format!("{head} of {to}{}", kind(&results.meta)));
        for (word, uri) in [("target", &results.target_ref), ("source", &results.source_ref)] {
            if let Some(uri) = uri {
                self.line(indent + 1, &format!("{word} {}", plain(uri)));
            }
        }
        self.items(indent + 1, &results.items);
    }

    fn group(&mut self, indent: usize, head: &str, group: &Group) {
        self.line(indent, &format!("{head}{}", kind(&group.meta)));
        for command in &group.commands {
            self.command(indent + 1, command);
        }
    }

    fn operands(&mut self, indent: usize, head: &str, meta: &Meta, items: &[Item]) {
        self.line(indent, &format!("{head}{}", kind(meta)));
        self.items(indent + 1, items);
    }

    fn items(&mut self, indent: usize, items: &[Item]) {
        for item in items {
            let place = match (&item.target, &item.source) {
                (Some(target), Some(source)) => format!("{} from {}", place(target), place(source)),
                (Some(one), None) | (None, Some(one)) => place(one),
                (None, None) => "item".to_owned(),
            };
            let data = item.data.as_ref().map(|data| format!(" = {}", self.data(item, data))).unwrap_or_default();
            let more = if item.more_data { ", more data follows" } else { "" };
            self.line(indent, &format!("{place}{data}{}{more}", kind(&item.meta)));
        }
    }

    fn data(&self, item: &Item, data: &Data) -> String {
        let (shown, bytes) = match data {
            Data::Text(text) => (format!("\"{}\"", shortened(text)), text.len()),
            Data::Bytes(bytes) => (hex(bytes), bytes.len()),
        };
        if self.secrets == Secrets::Hidden && is_secret(item, data) {
            return format!("hidden ({bytes} bytes)");
        }
        format!("{shown} ({bytes} bytes)")
    }

    fn secret(&self, text: &str) -> String {
        match self.secrets {
            Secrets::Hidden => format!("hidden ({} bytes)", text.len()),
            Secrets::Shown => format!("\"{}\"", plain(text)),
        }
    }
}

/// Whether a value belongs to an account: passwords and nonces live there (DM 1.x sheet 7.3), and a tree may come through the inbox.
fn is_secret(item: &Item, data: &Data) -> bool {
    let account = |text: &str| {
        let text = text.to_ascii_lowercase();
        ["dmacc", "inbox", "aauthsecret", "aauthdata"].iter().any(|word| text.contains(word))
    };
    account(item.target_uri())
        || account(item.source_uri())
        || match data {
            Data::Text(text) => account(text),
            Data::Bytes(bytes) => account(&String::from_utf8_lossy(bytes)),
        }
}

/// Format, Type and the rest of a Meta, as the end of a line; the nonce is not among them.
fn kind(meta: &Meta) -> String {
    let parts = [
        ("", &meta.format),
        ("", &meta.r#type),
        ("size ", &meta.size),
        ("mark ", &meta.mark),
        ("version ", &meta.version),
        ("EMI ", &meta.emi),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter_map(|(word, value)| value.as_ref().map(|value| format!("{word}{}", plain(value))))
        .collect();
    if parts.is_empty() { String::new() } else { format!(" [{}]", parts.join(", ")) }
}

fn correlator(correlator: Option<&String>) -> String {
    correlator.map(|text| format!(", correlator {}", plain(text))).unwrap_or_default()
}

fn coded(text: &str, name: fn(u16) -> &'static str) -> String {
    text.parse().map_or_else(|_| format!("\"{}\"", plain(text)), |code| format!("{code} {}", name(code)))
}

fn referred(command: &str, message: &str) -> String {
    let or_unknown = |text: &str| if text.is_empty() { "?".to_owned() } else { plain(text) };
    format!("#{} in message {}", or_unknown(command), or_unknown(message))
}

fn place(location: &Location) -> String {
    let name = location.name.as_ref().map(|name| format!(" ({})", plain(name))).unwrap_or_default();
    format!("{}{name}", plain(&location.uri))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(DATA_MAX) {
        Some((end, _)) => format!("{}…", plain(text.get(..end).unwrap_or_default())),
        None => plain(text),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().take(DATA_MAX / 4).map(|byte| format!("{byte:02x}"));
    let more = (bytes.len() > DATA_MAX / 4).then(|| "…".to_owned());
    digits.chain(more).collect::<Vec<_>>().concat()
}

/// Text without characters that would steer a terminal or hide.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => out.push(character),
            other => out.extend(other.escape_debug()),
        }
    }
    out
}

#[cfg(test)]
mod tests;
