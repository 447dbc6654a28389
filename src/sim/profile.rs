//! Profile files: what simulated devices are like. The reference is `docs/simulator.md`.

mod dialect;
mod life;
mod mix;
mod report;
mod scomo;
mod sections;
mod template;
mod user;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use dialect::{Dialect, SessionIds};
pub use life::{After, Aftermath, Notify, NotifyBody, Outage, Refuse, Send, Stage, Verb};
pub use mix::Mix;
pub use report::{Ask, Echo, Grouping, Moment, Naming, Origin, PlannedAsk, Reporting, Shape, When};
pub use scomo::{Children, Component, ComponentName, Download, Installer, Package, Scomo};
pub use sections::{
    Auth, Delays, DevDetail, DevInfo, Faults, Forced, Identity, Limits, Network, Nonces, Resync, ServerAuth, Silence,
    SizeUnit,
};
pub use template::{Template, TemplateError};
pub use user::{Answer, Consent, Display, User};

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
    /// Further SCOMO objects, with roots of their own.
    #[serde(default)]
    pub scomo_extra: Vec<Scomo>,
    /// Whether nodes have the property Type.
    #[serde(default = "yes")]
    pub type_property: bool,
    /// Commands that are refused, the first that fits counts.
    #[serde(default)]
    pub refuse: Vec<Refuse>,
    /// Whether somebody is there to be asked, and what they say.
    #[serde(default)]
    pub user: User,
    /// How long the device takes.
    #[serde(default)]
    pub delays: Delays,
    /// Results on demand, the first that fits counts.
    #[serde(default)]
    pub result: Vec<Forced>,
    /// How operations are reported.
    #[serde(default)]
    pub report: Reporting,
    /// What the download agent reports to the download server.
    #[serde(default)]
    pub notify: Notify,
    /// What the device asks for of its own accord.
    #[serde(default)]
    pub ask: Vec<PlannedAsk>,
    /// When the device is off.
    #[serde(default)]
    pub outage: Vec<Outage>,
    /// What gets lost on the way.
    #[serde(default)]
    pub faults: Faults,
    /// How it writes its messages.
    #[serde(default)]
    pub dialect: Dialect,
    /// How stubborn the device is.
    #[serde(default)]
    pub network: Network,
    /// Named behaviours and their weights: each device has one of them, chosen from the seed.
    #[serde(default)]
    pub mix: BTreeMap<String, u32>,
    /// The name of the behaviour that made this profile of a mix.
    #[serde(skip)]
    pub behaviour: Option<String>,
    /// What the behaviours make of this profile.
    #[serde(skip)]
    pub ways: Mix,
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
    /// A behaviour that does not fit the devices which name it.
    #[error("behaviour `{name}` of [[device]] number {device} cannot be read")]
    Behaviour {
        /// Its name.
        name: String,
        /// Which `[[device]]`, counted from 1.
        device: usize,
        /// What is wrong with it.
        #[source]
        source: toml::de::Error,
    },
    /// A behaviour that no mix names.
    #[error("no mix names the behaviour `{name}`; add it to the `mix` of a [[device]]")]
    Unused {
        /// Its name.
        name: String,
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
    /// Read for its names here, and laid over the devices where a mix names them.
    #[serde(default)]
    behaviour: BTreeMap<String, toml::Table>,
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
        let File { mut device, behaviour } = toml::from_str(text)?;
        if device.is_empty() {
            return Err(Error::Nothing);
        }
        for (at, profile) in device.iter().enumerate() {
            profile.check().map_err(|(key, problem)| Error::Value { device: at.saturating_add(1), key, problem })?;
        }
        let used = |name: &&String| device.iter().any(|profile| profile.mix.contains_key(*name));
        if let Some(name) = behaviour.keys().find(|name| !used(name)) {
            return Err(Error::Unused { name: name.clone() });
        }
        mix::work_out(text, &mut device)?;
        Ok(device)
    }

    /// The numbers of its devices.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + use<> {
        self.first..self.first.saturating_add(self.count)
    }

    /// The SCOMO objects that the device has.
    pub fn objects(&self) -> impl Iterator<Item = &Scomo> {
        std::iter::once(&self.scomo).chain(&self.scomo_extra).filter(|scomo| scomo.present)
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
        std::iter::once(&self.scomo).chain(&self.scomo_extra).try_for_each(Scomo::check)?;
        self.check_roots()?;
        if !(0.0..=1.0).contains(&self.faults.loss) {
            return Err(("faults.loss", "is a probability, 0 to 1".to_owned()));
        }
        if self.limits.chunk_results.is_some_and(|size| size < 16) {
            return Err(("limits.chunk_results", "must be 16 or more".to_owned()));
        }
        if self.network.tries == 0 {
            return Err(("network.tries", "must be 1 or more".to_owned()));
        }
        if self.mix.values().map(|weight| u64::from(*weight)).sum::<u64>() == 0 && !self.mix.is_empty() {
            return Err(("mix", "one weight at least is above 0".to_owned()));
        }
        self.user.check()?;
        self.result.iter().try_for_each(Forced::check).map_err(|problem| ("result", problem))?;
        self.ask.iter().try_for_each(PlannedAsk::check).map_err(|problem| ("ask", problem))?;
        self.refuse.iter().try_for_each(Refuse::check).map_err(|problem| ("refuse", problem))?;
        self.outage.iter().try_for_each(Outage::check).map_err(|problem| ("outage", problem))?;
        self.dialect.check().map_err(|problem| ("dialect", problem))?;
        self.notify.check().map_err(|problem| ("notify", problem))
    }

    /// Objects that stand in one another could not be told apart (SCOMO sheet 1.1).
    fn check_roots(&self) -> Result<(), (&'static str, String)> {
        let roots: Vec<String> = self.objects().filter_map(|scomo| super::tree::path(&scomo.root)).collect();
        let within = |one: &str, other: &str| {
            one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut pairs = roots.iter().enumerate().flat_map(|(at, one)| roots.iter().skip(at + 1).map(move |o| (one, o)));
        match pairs.find(|(one, other)| within(one, other) || within(other, one)) {
            Some((one, other)) => Err(("scomo_extra", format!("the roots `{one}` and `{other}` stand in one another"))),
            None => Ok(()),
        }
    }
}

const fn one() -> u32 {
    1
}

const fn yes() -> bool {
    true
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
    fn every_example_can_be_read_and_says_what_it_shows() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sim");
        let mut ids = std::collections::BTreeSet::new();
        for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let (name, text) = (file.file_stem().unwrap().to_str().unwrap(), std::fs::read_to_string(&file).unwrap());
            let profiles =
                Profile::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}: {:?}", std::error::Error::source(&e)));
            assert!(text.starts_with("# "), "{name} does not say what it shows");
            for id in profiles.iter().map(|profile| profile.id.fill(1)) {
                assert!(id.starts_with(name) && ids.insert(id), "{name} has devices of another name");
            }
        }
        assert!(ids.len() > 50);
    }

    #[test]
    fn values_that_cannot_work_are_refused_with_the_remedy() {
        for (text, wanted) in [
            ("user.answers = []", "user.answers"),
            ("user.answers = { status = 1200 }", "200 to 599"),
            ("user.operations = []", "user.operations"),
            ("user.downloads = []", "user.downloads"),
            ("ask = [{ type = ' ' }]", "UserRequest"),
            ("ask = [{ type = 'UserRequest', source = '/SCOMO' }]", "URI"),
            ("ask = [{ type = 'UserRequest', code = 1100 }]", "1226 or 1224"),
            ("ask = [{ type = 'UserRequest', when = 'soon' }]", "`start` or a duration"),
            ("refuse = [{ command = 'Get', node = '/', status = 405 }]", "URI"),
            ("refuse = [{ command = 'Get', node = '.', status = 200 }]", "400 to 599"),
            ("outage = [{}]", "either `message` or `operation`"),
            ("outage = [{ message = 1 }]", "2 or more"),
            ("notify.code = 200", "900 to 999"),
            ("scomo.without = ['A/B']", "single names"),
            ("scomo.extra = { '/A' = '1' }", "below the root"),
            ("scomo_extra = [{ root = './SCOMO/Other' }]", "stand in one another"),
            ("scomo_extra = [{ sync = ['Download'] }]", "cannot answer at once"),
            ("result = [{ refuse = 403, silent = 'done' }]", "never reported"),
            ("result = [{}]", "either"),
            ("report.shape = 'round'", "round"),
            ("limits.chunk_results = 4", "16 or more"),
            ("dialect.headers = { 'a b' = 'c' }", "HTTP headers"),
            ("dialect.content_type = \"a\\nb\"", "HTTP header"),
        ] {
            let refused = refusal(&format!("[[device]]\nid = 'a'\n{text}"));
            assert!(refused.contains(wanted), "{text}: {refused}");
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
