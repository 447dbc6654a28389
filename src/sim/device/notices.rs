//! What a device has to tell the server: reports, requests, and alerts of no meaning. Each stays until the server has it.

use std::collections::VecDeque;

use super::Device;
use crate::{
    sim::{
        log::Asked,
        observer::Event,
        profile::{Ask, Reporting},
        report,
        scomo::Report,
    },
    wire::syncml::{Alert, Data},
};

/// The most alerts that go into one message.
const NOTICES_A_SESSION: usize = 50;

/// The alerts that wait.
#[derive(Debug, Default)]
pub(super) struct Notices {
    waiting: VecDeque<Notice>,
    next: u64,
    /// How many sessions were opened in vain.
    pub(super) tries: u32,
}

/// One of them.
#[derive(Debug, Clone)]
struct Notice {
    number: u64,
    alert: Alert,
    what: What,
    /// How often it is sent again although the server has it.
    again: u32,
}

/// What it is about, by its number in the log.
#[derive(Debug, Clone, Copy)]
enum What {
    Report { ran: u64, code: u16 },
    Ask { asked: u64 },
}

impl Notices {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn push(&mut self, alert: Alert, what: What, again: u32) -> u64 {
        self.next = self.next.saturating_add(1);
        self.waiting.push_back(Notice { number: self.next, alert, what, again });
        self.tries = 0;
        self.next
    }
}

impl Device {
    /// Makes the device ask for something in the next session (SCOMO sheet 4.4), and want that session.
    pub fn ask(&mut self, ask: &Ask) {
        self.keep_ask(ask);
        self.want_session();
    }

    /// Keeps the report of an operation until the server has it; gives the numbers of its alerts.
    pub(super) fn keep_report(&mut self, ran: u64, report: &Report) -> Vec<u64> {
        let how: Reporting = self.profile.report.clone();
        let alerts = report::alerts(report, &how);
        let what = What::Report { ran, code: report.code };
        let mut numbers: Vec<u64> =
            alerts.into_iter().map(|alert| self.notices.push(alert, what, how.repeat)).collect();
        if let Some(r#type) = &how.foreign {
            numbers.push(self.keep_ask(&report::foreign(r#type)));
        }
        numbers
    }

    /// The alerts that go into a first message.
    pub(in crate::sim) fn waiting_alerts(&mut self) -> Vec<(u64, Alert)> {
        let numbers: Vec<u64> = self.notices.waiting.iter().take(NOTICES_A_SESSION).map(|n| n.number).collect();
        self.alerts(&numbers)
    }

    /// Those alerts, which are sent now.
    pub(in crate::sim) fn alerts(&mut self, numbers: &[u64]) -> Vec<(u64, Alert)> {
        let mut sent = Vec::new();
        for notice in self.notices.waiting.iter().filter(|notice| numbers.contains(&notice.number)) {
            sent.push((notice.number, notice.alert.clone()));
            let count = match notice.what {
                What::Report { ran, .. } => self.log.ran(ran).map(|ran| &mut ran.sent),
                What::Ask { asked } => self.log.asked(asked).map(|asked| &mut asked.sent),
            };
            if let Some(count) = count {
                *count = count.saturating_add(1);
            }
        }
        sent
    }

    /// The server's status for an alert: whatever it says, it has it now.
    pub(in crate::sim) fn told(&mut self, number: u64, status: u16) {
        let Some(at) = self.notices.waiting.iter().position(|notice| notice.number == number) else { return };
        let Some(mut notice) = self.notices.waiting.remove(at) else { return };
        self.notices.tries = 0;
        match notice.what {
            What::Report { ran, code } => {
                if let Some(ran) = self.log.ran(ran) {
                    ran.answers.push(status);
                }
                self.events.push(Event::Reported { code, status });
            }
            What::Ask { asked } => {
                let r#type = self.log.asked(asked).map(|asked| {
                    asked.status = Some(status);
                    asked.r#type.clone()
                });
                self.events.extend(r#type.map(|r#type| Event::Asked { r#type, status }));
            }
        }
        if let Some(left) = notice.again.checked_sub(1) {
            notice.again = left;
            self.notices.waiting.push_back(notice);
        }
    }

    fn keep_ask(&mut self, ask: &Ask) -> u64 {
        let root = self.objects.layouts().next().map(|layout| layout.root().to_owned());
        let alert = report::request(ask, root.as_deref());
        let item = alert.items.first();
        let asked = Asked {
            r#type: ask.full_type(),
            source: item.and_then(|item| item.source.as_ref()).map(|source| source.uri.clone()),
            data: item.and_then(|item| item.data.as_ref()).and_then(Data::text).unwrap_or_default().to_owned(),
            sent: 0,
            status: None,
        };
        let asked = self.log.ask(asked);
        self.notices.push(alert, What::Ask { asked }, 0)
    }
}
