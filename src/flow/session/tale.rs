//! What a message brought about, told to log and metrics once it is committed: a message that lost a race is worked on again, and
//! is to be heard of once.

use crate::{
    infra::telemetry::Metrics,
    job::life::StateName,
    model::id::{DeviceId, JobId, RequestId},
};

/// What is to be told of one message.
#[derive(Debug)]
pub(super) struct Tale {
    device: DeviceId,
    session: String,
    facts: Vec<Told>,
}

/// Something worth a line or a count.
#[derive(Debug)]
pub(super) enum Told {
    /// The device proved who it is.
    Opened { server_initiated: bool },
    /// The session is over.
    Closed { outcome: &'static str },
    /// The session was given up; the sentence says why and what to do.
    GivenUp { why: String },
    /// The session was ended because its job is held back; the clause says by what.
    Held { why: String },
    /// Credentials were wrong.
    AuthFailed { attempts: u8 },
    /// The device did something against the rules.
    Tolerated { what: String },
    /// The device reported the end of an operation.
    Report { source: String, codes: String },
    /// The device asked for something by an alert of this type; what came of it.
    Asked { what: String, verdict: String, taken: bool },
    /// The device does not trust the package, or it is broken: no other device will take it either.
    Rejected { package: String, code: String },
    /// An attempt at a job came to its end.
    Job { id: JobId, request: RequestId, state: StateName },
}

impl Tale {
    pub(super) const fn new(device: DeviceId, session: String) -> Self {
        Self { device, session, facts: Vec::new() }
    }

    pub(super) fn add(&mut self, fact: Told) {
        self.facts.push(fact);
    }

    pub(super) fn session(&self) -> &str {
        &self.session
    }

    /// Tells it.
    pub(super) fn tell(self, metrics: &Metrics) {
        for fact in &self.facts {
            count(fact, metrics);
            self.log(fact);
        }
    }

    #[expect(clippy::cognitive_complexity, reason = "what a log line expands to is counted")]
    fn log(&self, fact: &Told) {
        let (device, session) = (&self.device, &self.session);
        match fact {
            Told::Opened { server_initiated } => {
                tracing::info!(device.id = %device, session.id = session, server_initiated, "Session opened");
            }
            Told::Closed { outcome } => {
                tracing::info!(device.id = %device, session.id = session, outcome, "Session closed");
            }
            Told::GivenUp { why } => {
                tracing::warn!(device.id = %device, session.id = session, why, "Session given up");
            }
            Told::Held { why } => {
                tracing::info!(device.id = %device, session.id = session, why, "Session ended");
            }
            Told::AuthFailed { attempts } => {
                tracing::warn!(device.id = %device, session.id = session, attempts, "A device sent wrong credentials");
            }
            Told::Tolerated { what } => {
                tracing::debug!(device.id = %device, session.id = session, what, "Tolerated");
            }
            Told::Report { source, codes } => {
                tracing::info!(device.id = %device, session.id = session, source, codes, "Report");
            }
            Told::Asked { what, verdict, taken: _ } => {
                tracing::info!(device.id = %device, session.id = session, what, verdict, "The device asks for work");
            }
            Told::Rejected { package, code } => {
                tracing::warn!(device.id = %device, session.id = session, package, code, "A device rejects a package; look at the package and at what signs it");
            }
            Told::Job { id, request, state } => {
                tracing::info!(device.id = %device, session.id = session, job.id = %id, request.id = %request, "Job is {state}");
            }
        }
    }
}

fn count(fact: &Told, metrics: &Metrics) {
    match fact {
        Told::Opened { .. } => metrics.session_opened(),
        Told::Closed { outcome } => metrics.session_closed(outcome),
        Told::Job { state, .. } if state.is_terminal() => metrics.job_ended(state.as_str()),
        Told::Rejected { package, .. } => metrics.package_rejected(package),
        Told::Asked { taken, .. } => metrics.request(if *taken { "accepted" } else { "refused" }),
        Told::Job { .. }
        | Told::GivenUp { .. }
        | Told::Held { .. }
        | Told::AuthFailed { .. }
        | Told::Tolerated { .. }
        | Told::Report { .. } => {}
    }
}
