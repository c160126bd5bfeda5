//! The binary as a child process, and its answers over HTTP.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// How long tests wait for something to happen.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Environment variables of a child.
pub type Environment = [(&'static str, String)];

/// A command of the binary. `environment` is added to the environment of the tests, without RUST_LOG.
pub fn riskstream(arguments: &[&str], environment: &Environment) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_riskstream"));
    command.args(arguments).env_remove("RUST_LOG").stdin(Stdio::null());
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

/// `program first… COMMAND…`, in the same environment.
fn through(program: &str, first: &[&str], command: &Command) -> Command {
    let mut wrapped = Command::new(program);
    wrapped.args(first).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped.stdin(Stdio::null());
    wrapped
}

/// Runs a command to its end: exit code, standard output, standard error.
pub fn run(arguments: &[&str], environment: &Environment) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = riskstream(arguments, environment).output().unwrap();
    (
        status.code(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

/// Calls `found` until it returns something; panics with `what` after [`DEADLINE`].
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// `riskstream run` in the background, its log in a file. Killed when dropped.
pub struct Service {
    child: Child,
    http: SocketAddr,
    log: PathBuf,
}

impl Service {
    /// Starts it on `pipeline`, with state in `state` and its log appended to `log`.
    pub fn start(pipeline: &Path, state: &Path, log: &Path, environment: &Environment, further: &[&str]) -> Service {
        Service::start_through(&[], pipeline, state, log, environment, further)
    }

    /// The same with `wrapper` in front of the command line: a program that finally executes what follows it.
    pub fn start_through(
        wrapper: &[&str],
        pipeline: &Path,
        state: &Path,
        log: &Path,
        environment: &Environment,
        further: &[&str],
    ) -> Service {
        // If another process takes this port before the service does, the service ends with an error.
        let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let address = http.to_string();
        let mut arguments = vec![
            "run",
            pipeline.to_str().unwrap(),
            "--state-dir",
            state.to_str().unwrap(),
        ];
        arguments.extend(["--http", &address, "--log-format", "text"]);
        arguments.extend(further);
        let file = File::options().create(true).append(true).open(log).unwrap();
        let mut command = riskstream(&arguments, environment);
        if let [program, first @ ..] = wrapper {
            command = through(program, first, &command);
        }
        let child = command.stderr(file).spawn().unwrap();
        Service {
            child,
            http,
            log: log.to_owned(),
        }
    }

    /// Status and body of a GET request; `None` while the service does not listen.
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

    /// Panics with the log's end if the process has ended.
    pub fn check_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("the service has ended: {status}\n{}", self.log_tail());
        }
    }

    /// Waits until /readyz answers with status 200.
    pub fn wait_until_ready(&mut self) {
        wait_for("readiness", || {
            self.check_running();
            (self.get("/readyz")?.0 == 200).then_some(())
        });
    }

    /// Waits until /readyz answers with status 503 and a reason that contains `reason`.
    pub fn wait_until_unready(&mut self, reason: &str) {
        wait_for(&format!("the reason {reason}"), || {
            self.check_running();
            let (status, body) = self.get("/readyz")?;
            (status == 503 && body.contains(reason)).then_some(())
        });
    }

    /// Partitions that the workers read, by /readyz; 0 while it does not answer.
    pub fn partitions(&self) -> u64 {
        let Some((_, body)) = self.get("/readyz") else { return 0 };
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
        let lines = body
            .lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name) && line.contains(label));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    /// CPU seconds so far and peak resident memory in megabytes, from /proc.
    pub fn usage(&self) -> (f64, f64) {
        let file =
            |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap_or_default();
        let stat = file("stat");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| {
            fields
                .get(index)
                .and_then(|text| text.parse::<f64>().ok())
                .unwrap_or_default()
        };
        let peak = file("status").lines().find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .split_whitespace()
                .next()?
                .parse::<f64>()
                .ok()
        });
        ((ticks(11) + ticks(12)) / 100.0, peak.unwrap_or_default() / 1024.0)
    }

    /// The last 40 lines of its log.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
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

    /// Sends SIGTERM and expects exit code 0.
    pub fn end(self) {
        self.terminate();
        let log = self.log.clone();
        let status = self.wait();
        assert!(
            status.success(),
            "{status}: {}",
            std::fs::read_to_string(log).unwrap_or_default()
        );
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
