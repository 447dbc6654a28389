//! Carries faults out.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use scomo::{infra::system::SystemClock, model::clock::Clock as _};
use tokio::time::sleep;

use super::{
    door::Door,
    parts::Parts,
    plan::{Fault, How, Part, Planned},
    replica::Replica,
};

/// A replica that is told to stop has ended by then, whatever else is away.
const STOPS: Duration = Duration::from_secs(30);

/// Whom faults are done to.
pub(crate) struct Stage {
    pub(crate) parts: Parts,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) door: Arc<Door>,
    /// What has been injected.
    pub(crate) injected: Mutex<Vec<Fault>>,
}

impl Stage {
    /// Injects the faults of a lane, one after the other.
    pub(crate) async fn run(&self, lane: &[Planned]) {
        for planned in lane {
            sleep(planned.pause).await;
            if self.begin(planned.fault).await {
                self.injected.lock().unwrap().push(planned.fault);
                sleep(planned.lasts).await;
                self.end(planned.fault).await;
            }
        }
    }

    /// Begins a fault; `false` if this machine has not what it takes.
    async fn begin(&self, fault: Fault) -> bool {
        match fault {
            Fault::Kill(number) => {
                self.replicas[number].signal("KILL");
                self.replicas[number].ended().await;
            }
            Fault::Pause(number) => self.replicas[number].signal("STOP"),
            Fault::Drain(number) => {
                let asked = SystemClock.now();
                self.replicas[number].signal("TERM");
                let code = self.replicas[number].ended().await;
                let took = SystemClock.now().since(asked);
                assert!(
                    code == Some(0) && took < STOPS,
                    "a replica that was asked to stop ended after {took:?} with {code:?}"
                );
            }
            Fault::Cable(number, part, how) => {
                let cable = self.cable(number, part);
                match how {
                    How::Cut => cable.cut(),
                    How::Refuse => cable.refuse(),
                    How::Swallow => cable.swallow(),
                }
            }
            Fault::Clock(number, _) if !self.replicas[number].has_clock() => return false,
            Fault::Clock(number, seconds) => self.replicas[number].set_clock(seconds),
            Fault::Database(kill) => self.parts.stop_database(kill).await,
            Fault::Broker(kill) => self.parts.stop_broker(kill).await,
            Fault::Disk if !self.parts.has_disk() => return false,
            Fault::Disk => self.parts.fill_disk().await,
            Fault::Door(mood) => self.door.is(Some(mood)),
        }
        true
    }

    async fn end(&self, fault: Fault) {
        match fault {
            Fault::Kill(number) | Fault::Drain(number) => self.replicas[number].start().await,
            Fault::Pause(number) => self.replicas[number].signal("CONT"),
            Fault::Cable(number, part, _) => self.cable(number, part).mend(),
            Fault::Clock(number, _) => self.replicas[number].set_clock(0),
            Fault::Database(_) => self.parts.start_database().await,
            Fault::Broker(_) => self.parts.start_broker().await,
            Fault::Disk => self.parts.empty_disk().await,
            Fault::Door(_) => self.door.is(None),
        }
    }

    fn cable(&self, number: usize, part: Part) -> &super::cable::Cable {
        match part {
            Part::Database => &self.replicas[number].database,
            Part::Broker => &self.replicas[number].broker,
        }
    }
}
