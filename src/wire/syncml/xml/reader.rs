//! XML to the syntax tree.

use super::Error;
use super::scan::{Scanner, decode};
use crate::wire::syncml::limits::Limits;
use crate::wire::syncml::{
    Alert, Body, Chal, Command, Cred, Data, Delete, Exec, Get, Group, Header, Item, Location, Message, Meta, Other,
    Results, Status, Write,
};

/// Namespaces that a root may have (DM 1.x sheet 1.1, 12.2 no. 3); DM 1.1 clients send none.
const NAMESPACES: [&str; 4] = ["", "SYNCML:SYNCML1.2", "SYNCML:SYNCML1.1", "SYNCML:SYNCML1.0"];

pub(super) fn message(bytes: &[u8], limits: &Limits) -> Result<Message, Error> {
    let text = decode(bytes, limits)?;
    let mut scan = Scanner::new(&text, limits);
    open_root(&mut scan)?;
    let mut head = None;
    let mut body = Body::default();
    scan.children(|scan, name| match name {
        "SyncHdr" => header(scan).map(|read| head = Some(read)),
        "SyncBody" => read_body(scan, &mut body),
        _ => scan.skip(),
    })?;
    scan.finish()?;
    Ok(Message { header: head.ok_or(Error::NoHeader)?, body })
}

fn open_root(scan: &mut Scanner<'_>) -> Result<(), Error> {
    let root = scan.root()?;
    if root.name != "SyncML" {
        return Err(Error::Root { found: root.name.chars().take(64).collect(), expected: "SyncML" });
    }
    let found = root.namespace.trim();
    if NAMESPACES.iter().any(|known| known.eq_ignore_ascii_case(found)) {
        Ok(())
    } else {
        Err(Error::Namespace { found: found.chars().take(64).collect() })
    }
}

fn header(scan: &mut Scanner<'_>) -> Result<Header, Error> {
    let mut header = Header::default();
    scan.children(|scan, name| {
        match name {
            "VerDTD" => header.ver_dtd = scan.field()?,
            "VerProto" => header.ver_proto = scan.field()?,
            "SessionID" => header.session_id = scan.field()?,
            "MsgID" => header.msg_id = scan.field()?,
            "Target" => header.target = location(scan)?,
            "Source" => header.source = location(scan)?,
            "RespURI" => header.resp_uri = scan.optional()?,
            "Cred" => header.cred = Some(cred(scan)?),
            "Meta" => meta(scan, &mut header.meta)?,
            _ => scan.skip()?,
        }
        Ok(())
    })?;
    Ok(header)
}

fn read_body(scan: &mut Scanner<'_>, body: &mut Body) -> Result<(), Error> {
    scan.children(|scan, name| {
        if name == "Final" {
            body.is_final = true;
            return scan.skip();
        }
        body.commands.push(command(scan, name)?);
        Ok(())
    })
}

fn command(scan: &mut Scanner<'_>, name: &str) -> Result<Command, Error> {
    scan.count_command()?;
    match name {
        "Sequence" => group(scan).map(Command::Sequence),
        "Atomic" => group(scan).map(Command::Atomic),
        _ => parts(scan).map(|parts| parts.into_command(name)),
    }
}

fn group(scan: &mut Scanner<'_>) -> Result<Group, Error> {
    let mut group = Group::default();
    scan.children(|scan, name| {
        match name {
            "CmdID" => group.cmd_id = scan.field()?,
            "Meta" => meta(scan, &mut group.meta)?,
            "NoResp" | "Cred" => scan.skip()?,
            _ => group.commands.push(command(scan, name)?),
        }
        Ok(())
    })?;
    Ok(group)
}

/// The children of any command that is not a group: each command takes those that it has.
#[derive(Default)]
struct Parts {
    cmd_id: String,
    msg_ref: String,
    cmd_ref: String,
    cmd: String,
    target_refs: Vec<String>,
    source_refs: Vec<String>,
    chal: Option<Chal>,
    data: String,
    meta: Meta,
    correlator: Option<String>,
    items: Vec<Item>,
}

fn parts(scan: &mut Scanner<'_>) -> Result<Parts, Error> {
    let mut parts = Parts::default();
    scan.children(|scan, name| {
        match name {
            "CmdID" => parts.cmd_id = scan.field()?,
            "MsgRef" => parts.msg_ref = scan.field()?,
            "CmdRef" => parts.cmd_ref = scan.field()?,
            "Cmd" => parts.cmd = scan.field()?,
            "TargetRef" => parts.target_refs.extend(scan.optional()?),
            "SourceRef" => parts.source_refs.extend(scan.optional()?),
            "Chal" => parts.chal = Some(chal(scan)?),
            "Data" => parts.data = scan.field()?,
            "Meta" => meta(scan, &mut parts.meta)?,
            "Correlator" => parts.correlator = scan.optional()?,
            "Item" => parts.items.push(item(scan)?),
            _ => scan.skip()?,
        }
        Ok(())
    })?;
    Ok(parts)
}

impl Parts {
    fn into_command(self, name: &str) -> Command {
        let Self { cmd_id, meta, items, correlator, .. } = self;
        match name {
            "Status" => Command::Status(Status {
                cmd_id,
                msg_ref: self.msg_ref,
                cmd_ref: self.cmd_ref,
                cmd: self.cmd,
                target_refs: self.target_refs,
                source_refs: self.source_refs,
                chal: self.chal,
                data: self.data,
                items,
            }),
            "Alert" => Command::Alert(Alert { cmd_id, data: self.data, correlator, items }),
            "Results" => Command::Results(Results {
                cmd_id,
                msg_ref: self.msg_ref,
                cmd_ref: self.cmd_ref,
                meta,
                target_ref: self.target_refs.into_iter().next(),
                source_ref: self.source_refs.into_iter().next(),
                items,
            }),
            "Add" => Command::Add(Write { cmd_id, meta, items }),
            "Replace" => Command::Replace(Write { cmd_id, meta, items }),
            "Copy" => Command::Copy(Write { cmd_id, meta, items }),
            "Delete" => Command::Delete(Delete { cmd_id, meta, items }),
            "Get" => Command::Get(Get { cmd_id, meta, items }),
            "Exec" => Command::Exec(Exec { cmd_id, meta, correlator, items }),
            _ => Command::Other(Other { name: name.to_owned(), cmd_id }),
        }
    }
}

fn item(scan: &mut Scanner<'_>) -> Result<Item, Error> {
    let mut item = Item::default();
    scan.children(|scan, name| {
        match name {
            "Target" => item.target = Some(location(scan)?),
            "Source" => item.source = Some(location(scan)?),
            "Meta" => meta(scan, &mut item.meta)?,
            "Data" => item.data = Some(Data::Text(scan.content()?)),
            "MoreData" => {
                item.more_data = true;
                scan.skip()?;
            }
            _ => scan.skip()?,
        }
        Ok(())
    })?;
    Ok(item)
}

fn location(scan: &mut Scanner<'_>) -> Result<Location, Error> {
    let mut location = Location::default();
    scan.children(|scan, name| {
        match name {
            "LocURI" => location.uri = scan.field()?,
            "LocName" => location.name = scan.optional()?,
            _ => scan.skip()?,
        }
        Ok(())
    })?;
    Ok(location)
}

fn cred(scan: &mut Scanner<'_>) -> Result<Cred, Error> {
    let mut cred = Cred::default();
    scan.children(|scan, name| {
        match name {
            "Meta" => meta(scan, &mut cred.meta)?,
            "Data" => cred.data = scan.field()?,
            _ => scan.skip()?,
        }
        Ok(())
    })?;
    Ok(cred)
}

fn chal(scan: &mut Scanner<'_>) -> Result<Chal, Error> {
    let mut chal = Chal::default();
    scan.children(|scan, name| if name == "Meta" { meta(scan, &mut chal.meta) } else { scan.skip() })?;
    Ok(chal)
}

fn meta(scan: &mut Scanner<'_>, meta_out: &mut Meta) -> Result<(), Error> {
    scan.children(|scan, name| {
        match name {
            "Format" => meta_out.format = scan.optional()?,
            "Type" => meta_out.r#type = scan.optional()?,
            "Mark" => meta_out.mark = scan.optional()?,
            "Size" => meta_out.size = scan.optional()?,
            // An empty nonce is a nonce (DM 1.x sheet 3.2), an absent one is none.
            "NextNonce" => meta_out.next_nonce = Some(scan.field()?),
            "Version" => meta_out.version = scan.optional()?,
            "MaxMsgSize" => meta_out.max_msg_size = scan.optional()?,
            "MaxObjSize" => meta_out.max_obj_size = scan.optional()?,
            "EMI" => meta_out.emi = scan.optional()?,
            "MetInf" => meta(scan, meta_out)?,
            _ => scan.skip()?,
        }
        Ok(())
    })
}
