//! The door of alternate download: files by grant, with ranges; descriptors; install-notify.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodFilter, get, on, post},
};
use tracing::error;

use super::device::{plain, unavailable};
use crate::{
    flow::delivery::{Delivery, Fetch, File, Notify, Refused, range::Wanted},
    infra::telemetry::chain,
};

/// The longest install-notify, in bytes: a status code and a word.
const MOST_NOTIFY: usize = 4096;

/// The routes of downloads.
pub fn routes(delivery: Delivery) -> Router {
    Router::new()
        .route("/dl/{grant}/notify", post(notify))
        .route("/dl/{grant}/{file}", on(MethodFilter::GET.or(MethodFilter::HEAD), file))
        .route("/dd/{grant}", get(descriptor))
        .with_state(delivery)
}

async fn file(
    State(delivery): State<Delivery>,
    Path((grant, file)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let fetch = Fetch {
        token: &grant,
        file: &file,
        range: text(header::RANGE),
        if_range: text(header::IF_RANGE),
        head: method == Method::HEAD,
    };
    delivery.file(&fetch).await.map_or_else(|refused| refuse(&refused), serve)
}

async fn descriptor(State(delivery): State<Delivery>, Path(grant): Path<String>) -> Response {
    match delivery.descriptor(&grant).await {
        Ok((text, mime)) => {
            let kind = HeaderValue::from_static(mime);
            let keep = HeaderValue::from_static("no-store");
            ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)], text).into_response()
        }
        Err(refused) => refuse(&refused),
    }
}

async fn notify(State(delivery): State<Delivery>, Path(grant): Path<String>, request: Request) -> Response {
    let Ok(body) = to_bytes(request.into_body(), MOST_NOTIFY).await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, format!("a status report has at most {MOST_NOTIFY} bytes\n"));
    };
    match delivery.notify(&Notify { token: &grant, body: &body }).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refused) => refuse(&refused),
    }
}

fn serve(file: File) -> Response {
    let File { size, e_tag, mime, wanted, body } = file;
    let (status, length, range) = match wanted {
        Wanted::Whole => (StatusCode::OK, size, None),
        Wanted::Part(part) => {
            let last = part.end.saturating_sub(1);
            let length = part.end.saturating_sub(part.start);
            (StatusCode::PARTIAL_CONTENT, length, Some(format!("bytes {}-{last}/{size}", part.start)))
        }
        Wanted::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, 0, Some(format!("bytes */{size}"))),
    };
    let mut headers = HeaderMap::new();
    let mut put = |name: HeaderName, value: Result<HeaderValue, _>| {
        if let Ok(value) = value {
            headers.insert(name, value);
        }
    };
    put(header::CONTENT_TYPE, mime.parse());
    put(header::ETAG, e_tag.parse());
    put(header::ACCEPT_RANGES, "bytes".parse());
    // Under its URL a file never changes, but the URL is one device's secret.
    put(header::CACHE_CONTROL, "private".parse());
    put(header::CONTENT_LENGTH, Ok(HeaderValue::from(length)));
    if let Some(range) = range {
        put(header::CONTENT_RANGE, range.parse());
    }
    (status, headers, body.map_or_else(Body::empty, Body::from_stream)).into_response()
}

fn refuse(refused: &Refused) -> Response {
    match refused {
        Refused::Unknown => plain(StatusCode::NOT_FOUND, format!("{refused}\n")),
        Refused::Over => plain(StatusCode::GONE, format!("{refused}\n")),
        Refused::Store(_) | Refused::Commit(_) | Refused::Depot(_) => {
            error!(error = chain(refused), "A download was not served");
            unavailable()
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{StreamExt as _, stream};

    use super::*;

    fn served(wanted: Wanted, bytes: &'static [u8]) -> Response {
        let body = (!bytes.is_empty()).then(|| stream::iter([Ok(Bytes::from_static(bytes))]).boxed());
        serve(File { size: 10, e_tag: "\"abc\"".to_owned(), mime: "application/x-sh".to_owned(), wanted, body })
    }

    fn header(response: &Response, name: HeaderName) -> &str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[tokio::test]
    async fn a_whole_file_says_what_it_is() {
        let response = served(Wanted::Whole, b"0123456789");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!((header(&response, header::CONTENT_LENGTH), header(&response, header::ETAG)), ("10", "\"abc\""));
        assert_eq!(header(&response, header::ACCEPT_RANGES), "bytes");
        assert_eq!(to_bytes(response.into_body(), 99).await.unwrap(), "0123456789");
    }

    #[test]
    fn a_head_tells_the_length_without_the_bytes() {
        assert_eq!(header(&served(Wanted::Whole, b""), header::CONTENT_LENGTH), "10");
    }

    #[test]
    fn a_part_says_where_it_stands() {
        let response = served(Wanted::Part(4..10), b"456789");
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(header(&response, header::CONTENT_RANGE), "bytes 4-9/10");
        assert_eq!(header(&response, header::CONTENT_LENGTH), "6");
    }

    #[test]
    fn a_range_beyond_the_end_tells_the_size() {
        let response = served(Wanted::Unsatisfiable, b"");
        assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(header(&response, header::CONTENT_RANGE), "bytes */10");
    }

    #[test]
    fn a_grant_that_is_over_is_not_one_that_never_was() {
        assert_eq!(refuse(&Refused::Unknown).status(), StatusCode::NOT_FOUND);
        assert_eq!(refuse(&Refused::Over).status(), StatusCode::GONE);
    }
}
