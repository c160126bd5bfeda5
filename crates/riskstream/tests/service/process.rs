//! The binary as a child process, and what it answers over HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// What takes longer than this does not come.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A command of the binary, with no settings from the tests' own environment.
pub fn riskstream(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_riskstream"));
    command.args(arguments).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Runs a command to its end: exit code, standard output, standard error.
pub fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = riskstream(arguments).output().unwrap();
    (
        status.code(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

/// Looks until `found` finds something; panics with `what` once it takes too long.
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// `riskstream run` in the background. Killed when dropped.
pub struct Service {
    child: Child,
    http: SocketAddr,
}

impl Service {
    /// Starts it on `pipeline`, with state in `state`.
    pub fn start(pipeline: &Path, state: &Path, further: &[&str]) -> Service {
        // Free a moment ago; taken by somebody else in between, the service would say so and end.
        let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let address = http.to_string();
        let mut arguments = vec![
            "run",
            pipeline.to_str().unwrap(),
            "--state-dir",
            state.to_str().unwrap(),
        ];
        arguments.extend(["--http", &address]);
        arguments.extend(further);
        let child = riskstream(&arguments).spawn().unwrap();
        Service { child, http }
    }

    /// Status and body of a GET request, or `None` while nobody listens.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(self.http).ok()?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((status, body.to_owned()))
    }

    /// Waits until /readyz says yes.
    pub fn wait_until_ready(&mut self) {
        wait_for("readiness", || {
            assert_eq!(self.child.try_wait().unwrap(), None, "the service has ended");
            (self.get("/readyz")?.0 == 200).then_some(())
        });
    }

    /// Waits until /readyz says no, for a reason that contains `reason`.
    pub fn wait_until_unready(&mut self, reason: &str) {
        wait_for(&format!("the reason {reason}"), || {
            assert_eq!(self.child.try_wait().unwrap(), None, "the service has ended");
            let (status, body) = self.get("/readyz")?;
            (status == 503 && body.contains(reason)).then_some(())
        });
    }

    /// Partitions that the workers read, as /readyz tells.
    pub fn partitions(&self) -> u64 {
        let (_, body) = self.get("/readyz").unwrap();
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
        let workers = answer["workers"].as_array().unwrap();
        workers
            .iter()
            .map(|worker| worker["partitions"].as_u64().unwrap())
            .sum()
    }

    /// The sum of a metric over all its labels that contain `label`.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        let (status, body) = self.get("/metrics").unwrap();
        assert_eq!(status, 200);
        let mine = body
            .lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name) && line.contains(label));
        mine.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let status = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Sends SIGKILL and waits for the end.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        wait_for("the end of the service", || self.child.try_wait().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
