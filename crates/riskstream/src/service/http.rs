//! The HTTP server for `/metrics`, `/healthz` and `/readyz`, on a thread of its own.

use super::health::{Health, HealthReport};
use super::http_connections;
use crate::telemetry::MetricsRecorder;
use anyhow::Context;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// Interval of the recorder's upkeep.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// A server that listens and does not answer yet.
pub struct HttpServer {
    listener: TcpListener,
}

impl HttpServer {
    /// Listens on `address`. This is separate from [`HttpServer::start`], so that a port in use is reported before
    /// anything else starts.
    ///
    /// # Errors
    /// The port is in use, or the address is not one of this machine.
    pub fn bind(address: SocketAddr) -> Result<HttpServer, anyhow::Error> {
        let listener = TcpListener::bind(address).with_context(|| {
            format!("cannot listen on {address} for /metrics, /healthz and /readyz; choose another address with --http HOST:PORT")
        })?;
        listener.set_nonblocking(true)?;
        Ok(HttpServer { listener })
    }

    /// The address. If the port given was 0, this holds the port that the operating system chose.
    pub fn address(&self) -> Result<SocketAddr, std::io::Error> {
        self.listener.local_addr()
    }

    /// Answers requests, on a thread that ends with the process.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(self, health: Health, recorder: MetricsRecorder) -> Result<(), anyhow::Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serve = move || {
            runtime.block_on(async move {
                let listener = match tokio::net::TcpListener::from_std(self.listener) {
                    Ok(listener) => listener,
                    Err(error) => {
                        return tracing::error!(target: "riskstream::http", %error, "the HTTP server cannot start");
                    }
                };
                tokio::spawn(keep_up(recorder.clone()));
                http_connections::serve(listener, routes(health, recorder)).await;
            });
        };
        std::thread::Builder::new().name("http".to_owned()).spawn(serve)?;
        Ok(())
    }
}

fn routes(health: Health, recorder: MetricsRecorder) -> Router {
    let alive = health.clone();
    Router::new()
        .route("/metrics", get(async move || metrics(&recorder)))
        .route("/healthz", get(async move || health_response(&alive.healthz())))
        .route("/readyz", get(async move || health_response(&health.readyz())))
}

fn metrics(recorder: &MetricsRecorder) -> Response {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        recorder.render(),
    )
        .into_response()
}

fn health_response(report: &HealthReport) -> Response {
    let status = if report.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = serde_json::to_string(report).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn keep_up(recorder: MetricsRecorder) {
    loop {
        tokio::time::sleep(UPKEEP_INTERVAL).await;
        recorder.keep_up();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_an_error_that_names_the_option() {
        let first = HttpServer::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let error = HttpServer::bind(first.address().unwrap()).err().unwrap();
        assert!(format!("{error:#}").contains("--http HOST:PORT"), "{error:#}");
        assert!(format!("{error:#}").contains("in use"), "{error:#}");
    }

    #[test]
    fn a_response_gives_the_reasons() {
        let response = health_response(&Health::new(1).readyz());
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body = serde_json::to_string(&Health::new(1).readyz()).unwrap();
        let expected = r#"{"status":"failing","reasons":["worker 0 is starting"],"workers":[{"phase":"starting","partitions":0}]}"#;
        assert_eq!(body, expected);
    }
}
