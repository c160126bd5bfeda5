//! docker-compose.yml, the Dockerfile and deploy/ refer only to what exists: files, commands and their options, services,
//! metrics and their labels. So does the documentation: links have targets, and the examples of the README's pipeline file
//! hold. The syntax of Prometheus' files is checked by scripts/check-deploy with promtool.

use clap::Subcommand;
use riskstream::commands::Command;
use riskstream::telemetry::metrics::{ALL, Kind};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The parts of a compose file that are checked.
#[derive(Deserialize)]
struct Compose {
    services: BTreeMap<String, Service>,
    volumes: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Service {
    image: String,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, Value>,
    #[serde(default)]
    volumes: Vec<String>,
    #[serde(default)]
    depends_on: Value,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    cap_drop: Vec<String>,
    #[serde(default)]
    security_opt: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml<T: for<'de> Deserialize<'de>>(path: &str) -> T {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn compose() -> Compose {
    yaml("docker-compose.yml")
}

/// The services that run the image of this repository.
fn own_services(compose: &Compose) -> Vec<(&String, &Service)> {
    let own: Vec<_> = compose
        .services
        .iter()
        .filter(|(_, service)| service.image == "riskstream")
        .collect();
    assert!(own.len() >= 3, "topics, pipeline and generator");
    own
}

#[test]
fn containers_are_confined_and_no_secret_has_a_default() {
    let compose = compose();
    for (name, service) in &compose.services {
        assert_eq!(service.cap_drop, ["ALL"], "{name}");
        assert_eq!(service.security_opt, ["no-new-privileges:true"], "{name}");
    }
    for (name, service) in own_services(&compose) {
        assert!(service.read_only, "{name}");
        let secret = service.environment["RISKSTREAM_PERSONAL_DATA_KEY"].as_str().unwrap();
        assert!(
            secret.starts_with("${RISKSTREAM_PERSONAL_DATA_KEY:?"),
            "{name}: {secret}"
        );
    }
}

#[test]
fn services_and_volumes_exist() {
    let compose = compose();
    for (name, service) in &compose.services {
        let before: Vec<&str> = match &service.depends_on {
            Value::Null => Vec::new(),
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            Value::Object(conditions) => conditions.keys().map(String::as_str).collect(),
            other => panic!("{name}: depends_on: {other}"),
        };
        for before in before {
            assert!(compose.services.contains_key(before), "{name} waits for {before}");
        }
        for volume in &service.volumes {
            let source = volume.split(':').next().unwrap();
            if source.starts_with('.') {
                assert!(root().join(source).exists(), "{name} mounts {source}");
            } else {
                assert!(compose.volumes.contains_key(source), "{name} mounts {source}");
            }
        }
        assert!(
            service.image == "riskstream" || service.image.contains(':'),
            "{name}: {} names no version",
            service.image
        );
    }
}

#[test]
fn commands_are_valid() {
    for (name, service) in own_services(&compose()) {
        let parser = Command::augment_subcommands(clap::Command::new("riskstream").no_binary_name(true));
        if let Err(error) = parser.try_get_matches_from(&service.command) {
            panic!("{name}: {:?}\n{error}", service.command);
        }
    }
}

/// The pipeline files in commands have no diagnostics with the environment variables of their service.
#[test]
fn pipelines_are_valid_in_their_environment() {
    let compose = compose();
    let mut found = 0;
    for (name, service) in own_services(&compose) {
        for path in service.command.iter().filter(|argument| argument.ends_with(".yaml")) {
            let variable = |variable: &str| Some(interpolated(service.environment.get(variable)?.as_str()?));
            let directory = root().join("pipelines");
            let compiled = riskstream_definition::compile(path, &read(path), &directory, &variable)
                .unwrap_or_else(|report| panic!("{name}: {report}"));
            let kafka = compiled.settings.kafka.unwrap();
            let (host, _) = kafka.brokers.split_once(':').unwrap();
            assert!(
                compose.services.contains_key(host),
                "{name}: no service is called {host}"
            );
            let registry = compiled.settings.registry.unwrap();
            assert!(
                compose.services.contains_key(host_of(&registry.url)),
                "{name}: no service is called like {}",
                registry.url
            );
            found += 1;
        }
    }
    assert_eq!(found, 2, "topics and pipeline");
}

fn host_of(url: &str) -> &str {
    url.trim_start_matches("http://").split(':').next().unwrap()
}

/// `${NAME:-default}` as compose interpolates it if NAME is not set.
fn interpolated(value: &str) -> String {
    let Some((before, rest)) = value.split_once("${") else {
        return value.to_owned();
    };
    let (expression, after) = rest.split_once('}').unwrap();
    let (_, default) = expression.split_once(":-").unwrap();
    format!("{before}{default}{after}")
}

#[test]
fn the_image_is_built_from_existing_files() {
    let ignored: Vec<String> = read(".dockerignore").lines().map(str::to_owned).collect();
    let dockerfile = read("Dockerfile");
    let copies = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|copy| !copy.starts_with("--from"));
    for copy in copies {
        let sources: Vec<&str> = copy.split_whitespace().collect();
        for source in &sources[..sources.len() - 1] {
            assert!(root().join(source).exists(), "COPY {source}");
            assert!(
                !ignored.iter().any(|line| line == source),
                ".dockerignore leaves out {source}"
            );
        }
    }
    let toolchain = env!("CARGO_PKG_RUST_VERSION");
    assert!(
        dockerfile.contains(&format!("FROM rust:{toolchain}-")),
        "the image is built with another Rust than {toolchain}"
    );
}

#[test]
fn prometheus_reads_the_pipeline_and_the_alerts() {
    let compose = compose();
    let config: Value = yaml("deploy/prometheus/prometheus.yml");
    for file in config["rule_files"].as_array().unwrap() {
        let file = file.as_str().unwrap();
        assert!(root().join("deploy/prometheus").join(file).is_file(), "{file}");
    }
    let source = &config["scrape_configs"][0]["dns_sd_configs"][0];
    let service = &compose.services[source["names"][0].as_str().unwrap()];
    let http = service
        .command
        .iter()
        .skip_while(|argument| *argument != "--http")
        .nth(1)
        .unwrap();
    assert_eq!(*http, format!("0.0.0.0:{}", source["port"]));
}

#[test]
fn grafana_finds_its_data_and_dashboard() {
    let compose = compose();
    let grafana = &compose.services["grafana"];
    let datasources: Value = yaml("deploy/grafana/provisioning/datasources/prometheus.yml");
    let datasource = &datasources["datasources"][0];
    let host = host_of(datasource["url"].as_str().unwrap());
    assert!(compose.services.contains_key(host), "{host}");
    let providers: Value = yaml("deploy/grafana/provisioning/dashboards/riskstream.yml");
    let directory = providers["providers"][0]["options"]["path"].as_str().unwrap();
    let mount = grafana
        .volumes
        .iter()
        .find(|volume| volume.contains(&format!(":{directory}:")))
        .unwrap();
    let home = grafana.environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
        .as_str()
        .unwrap();
    let file = home.strip_prefix(directory).unwrap().trim_start_matches('/');
    assert!(
        root().join(mount.split(':').next().unwrap()).join(file).is_file(),
        "{home}"
    );
    for panel in dashboard()["panels"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|panel| panel["type"] != "row")
    {
        assert_eq!(panel["datasource"]["uid"], datasource["uid"], "{}", panel["title"]);
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&read("deploy/grafana/dashboards/riskstream.json")).unwrap()
}

#[test]
fn panels_have_different_ids() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
}

#[test]
fn the_dashboard_and_the_alerts_use_metrics_that_exist() {
    let dashboard = dashboard();
    let mut expressions: Vec<String> = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let targets = panel["targets"].as_array().into_iter().flatten();
        expressions.extend(targets.map(|target| target["expr"].as_str().unwrap().to_owned()));
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        expressions.push(variable["definition"].as_str().unwrap().to_owned());
    }
    let alerts: Value = yaml("deploy/prometheus/alerts.yml");
    for group in alerts["groups"].as_array().unwrap() {
        expressions.extend(
            group["rules"]
                .as_array()
                .unwrap()
                .iter()
                .map(|rule| rule["expr"].as_str().unwrap().to_owned()),
        );
    }
    let mut used = BTreeSet::new();
    for expression in &expressions {
        let metrics = metrics_in(expression);
        let labels: BTreeSet<&str> = metrics
            .iter()
            .flat_map(|(_, labels)| *labels)
            .copied()
            .chain(["instance", "job", "le"])
            .collect();
        for label in labels_in(expression) {
            assert!(labels.contains(label.as_str()), "`{expression}` uses the label {label}");
        }
        used.extend(metrics.into_iter().map(|(name, _)| name));
    }
    let shown: BTreeSet<&str> = ALL.iter().map(|metric| metric.name).collect();
    let missing: Vec<_> = shown.difference(&used).collect();
    assert!(
        missing.is_empty(),
        "neither the dashboard nor an alert uses {missing:?}"
    );
}

/// The metrics in an expression, each with its labels; panics on a name that does not exist.
fn metrics_in(expression: &str) -> Vec<(&'static str, &'static [&'static str])> {
    let words = expression.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'));
    let names = words.filter(|word| word.starts_with("riskstream_") || word.starts_with("process_"));
    let found = names.map(|word| {
        let metric = ALL.iter().find(|metric| match metric.kind {
            Kind::Histogram => word
                .strip_prefix(metric.name)
                .is_some_and(|rest| ["_bucket", "_sum", "_count"].contains(&rest)),
            Kind::Counter | Kind::Gauge => word == metric.name,
        });
        let metric = metric.unwrap_or_else(|| panic!("`{expression}`: there is no metric {word}"));
        (metric.name, metric.labels)
    });
    found.collect()
}

/// The labels in an expression: those in `by (…)` and those before `=`.
fn labels_in(expression: &str) -> BTreeSet<String> {
    let mut labels = BTreeSet::new();
    for rest in expression.split("by (").skip(1) {
        let list = rest.split(')').next().unwrap();
        labels.extend(list.split(',').map(|label| label.trim().to_owned()));
    }
    for rest in expression.split('{').skip(1) {
        let list = rest.split('}').next().unwrap();
        labels.extend(
            list.split(',')
                .map(|matcher| matcher.split(['=', '!']).next().unwrap().trim().to_owned()),
        );
    }
    labels
}

#[test]
fn the_pipeline_in_the_readme_holds() {
    let readme = read("README.md");
    let (_, rest) = readme.split_once("```yaml\n").unwrap();
    let (source, _) = rest.split_once("```").unwrap();
    let compiled = riskstream_definition::compile("README.md", source, Path::new("."), &|_| None)
        .unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(
        riskstream_definition::run_examples(&compiled).unwrap_or_else(|report| panic!("{report}")),
        1
    );
}

#[test]
fn links_have_targets() {
    let mut pages = vec![PathBuf::from("README.md"), PathBuf::from("ARCHITECTURE.md")];
    for directory in ["docs", "docs/adr", "schemas"] {
        let entries = std::fs::read_dir(root().join(directory)).unwrap();
        let names = entries.map(|entry| Path::new(directory).join(entry.unwrap().file_name()));
        pages.extend(names.filter(|name| name.extension().is_some_and(|extension| extension == "md")));
    }
    for page in pages {
        let text = read(page.to_str().unwrap());
        for rest in text.split("](").skip(1) {
            let target = rest.split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = root().join(&page).parent().unwrap().join(target);
            assert!(path.exists(), "{} links to {target}", page.display());
        }
    }
}

#[test]
fn every_decision_is_listed() {
    let index = read("docs/adr/README.md");
    for entry in std::fs::read_dir(root().join("docs/adr")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "README.md" || index.contains(&format!("({name})")),
            "docs/adr/README.md does not list {name}"
        );
    }
}
