//! The command line: starts the service, talks to it as a client of its admin API, and reads protocol messages locally.
//!
//! Exit codes: 0 done, 1 the work failed, 2 usage, 3 unreachable, 4 refused.

mod client;
mod dead;
mod decode;
mod demo;
mod device;
mod failure;
mod job;
mod migrate;
mod output;
mod package;
mod paging;
mod pause;
mod progress;
mod request;
mod schema;
mod select;
mod serve;
mod simulate;
mod target_list;

use std::{ffi::OsString, io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};

pub use client::{Client, Connection};
pub use failure::Failure;
pub use output::Output;
pub use progress::Progress;

/// Software component management over OMA Device Management
#[derive(Debug, Parser)]
#[command(name = "scomo", version, subcommand_required = true, arg_required_else_help = true)]
#[command(
    after_help = "Example:\n  scomo demo\n\nExit codes: 0 done, 1 the work failed, 2 usage, 3 unreachable, 4 refused"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print JSON for machines
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the main job with simulated devices and show each flow
    #[command(after_help = "Example:\n  scomo demo --keep")]
    Demo(demo::Demo),
    /// Run the service
    #[command(
        after_help = "Example:\n  scomo serve --config scomo.toml\n  SCOMO__DEVICE__LISTEN=127.0.0.1:9000 scomo serve"
    )]
    Serve(serve::Serve),
    /// Bring the database's schema up to date, without serving; `serve` does so too
    #[command(after_help = "Example:\n  scomo migrate --config scomo.toml")]
    Migrate(migrate::Migrate),
    /// Run simulated devices against a server
    #[command(after_help = "Example:\n  scomo simulate --profile phones.toml --count 10")]
    Simulate(simulate::Simulate),
    /// Print a protocol message readably
    #[command(
        after_help = "Example:\n  scomo decode message.xml\n  xxd -r -p package0.hex | scomo decode --from notification -"
    )]
    Decode(decode::Decode),
    /// Ask for software on devices, and follow what becomes of it
    #[command(subcommand)]
    Request(request::Command),
    /// See or stop one device's share of a request
    #[command(subcommand)]
    Job(job::Command),
    /// See what came from the bus and was refused, hand it in again, or drop it
    #[command(subcommand)]
    Dead(dead::Command),
    /// Hold jobs back: everything, a package, a class of devices, or a request
    #[command(
        after_help = "Example:\n  scomo pause --package org.example.player@2.1 --reason 'bad batch'\n  scomo pause --list"
    )]
    Pause(pause::Pause),
    /// Let go on what was paused
    #[command(after_help = "Example:\n  scomo resume --package org.example.player@2.1")]
    Resume(pause::Resume),
    /// Keep the records of devices
    #[command(subcommand)]
    Device(device::Command),
    /// Keep lists of devices that requests may be for
    #[command(subcommand)]
    TargetList(target_list::Command),
    /// See the catalogue, or check a package before it goes there
    #[command(subcommand)]
    Package(package::Command),
    /// Ask which package a device would get, and why not the others
    #[command(
        after_help = "Example:\n  scomo select --device IMEI:490154203237518 --package org.example.player@'>=2.1'"
    )]
    Select(select::Select),
    /// Print what others write and read as JSON Schema, OpenAPI or AsyncAPI
    #[command(after_help = "Example:\n  scomo schema request\n  scomo schema bus > asyncapi.json")]
    Schema(schema::Schema),
}

/// Runs the command that `arguments` (the program's name first) ask for, and says how it went.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(usage) => {
            // If not even that can be printed, the exit code still tells.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    let output = Output::new(cli.json);
    match dispatch(cli.command, output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(tell(&failure, output)),
    }
}

async fn dispatch(command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Demo(demo) => demo.run(output).await,
        Command::Serve(serve) => serve.run().await,
        Command::Migrate(migrate) => migrate.run(output).await,
        Command::Simulate(simulate) => simulate.run(output).await,
        Command::Decode(decode) => decode.run(output),
        Command::Request(request) => request.run(output).await,
        Command::Job(job) => job.run(output).await,
        Command::Dead(dead) => dead.run(output).await,
        Command::Pause(pause) => pause.run(output).await,
        Command::Resume(resume) => resume.run(output).await,
        Command::Device(device) => device.run(output).await,
        Command::TargetList(list) => list.run(output).await,
        Command::Package(package) => package.run(output).await,
        Command::Select(select) => select.run(output).await,
        Command::Schema(schema) => schema.run(output),
    }
}

/// Machines get a problem on standard output; people get words on standard error.
fn tell(failure: &Failure, output: Output) -> u8 {
    match (failure, failure.problem().filter(|_| output.json())) {
        (Failure::Closed, _) => {}
        (_, Some(problem)) => {
            let _ = output.value(&problem);
        }
        (_, None) => {
            // Nobody is left to hear that standard error is closed.
            let _ = writeln!(std::io::stderr(), "scomo: {}", failure.explain());
        }
    }
    failure.code()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn every_command_shows_an_example() {
        fn visit(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            if command.get_subcommands().next().is_none() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("scomo"), "{path} has no example");
            }
            command.get_subcommands().for_each(|sub| visit(sub, &path));
        }
        let command = Cli::command();
        command.clone().debug_assert();
        command.get_subcommands().for_each(|sub| visit(sub, "scomo"));
    }

    #[tokio::test]
    async fn what_cannot_be_parsed_is_a_usage_error() {
        let code = run(["scomo", "request", "frobnicate"].map(OsString::from)).await;
        assert_eq!(code, ExitCode::from(2));
    }
}
