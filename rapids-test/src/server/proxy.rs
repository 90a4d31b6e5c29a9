//! A way to a server that can be cut: what is sent on it then arrives nowhere, until it is mended.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Forwards connections to a port of this machine.
#[derive(Debug)]
pub(super) struct Proxy {
    /// Where it listens.
    pub(super) port: u16,
    is_open: watch::Sender<bool>,
    // Ends with this value, and all connections with it.
    _task: JoinSet<()>,
}

impl Proxy {
    /// Begins to listen on a free port.
    ///
    /// # Errors
    /// If there is none.
    pub(super) async fn to(target: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("no port is free for a proxy")?;
        let port = listener.local_addr()?.port();
        let (is_open, opened) = watch::channel(true);
        let mut task = JoinSet::new();
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
        task.spawn(forward(listener, target, opened));
        Ok(Self { port, is_open, _task: task })
    }

    /// Lets nothing through any more. Connections stay, as they do where a cable is pulled.
    pub(super) fn cut(&self) {
        self.is_open.send_replace(false);
    }

    /// Lets everything through again, also what was sent meanwhile.
    pub(super) fn mend(&self) {
        self.is_open.send_replace(true);
    }
}

async fn forward(listener: TcpListener, target: SocketAddr, is_open: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // One that fails is the client's to make again.
                let Ok((client, _)) = accepted else { continue };
                connections.spawn(connect(client, target, is_open.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connect(client: TcpStream, target: SocketAddr, mut is_open: watch::Receiver<bool>) {
    if is_open.wait_for(|is_open| *is_open).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    // When one side ends, so does the other.
    tokio::select! {
        () = pump(from_client, to_server, is_open.clone()) => {}
        () = pump(from_server, to_client, is_open) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut is_open: watch::Receiver<bool>) {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let Ok(read @ 1..) = from.read(&mut bytes).await else { return };
        if is_open.wait_for(|is_open| *is_open).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn what_is_sent_while_it_is_cut_arrives_once_it_is_mended() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Proxy::to(server.local_addr().unwrap().port()).await.unwrap();
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port)).await.unwrap();
        let (mut served, _) = server.accept().await.unwrap();
        client.write_all(b"a").await.unwrap();
        assert_eq!(served.read_u8().await.unwrap(), b'a');
        proxy.cut();
        client.write_all(b"b").await.unwrap();
        let waited = timeout(Duration::from_millis(100), served.read_u8()).await;
        assert!(waited.is_err(), "it is cut");
        proxy.mend();
        assert_eq!(served.read_u8().await.unwrap(), b'b');
        drop(client);
        assert!(served.read_u8().await.is_err(), "the connection has ended");
    }
}
