//! How large a message gets, measured with the encoder itself.

use crate::wire::syncml::{Body, Command, Header, Message, xml};

/// The bytes of a message on the wire.
pub(super) fn of_message(message: &Message) -> u64 {
    bytes(xml::write(message).len())
}

/// The bytes that a command adds to a message. In XML they do not depend on what stands around it.
pub(super) fn of_command(command: &Command) -> u64 {
    let frame = |commands| Message { header: Header::default(), body: Body { commands, is_final: true } };
    // Never the first command of the body, which might turn an empty element into a pair of tags.
    let with = of_message(&frame(vec![command.clone(), command.clone()]));
    with.saturating_sub(of_message(&frame(vec![command.clone()])))
}

fn bytes(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
