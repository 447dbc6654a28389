//! Requests in and events out by a bus: what every bus must do, and what a broker adds. A test that needs a broker says so if there
//! is none.

mod conform;
mod intake;
mod outage;
mod refused;
mod relay;
mod unstorable;
mod wrong;
