//! The dialogue as a value.

use serde::{Deserialize, Serialize};

use super::{Answer, Context, Event, Step, Violation};
use crate::{
    model::{clock::Mint, tree::Ask},
    wire::syncml::{Header, Message},
};

/// One session with one device. Serialisable, so that any replica may take the next message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    session_id: String,
}

impl Machine {
    /// A dialogue that has heard nothing yet, for the session that the header of a first message names.
    #[must_use]
    pub fn open(first: &Header) -> Self {
        Self { session_id: first.session_id.clone() }
    }

    /// Takes the device's next message.
    ///
    /// # Errors
    /// [`Violation`] if the message cannot belong to this session.
    pub fn handle(self, _message: Message, _cx: &Context<'_>, _mint: &mut dyn Mint) -> Result<Step, Violation> {
        Err(Violation::Over)
    }

    /// Takes what the procedure wants next. What needs no message ends at once; call it again with what follows from that.
    #[must_use = "outcomes that need no message are told here and nowhere else"]
    pub fn offer(&mut self, _asks: Vec<Ask>, _cx: &Context<'_>) -> Vec<Event> {
        Vec::new()
    }

    /// Builds the message that answers the last one taken.
    #[must_use]
    pub fn answer(self, cx: &Context<'_>, _mint: &mut dyn Mint) -> (Self, Answer) {
        self.abort(cx)
    }

    /// Builds an answer that ends the session (Alert 1223), as when this server cannot go on.
    #[must_use]
    pub fn abort(self, _cx: &Context<'_>) -> (Self, Answer) {
        let message = Message { header: Header::default(), body: crate::wire::syncml::Body::default() };
        (self, Answer { message, slot: None, ends: true })
    }

    /// Gives the session up: what was sent and not answered may or may not have happened.
    #[must_use]
    pub fn lost(self) -> Vec<Event> {
        Vec::new()
    }

    /// Whether the device has proved itself.
    #[must_use]
    pub fn authenticated(&self) -> bool {
        false
    }
}
