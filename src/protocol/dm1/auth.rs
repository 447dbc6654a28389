//! Does the device prove who it is (DM 1.x sheet 3.3, 3.6; architecture, "Nonces").
//!
//! A challenge is kept in the session and never touches the account. Credentials are held against the session's challenge, the
//! account's current nonce and the one before; the resync nonces count only while a resync notification is outstanding or before
//! the first authentication. A device that nobody knows is challenged as a known one would be.

use serde::{Deserialize, Serialize};

use super::{Account, AccountChange, Context, NewNonce, ResyncNonce, Scheme, proof, text, text::Nonce};
use crate::{
    model::{
        clock::Mint,
        secret::{SecretBytes, same},
    },
    wire::syncml::{Chal, Cred, Meta},
};

/// The device's standing in this session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Guard {
    admitted: bool,
    refusals: u8,
    challenge: Option<Challenge>,
}

/// What a `Chal` of ours says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Challenge {
    scheme: Scheme,
    nonce: Option<Nonce>,
}

impl Challenge {
    fn fresh(scheme: Scheme, mint: &mut dyn Mint) -> Self {
        let nonce = match scheme {
            Scheme::Basic => None,
            Scheme::Md5 => Some(Nonce(SecretBytes::new(mint.nonce()))),
        };
        Self { scheme, nonce }
    }

    /// On the wire.
    pub(super) fn chal(&self) -> Chal {
        let next_nonce = self.nonce.as_ref().map(Nonce::wire);
        Chal { meta: Meta { next_nonce, ..Meta::typed("b64", self.scheme.wire()) } }
    }
}

/// What is to be made of a message's credentials.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The device proved itself with this message: 212.
    Admitted {
        change: AccountChange,
        /// Carries the nonce for the next session.
        chal: Option<Challenge>,
        /// The device used this resync nonce, and expects the server's proof with it.
        resync: Option<ResyncNonce>,
    },
    /// It did so before. 212 if it sent credentials again, as some do and want to hear, else 200.
    Known { code: u16 },
    /// 401 or 407; without a challenge the session is over.
    Refused { code: u16, chal: Option<Challenge>, attempts: u8 },
}

impl Guard {
    /// The standing of a device that was challenged and then refused so many times.
    pub(super) fn refused(times: u8, mint: &mut dyn Mint) -> Self {
        Self { admitted: false, refusals: times, challenge: Some(Challenge::fresh(Scheme::default(), mint)) }
    }

    pub(super) fn admitted(&self) -> bool {
        self.admitted
    }

    pub(super) fn judge(&mut self, cred: Option<&Cred>, cx: &Context<'_>, mint: &mut dyn Mint) -> Verdict {
        if self.admitted {
            return Verdict::Known { code: if cred.is_some() { 212 } else { 200 } };
        }
        if let Some(cred) = cred
            && let Some(account) = cx.account
            && let Some(used) = self.verify(cred, account)
        {
            return self.admit(used, account, mint);
        }
        self.refuse(cred, cx, mint)
    }

    fn admit(&mut self, used: Used, account: &Account, mint: &mut dyn Mint) -> Verdict {
        self.admitted = true;
        self.challenge = None;
        let (previous, resync) = match used {
            Used::Password => {
                let change = AccountChange { authenticated: true, ..AccountChange::default() };
                return Verdict::Admitted { change, chal: None, resync: None };
            }
            Used::Nonce(nonce) => (Some(nonce), None),
            Used::Resync(which) => (None, Some(which)),
        };
        let chal = Challenge::fresh(account.scheme, mint);
        let current = chal.nonce.as_ref().map(|n| n.0.clone());
        let client = current.map(|current| NewNonce { current, previous });
        let change = AccountChange { client, server: None, authenticated: true };
        Verdict::Admitted { change, chal: Some(chal), resync }
    }

    fn refuse(&mut self, cred: Option<&Cred>, cx: &Context<'_>, mint: &mut dyn Mint) -> Verdict {
        let scheme = cx.account.map_or_else(Scheme::default, |a| a.scheme);
        let challenged = self.challenge.is_some();
        if challenged || cred.is_some() {
            self.refusals = self.refusals.saturating_add(1);
        }
        let other_scheme = challenged && cred.is_some_and(|c| scheme_of(c) != Some(scheme));
        let last = other_scheme || self.refusals >= cx.quirks.auth_attempts.max(2);
        self.challenge = (!last).then(|| Challenge::fresh(scheme, mint));
        let code = if cred.is_some() { 401 } else { 407 };
        Verdict::Refused { code, chal: self.challenge.clone(), attempts: self.refusals }
    }

    /// With what the credentials are right; nothing if they are wrong.
    fn verify(&self, cred: &Cred, account: &Account) -> Option<Used> {
        let given = text::base64(&cred.data)?;
        match scheme_of(cred).filter(|s| *s == account.scheme)? {
            Scheme::Basic => same(&proof::basic(&account.user, &account.secret), &given).then_some(Used::Password),
            Scheme::Md5 => {
                let proves = |nonce: &[u8]| same(&proof::digest(&account.user, &account.secret, nonce), &given);
                let challenge = self.challenge.as_ref().and_then(|c| c.nonce.as_ref()).map(|n| &n.0);
                let stored = [challenge, account.nonces.client.as_ref(), account.nonces.previous.as_ref()];
                let ordinary = stored.into_iter().flatten().find(|n| proves(n.expose()));
                ordinary.map(|n| Used::Nonce(n.clone())).or_else(|| {
                    let open = account.nonces.resync || !account.seen_before;
                    let known = [ResyncNonce::Zero, ResyncNonce::Literal];
                    known.into_iter().find(|r| open && proves(r.bytes())).map(Used::Resync)
                })
            }
        }
    }
}

/// What right credentials were made with.
enum Used {
    Password,
    Nonce(SecretBytes),
    Resync(ResyncNonce),
}

/// The scheme that a `Cred` names; basic where it names none, as SyncML has it.
fn scheme_of(cred: &Cred) -> Option<Scheme> {
    cred.meta.r#type.as_deref().map_or(Some(Scheme::Basic), Scheme::read)
}
