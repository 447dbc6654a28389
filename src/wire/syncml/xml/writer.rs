//! The syntax tree to XML, children in the order of the DTD (DM 1.x sheet 1.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::wire::syncml::{
    Alert, Body, Chal, Command, Cred, Data, Exec, Group, Header, Item, Location, Message, Meta, Results, Status,
};

pub(super) fn message(message: &Message) -> String {
    let namespace = if message.header.ver_dtd == "1.1" { "SYNCML:SYNCML1.1" } else { "SYNCML:SYNCML1.2" };
    let mut out = Out(String::with_capacity(2048));
    out.0.push_str("<SyncML xmlns=\"");
    out.0.push_str(namespace);
    out.0.push_str("\">");
    out.header(&message.header);
    out.body(&message.body);
    out.0.push_str("</SyncML>");
    out.0
}

/// Appends `text` so that a conforming reader gives it back, CR included.
pub(in crate::wire) fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
}

struct Out(String);

impl Out {
    fn header(&mut self, header: &Header) {
        self.within("SyncHdr", |out| {
            out.field("VerDTD", &header.ver_dtd);
            out.field("VerProto", &header.ver_proto);
            out.field("SessionID", &header.session_id);
            out.field("MsgID", &header.msg_id);
            out.location("Target", &header.target);
            out.location("Source", &header.source);
            out.optional("RespURI", header.resp_uri.as_ref());
            if let Some(cred) = &header.cred {
                out.cred(cred);
            }
            out.meta(&header.meta);
        });
    }

    fn body(&mut self, body: &Body) {
        self.within("SyncBody", |out| {
            for command in &body.commands {
                out.command(command);
            }
            if body.is_final {
                out.leaf("Final", "");
            }
        });
    }

    fn command(&mut self, command: &Command) {
        self.within(command.name(), |out| {
            out.field("CmdID", command.cmd_id());
            match command {
                Command::Status(status) => out.status(status),
                Command::Alert(alert) => out.alert(alert),
                Command::Results(results) => out.results(results),
                Command::Add(c) | Command::Replace(c) | Command::Copy(c) => out.operands(&c.meta, &c.items),
                Command::Delete(c) => out.operands(&c.meta, &c.items),
                Command::Get(c) => out.operands(&c.meta, &c.items),
                Command::Exec(exec) => out.exec(exec),
                Command::Sequence(group) | Command::Atomic(group) => out.group(group),
                Command::Other(_) => {}
            }
        });
    }

    fn status(&mut self, status: &Status) {
        self.field("MsgRef", &status.msg_ref);
        self.field("CmdRef", &status.cmd_ref);
        self.field("Cmd", &status.cmd);
        for uri in &status.target_refs {
            self.leaf("TargetRef", uri);
        }
        for uri in &status.source_refs {
            self.leaf("SourceRef", uri);
        }
        if let Some(chal) = &status.chal {
            self.chal(chal);
        }
        self.field("Data", &status.data);
        self.items(&status.items);
    }

    fn alert(&mut self, alert: &Alert) {
        self.field("Data", &alert.data);
        self.optional("Correlator", alert.correlator.as_ref());
        self.items(&alert.items);
    }

    fn results(&mut self, results: &Results) {
        self.field("MsgRef", &results.msg_ref);
        self.field("CmdRef", &results.cmd_ref);
        self.meta(&results.meta);
        self.optional("TargetRef", results.target_ref.as_ref());
        self.optional("SourceRef", results.source_ref.as_ref());
        self.items(&results.items);
    }

    fn exec(&mut self, exec: &Exec) {
        self.meta(&exec.meta);
        self.optional("Correlator", exec.correlator.as_ref());
        self.items(&exec.items);
    }

    fn group(&mut self, group: &Group) {
        self.meta(&group.meta);
        for command in &group.commands {
            self.command(command);
        }
    }

    fn operands(&mut self, meta: &Meta, items: &[Item]) {
        self.meta(meta);
        self.items(items);
    }

    fn items(&mut self, items: &[Item]) {
        for item in items {
            self.within("Item", |out| out.item(item));
        }
    }

    fn item(&mut self, item: &Item) {
        if let Some(target) = &item.target {
            self.location("Target", target);
        }
        if let Some(source) = &item.source {
            self.location("Source", source);
        }
        self.meta(&item.meta);
        match &item.data {
            Some(Data::Text(text)) => self.leaf("Data", text),
            Some(Data::Bytes(bytes)) => self.leaf("Data", &STANDARD.encode(bytes)),
            None => {}
        }
        if item.more_data {
            self.leaf("MoreData", "");
        }
    }

    fn location(&mut self, name: &str, location: &Location) {
        self.within(name, |out| {
            out.leaf("LocURI", &location.uri);
            out.optional("LocName", location.name.as_ref());
        });
    }

    fn cred(&mut self, cred: &Cred) {
        self.within("Cred", |out| {
            out.meta(&cred.meta);
            out.leaf("Data", &cred.data);
        });
    }

    fn chal(&mut self, chal: &Chal) {
        self.within("Chal", |out| out.meta(&chal.meta));
    }

    fn meta(&mut self, meta: &Meta) {
        if meta.is_empty() {
            return;
        }
        let children = [
            ("Format", &meta.format),
            ("Type", &meta.r#type),
            ("Mark", &meta.mark),
            ("Size", &meta.size),
            ("Version", &meta.version),
            ("NextNonce", &meta.next_nonce),
            ("MaxMsgSize", &meta.max_msg_size),
            ("MaxObjSize", &meta.max_obj_size),
            ("EMI", &meta.emi),
        ];
        self.within("Meta", |out| {
            for (name, value) in children {
                if let Some(value) = value {
                    out.tagged(name, " xmlns=\"syncml:metinf\"", value);
                }
            }
        });
    }

    /// A text that means "absent" when it is empty.
    fn field(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.leaf(name, text);
        }
    }

    fn optional(&mut self, name: &str, text: Option<&String>) {
        if let Some(text) = text {
            self.leaf(name, text);
        }
    }

    fn leaf(&mut self, name: &str, text: &str) {
        self.tagged(name, "", text);
    }

    fn tagged(&mut self, name: &str, attributes: &str, text: &str) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push_str(attributes);
        if text.is_empty() {
            self.0.push_str("/>");
        } else {
            self.0.push('>');
            escape(&mut self.0, text);
            self.close(name);
        }
    }

    fn within(&mut self, name: &str, children: impl FnOnce(&mut Self)) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push('>');
        children(self);
        self.close(name);
    }

    fn close(&mut self, name: &str) {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }
}
