//! A device message as HTTP brings it, and what HTTP takes back.

use sha2::{Digest as _, Sha256};

use crate::{
    model::{digest::Digest, id::SessionKey},
    wire::syncml::xml,
};

/// A POST to the DM endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Post<'a> {
    /// The body, transfer coding removed.
    pub body: &'a [u8],
    /// `Content-Type`, if there is one.
    pub content_type: Option<&'a str>,
    /// `User-Agent`, if there is one.
    pub user_agent: Option<&'a str>,
    /// `Authorization` and `x-syncml-hmac`, as they stand: they belong to what makes a message a repeat.
    pub auth: [Option<&'a str>; 2],
    /// The query of the URL.
    pub query: Option<&'a str>,
}

/// What goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
    /// The body.
    pub body: Vec<u8>,
}

impl Post<'_> {
    /// What identifies the message: SHA-256 of body and authentication headers.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hash = Sha256::new();
        for header in self.auth {
            hash.update([u8::from(header.is_some())]);
            hash.update(header.unwrap_or_default());
            hash.update([0]);
        }
        hash.update(self.body);
        Digest::from_bytes(hash.finalize().into())
    }

    /// The session that the URL names.
    #[must_use]
    pub fn sid(&self) -> Option<SessionKey> {
        let parameter = |pair: &str| pair.strip_prefix("sid=").and_then(|sid| sid.parse().ok());
        self.query?.split('&').find_map(parameter)
    }

    /// A refusal, if the message is not in a form that is read: told by Content-Type, or by its first byte where that says
    /// nothing (DM 1.x sheet 12.2 no. 20).
    #[must_use]
    pub fn unsupported(&self) -> Option<Reply> {
        let named = self.content_type.unwrap_or_default().to_ascii_lowercase();
        let binary = named.contains("wbxml") || matches!(self.body.first(), Some(0x01..=0x03));
        binary.then(|| Reply {
            status: 415,
            content_type: "text/plain; charset=utf-8",
            retry_after: None,
            body: format!("WBXML is not served yet; send {}\n", xml::MIME).into_bytes(),
        })
    }
}

impl Reply {
    /// An answer of the protocol.
    #[must_use]
    pub const fn xml(body: Vec<u8>) -> Self {
        Self { status: 200, content_type: xml::MIME, retry_after: None, body }
    }

    pub(super) fn bad_request(why: &str) -> Self {
        Self {
            status: 400,
            content_type: "text/plain; charset=utf-8",
            retry_after: None,
            body: format!("{why}\n").into(),
        }
    }

    pub(super) const fn unavailable() -> Self {
        Self { status: 503, content_type: "text/plain; charset=utf-8", retry_after: Some(30), body: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: Post<'_> =
        Post { body: b"<SyncML/>", content_type: None, user_agent: None, auth: [None, None], query: None };

    #[test]
    fn a_message_under_other_credentials_is_no_repeat() {
        let with = |auth| Post { auth, ..POST }.digest();
        assert_eq!(with([None, None]), POST.digest());
        assert_ne!(with([Some("a"), None]), with([None, Some("a")]));
        assert_ne!(with([Some(""), None]), POST.digest());
    }

    #[test]
    fn the_session_is_found_in_the_query() {
        let sid = "01890a5d-ac96-774b-bcce-b302099a8057";
        let query = format!("mode=Maintenance&sid={sid}");
        assert_eq!(Post { query: Some(&query), ..POST }.sid().unwrap().to_string(), sid);
        assert_eq!(Post { query: Some("sid=x"), ..POST }.sid(), None);
    }

    #[test]
    fn binary_messages_are_refused_by_name() {
        let binary = Post { body: &[0x02, 0xA4, 0x01], ..POST }.unsupported().unwrap();
        assert_eq!(binary.status, 415);
        assert!(Post { content_type: Some("text/plain"), ..POST }.unsupported().is_none());
    }
}
