//! The status report of a download agent, as tidy and as odd ones write it (SCOMO sheet 7.3, 7.4).

use reqwest::header;

use super::Transfer;
use crate::{
    sim::{net::wait, profile::NotifyBody},
    wire::descriptor::InstallNotify,
};

impl Transfer<'_> {
    /// Posts the status report until it is taken.
    pub(in crate::sim) async fn report(&self, url: &str, body: &str, content_type: Option<&str>) -> Result<(), String> {
        let mut tried = 0;
        loop {
            tried += 1;
            let mut post = self.client.post(url).header(header::USER_AGENT, self.user_agent).body(body.to_owned());
            if let Some(mime) = content_type {
                post = post.header(header::CONTENT_TYPE, mime);
            }
            let problem = match post.send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => answer.status().to_string(),
                Err(error) => error.to_string(),
            };
            if tried >= self.tries {
                return Err(problem);
            }
            wait(self.backoff, tried).await;
        }
    }
}

/// The body of a status report with this code.
pub(in crate::sim) fn body(code: u16, shape: NotifyBody) -> String {
    let known = InstallNotify::read(code.to_string().as_bytes());
    let text = known.map_or("", InstallNotify::name);
    match shape {
        NotifyBody::Plain => format!("{code} {text}\r\n"),
        NotifyBody::Lower => format!("{code} {}\r\n", text.to_lowercase()),
        NotifyBody::Lfcr => format!("{code} {} \n\r", text.to_lowercase()),
        NotifyBody::Bare => code.to_string(),
        NotifyBody::Padded => format!(" \r\n\t{code}   {text}"),
    }
}
