//! The API of operators and integrators, over its socket: what it takes, what it refuses and how it says so.

mod devices;
mod doors;
mod events;
mod jobs;
mod packages;
mod pauses;
mod refused;
mod requests;
mod targets;
