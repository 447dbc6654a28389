//! `scomo demo`: the main job on the embedded default. The same app as `serve` is started on free ports with a database file, the
//! embedded bus and the packages at hand, beside it simulated devices; everything goes over the sockets. A flow is `ok` only if
//! the event that was reported, the device's own tree, and the SHA-256 of the bytes that the device holds agree.
//!
//! Where the environment names a database or a broker, the same is played on those: requests then come in and events go out through
//! the broker, and devices, exchanges and queues have names of this run alone.

mod bus;
mod check;
mod play;
mod script;
mod stage;
mod told;
mod watch;

use anyhow::Context as _;
use clap::Args;
use futures_util::future::join_all;
use serde_json::json;

use super::{Failure, Output, output::table};
use play::Played;
use script::Script;
use stage::{Cast, Stage};

/// What is played.
const SCRIPT: &str = include_str!("demo/script.toml");
/// The devices.
const DEVICES: &str = include_str!("demo/devices.toml");

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Leave server and devices running at the end, and say what to try
    #[arg(long)]
    keep: bool,
}

impl Demo {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let cast = Cast::choose();
        let script = Script::parse(&cast.named(SCRIPT)).context("the demo's script")?;
        let stage = Stage::set(cast, output).await?;
        let tracks = script.tracks.iter().map(|track| play::track(&stage, track));
        let mut flows: Vec<Played> = join_all(tracks).await.into_iter().flatten().collect();
        flows.sort_by(|one, other| one.clause.cmp(&other.clause));
        stage.watch.finish();
        let failed = flows.iter().filter(|flow| !flow.ok).count();
        print(&flows, output)?;
        if self.keep {
            stage.keep(output).await?;
        }
        stage.strike().await;
        if failed == 0 { Ok(()) } else { Err(Failure::Work(format!("{failed} of {} flows failed", flows.len()))) }
    }
}

fn print(flows: &[Played], output: Output) -> Result<(), Failure> {
    if output.json() {
        return output.value(&json!({ "flows": flows }));
    }
    let rows: Vec<_> = flows.iter().map(|flow| json!(flow)).collect();
    let columns = [
        ("CLAUSE", "/clause"),
        ("FLOW", "/title"),
        ("PRIMITIVE", "/primitive"),
        ("PACKAGE", "/package"),
        ("BYTES", "/bytes"),
        ("MSGS", "/messages"),
        ("MS", "/ms"),
        ("OUTCOME", "/outcome"),
        ("OK", "/ok"),
    ];
    output.line(&table(&rows, &columns))?;
    for flow in flows.iter().filter(|flow| !flow.ok) {
        output.line(&format!("{} {}: {}", flow.clause, flow.title, flow.why.join("; ")))?;
    }
    Ok(())
}
