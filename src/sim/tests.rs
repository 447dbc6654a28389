//! The device against servers' messages written by hand, and a fleet against small real servers.

mod dialect;
mod dialogue;
mod life;
mod mix;
mod network;
mod operations;
mod prompts;
mod reports;
mod shapes;

use std::sync::Arc;

use super::{
    auth,
    device::{Delivery, Device, Next},
    observer::End,
    profile::Profile,
};
use crate::wire::syncml::{Alert, Command, Data, Message, Status, limits::Limits, xml};

/// A device, and what a server writes to it.
struct Bench {
    device: Device,
    /// What the device sent last.
    sent: Message,
    number: u32,
}

impl Bench {
    /// The device of the DM 1.x sheet's examples (13), changed by some lines of a profile, in a session of its own.
    fn open(profile: &str) -> Self {
        let mut device = device(profile);
        device.want_session();
        let first = device.open("https://dm.example.net/dm").unwrap();
        Self { device, sent: read(&first), number: 0 }
    }

    /// Answers the last message; gives the device's next.
    fn say(&mut self, body: &str) -> &Message {
        self.say_with("", body)
    }

    /// The same, with more in the header.
    fn say_with(&mut self, header: &str, body: &str) -> &Message {
        match self.answer(header, body) {
            Next::Send(next) => self.sent = read(&next),
            Next::Over(end) => panic!("the session ended: {end}"),
        }
        &self.sent
    }

    /// Answers the last message; the session must end.
    fn end(&mut self, body: &str) -> End {
        match self.answer("", body) {
            Next::Send(next) => panic!("the session goes on: {:?}", read(&next)),
            Next::Over(end) => end,
        }
    }

    fn answer(&mut self, header: &str, body: &str) -> Next {
        self.number += 1;
        let (number, session) = (self.number, &self.sent.header.session_id);
        let answer = format!(
            "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
             <SessionID>{session}</SessionID><MsgID>{number}</MsgID>\
             <Target><LocURI>IMEI:490154203237518</LocURI></Target>\
             <Source><LocURI>https://dm.example.net/dm</LocURI><LocName>dm.example.net</LocName></Source>{header}\
             </SyncHdr><SyncBody><Status><CmdID>1</CmdID><MsgRef>{number}</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>\
             <Data>200</Data></Status>{body}</SyncBody></SyncML>"
        );
        self.device.receive(answer.as_bytes())
    }

    /// The codes of the last message's statuses, the `SyncHdr`'s first.
    fn codes(&self) -> Vec<u16> {
        statuses(&self.sent).iter().map(|s| s.code().unwrap()).collect()
    }

    /// The codes of its alerts.
    fn alerts(&self) -> Vec<&str> {
        let alerts =
            self.sent.body.commands.iter().filter_map(|c| if let Command::Alert(a) = c { Some(a) } else { None });
        alerts.map(|a| a.data.as_str()).collect()
    }

    /// The texts of its results.
    fn results(&self) -> Vec<&str> {
        let items = self
            .sent
            .body
            .commands
            .iter()
            .filter_map(|c| if let Command::Results(r) = c { Some(&r.items) } else { None });
        items.flatten().filter_map(|i| i.data.as_ref().and_then(Data::text)).collect()
    }

    /// Ends the session and runs what it began, without a network.
    fn finish(&mut self) {
        assert_eq!(self.end("<Final/>"), End::Done);
        while let Some(work) = self.device.take_work() {
            assert_eq!(work.url, None);
            self.device.complete(&work, None);
            self.device.want_session();
        }
    }

    /// The text of a leaf.
    fn text(&self, path: &str) -> &str {
        self.device.tree.text(path)
    }
}

/// The device of the sheet's examples that believes any server, changed by some lines of a profile.
fn device(profile: &str) -> Device {
    let base = "[[device]]\nid = 'IMEI:490154203237518'\nlimits.max_msg_size = 8192\nlimits.max_obj_size = 65536\n\
                auth.user = 'dev-0001'\nauth.secret = 'pw-dev'\nauth.server_secret = 'srv-pw'\n";
    let trusting = if profile.contains("server_auth") { "" } else { "auth.server_auth = 'none'\n" };
    let profiles = Profile::parse(&format!("{base}{trusting}{profile}")).unwrap();
    Device::new(&Arc::new(profiles[0].clone()), 1, None, &[9; 32])
}

fn read(delivery: &Delivery) -> Message {
    xml::read(&delivery.body, &Limits::default()).unwrap()
}

fn statuses(message: &Message) -> Vec<&Status> {
    message.body.commands.iter().filter_map(|c| if let Command::Status(s) = c { Some(s) } else { None }).collect()
}

/// Its generic alerts.
fn reports(message: &Message) -> Vec<&Alert> {
    let alerts = message.body.commands.iter().filter_map(|c| if let Command::Alert(a) = c { Some(a) } else { None });
    alerts.filter(|a| a.data == "1226").collect()
}

/// An Add or Replace of one leaf.
fn put(verb: &str, id: u32, uri: &str, format: &str, data: &str) -> String {
    format!(
        "<{verb}><CmdID>{id}</CmdID><Item><Target><LocURI>{uri}</LocURI></Target>\
         <Meta><Format xmlns='syncml:metinf'>{format}</Format></Meta><Data>{data}</Data></Item></{verb}>"
    )
}

fn exec(id: u32, uri: &str) -> String {
    format!(
        "<Exec><CmdID>{id}</CmdID><Correlator>job-1</Correlator><Item><Target><LocURI>{uri}</LocURI></Target></Item></Exec>"
    )
}

/// A prompt: options, text, choices.
fn prompt(id: u32, code: u32, texts: &[&str]) -> String {
    let item = |text: &&str| format!("<Item><Data>{}</Data></Item>", text.replace('&', "&amp;"));
    let items = texts.iter().map(item).collect::<Vec<_>>().concat();
    format!("<Alert><CmdID>{id}</CmdID><Data>{code}</Data>{items}</Alert>")
}

fn command(name: &str, id: u32, uri: &str) -> String {
    format!("<{name}><CmdID>{id}</CmdID><Item><Target><LocURI>{uri}</LocURI></Target></Item></{name}>")
}

/// A notification for that session, proved with that nonce.
fn notification(session: u16, nonce: &[u8]) -> Vec<u8> {
    let mut trigger = vec![0x02, 0xd8, 0, 0, 0];
    trigger.extend(session.to_be_bytes());
    trigger.push(14);
    trigger.extend(b"dm.example.net");
    let mut whole = auth::notification("dm.example.net", "srv-pw", nonce, &trigger).to_vec();
    whole.extend(trigger);
    whole
}
