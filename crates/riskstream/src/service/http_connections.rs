//! Accepts HTTP connections. Whatever clients do, the next connection is accepted: one that takes too long is closed, and if too
//! many are open the oldest is closed. So clients cannot use up the descriptors of the process, and health is always answered.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Limit of open connections. Probes and Prometheus need one each for some milliseconds.
const CONNECTIONS: usize = 64;
/// How long a client may take to send the head of its request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may last. Each serves one request.
const LIFETIME: Duration = Duration::from_secs(10);
/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves connections for ever.
pub(super) async fn serve(listener: TcpListener, routes: Router) {
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                open.retain(|connection| !connection.is_finished());
                if open.len() >= CONNECTIONS {
                    close_oldest(&mut open);
                }
                open.push_back(tokio::spawn(serve_one(stream, routes.clone())).abort_handle());
            }
            // Most likely the process has no descriptor left.
            Err(error) => {
                tracing::debug!(target: "riskstream::http", %error, "a connection cannot be accepted");
                close_oldest(&mut open);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn close_oldest(open: &mut VecDeque<AbortHandle>) {
    if let Some(oldest) = open.pop_front() {
        oldest.abort();
    }
}

async fn serve_one(stream: TcpStream, routes: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    // Errors of a connection are not logged: the client gets them.
    let _ = tokio::time::timeout(LIFETIME, connection).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream as Client};
    use std::time::Instant;

    /// A server that answers `fine`.
    fn start() -> SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let routes = Router::new().route("/healthz", get(async || "fine"));
                serve(TcpListener::from_std(listener).unwrap(), routes).await;
            });
        });
        address
    }

    #[test]
    fn health_is_answered_while_300_connections_are_held() {
        let address = start();
        let held: Vec<Client> = (0..300)
            .map(|number| {
                let mut client = Client::connect(address).unwrap();
                // Some say nothing, some begin a request.
                if number % 2 == 0 {
                    // The server may have closed it already.
                    let _ = client.write_all(b"GET /healthz HTTP/1.1\r\n");
                }
                client
            })
            .collect();
        let began = Instant::now();
        let mut client = Client::connect(address).unwrap();
        client
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        // The server closes the connection after the answer.
        client.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("fine"),
            "{answer}"
        );
        assert!(
            began.elapsed() < HEADER_TIMEOUT,
            "it did not wait for others to be closed"
        );
        drop(held);
    }

    #[test]
    fn a_request_that_does_not_come_is_not_waited_for() {
        let address = start();
        let began = Instant::now();
        for head in ["", "GET /healthz HTTP/1.1\r\nhost:"] {
            let mut client = Client::connect(address).unwrap();
            client.write_all(head.as_bytes()).unwrap();
            client.set_read_timeout(Some(LIFETIME * 2)).unwrap();
            // The server closes the connection, with or without an answer.
            let _ = client.read_to_end(&mut Vec::new()).unwrap();
        }
        assert!(began.elapsed() < LIFETIME * 3);
    }
}
