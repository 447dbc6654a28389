//! What simulated devices do, as it happens: bars on a terminal, a line of JSON an event for machines, else a line of text.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use super::Output;
use crate::{
    model::clock::span,
    sim::{Event, Observer, Prompt, Reason},
};

/// Bars that are shown at the same time; more devices than that are only counted.
const MOST_BARS: usize = 24;

/// Watches devices and shows what they do.
#[derive(Debug)]
pub struct Progress {
    output: Output,
    bars: Option<Bars>,
    /// Whether every event that people want is a line.
    news: bool,
}

#[derive(Debug)]
struct Bars {
    all: MultiProgress,
    /// By device and what is shown of it.
    shown: Mutex<BTreeMap<(String, String), ProgressBar>>,
}

/// What a bar is about.
#[derive(Debug, Clone, Copy)]
enum Bar {
    /// Messages, nobody knows how many.
    Session,
    /// Bytes, nobody knows how many.
    Stream,
    /// So many bytes.
    Bytes(u64),
}

impl Progress {
    /// Shows on `output`: bars only if someone watches.
    #[must_use]
    pub fn new(output: Output) -> Self {
        let bars = output.watched().then(|| Bars { all: MultiProgress::new(), shown: Mutex::default() });
        Self { output, bars, news: true }
    }

    /// The same without a line for each event: the caller says what there is to say.
    #[must_use]
    pub fn without_news(output: Output) -> Self {
        Self { news: false, ..Self::new(output) }
    }

    /// A line for people, above the bars; nothing for machines.
    pub fn say(&self, text: &str) {
        match &self.bars {
            // A terminal that has gone away is no reason to stop devices.
            Some(bars) => drop(bars.all.println(text)),
            None if self.output.json() => {}
            None => drop(self.output.line(text)),
        }
    }

    /// Takes the bars away.
    pub fn finish(&self) {
        if let Some(bars) = &self.bars {
            drop(bars.all.clear());
        }
    }
}

impl Observer for Progress {
    fn told(&self, device: &str, event: &Event) {
        match &self.bars {
            Some(bars) => {
                bars.show(device, event);
                if self.news && is_news(event) {
                    self.say(&format!("{device}  {}", describe(event).1));
                }
            }
            None if self.output.json() => {
                let (name, text) = describe(event);
                drop(self.output.value(&json!({ "device": device, "event": name, "text": text })));
            }
            None if self.news && is_news(event) => self.say(&format!("{device}  {}", describe(event).1)),
            None => {}
        }
    }
}

impl Bars {
    fn show(&self, device: &str, event: &Event) {
        match event {
            Event::SessionOpened { session, .. } => {
                self.open(device, "session", &format!("session {session}"), Bar::Session);
            }
            Event::Exchanged { session, messages, .. } => {
                let text = format!("session {session}, {messages} messages");
                self.with(device, "session", |bar| bar.set_message(text));
            }
            Event::SessionClosed { .. } => self.close(device, "session"),
            Event::TransferStarted { what, total } => {
                self.open(device, what, last_part(what), total.map_or(Bar::Stream, Bar::Bytes));
            }
            Event::TransferProgress { what, received, total } => self.with(device, what, |bar| {
                if let Some(total) = total {
                    bar.set_length(*total);
                }
                bar.set_position(*received);
            }),
            Event::TransferFinished { what, .. } | Event::TransferFailed { what, .. } => self.close(device, what),
            Event::Notified { .. }
            | Event::NotificationIgnored { .. }
            | Event::Executing { .. }
            | Event::Executed { .. }
            | Event::Reported { .. }
            | Event::Asked { .. }
            | Event::Prompted { .. }
            | Event::Posted { .. }
            | Event::Vanished { .. }
            | Event::CameBack
            | Event::Trouble { .. } => {}
        }
    }

    fn open(&self, device: &str, what: &str, label: &str, kind: Bar) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.len() >= MOST_BARS {
            return;
        }
        let (bar, template) = match kind {
            Bar::Session => (ProgressBar::new_spinner(), "{prefix:24!} {spinner} {msg}"),
            Bar::Stream => (ProgressBar::new_spinner(), "{prefix:24!} {spinner} {bytes} {msg}"),
            Bar::Bytes(total) => {
                (ProgressBar::new(total), "{prefix:24!} {bar:30.cyan/blue} {bytes}/{total_bytes} {msg}")
            }
        };
        let bar = self.all.add(bar.with_prefix(device.to_owned()).with_message(label.to_owned()));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        shown.insert((device.to_owned(), what.to_owned()), bar);
    }

    fn with(&self, device: &str, what: &str, change: impl FnOnce(&ProgressBar)) {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = shown.get(&(device.to_owned(), what.to_owned())) {
            change(bar);
            bar.tick();
        }
    }

    fn close(&self, device: &str, what: &str) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = shown.remove(&(device.to_owned(), what.to_owned())) {
            bar.finish_and_clear();
        }
    }
}

/// Whether people want a line of it.
const fn is_news(event: &Event) -> bool {
    match event {
        Event::Exchanged { .. } | Event::TransferProgress { .. } | Event::TransferStarted { .. } => false,
        Event::Notified { .. }
        | Event::NotificationIgnored { .. }
        | Event::SessionOpened { .. }
        | Event::SessionClosed { .. }
        | Event::TransferFinished { .. }
        | Event::TransferFailed { .. }
        | Event::Executing { .. }
        | Event::Executed { .. }
        | Event::Reported { .. }
        | Event::Asked { .. }
        | Event::Prompted { .. }
        | Event::Posted { .. }
        | Event::Vanished { .. }
        | Event::CameBack
        | Event::Trouble { .. } => true,
    }
}

/// An event's name, and a sentence.
fn describe(event: &Event) -> (&'static str, String) {
    match event {
        Event::Notified { session } => ("notified", format!("was asked to open session {session:X}")),
        Event::NotificationIgnored { reason } => ("notification_ignored", format!("ignored a notification: {reason}")),
        Event::SessionOpened { session, reason } => {
            let why = match reason {
                Reason::Notified(_) => "as asked",
                Reason::Own => "of its own accord",
            };
            ("session_opened", format!("opened session {session} {why}"))
        }
        Event::Exchanged { session, messages, sent, received } => {
            ("exchanged", format!("session {session}: message {messages}, {sent} bytes sent, {received} received"))
        }
        Event::SessionClosed { session, messages, took, end } => {
            let took = took.as_millis();
            ("session_closed", format!("closed session {session} after {messages} messages, {took} ms: {end}"))
        }
        Event::TransferStarted { what, total } => {
            let size = total.map_or_else(|| "size unknown".to_owned(), |bytes| format!("{bytes} bytes"));
            ("transfer_started", format!("receives {}, {size}", last_part(what)))
        }
        Event::TransferProgress { what, received, .. } => {
            ("transfer_progress", format!("has {received} of {}", last_part(what)))
        }
        Event::TransferFinished { what, held } => {
            ("transfer_finished", format!("holds {}: {} bytes, SHA-256 {}", last_part(what), held.size, held.sha256))
        }
        Event::TransferFailed { what, reason } => {
            ("transfer_failed", format!("did not get {}: {reason}", last_part(what)))
        }
        Event::Executing { operation, identifier, .. } => {
            ("executing", format!("runs {} of {identifier}", operation.node()))
        }
        Event::Executed { operation, identifier, code, .. } => {
            ("executed", format!("ended {} of {identifier} with {code}", operation.node()))
        }
        Event::Reported { code, status } => ("reported", format!("reported {code}, the server said {status}")),
        Event::Asked { r#type, status } => ("asked", format!("asked by {type}, the server said {status}")),
        Event::Prompted { prompt } => {
            let Prompt { alert, text, status, .. } = prompt;
            ("prompted", format!("was shown alert {alert}, {text:?}, and answered {status}"))
        }
        Event::Posted { code, taken } => {
            let end = if *taken { "was taken" } else { "was not taken" };
            ("posted", format!("posted the status report {code}, which {end}"))
        }
        Event::Vanished { lasts } => ("vanished", format!("went off for {}", span::format(*lasts))),
        Event::CameBack => ("came_back", "is on again".to_owned()),
        Event::Trouble { what } => ("trouble", format!("has trouble: {what}")),
    }
}

/// A node's address, or the file's name in a URL: what comes before it is a download's secret.
fn last_part(what: &str) -> &str {
    if what.contains("://") { what.rsplit('/').find(|part| !part.is_empty()).unwrap_or(what) } else { what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_holds_no_secret_of_a_url() {
        let url = "http://127.0.0.1:8080/dl/s3cr3t-t0ken/player.tar.gz".to_owned();
        let told = describe(&Event::TransferStarted { what: url, total: Some(9) }).1;
        assert_eq!(told, "receives player.tar.gz, 9 bytes");
    }

    #[test]
    fn messages_are_no_news_and_sessions_are() {
        assert!(!is_news(&Event::Exchanged { session: "1".to_owned(), messages: 1, sent: 1, received: 1 }));
        assert!(is_news(&Event::Trouble { what: "x".to_owned() }));
    }
}
