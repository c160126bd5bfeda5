//! A pipeline on topics of its own whose file a test writes, and its decisions. The test adds what its customers do.

use super::kafka::{Reader, Writer, brokers, create_topics_of, delete_topics};
use super::process::{Environment, Service};
use super::unique;
use std::path::{Path, PathBuf};

/// A pipeline. The service is not started yet. Its topics are deleted in the end, unless the test fails.
pub struct Shop {
    /// The pipeline's name, and the prefix of its topics.
    pub name: String,
    /// Kafka's address.
    pub brokers: String,
    pub writer: Writer,
    pub decided: Reader,
    directory: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Shop {
    /// Writes `pipeline.yaml` and creates its topics. `files` is given the directory, the name and Kafka's address; it writes what
    /// the pipeline needs besides, and gives its text. `environment`: the variables of the service and the commands.
    pub fn new(
        name: &str,
        partitions: i32,
        environment: &Environment,
        files: impl FnOnce(&Path, &str, &str) -> String,
    ) -> Shop {
        let (brokers, name) = (brokers(), unique(name));
        let directory = tempfile::tempdir().unwrap();
        let pipeline = directory.path().join("pipeline.yaml");
        std::fs::write(&pipeline, files(directory.path(), &name, &brokers)).unwrap();
        create_topics_of(&pipeline, partitions, environment);
        Shop {
            writer: Writer::new(&brokers),
            decided: Reader::new(&brokers, &format!("{name}-decisions")),
            name,
            brokers,
            directory,
            environment: environment.to_vec(),
        }
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// Starts a copy with a state directory of its own, and waits until it is ready.
    pub fn start(&self, state: &str) -> Service {
        let (pipeline, state, log) = (self.path("pipeline.yaml"), self.path(state), self.path("log"));
        let mut service = Service::start(&pipeline, &state, &log, &self.environment, &[]);
        service.wait_until_ready();
        service
    }

    pub fn wait_for_decisions(&mut self, count: usize, service: &mut Service) {
        self.decided.wait_for(count, || service.check_running());
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", std::fs::read_to_string(self.path("log")).unwrap_or_default());
        } else {
            delete_topics(&self.brokers, &self.name);
        }
    }
}
