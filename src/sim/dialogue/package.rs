//! Packing what waits into one message (DM 1.x sheets 1.5 and 2.2).

use super::{Outbound, Outgoing, Session, answers};
use crate::{
    sim::{auth, device::Device, dialect},
    wire::syncml::{Body, Command, Header, Location, Message, Meta, xml},
};

impl Session {
    /// Builds the next message: the Status of the `SyncHdr` and as much of what waits as the server takes.
    pub(super) fn flush(&mut self, device: &Device, status: Option<Command>) -> Outgoing {
        self.sent = self.sent.saturating_add(1);
        let head = usize::from(status.is_some());
        let waiting: Vec<Outbound> = self.waiting.drain(..).collect();
        let mut all: Vec<Outbound> = status.map(Outbound::plain).into_iter().chain(waiting).collect();
        for (at, out) in all.iter_mut().enumerate() {
            answers::number(&mut out.command, at.saturating_add(1));
        }
        let mut keep = device.profile.limits.commands_per_message.map_or(all.len(), |most| most.max(1) + head);
        let object = all.iter().position(|out| out.ends_message).map_or(all.len(), |at| at.saturating_add(1));
        keep = keep.min(object).min(all.len());
        let mut message = self.message(device, &all, keep);
        while keep > head.saturating_add(1) && self.is_too_large(&message) {
            keep = keep.div_ceil(2).max(head.saturating_add(1));
            message = self.message(device, &all, keep);
        }
        self.waiting = all.split_off(keep).into();
        for out in all {
            if let Some(number) = out.notice {
                self.reported.insert((message.header.msg_id.clone(), out.command.cmd_id().to_owned()), number);
            }
        }
        Outgoing { url: self.url.clone(), message, last: None }
    }

    fn is_too_large(&self, message: &Message) -> bool {
        self.server_max_msg.is_some_and(|most| xml::write(message).len() > most)
    }

    fn message(&self, device: &Device, all: &[Outbound], keep: usize) -> Message {
        let mut commands: Vec<Command> = all.iter().take(keep).map(|out| out.command.clone()).collect();
        dialect::word(&mut commands, &device.profile.dialect);
        let is_final = keep == all.len() && self.waiting_final;
        Message { header: self.header(device), body: Body { commands, is_final } }
    }

    fn header(&self, device: &Device) -> Header {
        let identity = &device.identity;
        let standing = &self.standing;
        let nonce = standing.nonce.as_deref().unwrap_or_default();
        let cred = || auth::cred(standing.scheme, &identity.user, identity.secret.expose(), nonce);
        let limits = &device.profile.limits;
        let dialect = &device.profile.dialect;
        let uri = if dialect.lower_case_source { identity.id.to_lowercase() } else { identity.id.clone() };
        let sizes = Meta {
            max_msg_size: Some(limits.max_msg_size.to_string()),
            max_obj_size: limits.max_obj_size.map(|size| size.to_string()),
            ..Meta::default()
        };
        Header {
            ver_dtd: dialect.ver_dtd.clone(),
            ver_proto: dialect.ver_proto.clone(),
            session_id: self.id.clone(),
            msg_id: self.sent.to_string(),
            target: Location::new(self.url.clone()),
            source: Location { uri, name: dialect.loc_name.then(|| identity.user.clone()) },
            resp_uri: None,
            cred: (standing.proves || dialect.always_cred && standing.can_prove()).then(cred),
            meta: if dialect.sizes { sizes } else { Meta::default() },
        }
    }
}
