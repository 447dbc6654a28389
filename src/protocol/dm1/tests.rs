//! Whole exchanges: the sheet's worked examples (13.1 to 13.7, 13.13) and its list of what a server must do (section 11).
//!
//! [`Talk`] is a session on a server of equal replicas: between any two calls the machine goes through its stored form.

#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks at the few things it is about")]

mod auth;
mod devices;
mod examples;
mod groups;
mod hostile;
mod intents;
mod objects;
mod packages;
mod prompts;

use super::{
    Account, AccountChange, Answer, Context, Event, Machine, Nonces, OwnLimits, Quirks, Scheme, ServerIdentity,
    Violation,
};
use crate::{
    model::{
        clock::Mint,
        id::Correlator,
        secret::{Secret, SecretBytes},
        tree::{Ask, AskId, Instance, Intent, Node, ObjectKind, Outcome, Prompt, PromptKind, PromptOptions},
    },
    wire::syncml::{Command, Message, limits::Limits, xml},
};

/// The parameters of the sheet's examples.
pub(super) struct Talk {
    pub(super) account: Option<Account>,
    pub(super) quirks: Quirks,
    pub(super) limits: OwnLimits,
    machine: Option<Machine>,
    /// Of the message that is not answered yet.
    change: AccountChange,
    mint: Numbered,
    asks: u32,
    pub(super) expected: Vec<Correlator>,
}

/// Gives the nonces of the examples: 00..07, 10..1f, 20..2f, and so on.
struct Numbered(u8);

impl Mint for Numbered {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }

    fn nonce(&mut self) -> Vec<u8> {
        let start = self.0;
        self.0 = start.wrapping_add(0x10);
        if start == 0 { (0..8).collect() } else { (0..0x10).map(|n| start.wrapping_add(n)).collect() }
    }
}

impl Talk {
    /// A device that knows `dev-0001/pw-dev` and has never been seen.
    pub(super) fn new() -> Self {
        let secret = |text: &str| Secret::new(text.to_owned());
        let account = Account {
            scheme: Scheme::Md5,
            user: "dev-0001".to_owned(),
            secret: secret("pw-dev"),
            server_user: None,
            server_secret: None,
            nonces: Nonces::default(),
            seen_before: true,
        };
        Self {
            account: Some(account),
            quirks: node_by_node(),
            limits: OwnLimits::default(),
            machine: None,
            change: AccountChange::default(),
            mint: Numbered(0),
            asks: 0,
            expected: Vec::new(),
        }
    }

    /// The same, with a password of the server's own.
    pub(super) fn with_server_secret() -> Self {
        let mut talk = Self::new();
        talk.account_mut().server_secret = Some(Secret::new("srv-pw".to_owned()));
        talk
    }

    /// A device with basic authentication, already let in, MaxMsgSize 8192.
    pub(super) fn admitted() -> Self {
        Self::admitted_with("<MaxMsgSize>8192</MaxMsgSize><MaxObjSize>65536</MaxObjSize>", node_by_node())
    }

    /// The same with another Meta in its first `SyncHdr`, and with quirks.
    pub(super) fn admitted_with(meta: &str, quirks: Quirks) -> Self {
        let mut talk = Self::new();
        talk.account_mut().scheme = Scheme::Basic;
        talk.quirks = quirks;
        let events = talk.hear(&message(1, &format!("{BASIC}<Meta>{meta}</Meta>"), PKG1));
        assert!(events.contains(&Event::Ready), "{events:?}");
        talk
    }

    pub(super) fn account_mut(&mut self) -> &mut Account {
        self.account.as_mut().unwrap()
    }

    pub(super) fn machine_mut(&mut self) -> &mut Machine {
        self.machine.as_mut().unwrap()
    }

    /// Takes the device's message, in a session of its own if it is the first.
    pub(super) fn hear(&mut self, document: &str) -> Vec<Event> {
        self.try_hear(document).unwrap()
    }

    pub(super) fn try_hear(&mut self, document: &str) -> Result<Vec<Event>, Violation> {
        let message = read(document);
        let machine = self.machine.clone().unwrap_or_else(|| Machine::open(&message.header));
        let mut mint = Numbered(self.mint.0);
        let step = stored(&machine).handle(message, &self.context(), &mut mint)?;
        self.mint = mint;
        self.machine = Some(stored(&step.machine));
        self.change = step.account;
        Ok(step.events)
    }

    /// Offers intents, which get the next numbers.
    pub(super) fn want(&mut self, intents: Vec<Intent>) -> Vec<Event> {
        let asks = intents.into_iter().map(|intent| {
            self.asks += 1;
            Ask { id: AskId(self.asks), intent }
        });
        let asks = asks.collect();
        let mut machine = self.machine.take().unwrap();
        let events = machine.offer(asks, &self.context());
        self.machine = Some(stored(&machine));
        events
    }

    /// Builds the answer; the account changes with it.
    pub(super) fn answer(&mut self) -> Answer {
        let (machine, answer) = self.machine.take().unwrap().answer(&self.context());
        self.sent(&machine, answer)
    }

    pub(super) fn abort(&mut self) -> Answer {
        let (machine, answer) = self.machine.take().unwrap().abort(&self.context());
        self.sent(&machine, answer)
    }

    pub(super) fn lost(&mut self) -> Vec<Event> {
        self.machine.take().unwrap().lost()
    }

    /// The next session of the same device.
    pub(super) fn hang_up(&mut self) {
        self.machine = None;
    }

    /// Lets the device do all that it is told, until the session ends; gives the outcomes.
    pub(super) fn run(&mut self, intents: Vec<Intent>, mut device: impl FnMut(&Command) -> Reply) -> Vec<Outcome> {
        let mut events = self.want(intents);
        let mut answer = self.answer();
        while !answer.ends {
            let next = respond(&answer.message, &mut device);
            events.extend(self.hear(&next));
            answer = self.answer();
        }
        outcomes(&events)
    }

    fn sent(&mut self, machine: &Machine, answer: Answer) -> Answer {
        self.machine = Some(stored(machine));
        if let Some(account) = &mut self.account {
            std::mem::take(&mut self.change).apply(account);
        }
        answer
    }

    fn context(&self) -> Context<'_> {
        Context {
            account: self.account.as_ref(),
            quirks: &self.quirks,
            limits: self.limits,
            server: server(),
            resp_uri: "https://dm.example.net/dm?sid=5f3c",
            known_alert: |name| name.starts_with("org.openmobilealliance"),
            expected: &self.expected,
        }
    }
}

/// What a device says to a command: a code, and for a Get the items of its Results.
#[derive(Clone, Default)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) items: String,
}

impl Reply {
    pub(super) fn code(code: u16) -> Self {
        Self { code, items: String::new() }
    }

    /// An interior node.
    pub(super) fn node(children: &str) -> Self {
        let format = "<Meta><Format xmlns='syncml:metinf'>node</Format></Meta>";
        Self { code: 200, items: format!("<Item>{format}<Data>{children}</Data></Item>") }
    }

    /// A code, and texts in the Items of the Status.
    pub(super) fn given(code: u16, texts: &[&str]) -> Self {
        let item = |text: &&str| format!("<Item><Data>{text}</Data></Item>");
        Self { code, items: texts.iter().map(item).collect() }
    }

    pub(super) fn leaf(value: &str) -> Self {
        Self { code: 200, items: format!("<Item><Data>{value}</Data></Item>") }
    }
}

/// Credentials of `dev-0001`, basic.
pub(super) const BASIC: &str =
    "<Cred><Meta><Type>syncml:auth-basic</Type></Meta><Data>ZGV2LTAwMDE6cHctZGV2</Data></Cred>";

/// The body of a Pkg 1.
pub(super) const PKG1: &str = "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert>
  <Replace><CmdID>2</CmdID>
   <Item><Source><LocURI>./DevInfo/DevId</LocURI></Source><Data>IMEI:490154203237518</Data></Item>
  </Replace><Final/>";

/// A Status of the device for our `SyncHdr`.
pub(super) fn header_status(msg_ref: u32, code: u16, chal: &str) -> String {
    format!(
        "<Status><CmdID>90</CmdID><MsgRef>{msg_ref}</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>{chal}<Data>{code}</Data></Status>"
    )
}

/// A challenge of the device.
pub(super) fn chal(nonce: &str) -> String {
    format!("<Chal><Meta><Format>b64</Format><Type>syncml:auth-md5</Type><NextNonce>{nonce}</NextNonce></Meta></Chal>")
}

/// A message of the device of the examples.
pub(super) fn message(msg_id: u32, header: &str, body: &str) -> String {
    format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>
         <SessionID>A7</SessionID><MsgID>{msg_id}</MsgID><Target><LocURI>https://dm.example.net/dm</LocURI></Target>
         <Source><LocURI>IMEI:490154203237518</LocURI></Source>{header}</SyncHdr><SyncBody>{body}</SyncBody></SyncML>"
    )
}

/// The device's next message: a Status and Results a command, members of groups too; code 0 is no Status. The last thing it heard
/// without Final it answers without Final.
pub(super) fn respond(heard: &Message, device: &mut impl FnMut(&Command) -> Reply) -> String {
    let said = heard.header.msg_id.parse::<u32>().unwrap();
    let mut body = header_status(said, 200, "");
    for command in heard.body.commands.iter().filter(|c| !matches!(c, Command::Status(_))) {
        reply_to(command, said, device, &mut body);
    }
    let end = if heard.body.is_final { "<Final/>" } else { "<Alert><CmdID>99</CmdID><Data>1222</Data></Alert>" };
    message(said + 1, "", &format!("{body}{end}"))
}

fn reply_to(command: &Command, said: u32, device: &mut impl FnMut(&Command) -> Reply, body: &mut String) {
    let (name, cmd_id) = (command.name(), command.cmd_id());
    let Reply { code, items } = device(command);
    let refs = format!("<MsgRef>{said}</MsgRef><CmdRef>{cmd_id}</CmdRef>");
    let own = if name == "Alert" { items.as_str() } else { "" };
    if code > 0 {
        let status =
            format!("<Status><CmdID>s{cmd_id}</CmdID>{refs}<Cmd>{name}</Cmd><Data>{code}</Data>{own}</Status>");
        body.push_str(&status);
    }
    if own.is_empty() && !items.is_empty() {
        let results = format!("<Results><CmdID>r{cmd_id}</CmdID>{refs}{items}</Results>");
        body.push_str(&results);
    }
    if let Command::Sequence(group) | Command::Atomic(group) = command {
        group.commands.iter().for_each(|member| reply_to(member, said, device, body));
    }
}

pub(super) fn read(document: &str) -> Message {
    xml::read(document.as_bytes(), &Limits::default()).unwrap()
}

pub(super) fn outcomes(events: &[Event]) -> Vec<Outcome> {
    let outcome = |event: &Event| match event {
        Event::Outcome { outcome, .. } => Some(outcome.clone()),
        _ => None,
    };
    events.iter().filter_map(outcome).collect()
}

/// The codes of an answer's Statuses, the `SyncHdr`'s first.
pub(super) fn codes(answer: &Answer) -> Vec<u16> {
    let code = |command: &Command| match command {
        Command::Status(status) => status.code(),
        _ => None,
    };
    answer.message.body.commands.iter().filter_map(code).collect()
}

/// The commands of an answer, as `Get ./A`.
pub(super) fn commands(answer: &Answer) -> Vec<String> {
    let shown = |command: &Command| match command {
        Command::Status(_) => None,
        Command::Alert(alert) => Some(format!("Alert {}", alert.data)),
        other => Some(format!("{} {}", other.name(), target(other))),
    };
    answer.message.body.commands.iter().filter_map(shown).collect()
}

/// The Target of a command's first item.
pub(super) fn target(command: &Command) -> String {
    let items = match command {
        Command::Add(w) | Command::Replace(w) | Command::Copy(w) => &w.items,
        Command::Delete(c) => &c.items,
        Command::Get(c) => &c.items,
        Command::Exec(c) => &c.items,
        _ => return String::new(),
    };
    items[0].target_uri().to_owned()
}

pub(super) fn nonce(bytes: std::ops::Range<u8>) -> SecretBytes {
    SecretBytes::new(bytes.collect())
}

pub(super) fn node(uri: &str) -> Node {
    Instance { kind: ObjectKind::Scomo, name: uri.to_owned() }.node("")
}

pub(super) fn read_of(uri: &str) -> Intent {
    Intent::ReadSubtree { at: node(uri) }
}

pub(super) fn exec(uri: &str) -> Intent {
    Intent::Exec { at: node(uri), correlator: Correlator::parse("c1").unwrap() }
}

/// A question with the usual options.
pub(super) fn ask(kind: PromptKind, text: &str) -> Prompt {
    Prompt { kind, text: text.to_owned(), choices: Vec::new(), options: PromptOptions::default() }
}

/// Whether a message fits into `most` bytes.
pub(super) fn bytes(message: &Message) -> usize {
    xml::write(message).len()
}

/// The quirks of a device that does not know `?list=`.
pub(super) fn node_by_node() -> Quirks {
    Quirks { struct_data: false, ..Quirks::default() }
}

/// The machine as another replica gets it.
fn stored(machine: &Machine) -> Machine {
    let text = serde_json::to_string(machine).unwrap();
    let other: Machine = serde_json::from_str(&text).unwrap();
    assert_eq!(other, *machine);
    other
}

fn server() -> &'static ServerIdentity {
    static SERVER: std::sync::OnceLock<ServerIdentity> = std::sync::OnceLock::new();
    let (id, uri) = ("dm.example.net".to_owned(), "https://dm.example.net/dm".to_owned());
    SERVER.get_or_init(|| ServerIdentity { id, uri })
}
