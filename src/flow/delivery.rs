//! Step 4: alternate download. A grant is looked up by the hash of its secret token, checked, and its file or descriptor is
//! served; ranges resume what was cut off. The device's install-notify is noted and never ends a job: the report in the DM session
//! is what counts (SCOMO sheet 5.1, 7.4).

pub mod range;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};

use crate::{
    infra::{
        depot::{self, Depot},
        store::{self, CommitError, Store, Unit, Write, grant::GrantRow},
        telemetry::Metrics,
    },
    model::{clock::Clock, digest::Digest, id::GrantId},
    wire::descriptor::{self, InstallNotify},
};

use range::Wanted;

/// The download side of the service.
#[derive(Clone)]
pub struct Delivery {
    store: Store,
    depot: Depot,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

/// A file, or the part of it that was asked for.
pub struct File {
    /// Size of the whole file in bytes.
    pub size: u64,
    /// Strong entity tag: the payload's digest in quotes.
    pub e_tag: String,
    /// MIME type.
    pub mime: String,
    /// What of it was asked for.
    pub wanted: Wanted,
    /// The bytes asked for; none for a HEAD.
    pub body: Option<BoxStream<'static, Result<Bytes, std::io::Error>>>,
}

/// What a device posts to the URL of its grant.
#[derive(Debug, Clone, Copy)]
pub struct Notify<'a> {
    /// The secret part of the URL.
    pub token: &'a str,
    /// The body as it came.
    pub body: &'a [u8],
}

/// A request for a file.
#[derive(Debug, Clone, Copy)]
pub struct Fetch<'a> {
    /// The secret part of the URL.
    pub token: &'a str,
    /// The last part of the URL.
    pub file: &'a str,
    /// `Range`.
    pub range: Option<&'a str>,
    /// `If-Range`.
    pub if_range: Option<&'a str>,
    /// Only the headers are wanted.
    pub head: bool,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is no such grant, or it is for another file: HTTP 404.
    #[error("there is no such download")]
    Unknown,
    /// The grant has expired or was taken back: HTTP 410.
    #[error("the download is over: its grant has expired or its job has ended")]
    Over,
    /// The database is out of reach: HTTP 503.
    #[error("the database is out of reach")]
    Store(#[from] store::Error),
    /// The note of the device was not stored: HTTP 503.
    #[error("the report could not be stored")]
    Commit(#[from] CommitError),
    /// The package cannot be read: HTTP 503.
    #[error("the package cannot be read")]
    Depot(#[from] depot::Error),
}

impl Delivery {
    /// Puts the parts together.
    #[must_use]
    pub fn new(store: Store, depot: Depot, clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        Self { store, depot, clock, metrics }
    }

    /// The file of a grant.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn file(&self, fetch: &Fetch<'_>) -> Result<File, Refused> {
        let grant = self.grant(fetch.token).await?;
        if grant.file_name != fetch.file {
            return Err(Refused::Unknown);
        }
        let e_tag = format!("\"{}\"", grant.payload);
        // A range is defined for GET alone (RFC 9110 section 14.2).
        let wanted = range::wanted(fetch.range.filter(|_| !fetch.head), fetch.if_range, &e_tag, grant.size);
        let bytes = match &wanted {
            Wanted::Whole => 0..grant.size,
            Wanted::Part(part) => part.clone(),
            Wanted::Unsatisfiable => 0..0,
        };
        let body = if fetch.head || bytes.is_empty() {
            None
        } else {
            tracing::info!(job.id = %grant.job, start = bytes.start, end = bytes.end, size = grant.size, "Download");
            let inner = self.depot.stream(&grant.payload, bytes.clone()).await?;
            let tally = Tally { flow: self.clone(), grant: grant.id, start: bytes.start, sent: 0 };
            Some(Counted { inner, tally }.boxed())
        };
        Ok(File { size: grant.size, e_tag, mime: grant.mime, wanted, body })
    }

    /// The descriptor of a grant, with its MIME type.
    ///
    /// # Errors
    /// [`Refused`]; unknown too for a grant that has none.
    pub async fn descriptor(&self, token: &str) -> Result<(String, &'static str), Refused> {
        let grant = self.grant(token).await?;
        let descriptor = grant.descriptor.ok_or(Refused::Unknown)?;
        tracing::info!(job.id = %grant.job, "Download descriptor");
        Ok((descriptor, descriptor::MIME))
    }

    /// Notes what the device says of its download. It is answered alike however often it comes; a body that holds no code is
    /// noted as that.
    ///
    /// # Errors
    /// [`Refused`]; a grant that is over still takes the note.
    pub async fn notify(&self, notify: &Notify<'_>) -> Result<(), Refused> {
        let grant = self.find(notify.token).await?;
        let status = InstallNotify::read(notify.body).map_or_else(|| "unreadable".to_owned(), |code| code.to_string());
        tracing::info!(job.id = %grant.job, status, "Install-notify");
        self.note(grant.id, grant.fetched, Some(status)).await?;
        Ok(())
    }

    /// A grant that counts now.
    async fn grant(&self, token: &str) -> Result<GrantRow, Refused> {
        let grant = self.find(token).await?;
        if grant.revoked || grant.expires_at <= self.clock.now() { Err(Refused::Over) } else { Ok(grant) }
    }

    async fn find(&self, token: &str) -> Result<GrantRow, Refused> {
        self.store.grant_by_token(&Digest::of(token.as_bytes())).await?.ok_or(Refused::Unknown)
    }

    async fn note(&self, id: GrantId, fetched: u64, status: Option<String>) -> Result<(), CommitError> {
        let unit = Unit::new("download.note", &id.to_string());
        self.store.commit(unit.with(Write::GrantNote { id, fetched, status })).await.map(|_| ())
    }
}

/// A stream that notes at its end, or when the device goes away, how far it came.
struct Counted {
    inner: BoxStream<'static, Result<Bytes, std::io::Error>>,
    tally: Tally,
}

impl Stream for Counted {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.inner.poll_next_unpin(cx);
        if let Poll::Ready(Some(Ok(piece))) = &polled {
            self.tally.sent = self.tally.sent.saturating_add(u64::try_from(piece.len()).unwrap_or(0));
        }
        polled
    }
}

struct Tally {
    flow: Delivery,
    grant: GrantId,
    start: u64,
    sent: u64,
}

impl Drop for Tally {
    fn drop(&mut self) {
        let (flow, id, fetched) = (self.flow.clone(), self.grant, self.start.saturating_add(self.sent));
        flow.metrics.downloaded(self.sent);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Err(error) = flow.note(id, fetched, None).await {
                tracing::warn!(grant.id = %id, %error, "How far a download came was not noted");
            }
        });
    }
}
