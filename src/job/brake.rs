//! The brake: pauses that hold jobs back, and what they hold.
//!
//! A pause stops what is new, never what a device does already: no notification is sent, no package is chosen, no URL is given and no
//! operation is started for a job that it applies to. An operation that was started is followed to its end.

use std::fmt;

use super::record::{Order, Record};
use crate::{
    job::procedure::PackageOperation,
    model::{
        catalog::PackageRef,
        clock::Timestamp,
        id::{PackageId, PauseId, RequestKey},
        version::Version,
    },
};

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Which.
    pub id: PauseId,
    /// What it applies to.
    pub scope: Scope,
    /// Why, in the words of whoever ordered it.
    pub reason: Option<String>,
    /// Who ordered it: the name of a token, a control message, or the service itself ([`Pause::SERVICE`]).
    pub by: String,
    /// Since when.
    pub at: Timestamp,
}

/// What a pause applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every job.
    All,
    /// Jobs that bring this package, or install what the device holds of it.
    Package(Packages),
    /// Jobs of devices of this class.
    Class(String),
    /// The jobs of this request.
    Request(RequestKey),
}

/// A package, in one version or in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packages {
    /// Which.
    pub id: PackageId,
    /// The version; absent: each.
    pub version: Option<Version>,
}

/// A text that names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadScope {
    /// Another word.
    #[error("{0:?} is none of `all`, `package`, `class`, `request`")]
    Word(String),
    /// A value that does not fit.
    #[error("{value:?} names no {scope}: {why}")]
    Value {
        /// Of which scope.
        scope: &'static str,
        /// The value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Where a job stands towards the brake.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its request.
    pub request: RequestKey,
    /// The class of its device; absent for a device that nobody knows.
    pub class: Option<&'a str>,
    /// The job.
    pub record: &'a Record,
}

impl Pause {
    /// Who orders the pauses that the service orders itself.
    pub const SERVICE: &str = "scomo";

    /// The first of these pauses that applies to a job, the oldest first.
    #[must_use]
    pub fn first<'p>(pauses: &'p [Self], subject: &Subject<'_>) -> Option<&'p Self> {
        pauses.iter().filter(|pause| pause.scope.holds(subject)).min_by_key(|pause| (pause.at, pause.id))
    }
}

impl fmt::Display for Pause {
    /// As a sentence has it behind "held back by".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope, reason, by, at, .. } = self;
        write!(f, "a pause of {scope}, ordered by {by} at {at}")?;
        reason.as_ref().map_or(Ok(()), |reason| write!(f, " ({reason})"))
    }
}

impl Scope {
    /// From a word and a value, as the database and the API have them; the value of [`Scope::All`] is empty.
    ///
    /// # Errors
    /// [`BadScope`]
    pub fn read(word: &str, value: &str) -> Result<Self, BadScope> {
        let bad = |scope, why: String| BadScope::Value { scope, value: value.to_owned(), why };
        Ok(match word {
            "all" if value.is_empty() => Self::All,
            "all" => return Err(bad("scope `all`", "it has no value".to_owned())),
            "package" => Self::Package(Packages::read(value).map_err(|why| bad("package", why))?),
            "class" if value.is_empty() => return Err(bad("class", "it is empty".to_owned())),
            "class" => Self::Class(value.to_owned()),
            "request" => Self::Request(value.parse().map_err(|why: uuid::Error| bad("request", why.to_string()))?),
            _ => return Err(BadScope::Word(word.to_owned())),
        })
    }

    /// The word and the value.
    #[must_use]
    pub fn parts(&self) -> (&'static str, String) {
        match self {
            Self::All => ("all", String::new()),
            Self::Package(packages) => ("package", packages.to_string()),
            Self::Class(class) => ("class", class.clone()),
            Self::Request(key) => ("request", key.to_string()),
        }
    }

    /// Whether it applies to a job. A package counts once it is chosen, or if the job asks for it; taking a package or a component
    /// off a device is never held by a pause of the package.
    #[must_use]
    pub fn holds(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Class(class) => subject.class == Some(class.as_str()),
            Self::Request(key) => subject.request == *key,
            Self::Package(packages) => match (&subject.record.order, subject.record.package()) {
                (Order::Download { .. }, Some(chosen)) => packages.includes(&chosen),
                (Order::Download { package: Some(wanted), .. }, None) => {
                    wanted.id == packages.id && packages.version.is_none()
                }
                (Order::PackageOperation { operation, package, .. }, _) => {
                    let allowed = |version| package.version.as_ref().is_none_or(|rule| rule.matches(version));
                    *operation != PackageOperation::Remove
                        && package.id == packages.id
                        && packages.version.as_ref().is_none_or(allowed)
                }
                (Order::Download { .. } | Order::ComponentOperation { .. } | Order::Inventory | Order::Command, _) => {
                    false
                }
            },
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("everything"),
            Self::Package(packages) => write!(f, "package {packages}"),
            Self::Class(class) => write!(f, "class {class}"),
            Self::Request(_) => f.write_str("its request"),
        }
    }
}

impl Packages {
    /// From `ID` or `ID@VERSION`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(text: &str) -> Result<Self, String> {
        let (id, version) = match text.split_once('@') {
            Some((id, version)) => (id, Some(version)),
            None => (text, None),
        };
        let version = version.map(Version::parse).transpose().map_err(|why| why.to_string())?;
        Ok(Self { id: PackageId::parse(id).map_err(|why| why.to_string())?, version })
    }

    /// Whether a package is meant.
    #[must_use]
    pub fn includes(&self, package: &PackageRef) -> bool {
        self.id == package.id && self.version.as_ref().is_none_or(|version| *version == package.version)
    }
}

impl From<PackageRef> for Packages {
    fn from(package: PackageRef) -> Self {
        Self { id: package.id, version: Some(package.version) }
    }
}

impl fmt::Display for Packages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id.as_str())?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, "@{}", version.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job::{
            life::{Life, Notify},
            plan::Step,
            procedure::{Action, Chosen, Collect, Errand, Package, Procedure, Way},
            retry::RetryRule,
            selection::PackageWanted,
        },
        model::{
            catalog::Delivery,
            digest::Digest,
            id::{RequestId, RequestSource},
            tree::Payload,
        },
    };

    fn key(number: u128) -> RequestKey {
        RequestKey::new(uuid::Uuid::from_u128(number))
    }

    fn wanted(text: &str) -> PackageWanted {
        let (id, rule) = text.split_once(' ').map_or((text, None), |(id, rule)| (id, Some(rule)));
        PackageWanted { id: id.parse().unwrap(), version: rule.map(|rule| rule.parse().unwrap()) }
    }

    fn record(order: Order) -> Record {
        let life = Life::new(Timestamp::from_micros(1), Notify::Auto, RetryRule::default());
        let task = (order, Procedure::new(Errand::Collect));
        let (request, source) = (RequestId::parse("r").unwrap(), RequestSource::parse("test").unwrap());
        Record::new(request, source, task, Collect::default(), life)
    }

    fn download(package: Option<&str>) -> Record {
        let (package, action, delivery) = (package.map(wanted), Action::Install, Delivery::Auto);
        record(Order::Download { package, action, delivery, allow_downgrade: false, on_request: false })
    }

    fn operation(operation: PackageOperation, package: &str) -> Record {
        record(Order::PackageOperation { operation, package: wanted(package), pkg_ids: Vec::new() })
    }

    fn chosen(mut record: Record, id: &str, version: &str) -> Record {
        let bytes = Payload { digest: Digest::of(b""), size: 0, mime: "text/plain".to_owned() };
        let package = Package {
            of: PackageRef { id: id.parse().unwrap(), version: Version::parse(version).unwrap() },
            name: String::new(),
            description: None,
            install_params: None,
            env_type: None,
            reboot: None,
            payload: bytes,
            file: String::new(),
            components: Vec::new(),
        };
        let chosen = Chosen { package, way: Way::Direct };
        record.plan.steps = vec![Step { chosen, action: Action::Install, reason: String::new() }];
        record
    }

    fn holds(word: &str, value: &str, record: &Record) -> bool {
        let subject = Subject { request: key(1), class: Some("acme"), record };
        Scope::read(word, value).unwrap().holds(&subject)
    }

    #[test]
    fn a_pause_holds_what_it_names() {
        let any = download(None);
        assert!(holds("all", "", &any) && holds("class", "acme", &any) && !holds("class", "other", &any));
        assert!(holds("request", &key(1).to_string(), &any) && !holds("request", &key(2).to_string(), &any));
        assert!(!Scope::Class("acme".to_owned()).holds(&Subject { request: key(1), class: None, record: &any }));
    }

    #[test]
    fn a_package_counts_once_it_is_asked_for_or_chosen() {
        assert!(!holds("package", "a", &download(None)) && !holds("package", "a", &download(Some("b"))));
        assert!(holds("package", "a", &download(Some("a >=1"))), "in whatever version");
        assert!(!holds("package", "a@1.0", &download(Some("a"))), "it may be another version yet");
        let one = chosen(download(None), "a", "1.0");
        assert!(holds("package", "a", &one) && holds("package", "a@1.0", &one));
        assert!(!holds("package", "a@1.1", &one) && !holds("package", "b", &one));
    }

    #[test]
    fn an_operation_on_what_the_device_holds_counts_unless_it_takes_it_away() {
        let install = |package| operation(PackageOperation::Install, package);
        assert!(holds("package", "a", &install("a")) && holds("package", "a@1.0", &install("a")));
        assert!(holds("package", "a@1.0", &install("a >=1")) && !holds("package", "a@1.0", &install("a >=2")));
        assert!(!holds("package", "a", &operation(PackageOperation::Remove, "a")));
        assert!(!holds("package", "a", &record(Order::Inventory)));
    }

    #[test]
    fn of_several_pauses_the_oldest_is_told() {
        let pause = |id, scope, at| Pause {
            id: PauseId::new(uuid::Uuid::from_u128(id)),
            scope,
            reason: None,
            by: "ops".to_owned(),
            at: Timestamp::from_micros(at),
        };
        let pauses =
            [pause(1, Scope::All, 2), pause(2, Scope::Request(key(1)), 1), pause(3, Scope::Request(key(2)), 0)];
        let record = download(None);
        let subject = Subject { request: key(1), class: None, record: &record };
        assert_eq!(Pause::first(&pauses, &subject), pauses.get(1));
        assert_eq!(Pause::first(&pauses[2..], &subject), None);
    }

    #[test]
    fn a_scope_survives_its_parts_and_a_wrong_one_is_refused() {
        for (word, value) in [
            ("all", ""),
            ("package", "org.example.a"),
            ("package", "a@1.0-rc"),
            ("class", "acme"),
            ("request", &key(7).to_string()),
        ] {
            assert_eq!(Scope::read(word, value).unwrap().parts(), (word, value.to_owned()));
        }
        for (word, value) in
            [("al", ""), ("all", "x"), ("package", ""), ("package", "a@"), ("class", ""), ("request", "r-1")]
        {
            assert!(Scope::read(word, value).is_err(), "{word} {value}");
        }
    }

    #[test]
    fn a_pause_is_told_in_a_sentence() {
        let pause = Pause {
            id: PauseId::new(uuid::Uuid::nil()),
            scope: Scope::read("package", "a@1.0").unwrap(),
            reason: Some("bad batch".to_owned()),
            by: "ops".to_owned(),
            at: Timestamp::from_micros(1_700_000_000_000_000),
        };
        assert_eq!(pause.to_string(), "a pause of package a@1.0, ordered by ops at 2023-11-14T22:13:20Z (bad batch)");
    }
}
