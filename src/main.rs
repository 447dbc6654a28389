//! The program: one binary for the service, its clients and its tools. `scomo --help` tells them.

use std::{env, process::ExitCode};

#[tokio::main]
async fn main() -> ExitCode {
    // Every part that speaks TLS takes the provider of the process. Only a second call could fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    scomo::cli::run(env::args_os()).await
}
