//! What the bus brought and was refused: kept as a dead letter and told, in one commit. Nobody waits for an answer, so the event is
//! the answer; and the row is what an operator can look at, hand in again or drop.

use std::slice;

use serde::Deserialize;

use super::{Incoming, Intake, Verdict};
use crate::{
    contract::{
        envelope,
        event::{Data, Event, RequestConflict, RequestRejected},
        problem::{Code, Problem},
    },
    infra::{
        broker::amqp::{Delivery, Kind},
        jobs::event_row,
        store::{self, CommitError, Committed, Conflict, Json, Unit, Write, dead::DeadLetterRow},
        telemetry::chain,
    },
    model::{
        clock::Mint,
        digest::Digest,
        id::{DeadLetterId, EventId, RequestId, RequestSource, Tenant},
    },
};

/// Bytes of a body that are kept.
const MOST_BYTES: usize = 1 << 20;

/// A delivery that was refused.
pub(super) struct Refused<'a> {
    pub(super) delivery: &'a Delivery,
    pub(super) problem: &'a Problem,
    pub(super) tenant: &'a Tenant,
    pub(super) source: &'a RequestSource,
}

/// Whether what a delivery holds is kept with its refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

impl Whole {
    const fn most(self, most: usize) -> usize {
        match self {
            Self::Yes => most,
            Self::No => 0,
        }
    }
}

/// What became of a dead letter that was handed in again.
#[derive(Debug, Clone)]
pub enum Revived {
    /// It is a request now; the dead letter is gone.
    Accepted(super::Receipt),
    /// It was refused again, and stays.
    Refused(Box<Problem>),
    /// The database is out of reach.
    Unavailable,
}

/// What became of a refusal that was to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is stored, now or before.
    Yes,
    /// Nothing is known of it.
    No,
    /// The database does not take it, however often it is tried.
    Never,
}

impl Refused<'_> {
    fn log(&self) {
        let (id, code) = (self.delivery.message_id.as_deref(), self.problem.code);
        tracing::warn!(message.id = id, %code, "A message of the bus was refused: {}", self.problem);
    }
}

impl Intake {
    /// Keeps and tells refused deliveries; says what became of each.
    ///
    /// A delivery that came before, under the same id and with the same content, is neither kept nor told twice. Where the database
    /// does not take one for what it holds, it is kept without that.
    pub(super) async fn keep_refused(&self, refused: &[Refused<'_>]) -> Vec<Kept> {
        let mut kept = self.bury(refused, Whole::Yes).await;
        for (refused, kept) in refused.iter().zip(&mut kept).filter(|(_, kept)| **kept == Kept::Never) {
            *kept = self.bury(slice::from_ref(refused), Whole::No).await.pop().unwrap_or(Kept::No);
        }
        self.told.poke();
        kept
    }

    async fn bury(&self, refused: &[Refused<'_>], whole: Whole) -> Vec<Kept> {
        let mut mint = (self.mint)();
        let units: Result<Vec<Unit>, store::Error> =
            refused.iter().map(|refused| self.burial(refused, whole, mint.as_mut())).collect();
        let units = match units {
            Ok(units) => units,
            Err(error) => {
                tracing::error!(error = chain(&error), "A refusal was not kept");
                return refused.iter().map(|_| Kept::Never).collect();
            }
        };
        let results = self.store.commit_many(units).await;
        results.iter().zip(refused).map(|(result, refused)| self.kept(result, refused)).collect()
    }

    fn kept(&self, result: &Result<Committed, CommitError>, refused: &Refused<'_>) -> Kept {
        match result {
            Ok(_) => {
                self.metrics.dead_letter();
                refused.log();
                Kept::Yes
            }
            Err(error) if error.conflict() == Some(&Conflict::DeadAlready) => Kept::Yes,
            Err(error) => {
                tracing::error!(error = chain(error), "A refusal was not kept");
                if error.is_permanent() { Kept::Never } else { Kept::No }
            }
        }
    }

    /// The unit that keeps and tells one.
    fn burial(&self, refused: &Refused<'_>, whole: Whole, mint: &mut dyn Mint) -> Result<Unit, store::Error> {
        let now = self.clock.now();
        let Refused { delivery, problem, tenant, source } = *refused;
        let id = DeadLetterId::new(mint.uuid(now));
        let data = match whole {
            Whole::Yes => told(delivery, problem, source),
            Whole::No => Data::RequestRejected(RequestRejected { request_id: None, problem: problem.clone() }),
        };
        let event = Event { id: EventId::new(mint.uuid(now)), tenant: tenant.clone(), time: now, sequence: None, data };
        let mut event = event_row(&event, 1)?;
        if event.subject.is_empty() {
            event.subject = id.to_string(); // so that it does not wait behind others without a name
        }
        let row = DeadLetterRow {
            id,
            tenant: tenant.clone(),
            at: now,
            kind: delivery.kind.key().to_owned(),
            problem: Json::of("problem", problem)?,
            body: delivery.body.iter().copied().take(whole.most(MOST_BYTES)).collect(),
            size: u64::try_from(delivery.body.len()).unwrap_or(u64::MAX),
            content_type: delivery.content_type.clone().filter(|_| whole == Whole::Yes),
            headers: delivery.headers.clone().into_iter().take(whole.most(usize::MAX)).collect(),
            message_id: delivery.message_id.clone().filter(|_| whole == Whole::Yes),
            source: source.clone(),
            digest: identity(delivery),
            copied: false,
        };
        let subject = id.to_string();
        Ok(Unit::new("intake.refused", &subject).with(Write::DeadInsert(row)).with(Write::EventInsert(event)))
    }

    /// Hands a dead letter in again, and forgets it if it is accepted now.
    ///
    /// # Errors
    /// The store's, after it was accepted: then it can be handed in once more, to the same effect.
    pub async fn revive(&self, row: &DeadLetterRow) -> Result<Revived, store::Error> {
        if let Err(problem) = whole(row) {
            return Ok(Revived::Refused(Box::new(problem)));
        }
        let body = match envelope::unwrap(row.content_type.as_deref(), &row.body) {
            Ok(body) => body.into_owned(),
            Err(problem) => return Ok(Revived::Refused(Box::new(problem))),
        };
        let incoming = Incoming { tenant: row.tenant.clone(), caller: row.source.clone(), body };
        match self.take(vec![incoming]).await.pop() {
            Some(Verdict::Accepted(receipt)) => {
                self.store.drop_dead_letter(&row.tenant, row.id).await?;
                Ok(Revived::Accepted(receipt))
            }
            Some(Verdict::Refused(problem)) => Ok(Revived::Refused(problem)),
            Some(Verdict::Unavailable) | None => Ok(Revived::Unavailable),
        }
    }
}

/// Whether a dead letter is a request, and all of it.
fn whole(row: &DeadLetterRow) -> Result<(), Problem> {
    if row.kind != Kind::Request.key() {
        let detail = format!("only requests can be handed in again, this is a `{}`; send it anew", row.kind);
        return Err(Problem::new(Code::InvalidInput, detail));
    }
    if u64::try_from(row.body.len()).is_ok_and(|kept| kept < row.size) {
        let detail = format!("the body had {} bytes, of which {} were kept", row.size, row.body.len());
        return Err(Problem::new(Code::TooLarge, detail));
    }
    Ok(())
}

/// What makes two deliveries the same message.
fn identity(delivery: &Delivery) -> Digest {
    let mut text = Vec::with_capacity(delivery.body.len() + 64);
    for part in [delivery.kind.key(), delivery.message_id.as_deref().unwrap_or_default()] {
        text.extend_from_slice(part.as_bytes());
        text.push(0);
    }
    text.extend_from_slice(&delivery.body);
    Digest::of(&text)
}

/// What is told of a refusal.
fn told(delivery: &Delivery, problem: &Problem, caller: &RequestSource) -> Data {
    let (request_id, source) = names(delivery);
    match request_id {
        Some(request_id) if problem.code == Code::RequestConflict => {
            Data::RequestConflict(RequestConflict { request_id, source: source.unwrap_or_else(|| caller.clone()) })
        }
        request_id => Data::RequestRejected(RequestRejected { request_id, problem: problem.clone() }),
    }
}

/// What a message calls itself, as far as it can be read.
fn names(delivery: &Delivery) -> (Option<RequestId>, Option<RequestSource>) {
    #[derive(Deserialize)]
    struct Names {
        #[serde(default)]
        request_id: Option<RequestId>,
        #[serde(default)]
        source: Option<RequestSource>,
    }
    let body = envelope::unwrap(delivery.content_type.as_deref(), &delivery.body).ok();
    let body = body.filter(|body| body.len() <= MOST_BYTES);
    let names = body.and_then(|body| serde_json::from_slice::<Names>(&body).ok());
    names.map_or((None, None), |names| (names.request_id, names.source))
}
