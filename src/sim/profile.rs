//! Profile files: what simulated devices are like. The reference is `docs/simulator.md`.

mod sections;
mod template;

use serde::Deserialize;

pub use sections::{
    Auth, Children, Component, ComponentName, Delays, DevDetail, DevInfo, Download, Faults, Forced, Identity,
    Installer, Limits, Network, Nonces, Package, Resync, Scomo, ServerAuth, SizeUnit, User,
};
pub use template::{Template, TemplateError};

use crate::model::id::{DeviceId, NameError};

/// The most devices that one file may describe.
pub const MOST_DEVICES: u32 = 100_000;

/// A group of devices that differ only in their number.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// How many devices there are.
    #[serde(default = "one")]
    pub count: u32,
    /// The number of the first.
    #[serde(default = "one")]
    pub first: u32,
    /// DevId; with more than one device it holds the number, e.g. `IMEI:35{n:013}`.
    pub id: Template,
    /// Tags of the device record.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The `User-Agent` of its requests.
    #[serde(default = "user_agent")]
    pub user_agent: String,
    /// `./DevInfo`
    #[serde(default)]
    pub devinfo: DevInfo,
    /// `./DevDetail`
    #[serde(default)]
    pub devdetail: DevDetail,
    /// Credentials of both directions.
    #[serde(default)]
    pub auth: Auth,
    /// What the device can hold and announces.
    #[serde(default)]
    pub limits: Limits,
    /// The SCOMO object.
    #[serde(default)]
    pub scomo: Scomo,
    /// Whether somebody is there to be asked, and what they say.
    #[serde(default)]
    pub user: User,
    /// How long the device takes.
    #[serde(default)]
    pub delays: Delays,
    /// Results on demand, the first that fits counts.
    #[serde(default)]
    pub result: Vec<Forced>,
    /// What gets lost on the way.
    #[serde(default)]
    pub faults: Faults,
    /// How stubborn the device is.
    #[serde(default)]
    pub network: Network,
}

/// Why a text is no profile file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not TOML, an unknown key, or a value of the wrong kind; the source says where.
    #[error("the profile file cannot be read")]
    Syntax(#[from] toml::de::Error),
    /// A value that cannot work.
    #[error("[[device]] number {device}, key `{key}`: {problem}")]
    Value {
        /// Which `[[device]]`, counted from 1.
        device: usize,
        /// The key.
        key: &'static str,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The file describes no device.
    #[error("the profile file describes no device; add a [[device]]")]
    Nothing,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    device: Vec<Profile>,
}

impl Profile {
    /// The profiles that the simulator brings along (`src/sim/default.toml`).
    ///
    /// # Errors
    /// Never for the file as it is shipped; a test reads it.
    pub fn shipped() -> Result<Vec<Self>, Error> {
        Self::parse(include_str!("default.toml"))
    }

    /// Reads a profile file.
    ///
    /// # Errors
    /// [`Error`] with the place and the reason.
    pub fn parse(text: &str) -> Result<Vec<Self>, Error> {
        let file: File = toml::from_str(text)?;
        if file.device.is_empty() {
            return Err(Error::Nothing);
        }
        for (at, profile) in file.device.iter().enumerate() {
            profile.check().map_err(|(key, problem)| Error::Value { device: at.saturating_add(1), key, problem })?;
        }
        Ok(file.device)
    }

    /// The numbers of its devices.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + use<> {
        self.first..self.first.saturating_add(self.count)
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        if self.count == 0 || self.count > MOST_DEVICES {
            return Err(("count", format!("must be 1 to {MOST_DEVICES}")));
        }
        if self.count > 1 && !self.id.is_numbered() {
            return Err(("id", "several devices need the number in their id, e.g. `IMEI:35{n:013}`".to_owned()));
        }
        let id = |number| DeviceId::parse(&self.id.fill(number)).map_err(|e: NameError| ("id", e.to_string()));
        id(self.first)?;
        if self.scomo.sync.iter().any(|o| o.fetches()) {
            return Err(("scomo.sync", "an operation that downloads cannot answer at once".to_owned()));
        }
        if super::tree::path(&self.scomo.root).is_none_or(|path| path.is_empty()) {
            return Err(("scomo.root", "must be a URI below the root, e.g. `./SCOMO`".to_owned()));
        }
        if !(0.0..=1.0).contains(&self.faults.loss) {
            return Err(("faults.loss", "is a probability, 0 to 1".to_owned()));
        }
        if self.network.tries == 0 {
            return Err(("network.tries", "must be 1 or more".to_owned()));
        }
        self.result.iter().try_for_each(Forced::check).map_err(|problem| ("result", problem))
    }
}

const fn one() -> u32 {
    1
}

fn user_agent() -> String {
    "scomo-sim/1".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let error = Profile::parse(text).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error}; {source}")
    }

    #[test]
    fn what_is_shipped_and_documented_can_be_read() {
        assert!(Profile::shipped().is_ok_and(|all| all.len() > 1));
        let guide = include_str!("../../docs/simulator.md");
        let examples: Vec<&str> = guide.split("```toml\n").skip(1).filter_map(|t| t.split("```").next()).collect();
        assert!(!examples.is_empty());
        for example in examples {
            Profile::parse(example).unwrap_or_else(|e| panic!("{e}: {:?}\n{example}", std::error::Error::source(&e)));
        }
    }

    #[test]
    fn one_line_is_a_profile() {
        let profiles = Profile::parse("[[device]]\nid = 'IMEI:35{n:013}'\ncount = 3\nfirst = 7").unwrap();
        let ids: Vec<String> = profiles[0].numbers().map(|n| profiles[0].id.fill(n)).collect();
        assert_eq!(ids, ["IMEI:350000000000007", "IMEI:350000000000008", "IMEI:350000000000009"]);
    }

    #[test]
    fn errors_name_the_place_and_the_remedy() {
        assert!(refusal("").contains("add a [[device]]"));
        assert!(refusal("[[device]]\nid = 'a'\ncolour = 1").contains("colour"));
        assert!(refusal("[[device]]\nid = 'a'\ncount = 2").contains("number 1, key `id`"));
        assert!(refusal("[[device]]\nid = 'a{m}'").contains("{n}"));
        assert!(refusal("[[device]]\nid = 'a'\nscomo.sync = ['Download']").contains("scomo.sync"));
        assert!(refusal("[[device]]\nid = 'a'\nfaults.loss = 2.0").contains("probability"));
        assert!(refusal("[[device]]\nid = 'a'\nresult = [{ operation = 'Install', code = 7 }]").contains("1200"));
        assert!(refusal("[[device]]\nid = 'a'\nresult = [{ operation = 'Install' }]").contains("either"));
    }
}
