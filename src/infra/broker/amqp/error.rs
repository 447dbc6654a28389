//! What can go wrong with the broker, each in a sentence that says where and what to do.

use std::{io, path::PathBuf};

use lapin::ErrorKind;
use rustls::{CertificateError, pki_types::UnixTime};

use super::super::settings::AmqpUrl;
use crate::model::clock::Timestamp;

/// Why the broker could not be used. All but [`Error::File`] may heal, and is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that the settings name cannot be read.
    #[error("{key}: cannot read {}", path.display())]
    File {
        /// The setting.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// One of a pair of settings is missing.
    #[error("bus.client_cert and bus.client_key belong together: name both or none")]
    HalfIdentity,
    /// Nothing answers there, or it does not speak the same.
    #[error("the broker at {place} (bus.url) cannot be reached")]
    Unreachable {
        /// Host and port.
        place: String,
        /// What was met.
        #[source]
        source: lapin::Error,
    },
    /// Its certificate is not one to be believed.
    #[error("the certificate of the broker at {place} (bus.url) {fault}")]
    Certificate {
        /// Host and port.
        place: String,
        /// What is wrong with it and what to do, the rest of a sentence.
        fault: String,
    },
    /// It does not believe this service's certificate, or wants one.
    #[error(
        "the broker at {place} (bus.url) does not accept this service's certificate, or its lack (bus.client_cert): {said}"
    )]
    Unaccepted {
        /// Host and port.
        place: String,
        /// The broker's word.
        said: String,
    },
    /// It cut an encrypted connection without a word, as some do that were shown no certificate.
    #[error(
        "the broker at {place} (bus.url) cut the encrypted connection: it is stopping, or wants a certificate of this service (bus.client_cert)"
    )]
    Cut {
        /// Host and port.
        place: String,
        /// What was met.
        #[source]
        source: lapin::Error,
    },
    /// It took the connection, and did nothing with it.
    #[error("the broker at {place} does not answer")]
    Silent {
        /// Host and port.
        place: String,
    },
    /// It does not know the user, or the password is another.
    #[error("the broker at {place} does not let the user {user:?} in: user or password of bus.url are wrong")]
    Login {
        /// Host and port.
        place: String,
        /// Who was refused.
        user: String,
    },
    /// There is no such virtual host, or it is not for this user.
    #[error(
        "the broker at {place} has no virtual host {vhost:?} for the user {user:?}: correct bus.url, or add it: {said}"
    )]
    VirtualHost {
        /// Host and port.
        place: String,
        /// Who was refused.
        user: String,
        /// The virtual host.
        vhost: String,
        /// The broker's words.
        said: String,
    },
    /// The user lacks a permission.
    #[error("the broker at {place} does not let the user {user:?} {doing} {what:?}: grant the permission: {said}")]
    Denied {
        /// Host and port.
        place: String,
        /// Who was refused.
        user: String,
        /// `declare`, `read` and so on.
        doing: &'static str,
        /// Which queue or exchange.
        what: String,
        /// The broker's words.
        said: String,
    },
    /// A queue or exchange of that name exists and is another.
    #[error(
        "{what:?} exists at the broker {place} with other arguments: remove it, name another in [bus], or set bus.declare = false: {said}"
    )]
    Differs {
        /// Host and port.
        place: String,
        /// Which queue or exchange.
        what: String,
        /// The broker's words.
        said: String,
    },
    /// There is no such queue or exchange.
    #[error("{what:?} is not there at the broker {place}: add it, or set bus.declare = true: {said}")]
    Missing {
        /// Host and port.
        place: String,
        /// Which queue or exchange.
        what: String,
        /// The broker's words.
        said: String,
    },
    /// The connection or the channel ended.
    #[error("the broker at {place} was lost while it was asked to {doing} {what:?}")]
    Lost {
        /// Host and port.
        place: String,
        /// What was being done.
        doing: &'static str,
        /// To which queue or exchange.
        what: String,
        /// What was met.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The broker ended the delivery of messages: the queue was deleted, or its leader moved.
    #[error("the broker at {place} delivers no more of {what:?}: the queue was deleted or moved")]
    Cancelled {
        /// Host and port.
        place: String,
        /// Which queue.
        what: String,
    },
}

/// Replies of AMQP 0-9-1.
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;
const NOT_ALLOWED: u16 = 530;

/// Where the broker is and who asks: what the errors of one connection share.
#[derive(Debug, Clone)]
pub(super) struct Blame {
    place: String,
    user: String,
    vhost: String,
    encrypted: bool,
}

/// The broker's own words, if it said no.
fn said(error: &lapin::Error) -> Option<(u16, String)> {
    if let ErrorKind::ProtocolError(refused) = error.kind() {
        return Some((refused.get_id(), refused.get_message().as_str().to_owned()));
    }
    None
}

/// Whether the other side ended the connection, however deep that is wrapped.
fn was_cut(error: &(dyn std::error::Error + 'static)) -> bool {
    let ends = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe, io::ErrorKind::UnexpectedEof];
    let here = error.downcast_ref::<io::Error>().is_some_and(|error| ends.contains(&error.kind()));
    let lapin = match error.downcast_ref::<lapin::Error>().map(lapin::Error::kind) {
        Some(ErrorKind::IOError(error)) => ends.contains(&error.kind()),
        Some(_) | None => false,
    };
    here || lapin || error.source().is_some_and(was_cut)
}

/// What TLS met, however deep it is wrapped.
fn tls<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => tls(inner),
        None => error.source().and_then(tls),
    }
}

/// What is wrong with the broker's certificate and what to do.
#[expect(clippy::wildcard_enum_match_arm, reason = "what TLS may meet is open")]
fn fault(found: &CertificateError) -> String {
    let moment = |at: &UnixTime| {
        Timestamp::from_micros(i64::try_from(at.as_secs()).unwrap_or(i64::MAX).saturating_mul(1_000_000))
    };
    match found {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("has expired at {}: renew it there", moment(not_after))
        }
        CertificateError::Expired => "has expired: renew it there".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("is not good before {}: look at the clocks of both machines", moment(not_before))
        }
        CertificateError::UnknownIssuer => {
            "is of an authority that is not trusted here: name its certificate in bus.ca_file".to_owned()
        }
        other => format!("is not good: {other}"),
    }
}

impl Blame {
    pub(super) fn of(url: &AmqpUrl) -> Self {
        let (user, vhost) = (url.user().to_owned(), url.vhost().to_owned());
        Self { place: url.place(), user, vhost, encrypted: url.is_encrypted() }
    }

    /// While the connection was opened.
    pub(super) fn opening(&self, error: lapin::Error) -> Error {
        let Self { place, user, vhost, encrypted } = self.clone();
        match said(&error) {
            Some((ACCESS_REFUSED, _)) => Error::Login { place, user },
            Some((NOT_ALLOWED, said)) => Error::VirtualHost { place, user, vhost, said },
            Some(_) | None => match tls(&error) {
                Some(rustls::Error::InvalidCertificate(found)) => Error::Certificate { place, fault: fault(found) },
                Some(rustls::Error::AlertReceived(alert)) => Error::Unaccepted { place, said: format!("{alert:?}") },
                Some(_) | None if encrypted && was_cut(&error) => Error::Cut { place, source: error },
                Some(_) | None => Error::Unreachable { place, source: error },
            },
        }
    }

    pub(super) fn silent(&self) -> Error {
        Error::Silent { place: self.place.clone() }
    }

    pub(super) fn cancelled(&self, queue: &str) -> Error {
        Error::Cancelled { place: self.place.clone(), what: queue.to_owned() }
    }

    /// While something was done with an open connection.
    pub(super) fn doing(&self, doing: &'static str, what: &str, error: lapin::Error) -> Error {
        let (place, user, what) = (self.place.clone(), self.user.clone(), what.to_owned());
        match said(&error) {
            Some((ACCESS_REFUSED, said)) => Error::Denied { place, user, doing, what, said },
            Some((NOT_FOUND, said)) => Error::Missing { place, what, said },
            Some((PRECONDITION_FAILED, said)) => Error::Differs { place, what, said },
            Some(_) | None => Error::Lost { place, doing, what, source: Box::new(error) },
        }
    }

    /// A text of ours that AMQP cannot carry.
    pub(super) fn too_long(
        &self,
        doing: &'static str,
        what: &str,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> Error {
        Error::Lost { place: self.place.clone(), doing, what: what.to_owned(), source: Box::new(error) }
    }
}
