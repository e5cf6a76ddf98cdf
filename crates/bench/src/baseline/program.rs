//! The bare program itself, in a process of its own.

use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use rustls_pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use super::connection::Connection;
use super::{BaselineAnswer, BaselineRequest, Ready};
use crate::error::{Context, Error};

#[derive(Default)]
struct OpenConnections {
    open: Mutex<Vec<Arc<Connection>>>,
    read: AtomicU64,
}

pub(crate) fn run() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let connections = Arc::new(OpenConnections::default());
    let ready = runtime.block_on(listen(Arc::clone(&connections)))?;
    say(&ready)?;
    for line in std::io::stdin().lock().lines() {
        let request: BaselineRequest = serde_json::from_str(&line?)?;
        let open = connections.open.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut answer = BaselineAnswer { open: open.len(), ..BaselineAnswer::default() };
        if let BaselineRequest::Write(size) = request {
            let plaintext = vec![b'x'; size];
            answer.written = open.iter().filter(|connection| connection.send(&plaintext).is_ok()).count();
        }
        answer.read = connections.read.load(Ordering::Relaxed);
        say(&answer)?;
    }
    runtime.shutdown_background();
    Ok(())
}

fn say(what: &impl serde::Serialize) -> Result<(), Error> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    Ok(out.flush()?)
}

async fn listen(connections: Arc<OpenConnections>) -> Result<Ready, Error> {
    let config = Arc::new(config()?);
    let (tls, echo) = (bind()?, bind()?);
    let ready = Ready { tls: tls.local_addr()?, echo: echo.local_addr()? };
    tokio::spawn(async move {
        loop {
            let Ok((socket, _)) = tls.accept().await else { continue };
            let _ = socket.set_nodelay(true);
            let Ok(connection) = Connection::new(socket, Arc::clone(&config)) else { continue };
            tokio::spawn(serve_connection(Arc::new(connection), Arc::clone(&connections)));
        }
    });
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = echo.accept().await {
            let _ = socket.set_nodelay(true);
            tokio::spawn(async move {
                let mut buffer = vec![0; 4096];
                while let Ok(read @ 1..) = socket.read(&mut buffer).await {
                    let Some(bytes) = buffer.get(..read) else { return };
                    if socket.write_all(bytes).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(ready)
}

fn bind() -> Result<TcpListener, Error> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    Ok(socket.listen(4096)?)
}

/// One connection's life: the handshake, a place in the list, then reading.
async fn serve_connection(connection: Arc<Connection>, connections: Arc<OpenConnections>) {
    let mut listed = false;
    while let Ok(Some(records)) = connection.read().await {
        connections.read.fetch_add(records, Ordering::Relaxed);
        if !listed && !connection.is_handshaking() {
            listed = true;
            connections.open.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&connection));
        }
    }
    let mut open = connections.open.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|other| !Arc::ptr_eq(other, &connection));
}

/// TLS 1.3 with a P-256 key, as the server's own certificate has.
fn config() -> Result<ServerConfig, Error> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).context("no certificate")?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .context("no TLS 1.3")?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .context("no certificate")?;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(config)
}
