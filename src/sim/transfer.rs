//! Alternate downloads: a package or its descriptor from an HTTP server (SCOMO sheet 5.1, 7.2), resumed where they broke off.

mod notify;

use std::time::Duration;

pub(super) use notify::body;
use reqwest::{Response, StatusCode, Url, header};
use sha2::{Digest as _, Sha256};

use super::{net::wait, observer::Event, scomo::Received, tree::Held};
use crate::{
    model::digest::Digest,
    wire::{
        descriptor::{self, Descriptor, InstallNotify},
        syncml::limits::Limits,
    },
};

/// The largest descriptor that is read.
const DESCRIPTOR_BYTES: usize = 1 << 16;

/// Says what a download needs to know.
pub(super) struct Transfer<'t> {
    /// The client.
    pub(super) client: &'t reqwest::Client,
    /// `User-Agent`
    pub(super) user_agent: &'t str,
    /// How often it is tried in all.
    pub(super) tries: u32,
    /// The pause before the second try.
    pub(super) backoff: Duration,
    /// Room on the device, in bytes.
    pub(super) storage: u64,
    /// The content types that are accepted; none: all.
    pub(super) types: &'t [String],
    /// After how many bytes it breaks once.
    pub(super) break_at: Option<u64>,
    /// Asks the user whether the described package is wanted.
    pub(super) consents: &'t (dyn Fn() -> bool + Sync),
    /// What the server's next answer is made up to be: a status, or 0 for no connection.
    pub(super) forced: &'t (dyn Fn() -> Option<u16> + Sync),
    /// Told of the progress.
    pub(super) tell: &'t (dyn Fn(Event) + Sync),
}

/// A package that came.
pub(super) struct Fetched {
    /// The package.
    pub(super) received: Received,
    /// Where its descriptor wants the status report.
    pub(super) notify: Option<String>,
}

/// One that did not.
pub(super) struct Failure {
    /// The SCOMO result code (SCOMO sheet 7.6).
    pub(super) code: u16,
    /// The status report, and where it goes if anywhere.
    pub(super) report: InstallNotify,
    pub(super) notify: Option<String>,
    /// In words.
    pub(super) reason: String,
}

/// What the descriptor promises.
struct Promise {
    size: u64,
    types: Vec<String>,
}

impl Transfer<'_> {
    /// Gets what is at `PkgURL`: a descriptor leads to the package, anything else is the package.
    pub(super) async fn fetch(&self, url: &str) -> Result<Fetched, Failure> {
        let at = Url::parse(url).map_err(|e| failure(1402, InstallNotify::LOADER_ERROR, format!("PkgURL: {e}")))?;
        let first = self.open(&at).await?;
        if mime(&first) != descriptor::MIME {
            if !self.accepts(&mime(&first)) {
                return Err(unwanted(&mime(&first)));
            }
            let received = self.stream(&at, Some(first), None).await?;
            return Ok(Fetched { received, notify: None });
        }
        let body = small_body(first).await?;
        let limits = Limits { message_bytes: DESCRIPTOR_BYTES, ..Limits::default() };
        let descriptor = Descriptor::read(&body, &limits).map_err(|e| failure(1402, e.report(), e.to_string()))?;
        let notify = descriptor.install_notify_uri.clone();
        match self.described(&at, descriptor).await {
            Ok(received) => Ok(Fetched { received, notify }),
            Err(failure) => Err(Failure { notify, ..failure }),
        }
    }

    async fn described(&self, at: &Url, descriptor: Descriptor) -> Result<Received, Failure> {
        if descriptor.size > self.storage {
            let reason = format!("{} bytes, there is room for {}", descriptor.size, self.storage);
            return Err(failure(1404, InstallNotify::INSUFFICIENT_MEMORY, reason));
        }
        if !self.accepts(descriptor.types.first().map_or("", String::as_str)) {
            return Err(unwanted(&descriptor.types.join(", ")));
        }
        if !(self.consents)() {
            let reason = "the user does not want it".to_owned();
            return Err(failure(1401, InstallNotify::USER_CANCELLED, reason));
        }
        let object = at.join(&descriptor.object_uri);
        let object = object.map_err(|e| failure(1402, InstallNotify::LOADER_ERROR, format!("objectURI: {e}")))?;
        let promise = Promise { size: descriptor.size, types: descriptor.types };
        self.stream(&object, None, Some(&promise)).await
    }

    /// The first answer, of a server that may be slow to come up.
    async fn open(&self, url: &Url) -> Result<Response, Failure> {
        let mut tried = 0;
        loop {
            tried += 1;
            let failure = match self.get(url, None).await {
                Got::Answer(response) if response.status().is_success() => return Ok(response),
                Got::Answer(response) => refused(response.status()),
                Got::Status(status) => refused(status),
                Got::Nothing(failure) => failure,
            };
            if failure.code < 1500 || tried >= self.tries {
                return Err(failure);
            }
            wait(self.backoff, tried).await;
        }
    }

    /// Takes the object in, with a further request for the rest whenever the connection breaks.
    async fn stream(
        &self,
        url: &Url,
        mut first: Option<Response>,
        promise: Option<&Promise>,
    ) -> Result<Received, Failure> {
        let what = url.to_string();
        let mut intake = Intake::new(self.storage, promise);
        let mut break_at = self.break_at;
        let mut tried = 0;
        (self.tell)(Event::TransferStarted { what: what.clone(), total: promise.map(|p| p.size) });
        loop {
            tried += 1;
            let response = match first.take() {
                Some(response) => Got::Answer(response),
                None => self.get(url, intake.rest()).await,
            };
            let broken = match response {
                Got::Status(status) => return Err(refused(status)),
                Got::Answer(response) => {
                    intake.begin(&response)?;
                    match self.pour(&what, response, &mut intake, &mut break_at).await? {
                        None => break,
                        Some(broken) => broken,
                    }
                }
                Got::Nothing(failure) => failure,
            };
            if tried >= self.tries {
                return Err(broken);
            }
            wait(self.backoff, tried).await;
        }
        let received = intake.finish()?;
        (self.tell)(Event::TransferFinished { what, held: received.held });
        Ok(received)
    }

    /// Takes one answer in: nothing if it came to its end, else how it broke.
    async fn pour(
        &self,
        what: &str,
        mut response: Response,
        intake: &mut Intake<'_>,
        break_at: &mut Option<u64>,
    ) -> Result<Option<Failure>, Failure> {
        loop {
            match response.chunk().await {
                Ok(Some(bytes)) => intake.take(until(&bytes, intake.size, *break_at))?,
                Ok(None) if intake.is_whole() => return Ok(None),
                Ok(None) => return Ok(Some(lost("the connection ended early".to_owned()))),
                Err(error) => return Ok(Some(lost(error.to_string()))),
            }
            let (received, total) = (intake.size, intake.total);
            (self.tell)(Event::TransferProgress { what: what.to_owned(), received, total });
            if break_at.take_if(|at| received >= *at).is_some() {
                return Ok(Some(lost("broken on demand".to_owned())));
            }
        }
    }

    async fn get(&self, url: &Url, rest: Option<(u64, String)>) -> Got {
        match (self.forced)().map(|status| (status, StatusCode::from_u16(status))) {
            Some((0, _) | (_, Err(_))) => {
                return Got::Nothing(failure(1501, InstallNotify::LOADER_ERROR, "no connection on demand".to_owned()));
            }
            Some((_, Ok(status))) => return Got::Status(status),
            None => {}
        }
        let mut request = self.client.get(url.clone()).header(header::USER_AGENT, self.user_agent);
        request = request.header(header::ACCEPT, format!("{}, */*", descriptor::MIME));
        if let Some((from, etag)) = rest {
            request = request.header(header::RANGE, format!("bytes={from}-")).header(header::IF_RANGE, etag);
        }
        match request.send().await {
            Ok(response) => Got::Answer(response),
            Err(error) => Got::Nothing(unreachable_server(&error)),
        }
    }

    fn accepts(&self, mime: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|own| own.eq_ignore_ascii_case(mime.trim()))
    }
}

/// What came of a request.
enum Got {
    /// An answer.
    Answer(Response),
    /// A status that the profile makes up.
    Status(StatusCode),
    /// No answer.
    Nothing(Failure),
}

/// The bytes that have come so far; only their digest is kept.
struct Intake<'p> {
    promise: Option<&'p Promise>,
    storage: u64,
    hash: Sha256,
    size: u64,
    total: Option<u64>,
    etag: Option<String>,
    mime: String,
}

impl<'p> Intake<'p> {
    fn new(storage: u64, promise: Option<&'p Promise>) -> Self {
        let total = promise.map(|p| p.size);
        Self { promise, storage, hash: Sha256::new(), size: 0, total, etag: None, mime: String::new() }
    }

    /// Where to go on, and with which version of the object.
    fn rest(&self) -> Option<(u64, String)> {
        if self.size == 0 { None } else { self.etag.clone().map(|etag| (self.size, etag)) }
    }

    /// Judges an answer: its status, its type, and whether it goes on where the last one broke off.
    fn begin(&mut self, response: &Response) -> Result<(), Failure> {
        let status = response.status();
        if !status.is_success() {
            return Err(refused(status));
        }
        if status == StatusCode::PARTIAL_CONTENT {
            let range = text(response, &header::CONTENT_RANGE).unwrap_or_default();
            if !range.starts_with(&format!("bytes {}-", self.size)) {
                return Err(lost(format!("asked for the bytes from {}, got {range:?}", self.size)));
            }
            return Ok(());
        }
        (self.hash, self.size) = (Sha256::new(), 0);
        self.mime = mime(response);
        self.etag = text(response, &header::ETAG).filter(|etag| !etag.starts_with("W/"));
        let length = response.content_length();
        match self.promise {
            Some(promise) if !promise.types.iter().any(|t| t.trim().eq_ignore_ascii_case(&self.mime)) => {
                Err(mismatch(format!("type {} instead of {}", self.mime, promise.types.join(", "))))
            }
            Some(promise) if length.is_some_and(|length| length != promise.size) => {
                Err(mismatch(format!("{} bytes instead of {}", length.unwrap_or(0), promise.size)))
            }
            Some(_) => Ok(()),
            None => {
                self.total = length;
                self.room(length.unwrap_or(0))
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.hash.update(bytes);
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        match self.promise {
            Some(promise) if self.size > promise.size => Err(mismatch(format!("more than {} bytes", promise.size))),
            Some(_) | None => self.room(self.size),
        }
    }

    fn room(&self, size: u64) -> Result<(), Failure> {
        if size <= self.storage {
            return Ok(());
        }
        let reason = format!("{size} bytes or more, there is room for {}", self.storage);
        Err(failure(1404, InstallNotify::INSUFFICIENT_MEMORY, reason))
    }

    fn is_whole(&self) -> bool {
        self.total.is_none_or(|total| self.size >= total)
    }

    fn finish(self) -> Result<Received, Failure> {
        if let Some(promise) = self.promise.filter(|p| p.size != self.size) {
            return Err(mismatch(format!("{} bytes instead of {}", self.size, promise.size)));
        }
        let held = Held { sha256: Digest::from_bytes(self.hash.finalize().into()), size: self.size };
        Ok(Received { held, mime: self.mime })
    }
}

async fn small_body(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(|e| lost(e.to_string()))? {
        body.extend_from_slice(&bytes);
        if body.len() > DESCRIPTOR_BYTES {
            return Err(failure(1402, InstallNotify::INVALID_DESCRIPTOR, "the descriptor is too long".to_owned()));
        }
    }
    Ok(body)
}

/// The content type without its parameters, lower case.
fn mime(response: &Response) -> String {
    let value = text(response, &header::CONTENT_TYPE).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn text(response: &Response, name: &header::HeaderName) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

const fn failure(code: u16, report: InstallNotify, reason: String) -> Failure {
    Failure { code, report, notify: None, reason }
}

fn mismatch(reason: String) -> Failure {
    failure(1402, InstallNotify::ATTRIBUTE_MISMATCH, reason)
}

fn unwanted(mime: &str) -> Failure {
    failure(1413, InstallNotify::NON_ACCEPTABLE_CONTENT, format!("type {mime} is not supported"))
}

fn lost(reason: String) -> Failure {
    failure(1402, InstallNotify::LOSS_OF_SERVICE, reason)
}

fn unreachable_server(error: &reqwest::Error) -> Failure {
    failure(1501, InstallNotify::LOADER_ERROR, error.to_string())
}

fn refused(status: StatusCode) -> Failure {
    let code = match status.as_u16() {
        401 | 403 | 407 => 1403,
        500..=599 => 1500,
        _ => 1402,
    };
    failure(code, InstallNotify::LOADER_ERROR, format!("the download server answered {status}"))
}

/// The bytes that come before the break, if there is to be one.
fn until(bytes: &[u8], received: u64, break_at: Option<u64>) -> &[u8] {
    let left = break_at.map_or(u64::MAX, |at| at.saturating_sub(received));
    bytes.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(bytes)
}
