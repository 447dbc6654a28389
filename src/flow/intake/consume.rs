//! Requests from a broker: many deliveries become one batch, one commit and one acknowledgement.
//!
//! A delivery is acknowledged when what became of it is stored: the request with its jobs, or the dead letter with the event that
//! tells its refusal. While the database does not answer, or too many events wait to be told, nothing is consumed: the consumer
//! is cancelled and its channel closed, so that the broker takes back once what it had delivered, however long it lasts.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    Incoming, Intake, Stuck, Verdict,
    refuse::{Kept, Refused},
};
use crate::{
    contract::{
        control::{Act, Control},
        envelope,
        problem::{Code, Problem},
    },
    infra::{
        broker::{
            Amqp,
            amqp::{self, Delivery, ERROR_HEADER, Inbox, Kind, Link, Message},
            backoff::Backoff,
        },
        jobs::{
            brake::{Brake, Wish},
            hand::{Hand, Unmoved},
        },
        store::{self, request::RequestRow},
        telemetry::chain,
    },
    job::brake::Scope,
    model::id::{RequestId, RequestSource, Tenant},
};

/// How often is looked whether requests may be taken again.
const LOOK: Duration = Duration::from_millis(500);

/// Takes requests from a broker.
pub struct Consumer {
    /// Judges and stores them.
    pub intake: Intake,
    /// Does what controls ask for.
    pub hand: Hand,
    /// The same for those that pause and let go on.
    pub brake: Brake,
    /// Where they come from.
    pub amqp: Arc<Amqp>,
    /// Whose they are.
    pub tenant: Tenant,
    /// Ends it.
    pub stop: CancellationToken,
}

/// How the reading of a queue ended.
enum Ended {
    /// The service stops.
    Stopped,
    /// Something cannot be stored for now.
    Paused,
}

/// What became of a delivery.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is stored, and can be acknowledged.
    Settled,
    /// Nothing is known of it; it has to come again.
    Open,
}

impl Consumer {
    /// Takes requests until it is stopped.
    pub async fn run(self) {
        let mut backoff = Backoff::default();
        while !self.stop.is_cancelled() {
            let Err(error) = self.with_link(&mut backoff).await else { return };
            let pause = backoff.pause((self.intake.mint)().as_mut());
            tracing::error!(error = chain(&error), again_in_ms = pause.as_millis(), "No requests come from the broker");
            self.rest(pause).await;
        }
    }

    #[expect(clippy::cognitive_complexity, reason = "what a log line expands to is counted")]
    async fn with_link(&self, backoff: &mut Backoff) -> Result<(), amqp::Error> {
        let link = self.amqp.connect("requests").await?;
        tracing::info!(queue = self.amqp.settings().queue, "Connected to the broker: requests are taken");
        let mut pauses = Backoff::default();
        while self.until_ready(&link).await? {
            let mut inbox = link.inbox().await?;
            backoff.reset();
            match self.drain(&link, &mut inbox, &mut pauses).await {
                Ok(Ended::Stopped) => {
                    self.finish(&link, &mut inbox).await;
                    inbox.close().await;
                    break;
                }
                Ok(Ended::Paused) => {
                    inbox.close().await;
                    self.rest(pauses.pause((self.intake.mint)().as_mut())).await;
                }
                Err(error) => return Err(error),
            }
        }
        link.close().await;
        Ok(())
    }

    /// Waits until what comes can be stored. `false`: the service stops.
    async fn until_ready(&self, link: &Link<'_>) -> Result<bool, amqp::Error> {
        loop {
            if self.stop.is_cancelled() {
                return Ok(false);
            }
            let ready = !self.intake.pressure.is_high() && self.intake.store.can_write().await.is_ok();
            self.intake.metrics.intake_paused(!ready);
            if ready {
                return Ok(true);
            }
            tokio::select! {
                () = self.rest(LOOK) => {}
                () = link.lost() => return Err(link.gone()),
            }
        }
    }

    /// Takes batches as they come.
    async fn drain(&self, link: &Link<'_>, inbox: &mut Inbox, pauses: &mut Backoff) -> Result<Ended, amqp::Error> {
        loop {
            let batch = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(Ended::Stopped),
                () = self.pressed() => return Ok(self.paused("too many events wait to be told")),
                batch = inbox.batch() => batch?,
            };
            if !self.settle(link, inbox, &batch).await? {
                return Ok(self.paused("the database does not take it"));
            }
            pauses.reset();
        }
    }

    /// Takes what the broker has delivered already, before the service ends.
    async fn finish(&self, link: &Link<'_>, inbox: &mut Inbox) {
        inbox.cancel().await;
        while let Ok(batch) = inbox.batch().await {
            if !matches!(self.settle(link, inbox, &batch).await, Ok(true)) {
                return;
            }
        }
    }

    /// Stores what a batch asks for and acknowledges it; `false` if some of it could not be stored.
    async fn settle(&self, link: &Link<'_>, inbox: &Inbox, batch: &[Delivery]) -> Result<bool, amqp::Error> {
        let fates = self.judge(link, batch).await;
        if fates.iter().all(|fate| *fate == Fate::Settled) {
            inbox.settle(batch).await?;
            return Ok(true);
        }
        for (delivery, _) in batch.iter().zip(&fates).filter(|(_, fate)| **fate == Fate::Settled) {
            inbox.settle_one(delivery).await?;
        }
        Ok(false)
    }

    async fn judge(&self, link: &Link<'_>, batch: &[Delivery]) -> Vec<Fate> {
        let mut fates = vec![Fate::Open; batch.len()];
        let mut refused = Vec::new();
        let (mut places, mut incoming) = (Vec::new(), Vec::new());
        for (place, delivery) in batch.iter().enumerate().filter(|(_, delivery)| delivery.kind == Kind::Request) {
            match self.incoming(delivery) {
                Ok(message) => {
                    places.push(place);
                    incoming.push(message);
                }
                Err(problem) => refused.push((place, problem)),
            }
        }
        let verdicts = self.intake.take(incoming).await;
        let judged = places.into_iter().zip(verdicts);
        // After the requests of the same batch, which they may be about.
        let controls = batch.iter().enumerate().filter(|(_, delivery)| delivery.kind == Kind::Control);
        let mut controlled = Vec::new();
        for (place, delivery) in controls {
            controlled.push((place, self.control(delivery).await));
        }
        for (place, verdict) in judged.chain(controlled) {
            match (verdict, fates.get_mut(place)) {
                (Verdict::Accepted(_), Some(fate)) => *fate = Fate::Settled,
                (Verdict::Refused(problem), _) => refused.push((place, *problem)),
                (Verdict::Accepted(_) | Verdict::Unavailable, _) => {}
            }
        }
        self.bury(link, batch, &refused, &mut fates).await;
        fates
    }

    /// Keeps what was refused, and tells it. What the database will never keep goes to the dead queue alone: nobody else can tell
    /// of it, and to deliver it again would help nobody.
    async fn bury(&self, link: &Link<'_>, batch: &[Delivery], refused: &[(usize, Problem)], fates: &mut [Fate]) {
        let letters = refused.iter().filter_map(|(place, problem)| {
            let delivery = batch.get(*place)?;
            Some(Refused { delivery, problem, tenant: &self.tenant, source: self.source() })
        });
        let letters: Vec<Refused<'_>> = letters.collect();
        let kept = self.intake.keep_refused(&letters).await;
        for (((place, _), letter), kept) in refused.iter().zip(&letters).zip(kept) {
            let settled = match kept {
                Kept::Yes => true,
                Kept::No => false,
                Kept::Never => self.copy(link, letter).await,
            };
            if let Some(fate) = fates.get_mut(*place).filter(|_| settled) {
                *fate = Fate::Settled;
            }
        }
    }

    /// Puts a refused delivery into the dead queue; says whether it is there.
    #[expect(clippy::cognitive_complexity, reason = "what a log line expands to is counted")]
    async fn copy(&self, link: &Link<'_>, letter: &Refused<'_>) -> bool {
        let Refused { delivery, problem, .. } = letter;
        let message = Message {
            exchange: "",
            key: &self.amqp.settings().dead_queue,
            id: delivery.message_id.clone().unwrap_or_default(),
            correlation: None,
            content_type: delivery.content_type.as_deref().unwrap_or("application/json"),
            headers: vec![(ERROR_HEADER, serde_json::to_string(problem).unwrap_or_default())],
            mandatory: true,
            body: &delivery.body,
        };
        let copied = async { link.outlet().await?.publish(&[message]).await }.await;
        match copied {
            Ok(fates) if fates == [amqp::Fate::Confirmed] => {
                tracing::error!(message.id = delivery.message_id, code = %problem.code, "A message that the database does not take is in the dead queue alone");
                true
            }
            Ok(_) => false,
            Err(error) => {
                tracing::error!(error = chain(&error), "A refusal was not kept");
                false
            }
        }
    }

    fn incoming(&self, delivery: &Delivery) -> Result<Incoming, Problem> {
        let body = envelope::unwrap(delivery.content_type.as_deref(), &delivery.body)?.into_owned();
        Ok(Incoming { tenant: self.tenant.clone(), caller: self.source().clone(), body })
    }

    async fn control(&self, delivery: &Delivery) -> Verdict {
        match self.controlled(delivery).await {
            Ok(verdict) => verdict,
            Err(error) => {
                let permanent = error.is_permanent();
                tracing::error!(error = chain(&error), permanent, "A control was not taken");
                if permanent {
                    Verdict::Refused(Box::new(Stuck(chain(&error)).problem()))
                } else {
                    Verdict::Unavailable
                }
            }
        }
    }

    async fn controlled(&self, delivery: &Delivery) -> Result<Verdict, Unmoved> {
        let read = envelope::unwrap(delivery.content_type.as_deref(), &delivery.body);
        let control = match read.and_then(|body| Control::read(&body, self.source())) {
            Ok(control) => control,
            Err(problem) => return Ok(Verdict::Refused(Box::new(problem))),
        };
        let Control { act, request_id, source, control_id } = control;
        let Some(row) = self.request(&source, &request_id).await? else {
            let detail = format!("no request `{request_id}` of `{source}` was accepted");
            return Ok(Verdict::Refused(Box::new(Problem::new(Code::NotFound, detail))));
        };
        let done = self.act(act, &row, format!("control {control_id}")).await?;
        tracing::info!(request.id = %request_id, control = %control_id, "Request {done} from the bus");
        Ok(Verdict::Accepted(super::receipt(&row)))
    }

    /// Does what is wanted with a request, and says what that is; as often as it comes, to the same effect.
    async fn act(&self, act: Act, row: &RequestRow, by: String) -> Result<String, Unmoved> {
        let scope = Scope::Request(row.key);
        Ok(match act {
            Act::Cancel => {
                let jobs = self.hand.cancel_request(row.key, &by).await?;
                format!("cancelled ({jobs} jobs)")
            }
            Act::Pause => {
                self.brake.pause(&Wish { tenant: self.tenant.clone(), scope, by, reason: None }).await?;
                "paused".to_owned()
            }
            Act::Resume => {
                self.brake.resume(&self.tenant, &scope, &by).await?;
                "resumed".to_owned()
            }
        })
    }

    async fn request(&self, source: &RequestSource, id: &RequestId) -> Result<Option<RequestRow>, store::Error> {
        self.intake.store.request_by_id(&self.tenant, source, id).await
    }

    fn source(&self) -> &RequestSource {
        &self.amqp.settings().source
    }

    /// Waits until too many events wait to be told.
    async fn pressed(&self) {
        while !self.intake.pressure.is_high() {
            sleep(LOOK).await;
        }
    }

    fn paused(&self, why: &'static str) -> Ended {
        self.intake.metrics.intake_paused(true);
        tracing::warn!(why, "Requests wait at the broker");
        Ended::Paused
    }

    async fn rest(&self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            () = self.stop.cancelled() => {}
        }
    }
}
