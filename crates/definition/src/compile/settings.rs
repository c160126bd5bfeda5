//! Phase `settings`: Kafka, the registry, state, the HTTP server and the secret for pseudonyms.

use super::compiled::{CheckpointSettings, KafkaSettings, RegistrySettings, Settings};
use super::kafka_properties;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::read::{PropertyText, Spanned};
use crate::syntax::{Checkpoints, Http, Kafka, PipelineFile, Registry, State};
use crate::text::Environment;
use riskstream_events::PublishedPseudonyms;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The default of `state.cache`.
const CACHE_BYTES: usize = 16 << 20;
/// The default of `state.checkpoints.every`.
const CHECKPOINTS_EVERY: Duration = Duration::from_secs(300);
/// The default of `state.checkpoints.keep`.
const CHECKPOINTS_KEPT: u32 = 3;
/// The largest `state.standby`.
const STANDBY_AT_MOST: u32 = 3;

/// The settings, with defaults for what the file leaves out.
pub fn compile(file: &PipelineFile, diagnostics: &mut Diagnostics) -> Settings {
    let name = file.name.0.as_ref().map_or("", |name| name.value.as_str());
    Settings {
        delivery: file.delivery.unwrap_or_default(),
        kafka: file
            .kafka
            .as_ref()
            .and_then(|kafka| resolve_kafka(&kafka.value, name, diagnostics)),
        registry: file
            .registry
            .as_ref()
            .and_then(|registry| resolve_registry(&registry.value, diagnostics)),
        state_directory: state_directory(file.state.as_ref()),
        cache_bytes: cache_bytes(file.state.as_ref()),
        checkpoints: file
            .state
            .as_ref()
            .and_then(|state| resolve_checkpoints(state.checkpoints.as_ref()?, diagnostics)),
        standby: file
            .state
            .as_ref()
            .map_or(0, |state| resolve_standby(state.standby.as_ref(), diagnostics)),
        listen: listen(file.http.as_ref(), diagnostics),
        key_env: file
            .personal_data
            .as_ref()
            .and_then(|personal| Some(personal.key_env.0.as_ref()?.value.clone())),
        personal: check_personal(file, diagnostics),
    }
}

fn resolve_kafka(kafka: &Kafka, name: &str, diagnostics: &mut Diagnostics) -> Option<KafkaSettings> {
    kafka_properties::check(&kafka.properties, diagnostics);
    kafka_properties::check_protocol(&kafka.properties, diagnostics);
    let brokers = kafka.brokers.0.as_ref()?;
    if !brokers.value.split(',').all(|broker| is_broker(broker.trim())) {
        diagnostics.add(
            Diagnostic::new("this is not a list of brokers", brokers.span.clone()).help("write `host:port,host:port`"),
        );
    }
    Some(KafkaSettings {
        brokers: brokers.value.clone(),
        group: kafka
            .group
            .as_ref()
            .map_or_else(|| name.to_owned(), |group| group.value.clone()),
        properties: kafka
            .properties
            .iter()
            .map(|(key, PropertyText(value))| (key.name.clone(), value.clone()))
            .collect(),
    })
}

/// Whether a text is `host`, `host:port`, or one of them after a protocol of Kafka, such as `SASL_SSL://`.
fn is_broker(text: &str) -> bool {
    const PROTOCOLS: [&str; 4] = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];
    let (protocol, address) = text.split_once("://").unwrap_or(("plaintext", text));
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    let host = match address.rsplit_once(':') {
        // The colons of an IPv6 address are in brackets.
        Some((host, port)) if !address.ends_with(']') && is_port(port) => host,
        Some(_) if !address.ends_with(']') => return false,
        _ => address,
    };
    let is_known = PROTOCOLS.iter().any(|known| protocol.eq_ignore_ascii_case(known));
    is_known && !host.is_empty() && !host.contains(|char: char| char.is_whitespace() || char == '/')
}

fn resolve_registry(registry: &Registry, diagnostics: &mut Diagnostics) -> Option<RegistrySettings> {
    let url = registry.url.0.as_ref()?;
    if !url.value.starts_with("http://") && !url.value.starts_with("https://") {
        diagnostics.add(
            Diagnostic::new("this is not the URL of a registry", url.span.clone())
                .help("write `http://host:port` or `https://host`"),
        );
    }
    Some(RegistrySettings {
        url: url.value.trim_end_matches('/').to_owned(),
        subject_strategy: registry.subject_strategy.unwrap_or_default(),
        username: registry.username.clone(),
        password: registry.password.clone(),
    })
}

fn state_directory(state: Option<&State>) -> PathBuf {
    state
        .and_then(|state| state.directory.as_ref())
        .map_or_else(|| ".riskstream".into(), |directory| directory.value.clone().into())
}

fn cache_bytes(state: Option<&State>) -> usize {
    state
        .and_then(|state| state.cache)
        .map_or(CACHE_BYTES, |cache| usize::try_from(cache.0).unwrap_or(usize::MAX))
}

fn resolve_checkpoints(checkpoints: &Checkpoints, diagnostics: &mut Diagnostics) -> Option<CheckpointSettings> {
    let url = checkpoints.url.0.as_ref()?;
    let path = url.value.strip_prefix("file://").unwrap_or(&url.value);
    let is_url_of_path = path.len() == url.value.len() || path.starts_with('/');
    if path.is_empty() || path.contains("://") || !is_url_of_path {
        // Without the text: it may hold a password.
        diagnostics.add(
            Diagnostic::new("checkpoints cannot be kept there", url.span.clone())
                .help("write the path of a directory, or `file:///PATH`; other stores are not supported yet"),
        );
    }
    let every = checkpoints.every.as_ref().map_or(CHECKPOINTS_EVERY, |every| {
        if every.value.0 < 1_000_000 {
            diagnostics.add(
                Diagnostic::new("checkpoints cannot be made so often", every.span.clone())
                    .help("write `1s` or more; `5m` is the default"),
            );
        }
        Duration::from_micros(every.value.0.unsigned_abs())
    });
    let keep = checkpoints.keep.as_ref().map_or(CHECKPOINTS_KEPT, |keep| {
        if keep.value < 2 {
            diagnostics.add(
                Diagnostic::new("too few checkpoints are kept", keep.span.clone())
                    .help("write `2` or more: where one is damaged, the next older one is taken"),
            );
        }
        keep.value
    });
    Some(CheckpointSettings {
        directory: path.into(),
        every,
        keep: keep as usize,
    })
}

fn resolve_standby(standby: Option<&Spanned<u32>>, diagnostics: &mut Diagnostics) -> usize {
    let Some(standby) = standby else { return 0 };
    if standby.value > STANDBY_AT_MOST {
        diagnostics.add(
            Diagnostic::new("so many copies of each state are of no use", standby.span.clone()).help(format!(
                "write `1`, or a number up to {STANDBY_AT_MOST}: each copy takes as much disk as the state"
            )),
        );
    }
    standby.value as usize
}

fn listen(http: Option<&Http>, diagnostics: &mut Diagnostics) -> SocketAddr {
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 9464));
    let Some(listen) = http.and_then(|http| http.listen.as_ref()) else {
        return default;
    };
    listen.value.parse().unwrap_or_else(|_| {
        diagnostics.add(
            Diagnostic::new(
                format!("`{}` is not an IP address and port", listen.value),
                listen.span.clone(),
            )
            .help("write `127.0.0.1:9464`, or `0.0.0.0:9464` for all interfaces"),
        );
        default
    })
}

/// Whether any field is personal. `personal_data` is then required.
fn check_personal(file: &PipelineFile, diagnostics: &mut Diagnostics) -> bool {
    let mut personal: Vec<&Spanned<bool>> = Vec::new();
    for (_, input) in file.inputs.iter() {
        personal.extend(
            input
                .fields
                .iter()
                .filter_map(|(_, field)| field.0.personal.as_ref())
                .filter(|flag| flag.value),
        );
    }
    if let (Some(first), None) = (personal.first(), &file.personal_data) {
        diagnostics.add(
            Diagnostic::new("personal fields need a secret for their pseudonyms", first.span.clone()).help(
                "add `personal_data: {key_env: RISKSTREAM_PERSONAL_DATA_KEY}` with the name of an environment variable",
            ),
        );
    }
    !personal.is_empty()
}

impl Settings {
    /// What makes published pseudonyms of the state's; none if there is one secret for both. `environment` has the secret. Without
    /// it a file can be checked, but no record can be read.
    pub(super) fn published_pseudonyms(&self, environment: Environment<'_>) -> Option<PublishedPseudonyms> {
        let variable = self.key_env.as_ref()?.published.as_ref()?;
        Some(PublishedPseudonyms::new(environment(variable)?.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_broker_is_told() {
        for broker in [
            "host",
            "host:9092",
            "10.0.0.1:1",
            "[::1]:9092",
            "[::1]",
            "SASL_SSL://host:9093",
            "ssl://[::1]:9",
        ] {
            assert!(is_broker(broker), "{broker}");
        }
        for text in [
            "",
            ":9092",
            "host:",
            "host:0",
            "host:99999",
            "host:port",
            "http://host:9092",
            "host:9092/path",
            "a b:1",
        ] {
            assert!(!is_broker(text), "{text}");
        }
    }
}
