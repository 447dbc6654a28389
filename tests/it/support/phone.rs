//! A device that says what a test wants it to say, byte for byte.

use std::{fmt::Write as _, net::SocketAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use scomo::wire::syncml::{Command, Message, limits::Limits, xml};

/// A session of raw messages with basic credentials.
pub(crate) struct Phone {
    client: reqwest::Client,
    url: String,
    device: String,
    pub(crate) session: String,
    pub(crate) msg_id: u32,
    /// The server's last message.
    heard: Option<Message>,
}

/// What HTTP answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The message in a 200.
    pub(crate) fn message(&self) -> Message {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        xml::read(&self.body, &Limits::default()).unwrap()
    }

    /// The codes of its Statuses, with CmdRef, in order.
    pub(crate) fn statuses(&self) -> Vec<(String, String)> {
        let code =
            |command| if let Command::Status(status) = command { Some((status.cmd_ref, status.data)) } else { None };
        self.message().body.commands.into_iter().filter_map(code).collect()
    }

    /// How many commands of it want a Status.
    pub(crate) fn wants(&self) -> usize {
        self.message().body.commands.iter().filter(|c| !matches!(c, Command::Status(_) | Command::Results(_))).count()
    }
}

impl Phone {
    pub(crate) fn new(server: SocketAddr, device: &str) -> Self {
        Self {
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            url: format!("http://{server}/dm"),
            device: device.to_owned(),
            session: "A7".to_owned(),
            msg_id: 0,
            heard: None,
        }
    }

    /// Posts anything.
    pub(crate) async fn post(&self, body: impl Into<reqwest::Body>) -> Answer {
        self.try_post(body).await.unwrap()
    }

    /// Posts what may be so much that the server hangs up in the midst of it.
    pub(crate) async fn try_post(&self, body: impl Into<reqwest::Body>) -> reqwest::Result<Answer> {
        let request = self.client.post(&self.url).header("content-type", xml::MIME).body(body);
        let answer = request.send().await?;
        Ok(Answer { status: answer.status().as_u16(), body: answer.bytes().await?.to_vec() })
    }

    /// Posts a message of the session, with the next MsgID, to where the server wants it.
    pub(crate) async fn say(&mut self, cred: &str, commands: &str) -> Answer {
        self.msg_id += 1;
        let answer = self.post(self.message(self.msg_id, cred, commands)).await;
        self.hear(&answer);
        answer
    }

    /// Notes what the server said.
    pub(crate) fn hear(&mut self, answer: &Answer) {
        if answer.status == 200 {
            let message = answer.message();
            if let Some(url) = &message.header.resp_uri {
                self.url.clone_from(url);
            }
            self.heard = Some(message);
        }
    }

    /// The first message of a session.
    pub(crate) async fn open(&mut self, cred: &str) -> Answer {
        self.say(cred, &Self::pkg1()).await
    }

    /// Answers every command of the server's last message with a code, after `more` commands of its own.
    pub(crate) async fn answer(&mut self, code: u16, more: &str) -> Answer {
        let heard = self.heard.take().unwrap();
        let reference = &heard.header.msg_id;
        let mut commands = format!(
            "<Status><CmdID>1</CmdID><MsgRef>{reference}</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>"
        );
        let wants = heard.body.commands.iter().filter(|c| !matches!(c, Command::Status(_) | Command::Results(_)));
        for (number, command) in wants.enumerate() {
            let (id, name) = (command.cmd_id(), command.name());
            let own = number + 2;
            write!(
                commands,
                "<Status><CmdID>{own}</CmdID><MsgRef>{reference}</MsgRef><CmdRef>{id}</CmdRef><Cmd>{name}</Cmd><Data>{code}</Data></Status>"
            )
            .unwrap();
        }
        self.say("", &format!("{commands}{more}<Final/>")).await
    }

    /// A whole message.
    pub(crate) fn message(&self, msg_id: u32, cred: &str, commands: &str) -> String {
        let (device, session, url) = (&self.device, &self.session, &self.url);
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD>\
             <VerProto>DM/1.2</VerProto><SessionID>{session}</SessionID><MsgID>{msg_id}</MsgID><Target><LocURI>{url}</LocURI></Target>\
             <Source><LocURI>{device}</LocURI></Source>{cred}<Meta><MaxMsgSize xmlns=\"syncml:metinf\">16384</MaxMsgSize></Meta></SyncHdr>\
             <SyncBody>{commands}</SyncBody></SyncML>"
        )
    }

    /// Alert 1201 and DevInfo.
    pub(crate) fn pkg1() -> String {
        let leaves = [("DevId", "raw"), ("Man", "Acme"), ("Mod", "A1"), ("DmV", "1.2"), ("Lang", "en")];
        let item = |(name, value)| {
            format!("<Item><Source><LocURI>./DevInfo/{name}</LocURI></Source><Data>{value}</Data></Item>")
        };
        let items: String = leaves.into_iter().map(item).collect();
        format!("<Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Replace><CmdID>2</CmdID>{items}</Replace><Final/>")
    }
}

/// Basic credentials.
pub(crate) fn basic(user: &str, secret: &str) -> String {
    cred("syncml:auth-basic", &BASE64.encode(format!("{user}:{secret}")))
}

/// Credentials of a scheme.
pub(crate) fn cred(scheme: &str, data: &str) -> String {
    format!(
        "<Cred><Meta><Format xmlns=\"syncml:metinf\">b64</Format><Type xmlns=\"syncml:metinf\">{scheme}</Type></Meta><Data>{data}</Data></Cred>"
    )
}
