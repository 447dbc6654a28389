//! A cable between a replica and what it depends on. It can be cut, kept apart, or made a hole that everything falls into.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

/// Where a cable leads.
#[derive(Debug, Clone)]
pub(crate) enum Far {
    Socket(PathBuf),
    Port(SocketAddr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Whole,
    /// Nobody gets in.
    Refuses,
    /// Connections stay, and nothing comes through.
    Hole,
}

#[derive(Debug, Clone, Copy)]
struct State {
    mode: Mode,
    /// Connections of an earlier one are cut.
    age: u64,
}

/// Passes TCP on while it is whole.
#[derive(Debug, Clone)]
pub(crate) struct Cable {
    pub(crate) address: SocketAddr,
    state: Arc<watch::Sender<State>>,
}

impl Cable {
    pub(crate) async fn to(far: Far) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, state) = watch::channel(State { mode: Mode::Whole, age: 0 });
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if state.borrow().mode != Mode::Refuses {
                    tokio::spawn(join(near, far.clone(), state.clone()));
                }
            }
        });
        Self { address, state: Arc::new(sender) }
    }

    /// Ends every connection.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.age += 1);
    }

    /// Ends every connection, and lets none in.
    pub(crate) fn refuse(&self) {
        self.state.send_modify(|state| *state = State { mode: Mode::Refuses, age: state.age + 1 });
    }

    /// Lets everything in and nothing through.
    pub(crate) fn swallow(&self) {
        self.state.send_modify(|state| state.mode = Mode::Hole);
    }

    /// Is whole again; what fell into the hole comes through late.
    pub(crate) fn mend(&self) {
        self.state.send_modify(|state| state.mode = Mode::Whole);
    }
}

async fn join(near: TcpStream, far: Far, state: watch::Receiver<State>) {
    let age = state.borrow().age;
    let (mut cut, open) = (state.clone(), state.clone());
    let passing = async move {
        let _ = near.set_nodelay(true);
        let (from, to) = near.into_split();
        match far {
            Far::Socket(path) => {
                let Ok(far) = UnixStream::connect(path).await else { return };
                let (back, away) = far.into_split();
                both(from, away, back, to, open).await;
            }
            Far::Port(address) => {
                let Ok(far) = TcpStream::connect(address).await else { return };
                let _ = far.set_nodelay(true);
                let (back, away) = far.into_split();
                both(from, away, back, to, open).await;
            }
        }
    };
    tokio::select! {
        () = passing => {}
        _ = cut.wait_for(|state| state.age > age) => {}
    }
}

/// Both ways, until either ends.
async fn both<R1, W1, R2, W2>(from: R1, away: W1, back: R2, to: W2, state: watch::Receiver<State>)
where
    R1: AsyncRead + Unpin,
    W1: AsyncWrite + Unpin,
    R2: AsyncRead + Unpin,
    W2: AsyncWrite + Unpin,
{
    tokio::select! {
        () = pass(from, away, state.clone()) => {}
        () = pass(back, to, state) => {}
    }
}

async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut state: watch::Receiver<State>) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut bytes).await else { return };
        if state.wait_for(|state| state.mode != Mode::Hole).await.is_err()
            || to.write_all(&bytes[..count]).await.is_err()
        {
            return;
        }
    }
}
