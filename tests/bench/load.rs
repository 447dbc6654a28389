//! The load generator: the pure core of simulated devices on connections that stay open.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result, bail};
use scomo::{
    infra::system::SystemClock,
    model::clock::{Clock as _, Timestamp},
    sim::{Delivery, Device, End, Next},
    wire::syncml::xml::MIME,
};
use tokio::task::JoinSet;

use super::{
    CONNECTIONS,
    http::{Connection, path},
};

/// Devices between their sessions.
#[derive(Default)]
pub(crate) struct Devices {
    pub(crate) waiting: VecDeque<Device>,
    done: VecDeque<Device>,
}

/// What was said.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) sessions: u64,
    /// How long each message waited for its answer, in microseconds.
    pub(crate) waits: Vec<u64>,
}

impl Devices {
    pub(crate) fn ids(&self) -> Vec<String> {
        self.waiting.iter().map(|device| device.id().to_owned()).collect()
    }
}

impl Said {
    pub(crate) fn add(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.waits.extend(other.waits);
    }
}

/// One session of each device.
pub(crate) async fn once(server: SocketAddr, devices: &mut Devices) -> Result<Said> {
    let said = run(server, devices, None).await?;
    devices.waiting = std::mem::take(&mut devices.done);
    Ok(said)
}

/// One session after the other until a time.
pub(crate) async fn until(server: SocketAddr, devices: &mut Devices, end: Timestamp) -> Result<Said> {
    run(server, devices, Some(end)).await
}

async fn run(server: SocketAddr, devices: &mut Devices, end: Option<Timestamp>) -> Result<Said> {
    let shared = Arc::new(Mutex::new(std::mem::take(devices)));
    let mut running = JoinSet::new();
    for _ in 0..CONNECTIONS {
        running.spawn(connection(server, Arc::clone(&shared), end));
    }
    let mut all = Said::default();
    while let Some(said) = running.join_next().await {
        all.add(said??);
    }
    *devices = std::mem::take(&mut shared.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(all)
}

async fn connection(server: SocketAddr, devices: Arc<Mutex<Devices>>, end: Option<Timestamp>) -> Result<Said> {
    let url = format!("http://{server}/dm");
    let mut connection = Connection::open(server).await?;
    let mut said = Said::default();
    let take = || devices.lock().unwrap_or_else(PoisonError::into_inner).waiting.pop_front();
    while end.is_none_or(|end| SystemClock.now() < end) {
        let Some(mut device) = take() else { break };
        device.want_session();
        let mut next = device.open(&url);
        while let Some(message) = next {
            let sent_at = SystemClock.now();
            next = exchange(&mut connection, &mut device, &message).await?.0;
            said.waits.push(u64::try_from(SystemClock.now().since(sent_at).as_micros())?);
        }
        said.sessions += 1;
        device.take_events();
        let mut devices = devices.lock().unwrap_or_else(PoisonError::into_inner);
        if end.is_none() { devices.done.push_back(device) } else { devices.waiting.push_back(device) }
    }
    Ok(said)
}

/// Sends a message and takes its answer; gives the next message, if the session goes on, and the size of the answer.
pub(crate) async fn exchange(
    connection: &mut Connection,
    device: &mut Device,
    message: &Delivery,
) -> Result<(Option<Delivery>, usize)> {
    let answer = connection.post(path(&message.url)?, MIME, &message.body).await.context("a device message")?;
    if answer.status != 200 {
        bail!("the server answered a device {}", answer.status);
    }
    let next = match message.last.clone() {
        None => device.receive(&answer.body),
        Some(end) => device.hang_up(end),
    };
    match next {
        Next::Send(next) => Ok((Some(next), answer.body.len())),
        Next::Over(End::Done) => Ok((None, answer.body.len())),
        Next::Over(end) => bail!("a session of {} ended badly: {end}", device.id()),
    }
}
