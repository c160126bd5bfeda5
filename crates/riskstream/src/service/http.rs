//! `/metrics`, `/healthz` and `/readyz`, in a thread of its own, and the signals that end the service.

use super::health::{Answer, Health};
use super::stop::Stop;
use crate::telemetry::Recorder;
use anyhow::Context;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often observations are put into their buckets if nobody asks for them.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// A port that is ours.
pub struct HttpServer {
    listener: TcpListener,
}

impl HttpServer {
    /// Takes the port, so that a busy one is known before anything else begins.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn bind(address: SocketAddr) -> Result<HttpServer, anyhow::Error> {
        let listener = TcpListener::bind(address).with_context(|| {
            format!("cannot listen on {address} for /metrics, /healthz and /readyz; choose another address with --http HOST:PORT")
        })?;
        listener.set_nonblocking(true)?;
        Ok(HttpServer { listener })
    }

    /// The address, with the port that the system chose if it was asked to.
    pub fn address(&self) -> Result<SocketAddr, std::io::Error> {
        self.listener.local_addr()
    }

    /// Answers requests from now on, and sets `stop` on SIGTERM or SIGINT; the second one ends the process at once.
    ///
    /// # Errors
    /// The system gives no thread, or no signals.
    pub fn start(self, health: Health, recorder: Recorder, stop: Stop) -> Result<(), anyhow::Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let signals = {
            let _in_runtime = runtime.enter();
            [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?]
        };
        let serve = move || {
            runtime.block_on(async move {
                let listener = match tokio::net::TcpListener::from_std(self.listener) {
                    Ok(listener) => listener,
                    Err(error) => {
                        return tracing::error!(target: "riskstream::http", %error, "the HTTP server cannot start");
                    }
                };
                tokio::spawn(tidy(recorder.clone()));
                tokio::spawn(stop_on_signals(signals, stop));
                if let Err(error) = axum::serve(listener, routes(health, recorder)).await {
                    tracing::error!(target: "riskstream::http", %error, "the HTTP server has ended");
                }
            });
        };
        std::thread::Builder::new().name("http".to_owned()).spawn(serve)?;
        Ok(())
    }
}

fn routes(health: Health, recorder: Recorder) -> Router {
    let alive = health.clone();
    Router::new()
        .route("/metrics", get(async move || metrics(&recorder)))
        .route("/healthz", get(async move || health_response(&alive.healthz())))
        .route("/readyz", get(async move || health_response(&health.readyz())))
}

fn metrics(recorder: &Recorder) -> Response {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        recorder.render(),
    )
        .into_response()
}

fn health_response(answer: &Answer) -> Response {
    let status = if answer.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = serde_json::to_string(answer).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn tidy(recorder: Recorder) {
    loop {
        tokio::time::sleep(TIDY_EVERY).await;
        recorder.tidy();
    }
}

async fn stop_on_signals([mut terminate, mut interrupt]: [Signal; 2], stop: Stop) {
    let first = either(&mut terminate, &mut interrupt).await;
    tracing::info!(target: "riskstream", signal = first, "finishing the batch, then ending; a second signal ends at once");
    stop.set();
    let second = either(&mut terminate, &mut interrupt).await;
    tracing::warn!(target: "riskstream", signal = second, "ending at once");
    std::process::exit(130);
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_is_an_error_that_names_the_flag() {
        let first = HttpServer::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let error = HttpServer::bind(first.address().unwrap()).err().unwrap();
        assert!(format!("{error:#}").contains("--http HOST:PORT"), "{error:#}");
        assert!(format!("{error:#}").contains("in use"), "{error:#}");
    }

    #[test]
    fn answers_say_why() {
        let response = health_response(&Health::new(1).readyz());
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = serde_json::to_string(&Health::new(1).readyz()).unwrap();
        let expected = r#"{"status":"failing","reasons":["worker 0 is starting"],"workers":[{"phase":"starting","partitions":0}]}"#;
        assert_eq!(body, expected);
    }
}
