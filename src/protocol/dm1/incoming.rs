//! The commands of an authenticated message, one by one (DM 1.x sheet 1.4, 1.6, 2.4, 2.6).

use super::{
    AlertItem, Context, Event, GenericAlert, Machine, Receipt,
    inbound::{Inbound, Piece},
    ledger::{Found, Stray},
    machine::Log,
    ours::Hearing,
    text,
};
use crate::{
    model::device::DevInfo,
    wire::syncml::{Alert, Command, Item, Meta, Results, Status, Write},
};

impl Machine {
    /// The longest value of a DevInfo leaf that is kept, in bytes.
    const MOST_INFO: usize = 1024;

    pub(super) fn take(&mut self, command: Command, cx: &Context<'_>, log: &mut Log) {
        match command {
            Command::Status(status) => self.take_status(&status, cx, log),
            Command::Results(results) => self.take_results(results, cx, log),
            _ if command.cmd_id().trim().is_empty() => self.owe("", command.name(), 400),
            Command::Alert(alert) => self.take_alert(alert, cx, log),
            Command::Replace(write) => self.take_replace(write, log),
            Command::Add(_)
            | Command::Copy(_)
            | Command::Delete(_)
            | Command::Get(_)
            | Command::Exec(_)
            | Command::Sequence(_)
            | Command::Atomic(_) => self.owe(command.cmd_id(), command.name(), 405),
            Command::Other(other) => self.owe(&other.cmd_id, &other.name, 406),
        }
    }

    fn take_status(&mut self, status: &Status, cx: &Context<'_>, log: &mut Log) {
        let Some(code) = status.code() else {
            return log.odd("a Status without a code");
        };
        if !matches!(status.cmd_ref.trim(), "" | "0") {
            // Our own alerts (1222, 1225) are not in the ledger.
            if self.ledger.status(status).is_err() && !status.cmd.trim().eq_ignore_ascii_case("Alert") {
                log.odd(format!("a Status {code} for something that was not asked"));
            }
            return;
        }
        let commands = self.ledger.is_of(&status.msg_ref);
        let (hearing, nonce) = self.ours.heard(code, status.chal.as_ref(), cx.account, commands);
        log.account.server = nonce.or(log.account.server.take());
        match hearing {
            Hearing::Fine if code >= 300 => log.odd(format!("the device answered our message with {code}")),
            Hearing::Fine => {}
            Hearing::Again => log.again |= commands,
            Hearing::Hopeless => log.hopeless = true,
        }
    }

    fn take_results(&mut self, results: Results, cx: &Context<'_>, log: &mut Log) {
        let reference = results.source_ref.as_deref().or(results.target_ref.as_deref());
        for item in results.items {
            let uri = Found::of(item.clone(), &results.meta, reference).uri;
            let key = format!("Results {} {}", results.cmd_ref.trim(), uri.as_deref().unwrap_or_default());
            let get = self.ledger.find_get(&results.cmd_ref, uri.as_deref());
            match self.piece(&key, item, &results.meta, cx) {
                Piece::More => self.owe(&results.cmd_id, "Results", 213),
                Piece::Dropped(code) => self.owe(&results.cmd_id, "Results", code),
                Piece::Whole(item) => {
                    let found = Found::of(item, &results.meta, reference);
                    match get.map_or(Err(Stray::Unknown), |at| self.ledger.result(at, found)) {
                        Ok(()) => {}
                        Err(Stray::Unknown) => log.odd("Results for something that was not asked"),
                        Err(Stray::TooMuch) => log.odd("more Results than are kept"),
                    }
                }
            }
        }
    }

    fn take_alert(&mut self, alert: Alert, cx: &Context<'_>, log: &mut Log) {
        let code = match alert.data.trim().parse::<u16>() {
            Ok(1200 | 1201 | 1222) => 200,
            Ok(1223) => {
                log.aborted = true;
                200
            }
            Ok(1225) => {
                // The device dropped our object: it has not all of it.
                if let Some(sent) = self.ledger.chunk() {
                    sent.reply.code = sent.reply.code.or(Some(424));
                }
                200
            }
            Ok(code @ (1224 | 1226)) => return self.take_generic(code, alert, cx, log),
            Ok(_) => 406,
            Err(_) => 400,
        };
        self.owe(&alert.cmd_id, "Alert", code);
    }

    /// A client event is passed on whatever it says; a generic alert is told whether its type is understood.
    fn take_generic(&mut self, code: u16, alert: Alert, cx: &Context<'_>, log: &mut Log) {
        let event = code == 1224;
        let correlator = alert.correlator.map(|c| c.trim().to_owned()).filter(|c| !c.is_empty());
        let expected = correlator.as_deref().is_some_and(|c| cx.expected.iter().any(|e| e.as_str() == c));
        let known = |name: &str| !event && (expected || (cx.known_alert)(name));
        let mut items = Vec::new();
        let mut codes = Vec::new();
        for item in alert.items {
            let source = item.source_uri().to_owned();
            let key = format!("Alert {source} {}", item.meta.r#type.as_deref().unwrap_or_default());
            let receipt = Receipt { command: self.owed.len(), item: codes.len() };
            let said = match self.piece(&key, item, &Meta::default(), cx) {
                Piece::More => 213,
                Piece::Dropped(code) => code,
                Piece::Whole(item) => match alert_item(item, known) {
                    None if event => 406,
                    None => 412,
                    Some(item) => {
                        let said = if item.known || event { 200 } else { 415 };
                        items.push(AlertItem { receipt, ..item });
                        said
                    }
                },
            };
            codes.push((source, said));
        }
        self.owe_each(&alert.cmd_id, "Alert", codes);
        if !items.is_empty() {
            log.events.push(Event::Alert(GenericAlert { code, correlator, items }));
        }
    }

    fn take_replace(&mut self, write: Write, log: &mut Log) {
        let mut codes = Vec::new();
        for item in write.items {
            let uri = if item.source.is_some() { item.source_uri() } else { item.target_uri() }.to_owned();
            let code = match text::below("./DevInfo", &uri) {
                None => 405,
                Some(leaf) => {
                    let value = text::of_data(item.data).unwrap_or_default();
                    if value.len() > Self::MOST_INFO {
                        log.odd(format!("{} bytes in DevInfo/{leaf} are not kept", value.len()));
                    } else {
                        note(self.info.get_or_insert_default(), leaf, value);
                    }
                    200
                }
            };
            codes.push((uri, code));
        }
        self.owe_each(&write.cmd_id, "Replace", codes);
    }

    /// Puts an item together if it comes in pieces. Another object in between drops the first (Alert 1225).
    fn piece(&mut self, key: &str, item: Item, meta: &Meta, cx: &Context<'_>) -> Piece {
        if let Some(object) = self.inbound.take_if(|o| !o.is(key)) {
            self.interrupted = Some(object.uri().to_owned());
        }
        Inbound::take(&mut self.inbound, key, item, meta, cx.limits.max_obj_size)
    }
}

/// Reads an item of a generic alert; nothing if it has no Type, which is all that cannot be missing (12.2 no. 10).
fn alert_item(item: Item, known: impl Fn(&str) -> bool) -> Option<AlertItem> {
    let written = item.meta.r#type.as_deref().unwrap_or_default().trim();
    let prefixes = ["reversed-domain-name:", "content-type:"];
    let bare = prefixes.iter().find_map(|p| {
        let (head, tail) = written.split_at_checked(p.len())?;
        head.eq_ignore_ascii_case(p).then_some(tail)
    });
    let r#type = bare.unwrap_or(written).trim().to_owned();
    if r#type.is_empty() {
        return None;
    }
    let location =
        |l: Option<crate::wire::syncml::Location>| l.map(|l| l.uri.trim().to_owned()).filter(|u| !u.is_empty());
    Some(AlertItem {
        known: known(&r#type),
        r#type,
        source: location(item.source),
        target: location(item.target),
        format: item.meta.format,
        mark: item.meta.mark,
        data: text::of_data(item.data).unwrap_or_default(),
        receipt: Receipt::default(),
    })
}

fn note(info: &mut DevInfo, leaf: &str, value: String) {
    let kept = match leaf.to_ascii_lowercase().as_str() {
        "devid" => &mut info.dev_id,
        "man" => &mut info.man,
        "mod" => &mut info.model,
        "dmv" => &mut info.dmv,
        "lang" => &mut info.lang,
        _ => return,
    };
    *kept = Some(value);
}
