//! `scomo simulate`: devices at work against a server, until interrupted.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};
use url::Url;

use super::{Connection, Failure, Output, output::table, progress::Progress};
use crate::{
    infra::system::{SystemClock, SystemMint},
    model::{clock::Mint, secret::Secret},
    server::app::StopSignal,
    sim::{self, Fleet, Profile, RegisterError, Seeded, Settings, Snapshot},
};

#[derive(Debug, Args)]
pub(super) struct Simulate {
    /// A file that says what the devices are like; may be repeated. Without one, the profiles that come along
    #[arg(long = "profile", value_name = "FILE")]
    profiles: Vec<PathBuf>,
    /// How many devices of each profile, instead of what it says
    #[arg(long)]
    count: Option<u32>,
    /// The address that the devices post their messages to
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080/dm")]
    dm: Url,
    /// Where the devices listen for notifications; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// A file that holds the server's `webhook.signing_key`, to check notifications by
    #[arg(long, value_name = "FILE")]
    webhook_key_file: Option<PathBuf>,
    /// Decide by this text whatever chance decides: secrets, mixes, losses. The same text gives the same devices
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,
    /// Let each device open a session of its own accord at once
    #[arg(long)]
    open: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Simulate {
    pub(super) async fn run(self, output: Output) -> Result<(), Failure> {
        let settings = self.settings()?;
        let mut asked = StopSignal::listen()?;
        let progress = Arc::new(Progress::new(output));
        let observer: Arc<dyn sim::Observer> = Arc::<Progress>::clone(&progress);
        let mut mint = mint(self.seed.as_deref());
        let fleet = Fleet::start(settings, Arc::new(SystemClock), &mut *mint, observer).await;
        let fleet = fleet.map_err(|error| Failure::Usage(format!("{:#}", anyhow::Error::from(error))))?;
        let admin = self.connection.admin();
        tokio::select! {
            registered = fleet.register(&admin) => registered.map_err(|error| refused(error, &admin))?,
            _ = asked.wait() => return Ok(()),
        }
        progress.say(&format!("{} devices are registered; Ctrl-C ends them", fleet.ids().count()));
        if self.open {
            fleet.devices().for_each(|device| device.start_session());
        }
        asked.wait().await;
        let devices: Vec<Snapshot> = fleet.devices().map(|device| device.snapshot()).collect();
        fleet.shutdown().await;
        progress.finish();
        close(&devices, output)
    }

    fn settings(&self) -> Result<Settings, Failure> {
        let mut profiles = Vec::new();
        for path in &self.profiles {
            let text = fs::read_to_string(path);
            let text = text.map_err(|e| Failure::Usage(format!("cannot read {}: {e}", path.display())))?;
            let parsed = Profile::parse(&text).with_context(|| path.display().to_string());
            profiles.extend(parsed.map_err(|error| Failure::Usage(format!("{error:#}")))?);
        }
        if self.profiles.is_empty() {
            profiles = Profile::shipped().context("the profiles that come along")?;
        }
        for profile in &mut profiles {
            profile.count = self.count.unwrap_or(profile.count);
        }
        let mut settings = Settings::new(self.dm.as_str(), profiles);
        settings.listen = self.listen;
        if let Some(path) = &self.webhook_key_file {
            let key = fs::read_to_string(path);
            let key = key.map_err(|e| Failure::Usage(format!("cannot read {}: {e}", path.display())))?;
            settings.webhook_key = Some(Secret::new(key.trim_end_matches(['\r', '\n']).to_owned()));
        }
        Ok(settings)
    }
}

/// What decides by chance: the seed, if one is given.
fn mint(seed: Option<&str>) -> Box<dyn Mint> {
    match seed {
        Some(seed) => Box::new(Seeded::branch(&[0; 32], seed)),
        None => Box::new(SystemMint::new()),
    }
}

fn refused(error: RegisterError, admin: &sim::Admin) -> Failure {
    match error {
        RegisterError::Unreachable { device: _, source } => {
            Failure::Unreachable { server: admin.url.to_string(), source }
        }
        RegisterError::Refused { device, status, detail } => {
            let problem = serde_json::from_str(&detail).ok().filter(Value::is_object);
            let title = format!("the device {device} was refused: {status} {detail}");
            Failure::Refused(Box::new(problem.unwrap_or_else(|| json!({ "title": title, "code": "http" }))))
        }
        other @ (RegisterError::Address { .. } | RegisterError::Interrupted) => Failure::Usage(other.to_string()),
    }
}

/// What the devices hold at the end.
fn close(devices: &[Snapshot], output: Output) -> Result<(), Failure> {
    if output.json() {
        return output.value(&json!({ "devices": devices }));
    }
    let rows = devices.iter().map(|device| {
        let components = device.components.iter().map(|c| {
            let state = if c.active { "" } else { " (inactive)" };
            format!("{} {}{state}", c.id, c.version)
        });
        let delivered = device.delivered.iter().map(|package| package.pkg_id.clone());
        json!({ "device": device.device, "components": components.collect::<Vec<_>>(),
            "delivered": delivered.collect::<Vec<_>>() })
    });
    let columns = [("DEVICE", "/device"), ("DELIVERED", "/delivered"), ("COMPONENTS", "/components")];
    output.line(&table(&rows.collect::<Vec<_>>(), &columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_a_run_and_without_one_no_two_are_alike() {
        let draw = |seed| mint(seed).token(20);
        assert_eq!(draw(Some("a")), draw(Some("a")));
        assert_ne!(draw(Some("a")), draw(Some("b")));
        assert_ne!(draw(None), draw(None));
    }
}
