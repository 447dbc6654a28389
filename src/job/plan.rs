//! What a job means to do on its device: an ordered plan, and the choice of the way that a package takes.

use serde::{Deserialize, Serialize};

use crate::{
    job::selection::Want,
    model::{
        catalog::Delivery,
        device::{Abilities, DevDetail},
    },
    scomo::{
        operation::Operation,
        outcome::ResultCode,
        procedure::{
            errand::{Action, Chosen, Mechanism, Package, Way},
            turn::{Alternate, Failure, FailureClass},
        },
    },
};

/// The steps of a job, in order; one for now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// In the order in which they are done.
    pub steps: Vec<Step>,
}

/// One package, brought one way to one end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The package and its way.
    pub chosen: Chosen,
    /// The end wanted.
    pub action: Action,
    /// Why this way, a sentence for the job's history.
    pub reason: String,
}

/// An earlier attempt of the same job at bringing a package, as far as the next choice learns from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// The way it took.
    pub way: Way,
    /// The result code it ended with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ResultCode>,
    /// The DM status code with which the device refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_code: Option<u16>,
    /// Where the fault lay.
    pub class: FailureClass,
    /// The last install-notify code that the device posted for it (SCOMO sheet 7.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<u16>,
}

impl Tried {
    /// From the failure that ended the attempt.
    #[must_use]
    pub const fn new(way: Way, failure: &Failure, notify: Option<u16>) -> Self {
        Self { way, code: failure.code, device_code: failure.device_code, class: failure.class, notify }
    }

    /// The device cannot read descriptors, or so it seems.
    fn shows_no_descriptors(&self) -> bool {
        self.way == Way::Alternate(Mechanism::Descriptor)
            && (matches!(self.code.map(ResultCode::number), Some(1402 | 1411..=1413))
                || matches!(self.notify, Some(906 | 951 | 953)))
    }

    /// The device cannot be written to directly.
    fn shows_no_direct(&self) -> bool {
        self.way == Way::Direct
            && (self.class == FailureClass::Incapable
                || self.code.map(ResultCode::number) == Some(1411)
                || matches!(self.device_code, Some(403 | 405 | 406 | 413 | 415 | 424)))
    }

    /// The device cannot download by URL.
    fn shows_no_alternate(&self) -> bool {
        let unimplemented = self.code.map(ResultCode::number) == Some(1411);
        matches!(self.way, Way::Alternate(_)) && self.class == FailureClass::Incapable
            || self.way == Way::Alternate(Mechanism::Package) && unimplemented
    }
}

/// The primitive that brings a package to an end on a way; none where writing the bytes is all there is to do.
#[must_use]
pub const fn primitive(way: Way, action: Action) -> Option<Operation> {
    match (way, action) {
        (Way::Alternate(_), action) => Some(Operation::fetching(action)),
        (Way::Direct, Action::Deliver) => None,
        (Way::Direct, Action::Install) => Some(Operation::Install),
        (Way::Direct, Action::InstallInactive) => Some(Operation::InstallInactive),
    }
}

/// What the choice of a way looks at.
#[derive(Debug, Clone, Copy)]
pub struct Choice<'a> {
    /// What the request asks for.
    pub asked: Delivery,
    /// What the manifest asks for; counts where the request leaves it open.
    pub manifest: Delivery,
    /// The package.
    pub package: &'a Package,
    /// What the device announced in the dialogue.
    pub abilities: Abilities,
    /// Its DevDetail; absent as long as nobody asked.
    pub detail: Option<&'a DevDetail>,
    /// Whether DevDetail may still be read.
    pub may_ask: bool,
    /// Its class's word on PkgURL.
    pub alternate: Alternate,
    /// Earlier attempts of this job, oldest first.
    pub tried: &'a [Tried],
    /// The end wanted.
    pub action: Action,
    /// Primitives that the device said it does not implement (1411). They close a way unless the request names it.
    pub lacks: &'a [Operation],
}

/// The way chosen, with the reason as a sentence to keep on the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// This way.
    Go {
        /// The way.
        way: Way,
        /// Why.
        reason: String,
    },
    /// Whether the device takes large objects decides, and nobody has asked it: read DevDetail first.
    NeedLrgObj {
        /// Why.
        reason: String,
    },
    /// The asked way cannot work on this device.
    Impossible {
        /// Why.
        reason: String,
    },
}

/// Largest message of a device that announces none, in bytes.
const MSG_SIZE: u64 = 10 * 1024;
/// What a message with one object carries besides it, in bytes; generous.
const OVERHEAD: u64 = 2 * 1024;

impl Choice<'_> {
    /// Chooses the way (contract "Request", `delivery`). `auto` is direct if the device takes the payload, in one message or as a
    /// large object, else alternate; what earlier attempts showed to be closed is avoided.
    #[must_use]
    pub fn make(&self) -> Verdict {
        match (self.lacked(Way::Direct), self.lacked(Way::Alternate(Mechanism::Package))) {
            (None, None) => self.open(),
            (Some(install), None) => self.alternate(&format!("the device does not implement {install} (1411)")),
            (None, Some(fetch)) => match self.direct() {
                Direct::Open(why) => {
                    go(Way::Direct, format!("direct, as the device does not implement {fetch} (1411), and {why}"))
                }
                Direct::Unknown(why) => Verdict::NeedLrgObj { reason: why },
                Direct::Closed(why) => {
                    let reason = format!("the device does not implement {fetch} (1411), and {why}");
                    Verdict::Impossible { reason }
                }
            },
            (Some(install), Some(fetch)) => {
                let reason = format!("the device implements neither {install} nor {fetch} (1411)");
                Verdict::Impossible { reason }
            }
        }
    }

    /// The primitive of this way, if the device lacks it and the request leaves the way open.
    fn lacked(&self, way: Way) -> Option<&'static str> {
        let lacks = |operation: &Operation| self.lacks.contains(operation);
        let primitive = primitive(way, self.action).filter(lacks)?;
        // What one operation does not do, two may: fetch, then install from where the package lies.
        let other = [Some(Operation::Download), crate::job::plan::primitive(Way::Direct, self.action)];
        let in_two = way != Way::Direct && primitive != Operation::Download && !other.iter().flatten().any(lacks);
        (self.asked == Delivery::Auto && !in_two).then_some(primitive.node_name())
    }

    fn open(&self) -> Verdict {
        match if self.asked == Delivery::Auto { self.manifest } else { self.asked } {
            Delivery::Alternate => self.alternate("alternate download is asked for"),
            Delivery::Direct => match self.direct() {
                Direct::Open(why) => go(Way::Direct, format!("direct delivery is asked for, and {why}")),
                Direct::Unknown(why) if self.may_ask => Verdict::NeedLrgObj { reason: why },
                Direct::Unknown(why) | Direct::Closed(why) => {
                    Verdict::Impossible { reason: format!("direct delivery is asked for, but {why}") }
                }
            },
            Delivery::Auto => self.auto(),
        }
    }

    fn auto(&self) -> Verdict {
        if self.tried.iter().any(Tried::shows_no_direct) {
            return self.alternate("the device refused direct delivery before");
        }
        let no_alternate = self.tried.iter().any(Tried::shows_no_alternate);
        match self.direct() {
            Direct::Open(why) => go(Way::Direct, format!("direct, as {why}")),
            Direct::Unknown(why) if self.may_ask => Verdict::NeedLrgObj { reason: why },
            Direct::Unknown(why) | Direct::Closed(why) if no_alternate => {
                Verdict::Impossible { reason: format!("the device cannot download by URL, and {why}") }
            }
            Direct::Unknown(why) | Direct::Closed(why) => self.alternate(&why),
        }
    }

    /// Whether the device takes the payload in the session. Over XML it travels as base64, and that length is what counts.
    fn direct(&self) -> Direct {
        let size = self.package.payload.size;
        let encoded = size.div_ceil(3).saturating_mul(4);
        let message = self.abilities.max_msg_size.unwrap_or(MSG_SIZE);
        match self.abilities.max_obj_size {
            Some(most) if encoded > most => {
                return Direct::Closed(format!("{size} bytes ({encoded} encoded) exceed its MaxObjSize of {most}"));
            }
            Some(_) | None => {}
        }
        if encoded.saturating_add(OVERHEAD) <= message {
            return Direct::Open(format!("{size} bytes fit into one message of {message}"));
        }
        match self.detail.map(|detail| detail.lrgobj) {
            Some(Some(true)) => {
                Direct::Open(format!("the device takes large objects, and {size} bytes fit its limits"))
            }
            Some(Some(false)) => Direct::Closed("the device takes no large objects".to_owned()),
            Some(None) => Direct::Closed("the device does not say that it takes large objects".to_owned()),
            None => Direct::Unknown("whether the device takes large objects is not known".to_owned()),
        }
    }

    fn alternate(&self, why: &str) -> Verdict {
        let unread = self.tried.iter().any(Tried::shows_no_descriptors);
        let (mechanism, how) = match self.alternate {
            Alternate::Package => (Mechanism::Package, "the package itself lies at PkgURL, as the device class says"),
            Alternate::Descriptor => (Mechanism::Descriptor, "a descriptor lies at PkgURL, as the device class says"),
            Alternate::Auto if unread => {
                (Mechanism::Package, "the package itself lies at PkgURL, since a descriptor failed before")
            }
            Alternate::Auto => (Mechanism::Descriptor, "a descriptor lies at PkgURL"),
        };
        go(Way::Alternate(mechanism), format!("alternate, as {why}; {how}"))
    }
}

/// Whether the direct way is open, and why.
enum Direct {
    Open(String),
    Closed(String),
    Unknown(String),
}

const fn go(way: Way, reason: String) -> Verdict {
    Verdict::Go { way, reason }
}

impl From<Want> for Action {
    fn from(want: Want) -> Self {
        match want {
            Want::Deliver => Self::Deliver,
            Want::Install => Self::Install,
            Want::InstallInactive => Self::InstallInactive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{catalog::PackageRef, digest::Digest, id::PackageId, tree::Payload, version::Version};

    fn package(size: u64) -> Package {
        Package {
            of: PackageRef {
                id: PackageId::parse("org.example.player").unwrap(),
                version: Version::parse("2.1.0").unwrap(),
            },
            name: "Player".to_owned(),
            description: None,
            install_params: None,
            env_type: None,
            reboot: None,
            payload: Payload { digest: Digest::of(b"x"), size, mime: "application/octet-stream".to_owned() },
            file: "player.bin".to_owned(),
            components: vec![],
        }
    }

    fn choice(package: &Package) -> Choice<'_> {
        Choice {
            asked: Delivery::Auto,
            manifest: Delivery::Auto,
            package,
            abilities: Abilities::default(),
            detail: None,
            may_ask: true,
            alternate: Alternate::Auto,
            tried: &[],
            action: Action::Install,
            lacks: &[],
        }
    }

    fn way(verdict: &Verdict) -> Option<Way> {
        match verdict {
            Verdict::Go { way, reason } => {
                assert!(!reason.is_empty());
                Some(*way)
            }
            Verdict::NeedLrgObj { .. } | Verdict::Impossible { .. } => None,
        }
    }

    fn tried(way: Way, code: Option<u16>, device_code: Option<u16>, class: FailureClass) -> Tried {
        Tried { way, code: code.map(ResultCode::new), device_code, class, notify: None }
    }

    const DESCRIPTOR: Way = Way::Alternate(Mechanism::Descriptor);
    const PACKAGE: Way = Way::Alternate(Mechanism::Package);

    #[test]
    fn a_package_that_fits_one_message_goes_directly_whatever_the_device_says_of_large_objects() {
        let package = package(6000);
        assert_eq!(way(&choice(&package).make()), Some(Way::Direct));
        let abilities = Abilities { max_msg_size: Some(8192), max_obj_size: None };
        let verdict = Choice { abilities, ..choice(&package) }.make();
        assert!(matches!(verdict, Verdict::NeedLrgObj { .. }), "{verdict:?}");
    }

    #[test]
    fn a_large_package_goes_directly_only_to_devices_that_take_large_objects() {
        let package = package(262_144);
        let on = |lrgobj| DevDetail { lrgobj, ..DevDetail::default() };
        assert!(matches!(choice(&package).make(), Verdict::NeedLrgObj { .. }));
        assert_eq!(way(&Choice { detail: Some(&on(Some(true))), ..choice(&package) }.make()), Some(Way::Direct));
        assert_eq!(way(&Choice { detail: Some(&on(Some(false))), ..choice(&package) }.make()), Some(DESCRIPTOR));
        assert_eq!(way(&Choice { detail: Some(&on(None)), ..choice(&package) }.make()), Some(DESCRIPTOR));
        let abilities = Abilities { max_msg_size: None, max_obj_size: Some(300_000) };
        assert_eq!(way(&Choice { abilities, ..choice(&package) }.make()), Some(DESCRIPTOR), "no need to ask");
    }

    #[test]
    fn a_device_that_may_not_be_asked_is_not_sent_large_objects() {
        let package = package(262_144);
        let mute = Choice { may_ask: false, ..choice(&package) };
        assert_eq!(way(&mute.make()), Some(DESCRIPTOR));
        let wish = Choice { asked: Delivery::Direct, ..mute }.make();
        assert!(matches!(&wish, Verdict::Impossible { reason } if reason.contains("is not known")), "{wish:?}");
    }

    #[test]
    fn the_request_outweighs_the_manifest_and_an_impossible_wish_says_why() {
        let package = package(262_144);
        let detail = DevDetail { lrgobj: Some(false), ..DevDetail::default() };
        let wish = |asked, manifest| Choice { asked, manifest, detail: Some(&detail), ..choice(&package) }.make();
        assert_eq!(way(&wish(Delivery::Alternate, Delivery::Direct)), Some(DESCRIPTOR));
        assert_eq!(way(&wish(Delivery::Auto, Delivery::Alternate)), Some(DESCRIPTOR));
        let Verdict::Impossible { reason } = wish(Delivery::Direct, Delivery::Auto) else { panic!() };
        assert!(reason.contains("large objects"), "{reason}");
    }

    #[test]
    fn a_device_that_cannot_read_descriptors_gets_the_package_itself() {
        let package = package(262_144);
        let with = |alternate, tried: &[Tried]| {
            way(&Choice { asked: Delivery::Alternate, alternate, tried, ..choice(&package) }.make())
        };
        for number in [1402, 1411, 1412, 1413] {
            let failed = [tried(DESCRIPTOR, Some(number), None, FailureClass::Client)];
            assert_eq!(with(Alternate::Auto, &failed), Some(PACKAGE), "{number}");
            assert_eq!(with(Alternate::Descriptor, &failed), Some(DESCRIPTOR), "the class has the last word");
        }
        let notified = Tried { notify: Some(951), ..tried(DESCRIPTOR, None, None, FailureClass::Silent) };
        assert_eq!(with(Alternate::Auto, &[notified]), Some(PACKAGE));
        let full = [tried(DESCRIPTOR, Some(1404), None, FailureClass::Client)];
        assert_eq!(with(Alternate::Auto, &full), Some(DESCRIPTOR));
        assert_eq!(with(Alternate::Package, &[]), Some(PACKAGE));
    }

    #[test]
    fn a_primitive_that_a_device_lacks_closes_its_way_unless_the_request_names_it() {
        let (small, large) = (package(100), package(262_144));
        let fetch = [Operation::DownloadInstall, Operation::Download];
        let preferred = Choice { manifest: Delivery::Alternate, lacks: &fetch, ..choice(&small) };
        assert_eq!(way(&preferred.make()), Some(Way::Direct));
        let one = [Operation::DownloadInstall];
        assert_eq!(way(&Choice { lacks: &one, ..preferred }.make()), Some(DESCRIPTOR), "in two steps");
        assert_eq!(way(&Choice { asked: Delivery::Alternate, ..preferred }.make()), Some(DESCRIPTOR));
        assert_eq!(way(&Choice { action: Action::Deliver, lacks: &one, ..preferred }.make()), Some(DESCRIPTOR));
        let lacks = [Operation::Install];
        assert_eq!(way(&Choice { lacks: &lacks, ..choice(&small) }.make()), Some(DESCRIPTOR));
        assert_eq!(way(&Choice { lacks: &lacks, action: Action::Deliver, ..choice(&small) }.make()), Some(Way::Direct));
        let both = [Operation::DownloadInstall, Operation::Install];
        let detail = DevDetail { lrgobj: Some(false), ..DevDetail::default() };
        for stuck in [
            Choice { lacks: &both, ..choice(&small) },
            Choice { lacks: &fetch, detail: Some(&detail), ..choice(&large) },
        ] {
            let Verdict::Impossible { reason } = stuck.make() else { panic!() };
            assert!(reason.contains("1411"), "{reason}");
        }
    }

    #[test]
    fn a_way_that_a_device_has_shown_to_be_closed_is_not_taken_again() {
        let small = package(100);
        let refused = [tried(Way::Direct, None, Some(405), FailureClass::Refused)];
        assert_eq!(way(&Choice { tried: &refused, ..choice(&small) }.make()), Some(DESCRIPTOR));
        let large = package(262_144);
        let detail = DevDetail { lrgobj: Some(false), ..DevDetail::default() };
        let lacking = [tried(DESCRIPTOR, None, None, FailureClass::Incapable)];
        let verdict = Choice { tried: &lacking, detail: Some(&detail), ..choice(&large) }.make();
        assert!(matches!(verdict, Verdict::Impossible { .. }), "{verdict:?}");
    }
}
