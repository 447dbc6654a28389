//! SyncML 1.2 messages as OMA DM 1.x uses them (DM 1.x sheet 1): the syntax tree here, the codecs beside it.
//!
//! The reader takes any order of children and any or no namespace, and keeps what a rule of the dialogue must judge (an unknown
//! command, an odd version) instead of refusing it; the writer keeps the order of the DTD. Codec: [`xml`]; for people: [`show`].

mod command;
pub mod limits;
mod meta;
pub mod names;
pub mod show;
pub mod xml;

pub use command::{
    Alert, Body, Chal, Command, Cred, Delete, Exec, Get, Group, Header, Item, Location, Message, Other, Results,
    Status, Write,
};
pub use meta::{Data, Meta};
