//! Building the commands that a device sends.

use crate::{
    sim::{device::Device, observer::Reason},
    wire::syncml::{Alert, Chal, Command, Data, Header, Item, Location, Meta, Results, Status, Write},
};

/// A command on its way out; its CmdID is given when it is packed.
#[derive(Debug, Clone)]
pub(super) struct Outbound {
    /// The command.
    pub(super) command: Command,
    /// The report or request that it carries, by its number.
    pub(super) notice: Option<u64>,
    /// Whether nothing may follow it in its message: more of the same object comes in the next (DM 1.x sheet 4 no. 3).
    pub(super) ends_message: bool,
}

impl Outbound {
    /// A command that carries no report.
    pub(super) const fn plain(command: Command) -> Self {
        Self { command, notice: None, ends_message: false }
    }

    /// An alert of the device's own.
    pub(super) fn notice((number, alert): (u64, Alert)) -> Self {
        Self { command: Command::Alert(alert), notice: Some(number), ends_message: false }
    }
}

/// Package 1 without its header (DM 1.x sheet 2.1).
pub(super) fn package1(device: &mut Device, reason: Reason) -> Vec<Outbound> {
    let code = match reason {
        Reason::Notified(_) => "1200",
        Reason::Own => "1201",
    };
    let leaves = ["DevId", "Man", "Mod", "DmV", "Lang"].map(|name| format!("DevInfo/{name}"));
    let ext = device.tree.children("DevInfo/Ext").into_iter().map(|name| format!("DevInfo/Ext/{name}"));
    let item = |path: String| Item {
        source: Some(Location::new(format!("./{path}"))),
        data: Some(Data::Text(device.tree.text(&path).to_owned())),
        ..Item::default()
    };
    let mut items: Vec<Item> = leaves.into_iter().chain(ext).map(item).collect();
    let dialect = &device.profile.dialect;
    if dialect.devinfo_ext_node {
        items.push(ext_node(device));
    }
    let info = Outbound::plain(Command::Replace(Write { items, ..Write::default() }));
    let opening = dialect.opening_alert.then(|| alert(code)).into_iter().chain([info]);
    let alerts_first = dialect.alerts_first;
    let notices: Vec<Outbound> = device.waiting_alerts().into_iter().map(Outbound::notice).collect();
    if alerts_first { notices.into_iter().chain(opening).collect() } else { opening.chain(notices).collect() }
}

/// `./DevInfo/Ext` as an interior node, the names of its children for a value (DM 1.x sheet 12.1 D).
fn ext_node(device: &Device) -> Item {
    Item {
        source: Some(Location::new("./DevInfo/Ext")),
        meta: Meta::format("node"),
        data: Some(Data::Text(device.tree.children("DevInfo/Ext").join("/"))),
        ..Item::default()
    }
}

/// An alert that is nothing but its code.
pub(super) fn alert(code: &str) -> Outbound {
    Outbound::plain(Command::Alert(Alert { data: code.to_owned(), ..Alert::default() }))
}

/// Alert 1225: the object that will never be completed (DM 1.x sheet 4 no. 7).
pub(super) fn no_end_of_data(uri: &str) -> Outbound {
    let items = vec![Item { target: Some(Location::new(uri)), source: Some(Location::new(uri)), ..Item::default() }];
    Outbound::plain(Command::Alert(Alert { data: "1225".to_owned(), items, ..Alert::default() }))
}

/// The Status of the server's `SyncHdr`.
pub(super) fn header_status(header: &Header, code: u16, chal: Option<Chal>) -> Command {
    Command::Status(Status {
        msg_ref: header.msg_id.clone(),
        cmd_ref: "0".to_owned(),
        cmd: "SyncHdr".to_owned(),
        target_refs: vec![header.target.uri.clone()],
        source_refs: vec![header.source.uri.clone()],
        chal,
        data: code.to_string(),
        ..Status::default()
    })
}

/// The Status of a command; with a target, of that item alone.
pub(super) fn status(msg_ref: &str, command: &Command, code: u16, target: Option<&str>) -> Outbound {
    Outbound::plain(Command::Status(Status {
        msg_ref: msg_ref.to_owned(),
        cmd_ref: command.cmd_id().to_owned(),
        cmd: command.name().to_owned(),
        target_refs: target.map(str::to_owned).into_iter().collect(),
        data: code.to_string(),
        ..Status::default()
    }))
}

/// The Status of a prompt, with what was typed or chosen (DM 1.x sheet 2.5).
pub(super) fn prompted(msg_ref: &str, command: &Command, code: u16, answer: Vec<String>) -> Outbound {
    let mut out = status(msg_ref, command, code, None);
    if let Command::Status(status) = &mut out.command {
        let item = |text| Item { data: Some(Data::Text(text)), ..Item::default() };
        status.items = answer.into_iter().map(item).collect();
    }
    out
}

/// The Results of a Get.
pub(super) fn results(msg_ref: &str, command: &Command, items: Vec<Item>) -> Outbound {
    Outbound::plain(Command::Results(Results {
        msg_ref: msg_ref.to_owned(),
        cmd_ref: command.cmd_id().to_owned(),
        items,
        ..Results::default()
    }))
}

/// Writes the CmdID into a command that this device sends; it sends no groups.
pub(super) fn number(command: &mut Command, id: usize) {
    let id = id.to_string();
    match command {
        Command::Status(c) => c.cmd_id = id,
        Command::Alert(c) => c.cmd_id = id,
        Command::Results(c) => c.cmd_id = id,
        Command::Add(c) | Command::Replace(c) | Command::Copy(c) => c.cmd_id = id,
        Command::Delete(c) => c.cmd_id = id,
        Command::Get(c) => c.cmd_id = id,
        Command::Exec(c) => c.cmd_id = id,
        Command::Sequence(c) | Command::Atomic(c) => c.cmd_id = id,
        Command::Other(c) => c.cmd_id = id,
    }
}
