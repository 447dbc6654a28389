//! A session over HTTP (DM 1.x sheet 1.8): messages go out, and go out again byte for byte when they or their answers are lost.

use std::time::Duration;

use reqwest::{Response, StatusCode, header};

use super::{
    device::{Delivery, answer_limit},
    fleet::Slot,
    observer::Event,
    profile::Profile,
};
use crate::wire::syncml::xml::MIME;

/// The longest that a server can make a device wait by `Retry-After`.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Waits, unless there is nothing to wait for: the timer's grain is a millisecond.
pub(super) async fn pause(span: Duration) {
    if !span.is_zero() {
        tokio::time::sleep(span).await;
    }
}

/// Waits before a further try: the pause doubles with each, up to 60 seconds.
pub(super) async fn wait(backoff: Duration, tried: u32) {
    let longer = backoff.saturating_mul(2_u32.saturating_pow(tried.saturating_sub(1)));
    pause(longer.min(LONGEST_WAIT)).await;
}

/// Posts a message until its answer is there.
///
/// # Errors
/// What the network or the server said to the last try.
pub(super) async fn exchange(client: &reqwest::Client, slot: &Slot, message: &Delivery) -> Result<Vec<u8>, String> {
    let profile = slot.profile();
    let mut tried = 0;
    loop {
        tried += 1;
        let problem = match once(client, slot, &profile, message, tried == 1).await {
            Ok(answer) => return Ok(answer),
            Err(problem) => problem,
        };
        slot.note(Event::Trouble { what: format!("message {}, try {tried}: {}", message.number, problem.text) });
        if problem.is_final || tried >= profile.network.tries {
            return Err(problem.text);
        }
        match problem.retry_after {
            Some(span) => pause(span.min(LONGEST_WAIT)).await,
            None => wait(profile.network.backoff, tried).await,
        }
    }
}

struct Problem {
    text: String,
    is_final: bool,
    retry_after: Option<Duration>,
}

async fn once(
    client: &reqwest::Client,
    slot: &Slot,
    profile: &Profile,
    message: &Delivery,
    is_first: bool,
) -> Result<Vec<u8>, Problem> {
    let faults = &profile.faults;
    if is_first && faults.lose_request.contains(&message.number) || slot.chance(faults.loss) {
        return Err(passing("the request was lost on demand".to_owned()));
    }
    let dialect = &profile.dialect;
    let mut request = client
        .post(&message.url)
        .header(header::ACCEPT, MIME)
        .header(header::ACCEPT_CHARSET, "utf-8")
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::USER_AGENT, &profile.user_agent)
        .body(message.body.clone());
    let content_type = dialect.content_type.as_deref().unwrap_or(MIME);
    if !content_type.is_empty() {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    for (name, value) in &dialect.headers {
        request = request.header(name, value);
    }
    let answer = request.send().await.map_err(|e| passing(e.to_string()))?;
    let answer = judge(answer)?;
    let body = body(answer, answer_limit(profile)).await?;
    if is_first && faults.lose_response.contains(&message.number) || slot.chance(faults.loss) {
        return Err(passing("the answer was lost on demand".to_owned()));
    }
    Ok(body)
}

/// A 200 with a message in it; else whether another try may help.
fn judge(answer: Response) -> Result<Response, Problem> {
    let status = answer.status();
    let text = |name| answer.headers().get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    if status != StatusCode::OK {
        let seconds = text(header::RETRY_AFTER).and_then(|value| value.trim().parse().ok());
        let may_pass = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
        let problem = format!("the server answered {status}");
        return Err(Problem { text: problem, is_final: !may_pass, retry_after: seconds.map(Duration::from_secs) });
    }
    let mime = text(header::CONTENT_TYPE).and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    if mime.eq_ignore_ascii_case(MIME) {
        return Ok(answer);
    }
    let text = format!("the server answered with content type {mime:?} instead of {MIME}");
    Err(Problem { text, is_final: true, retry_after: None })
}

async fn body(mut answer: Response, most: usize) -> Result<Vec<u8>, Problem> {
    let mut body = Vec::new();
    while let Some(bytes) = answer.chunk().await.map_err(|e| passing(e.to_string()))? {
        body.extend_from_slice(&bytes);
        if body.len() > most {
            let text = format!("the server's message is longer than {most} bytes");
            return Err(Problem { text, is_final: true, retry_after: None });
        }
    }
    Ok(body)
}

const fn passing(text: String) -> Problem {
    Problem { text, is_final: false, retry_after: None }
}
