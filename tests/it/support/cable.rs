//! A cable between the service and what it depends on, which a test can cut.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

/// Passes TCP on to another address while it is whole.
pub(crate) struct Cable {
    pub(crate) address: SocketAddr,
    whole: Arc<watch::Sender<bool>>,
}

/// Where it leads.
#[derive(Clone)]
enum End {
    Tcp(SocketAddr),
    Socket(PathBuf),
}

impl Cable {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        Self::lay(End::Tcp(target)).await
    }

    /// To a socket in the file system.
    pub(crate) async fn to_socket(target: PathBuf) -> Self {
        Self::lay(End::Socket(target)).await
    }

    async fn lay(end: End) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (whole, state) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let mut state = state.clone();
                if !*state.borrow_and_update() {
                    continue; // dropped: the caller finds it closed
                }
                tokio::spawn(carry(near, end.clone(), state));
            }
        });
        Self { address, whole: Arc::new(whole) }
    }

    /// Ends every connection, and lets none in.
    pub(crate) fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets connections in again.
    pub(crate) fn mend(&self) {
        self.whole.send_replace(true);
    }
}

async fn carry(mut near: TcpStream, end: End, mut state: watch::Receiver<bool>) {
    let passing = async {
        match end {
            End::Tcp(target) => {
                let Ok(mut far) = TcpStream::connect(target).await else { return };
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
            End::Socket(target) => {
                let Ok(mut far) = UnixStream::connect(target).await else { return };
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        }
    };
    tokio::select! {
        () = passing => {}
        _ = state.wait_for(|whole| !whole) => {}
    }
}
