//! The driver's side of a procedure: what is fed in, what comes out, and how it ends.
//!
//! The flow feeds [`Input`]s and carries out [`Effect`]s in their order. A `Need` is answered within the same message; an `Ask`
//! goes to the dialogue, whose outcome comes back with its number. At most one ask is outstanding.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::errand::{Chosen, Collect, IfNoUi, Mechanism, Package, Way};
use crate::{
    model::{
        device::DevDetail,
        id::Correlator,
        rule::FactSource,
        tree::{Ask, AskId, Instance, Outcome},
    },
    scomo::{
        device_request::Asker,
        inventory::Inventory,
        operation::Operation,
        outcome::{ReportItem, ResultCode, worst},
    },
};

/// Settings of a device class that this pillar follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// Where to look for the SCOMO root on devices that cannot list their roots (SCOMO sheet 1.1).
    pub roots: Vec<String>,
    /// What to put at PkgURL.
    pub alternate: Alternate,
    /// Whether the devices can ask their users by alerts 1100 to 1104.
    pub ui: Ui,
    /// Whose requests by generic alert are taken (SCOMO sheet 4.4); none by default.
    pub requests: BTreeSet<Asker>,
    /// How many of them become work in an hour, for each device.
    pub requests_per_hour: u16,
}

impl Default for Quirks {
    fn default() -> Self {
        let roots = crate::scomo::object::WELL_KNOWN_ROOTS.iter().map(|r| (*r).to_owned()).collect();
        Self { roots, alternate: Alternate::Auto, ui: Ui::Auto, requests: BTreeSet::new(), requests_per_hour: 6 }
    }
}

/// The device class's word on [`Mechanism`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Alternate {
    /// A descriptor, until the device has shown that it cannot read one.
    #[default]
    Auto,
    /// Always the package itself.
    Package,
    /// Always a descriptor.
    Descriptor,
}

/// The device class's word on user interaction (SCOMO sheet 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ui {
    /// What the device has shown so far.
    #[default]
    Auto,
    /// They can.
    Yes,
    /// They cannot.
    No,
}

impl Ui {
    /// Whether a device of the class can ask its user, given what it has `shown`; absent: nobody knows.
    #[must_use]
    pub const fn of(self, shown: Option<bool>) -> Option<bool> {
        match self {
            Self::Auto => shown,
            Self::Yes => Some(true),
            Self::No => Some(false),
        }
    }
}

/// A question to the user that an operation waits for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// In the user's language.
    pub text: &'a str,
    /// How long the device waits for the answer, in seconds.
    pub seconds: u32,
    /// What becomes of a device that cannot ask.
    pub if_no_ui: IfNoUi,
}

/// What a procedure may read while it handles an input; never stored with it.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The management object instances known of this device from earlier sessions; may be stale.
    pub roots: &'a [Instance],
    /// The device was found to have no SCOMO management object not long ago.
    pub rootless: bool,
    /// What was last read of its packages and components; may be stale.
    pub inventory: Option<&'a Inventory>,
    /// What may and shall be read.
    pub collect: &'a Collect,
    /// What is known of these sources is young enough: it need not be read before something is chosen.
    pub fresh: &'a BTreeSet<FactSource>,
    /// The device class's settings.
    pub quirks: &'a Quirks,
    /// Operations that the device said it does not implement: they are not taken where there is another way.
    pub lacks: &'a [Operation],
    /// The awaited report is overdue: what the device's tree says now decides (SCOMO sheet 12 no. 5).
    pub report_late: bool,
    /// What the user has to be asked before anything is done; absent: nobody is asked.
    pub question: Option<Question<'a>>,
    /// Whether the device can ask its user; absent as long as it has not shown it.
    pub ui: Option<bool>,
    /// The device's language (`DevInfo/Lang`), for what is shown to its user.
    pub lang: Option<&'a str>,
    /// Nothing new is begun for now: what an Exec does that was sent is followed to its end, and no more.
    pub held: bool,
}

/// What happens to a procedure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// An authenticated session with the device is open. Fed once a session; reports of the device's first package are fed
    /// before it, so that what they tell need not be asked.
    Started,
    /// How an ask ended.
    Outcome {
        /// The ask.
        ask: AskId,
        /// Its end.
        outcome: Outcome,
    },
    /// A generic alert of type [`OperationComplete`](crate::scomo::outcome::is_operation_complete) came in an authenticated
    /// session.
    Report {
        /// As the alert carries it.
        correlator: Option<Correlator>,
        /// `Item/Source/LocURI`; empty where the device left it out.
        source: String,
        /// One an item; empty if none could be read.
        results: Vec<ReportItem>,
    },
    /// A generic alert of whatever type came that carries the correlator of an Exec (a procedure that
    /// [expects](crate::job::procedure::Procedure::expects) it is fed this in place of `Report`).
    Told {
        /// As the alert carries it.
        correlator: Correlator,
        /// The data of its items, bounded.
        texts: Vec<String>,
    },
    /// The answer to [`Need::Selection`].
    Selected(Selected),
    /// The answer to [`Need::Fit`].
    Fit(Fit),
    /// The answer to [`Need::Grant`]: what to write as PkgURL.
    Granted {
        /// Absolute URL, at most 255 bytes.
        url: String,
    },
    /// The session ended before the procedure did, in whatever way. Also fed, before `Started`, when a new session replaces one
    /// whose end nobody saw.
    SessionEnded,
}

/// What selection says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selected {
    /// This package, this way.
    Chosen(Box<Chosen>),
    /// The device has it already.
    AlreadyDone,
    /// Nothing in the catalogue applies to this device, or it cannot be brought there.
    Nothing {
        /// A sentence each.
        reasons: Vec<String>,
    },
    /// A rule or the choice of the way reads DevDetail, which nobody has asked for yet.
    Undecided {
        /// What was missing, a sentence each.
        reasons: Vec<String>,
    },
}

/// Which of the packages held is to be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// This one.
    This {
        /// Its `PkgID`, as it was asked for.
        pkg_id: String,
    },
    /// None is meant for this device.
    Nothing {
        /// A sentence each.
        reasons: Vec<String>,
    },
    /// A rule reads what nobody has asked the device for yet.
    Undecided {
        /// What was missing, a sentence each.
        reasons: Vec<String>,
    },
}

/// What a procedure wants, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Have the dialogue do this and feed the outcome.
    Ask(Ask),
    /// Decide this and feed the answer, before the message is answered.
    Need(Need),
    /// Store what was learnt of the device.
    Learned(Fact),
    /// A line for the job's history.
    Note(String),
    /// The same, of what the device itself said or showed.
    Heard(String),
    /// The device works on the Exec with this correlator and will report; the session may end. Comes again when a later session
    /// finds the report still outstanding: the time by which it is overdue counts from the first.
    AwaitReport {
        /// Of the Exec.
        exec: Correlator,
    },
    /// It would go on, and is held back ([`Context::held`]): the session is to be ended, a later one goes on.
    Held,
    /// The procedure is over; always the last effect, and no input changes anything after it.
    Finished(Ending),
}

/// What a procedure cannot decide itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Which package, and how. Answered by [`Input::Selected`].
    Selection {
        /// What was read of the device in this session, however old it is by now; of the inventory also if what is known counts. No
        /// other inventory counts.
        read: BTreeSet<FactSource>,
        /// The ways that turned out to be closed.
        closed: Vec<Closed>,
    },
    /// Which of the packages that the device holds is to be installed. Answered by [`Input::Fit`].
    Fit {
        /// Their `PkgID`s, best first.
        held: Vec<String>,
        /// As for [`Need::Selection`].
        read: BTreeSet<FactSource>,
    },
    /// A URL under which the device may fetch the package. Answered by [`Input::Granted`].
    Grant {
        /// What has to lie there.
        mechanism: Mechanism,
        /// What is to be fetched.
        package: Box<Package>,
    },
}

/// A way that a device cannot go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The way.
    pub way: Way,
    /// How that turned out.
    pub failure: Failure,
}

/// What was learnt of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// `./DevDetail`; empty if the device does not let it be read.
    Detail(DevDetail),
    /// What its SCOMO objects hold.
    Inventory {
        /// All of it.
        inventory: Inventory,
        /// All of it was read just now; else only the root that is worked on, and the rest is as it was known.
        whole: bool,
    },
    /// Where its management objects of one kind are; replaces what was known of that kind.
    Roots(Vec<Instance>),
    /// Whether it can ask its user.
    Ui(bool),
    /// It does not implement this operation (1411).
    Lacks(Operation),
}

/// How a procedure ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// What was wanted is so.
    Succeeded {
        /// What the device reported; absent where a plain status or the inventory said it.
        code: Option<ResultCode>,
        /// The inventory was read back afterwards and shows it.
        confirmed: bool,
    },
    /// It was so before anything was done.
    AlreadyDone,
    /// It was tried and failed.
    Failed(Failure),
    /// The device's user said no; not tried again by itself.
    Declined {
        /// What the device reported (1401); absent where the user was asked by this service.
        code: Option<ResultCode>,
    },
    /// It makes no sense on this device.
    NotApplicable {
        /// A sentence each.
        reasons: Vec<String>,
    },
    /// An Exec was sent and neither report nor tree tells its end.
    InDoubt {
        /// What the tree said last.
        text: String,
    },
}

impl Ending {
    /// What a report says of the operation that it belongs to; nothing if it cannot be read.
    #[must_use]
    pub fn reported(results: &[ReportItem]) -> Option<Self> {
        worst(results).map(Self::of)
    }

    /// What a result code means.
    pub(super) fn of(code: ResultCode) -> Self {
        match code {
            ResultCode::DECLINED => Self::Declined { code: Some(code) },
            code if code.is_ok() => Self::Succeeded { code: Some(code), confirmed: false },
            code => Self::Failed(Failure::reported(code)),
        }
    }
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The SCOMO result code, where there was one.
    pub code: Option<ResultCode>,
    /// The DM status code of the refused command, where there was one.
    pub device_code: Option<u16>,
    /// Where the fault lies.
    pub class: FailureClass,
    /// Another attempt may end otherwise.
    pub retryable: bool,
    /// What happened, a sentence.
    pub text: String,
}

/// Where the fault of a failed attempt lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The device or its user: result codes 1400 to 1499.
    Client,
    /// The alternate download server: result codes 1500 to 1599.
    Server,
    /// The device refused a DM command.
    Refused,
    /// The device lacks the ability.
    Incapable,
    /// No report came and the tree shows the failure or no result.
    Silent,
}
