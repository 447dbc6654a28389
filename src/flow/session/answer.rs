//! What a session keeps between two messages: the dialogue, and the last answer or the recipe of it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::post::Reply;
use crate::{
    infra::depot::{self, Depot},
    protocol::dm1::{Answer, Machine, WrongBytes},
    wire::syncml::xml,
};

/// The sealed column of a session.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    /// The dialogue.
    pub(super) machine: Machine,
    /// Whether the procedure was told that the session is open.
    pub(super) started: bool,
    /// What the last message was answered; nothing before the first.
    pub(super) answer: Option<Kept>,
}

/// An answer that can be given again byte for byte.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kept {
    /// As it was sent.
    Whole(String),
    /// It carries a piece of a payload, which stays in the depot.
    Recipe(Box<Answer>),
}

/// Why an answer could not be built.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the bytes of the package are out of reach")]
    Depot(#[from] depot::Error),
    #[error("the depot gave another number of bytes than was asked for")]
    Bytes(#[from] WrongBytes),
}

impl Error {
    /// Whether it is an outage of this service, which passes; if not, the package is not the one that was loaded.
    pub(super) const fn can_heal(&self) -> bool {
        matches!(self, Self::Depot(depot::Error::Read { .. }))
    }
}

/// The bytes of an answer.
pub(super) async fn build(answer: Answer, depot: &Depot) -> Result<Vec<u8>, Error> {
    let bytes = match &answer.slot {
        None => Bytes::new(),
        Some(slot) => depot.range(&slot.payload, slot.range.clone()).await?,
    };
    Ok(xml::write(&answer.fill(&bytes)?))
}

/// What to keep of an answer that was built.
pub(super) fn keep(answer: Answer, built: &[u8]) -> Kept {
    match answer.slot {
        None => Kept::Whole(String::from_utf8_lossy(built).into_owned()),
        Some(_) => Kept::Recipe(Box::new(answer)),
    }
}

/// Gives a kept answer again.
pub(super) async fn replay(kept: Kept, depot: &Depot) -> Reply {
    match kept {
        Kept::Whole(body) => Reply::xml(body.into_bytes()),
        Kept::Recipe(answer) => match build(*answer, depot).await {
            Ok(body) => Reply::xml(body),
            Err(error) => {
                tracing::error!(%error, "Could not rebuild an answer; the device is asked to try again");
                Reply::unavailable()
            }
        },
    }
}
