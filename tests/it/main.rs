//! The one integration binary, a file per face. `cfg(test)` says so to clippy, which then lets helpers unwrap.

#[cfg(test)]
mod api;
#[cfg(test)]
mod bus;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod download;
#[cfg(test)]
mod fanout;
#[cfg(test)]
mod flows;
#[cfg(test)]
mod house;
#[cfg(test)]
mod interplay;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod packages;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod rolling;
#[cfg(test)]
mod store;
#[cfg(test)]
mod support;
