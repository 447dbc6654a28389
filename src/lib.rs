//! Software component management (SCOMO) over OMA Device Management.
//!
//! # One request, told from queue to queue
//!
//! A request comes in ([`flow::intake`]): it is parsed ([`contract::request`]), accepted into jobs ([`contract::accept`]), one a
//! device, and stored before it is answered. A job that is due wakes its device ([`flow::wake`]) with a notification
//! ([`protocol::notification`]). The device opens a session ([`flow::session`]): its messages are decoded ([`wire::syncml`]), the
//! dialogue ([`protocol::dm1`]) authenticates it and turns messages into events, the job's procedure ([`job::procedure`]) turns
//! events into intents on the management tree ([`model::tree`]), and the dialogue says them in the device's tongue. On the way
//! the right package is selected ([`job::selection`]) and delivered inside the session or through a download grant
//! ([`flow::delivery`]). The result moves the job to its end ([`job::life`]), and the event that was stored with it is relayed
//! ([`flow::report`]).
//!
//! # The folders
//!
//! Each uses only what stands above it here. The two pillars, *what is wanted* (`scomo`, `job`) and *how it is said* (`wire`,
//! `protocol`), do not know each other; they meet in [`flow::session`]. Everything above [`infra`] is pure: no I/O, no clock, no
//! chance; `cargo check --no-default-features` builds that half alone. `docs/design.md` tells the decisions behind it.

/// The nouns that both pillars share.
pub mod model {
    pub mod catalog;
    pub mod clock;
    pub mod device;
    pub mod digest;
    pub mod id;
    pub mod rule;
    pub mod schema;
    pub mod secret;
    pub mod texts;
    pub mod tree;
    pub mod version;
}

/// Bytes to messages and back, nothing more.
pub mod wire {
    pub mod descriptor;
    pub mod syncml;
}

/// OMA DM dialogues as values.
pub mod protocol {
    pub mod dm1;
    pub mod notification;
}

/// What component management wants of a device, in intents.
pub mod scomo {
    pub mod device_request;
    pub mod inventory;
    pub mod object;
    pub mod operation;
    pub mod outcome;
    pub mod procedure;
}

/// What is decided of a job.
pub mod job {
    pub mod brake;
    pub mod command;
    pub mod life;
    pub mod plan;
    pub mod procedure;
    pub mod record;
    pub mod retry;
    pub mod selection;
    pub mod why;
    pub mod window;
}

/// What others see.
pub mod contract {
    pub mod accept;
    pub mod class;
    pub mod control;
    pub mod device;
    pub mod envelope;
    pub mod event;
    pub mod problem;
    pub mod request;
    pub mod schema;
}

/// What touches the world, each part with its own settings.
#[cfg(feature = "server")]
pub mod infra {
    pub mod account;
    pub mod broker;
    pub mod catalogue;
    pub mod courier;
    pub mod depot;
    pub mod driver;
    pub mod jobs;
    pub mod known;
    pub mod store;
    pub mod system;
    pub mod telemetry;
}

/// The story of one request, a module a step; the modules never use each other.
#[cfg(feature = "server")]
pub mod flow {
    pub mod brake;
    pub mod delivery;
    pub mod intake;
    pub mod janitor;
    pub mod report;
    pub mod session;
    pub mod wake;
}

/// The doors: listeners, settings, and the app that holds everything.
#[cfg(feature = "server")]
pub mod server {
    pub mod app;
    pub mod config;
    pub mod http;
}

#[cfg(feature = "server")]
pub mod sim;

#[cfg(feature = "server")]
pub mod cli;
