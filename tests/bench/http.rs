//! A lean HTTP/1.1 client, so that the load generator leaves the machine to the server: one keep-alive connection, bodies with
//! `Content-Length`, nothing else.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A connection that stays open.
pub(crate) struct Connection {
    stream: TcpStream,
    sent: Vec<u8>,
    received: Vec<u8>,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, sent: Vec::new(), received: Vec::new() })
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer> {
        self.exchange("GET", path, "*/*", &[]).await
    }

    pub(crate) async fn post(&mut self, path: &str, mime: &str, body: &[u8]) -> Result<Answer> {
        self.exchange("POST", path, mime, body).await
    }

    async fn exchange(&mut self, method: &str, path: &str, mime: &str, body: &[u8]) -> Result<Answer> {
        self.sent.clear();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nContent-Type: {mime}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.sent.extend_from_slice(head.as_bytes());
        self.sent.extend_from_slice(body);
        self.stream.write_all(&self.sent).await?;
        self.received.clear();
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                bail!("the server closed the connection");
            }
            if let Some((head, rest)) = split(&self.received) {
                let (status, length) = read(head)?;
                if rest.len() >= length {
                    return Ok(Answer { status, body: rest.to_vec() });
                }
            }
        }
    }
}

/// Path and query of a URL.
pub(crate) fn path(url: &str) -> Result<&str> {
    let rest = url.split_once("://").context("a URL")?.1;
    Ok(rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"))
}

fn split(received: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some((received.get(..end)?, received.get(end + 4..)?))
}

/// Status and length of the body.
fn read(head: &[u8]) -> Result<(u16, usize)> {
    let head = std::str::from_utf8(head)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status line")?.parse()?;
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .context("an answer without Content-Length")?;
    Ok((status, length.1.trim().parse()?))
}
