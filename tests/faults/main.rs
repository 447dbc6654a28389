//! Hundreds of jobs on three replicas while everything around them fails. Started by `tests/faults/run`; `docs/reliability.md` says
//! what it does and what it has found.
//!
//! What must hold is counted from what a consumer outside hears and from the devices' own logs, not from the tables; those are only
//! looked at for what must not be left over.

// `cfg(test)` says to clippy that this is a test, which may unwrap.
#[cfg(test)]
mod cable;
#[cfg(test)]
mod chance;
#[cfg(test)]
mod door;
#[cfg(test)]
mod inject;
#[cfg(test)]
mod judge;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod parts;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod replica;
#[cfg(test)]
mod rounds;
#[cfg(test)]
mod tables;
#[cfg(test)]
mod watch;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    rounds::main()
}
