//! What the reader must take, what it must refuse, and that nothing is lost on the way.

mod examples;
mod hostile;
mod roundtrip;
mod tolerance;

use super::*;
use crate::wire::syncml::Command;

/// Reads a message that must be readable.
fn must_read(text: &str) -> Message {
    read(text.as_bytes(), &Limits::default()).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// A message with this body, in the plainest clothes.
fn with_body(body: &str) -> Message {
    must_read(&format!("<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr/><SyncBody>{body}</SyncBody></SyncML>"))
}

/// The only command of a body.
fn only(body: &str) -> Command {
    let mut commands = with_body(body).body.commands;
    assert_eq!(commands.len(), 1, "{body}");
    commands.remove(0)
}
