//! Who may do what at the API: bearer tokens, each with roles and a tenant; or everyone on this machine.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::problem::Refusal;
use crate::{
    contract::problem::{Code, Problem},
    model::{digest::Digest, id::Tenant, secret},
    server::config::{Admin, AuthMode, Role, Token},
};

/// Who is let in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Doorkeeper(Arc<Rule>);

#[derive(Debug)]
enum Rule {
    Tokens(Vec<Token>),
    ThisMachine,
}

/// Who calls: the outcome of authentication, for handlers and the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The token's name.
    pub name: String,
    /// Whose data it sees.
    pub tenant: Tenant,
    /// What it may do.
    roles: BTreeSet<Role>,
}

impl Doorkeeper {
    /// As the settings say; they were checked, so that `none` is only where nobody else can reach.
    #[must_use]
    pub fn new(admin: &Admin) -> Self {
        Self(Arc::new(match admin.auth {
            AuthMode::Tokens => Rule::Tokens(admin.tokens.clone()),
            AuthMode::ThisMachine => Rule::ThisMachine,
        }))
    }

    /// Finds out who calls.
    fn identify(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        match &*self.0 {
            Rule::Tokens(tokens) => bearer(tokens, headers),
            Rule::ThisMachine => this_machine(headers),
        }
    }
}

/// What a route asks of its caller.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    pub(super) doorkeeper: Doorkeeper,
    pub(super) role: Role,
}

/// Lets a request pass if its caller has the route's role, and tells the handler who it is.
pub(super) async fn pass(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let caller = gate.doorkeeper.identify(request.headers());
    match caller.and_then(|caller| caller.with(gate.role)) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => Refusal::from(problem).into_response(),
    }
}

impl Caller {
    fn with(self, role: Role) -> Result<Self, Problem> {
        if self.roles.contains(&role) {
            return Ok(self);
        }
        let detail = format!("the token {:?} does not have the role `{}`", self.name, role.name());
        Err(Problem::new(Code::Forbidden, detail))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::new(Code::Unauthorized, "this route lets nobody in").into())
    }
}

/// Every token is compared, so that the time tells nothing of which one is near.
fn bearer(tokens: &[Token], headers: &HeaderMap) -> Result<Caller, Problem> {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (scheme, token) = shown.split_once(' ').unwrap_or_default();
    let shown = Digest::of(token.trim().as_bytes());
    let known = |token: &Token| secret::same(token.hash.0.as_bytes(), shown.as_bytes());
    let found = tokens.iter().fold(None, |found, token| if known(token) { Some(token) } else { found });
    match found {
        Some(token) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok(Caller { name: token.name.clone(), tenant: token.tenant.clone(), roles: token.roles.clone() })
        }
        Some(_) | None => {
            Err(Problem::new(Code::Unauthorized, "a valid token is needed: `Authorization: Bearer <token>`"))
        }
    }
}

/// Without tokens only the name of this machine is good: a page whose own name was made to point here gets no answer, nor does one
/// from elsewhere that a browser on this machine has opened.
fn this_machine(headers: &HeaderMap) -> Result<Caller, Problem> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if let Some(origin) = headers.get(header::ORIGIN) {
        let page = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        if !page.is_some_and(|(_, host)| is_loopback(host)) {
            let detail = format!("without tokens this API does not answer to the pages of {origin:?}");
            return Err(Problem::new(Code::Forbidden, detail));
        }
    }
    if !is_loopback(host) {
        let detail = format!("without tokens this API answers to loopback names only, not to {host:?}");
        return Err(Problem::new(Code::Forbidden, detail));
    }
    Ok(Caller { name: "local".to_owned(), tenant: Tenant::default(), roles: Role::ALL.into() })
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::config::TokenHash;

    fn token(name: &str, secret: &str, roles: &[Role]) -> Token {
        let tenant = Tenant::parse(name).unwrap();
        let hash = TokenHash(Digest::of(secret.as_bytes()));
        Token { name: name.to_owned(), hash, roles: roles.iter().copied().collect(), tenant }
    }

    fn doorkeeper() -> Doorkeeper {
        let tokens = vec![token("reader", "s3cret", &[Role::Read]), token("sender", "other", &[Role::Submit])];
        Doorkeeper(Arc::new(Rule::Tokens(tokens)))
    }

    fn shows(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn a_token_opens_what_its_roles_say_for_its_tenant() {
        let caller = doorkeeper().identify(&shows(header::AUTHORIZATION, "Bearer s3cret")).unwrap();
        assert_eq!((caller.name.as_str(), caller.tenant.as_str()), ("reader", "reader"));
        assert!(caller.clone().with(Role::Read).is_ok());
        assert_eq!(caller.with(Role::Submit).unwrap_err().code, Code::Forbidden);
    }

    #[test]
    fn what_is_no_token_opens_nothing() {
        for shown in ["Bearer wrong", "Bearer ", "Bearer", "Basic s3cret", "s3cret", "Bearer s3cret more"] {
            let refused = doorkeeper().identify(&shows(header::AUTHORIZATION, shown)).unwrap_err();
            assert_eq!(refused.code, Code::Unauthorized, "{shown}");
        }
        assert_eq!(doorkeeper().identify(&HeaderMap::new()).unwrap_err().code, Code::Unauthorized);
    }

    #[test]
    fn without_tokens_only_this_machine_is_served() {
        let open = Doorkeeper(Arc::new(Rule::ThisMachine));
        for host in ["127.0.0.1:8081", "localhost:8081", "localhost", "[::1]:8081", "127.9.9.9"] {
            assert!(open.identify(&shows(header::HOST, host)).is_ok(), "{host}");
        }
        for host in ["evil.example:8081", "localhost.evil.example", "10.0.0.1:8081", ""] {
            assert_eq!(open.identify(&shows(header::HOST, host)).unwrap_err().code, Code::Forbidden, "{host}");
        }
        for (origin, good) in [("http://localhost:3000", true), ("https://evil.example", false), ("null", false)] {
            let mut headers = shows(header::HOST, "127.0.0.1:8081");
            headers.insert(header::ORIGIN, origin.parse().unwrap());
            assert_eq!(open.identify(&headers).is_ok(), good, "{origin}");
        }
    }
}
