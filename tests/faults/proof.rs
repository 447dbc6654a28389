//! The judge is put to the proof before each run: of small stories, each is judged as it should be.

use scomo::{
    infra::system::SystemClock,
    model::clock::Clock as _,
    sim::{Event, Observer as _, Operation},
};
use serde_json::{Value, json};

use super::{
    door::{Passed, What},
    judge::{Log, judge},
    outside::Heard,
    plan::{Request, Round},
    watch::Watch,
};

const DEVICE: &str = "d";

/// A round of one job, as it went.
struct Story {
    heard: Heard,
    watch: Watch,
    door: Log,
    honest: bool,
    next: u64,
}

impl Story {
    /// A request for one operation was accepted.
    fn new() -> Self {
        let story = Self { heard: Heard::default(), watch: Watch::default(), door: Log::new(), honest: false, next: 0 };
        story.request("accepted")
    }

    fn hear(mut self, event: Value) -> Self {
        self.heard.take(event);
        self
    }

    fn request(mut self, what: &str) -> Self {
        self.next += 1;
        let event = json!({ "id": format!("e{}", self.next), "type": format!("scomo.request.{what}"),
            "data": { "request_id": "r" } });
        self.hear(event)
    }

    /// The job is in a state.
    fn job(mut self, state: &str) -> Self {
        self.next += 1;
        let event = job(self.next, self.next, state);
        self.hear(event)
    }

    /// The job has ended and with it the request.
    fn ends(self, state: &str) -> Self {
        self.job(state).request("completed")
    }

    fn does(self, event: &Event) -> Self {
        self.watch.told(DEVICE, event);
        pause();
        self
    }

    fn runs(self, correlator: &str) -> Self {
        self.does(&Event::Executing {
            operation: Operation::Install,
            identifier: "p@1".to_owned(),
            correlator: Some(correlator.to_owned()),
        })
    }

    fn ran(self, correlator: &str, code: u16) -> Self {
        self.does(&Event::Executed {
            operation: Operation::Install,
            identifier: "p@1".to_owned(),
            correlator: Some(correlator.to_owned()),
            code,
        })
    }

    fn reports(self, code: u16) -> Self {
        self.does(&Event::Reported { code, status: 200 })
    }

    fn shows(mut self) -> Self {
        let shown = Passed { at: SystemClock.now(), what: What::Shown { uri: "./SCOMO/Inventory".to_owned() } };
        self.door.entry(DEVICE.to_owned()).or_default().push(shown);
        pause();
        self
    }

    /// How many violations are found in it.
    fn violations(&self) -> usize {
        let request = Request {
            id: "r".to_owned(),
            body: Value::Null,
            devices: vec![DEVICE.to_owned()],
            runs: &[Operation::Install],
            honest: self.honest,
            by_http: false,
            twice: false,
            cancelled: None,
            at: std::time::Duration::ZERO,
        };
        let round = Round { number: 0, profiles: String::new(), requests: vec![request], lanes: Vec::new() };
        judge(&round, &self.heard, &self.watch, &self.door).violations.len() + self.heard.contradictions.len()
    }
}

fn job(id: u64, sequence: u64, state: &str) -> Value {
    json!({ "id": format!("e{id}"), "type": format!("scomo.job.{state}"), "sequence": sequence,
        "data": { "request_id": "r", "job_id": "j", "device": DEVICE, "state": state } })
}

/// No two things happen at the same moment.
fn pause() {
    std::thread::sleep(std::time::Duration::from_micros(50));
}

/// Holds the judge against stories that are right and stories that are not.
pub(crate) fn judge_is_strict() {
    let done = || Story::new().job("in_session").runs("a").ran("a", 1200).reports(1200);
    let right = [
        ("done once", done().ends("succeeded")),
        ("told again", done().ends("succeeded").hear(job(2, 2, "in_session"))),
        ("again after a failure that was told", {
            Story::new().runs("a").ran("a", 1405).reports(1405).runs("b").ran("b", 1200).ends("succeeded")
        }),
        ("again after nothing was seen of it", {
            Story::new().runs("a").shows().runs("b").ran("b", 1200).ends("succeeded")
        }),
        ("in doubt", Story::new().runs("a").ends("in_doubt")),
    ];
    for (what, story) in right {
        assert_eq!(story.violations(), 0, "{what}");
    }
    let wrong = [
        ("no end", done().request("completed")),
        ("two ends", done().job("succeeded").ends("succeeded")),
        ("two different ends", done().job("succeeded").ends("failed")),
        ("accepted twice", done().ends("succeeded").request("accepted")),
        ("never complete", done().job("succeeded")),
        ("two jobs", {
            let mut other = job(50, 50, "notified");
            other["data"]["job_id"] = json!("other");
            done().ends("succeeded").hear(other)
        }),
        ("one id, two events", done().ends("succeeded").hear(job(2, 2, "awaiting_report"))),
        ("an event before one that is older", done().ends("succeeded").hear(job(60, 1, "notified"))),
        ("again after a success", done().shows().runs("b").ran("b", 1200).ends("succeeded")),
        ("again without a look", Story::new().runs("a").runs("b").ran("b", 1200).ends("succeeded")),
        ("again after a failure that nobody told", {
            Story::new().runs("a").ran("a", 1405).runs("b").ran("b", 1200).ends("succeeded")
        }),
        ("told as done and not done", Story::new().ends("succeeded")),
        ("told as failed and done", done().ends("failed")),
        ("failed through no fault of the device", Story { honest: true, ..Story::new().ends("failed") }),
    ];
    for (what, story) in wrong {
        assert!(story.violations() > 0, "nobody noticed: {what}");
    }
}
