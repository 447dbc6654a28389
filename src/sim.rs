//! Simulated devices, a product of their own: real management trees with a SCOMO object, their own OMA DM 1.2 dialogue written
//! from the specification, and their own downloads. `docs/simulator.md` is the reference of their profiles.
//!
//! Two halves. The core is pure: a [`Device`] takes notifications and the server's messages as bytes and gives messages as
//! bytes; chance comes from a seed. The shell, [`Fleet`], does the I/O for any number of devices: one HTTP client, one listener
//! for notifications, and a task only for a device that has something to do.

mod auth;
mod chance;
mod device;
mod dialect;
mod dialogue;
mod fleet;
mod listen;
mod log;
mod net;
mod observer;
mod operation;
pub mod profile;
mod report;
mod scomo;
mod snapshot;
mod transfer;
mod tree;
mod trigger;
mod user;

#[cfg(test)]
mod tests;

pub use chance::Seeded;
pub use device::{Delivery, Device, Next};
pub use fleet::{Admin, Error, Fleet, Handle, RegisterError, Settings};
pub use log::{Asked, Posted, Prompt, Ran};
pub use observer::{End, Event, Observer, Reason, Silent};
pub use operation::{Area, Operation};
pub use profile::{Ask, Profile};
pub use scomo::{Received, Work};
pub use snapshot::{Delivered, Deployed, Snapshot};
pub use tree::Held;
