//! Every way to log in that docs/operations.md lists, as far as a broker of one machine has it.

use crate::secure_broker;
use crate::support::acls::allow;
use crate::support::broker::Broker;
use crate::support::process::run;
use crate::support::trial::{GOOD, Setup, Trial};
use crate::support::unique;
#[cfg(feature = "oidc")]
use crate::token_endpoint;

/// A way to log in: the listener, the properties, and the principal that the broker sees.
struct Login {
    listener: &'static str,
    properties: String,
    principal: &'static str,
}

fn logins(broker: &Broker) -> Vec<Login> {
    let ca = broker.certificate("ca.crt");
    let password = "sasl.username: risk, sasl.password: risk-secret";
    let sasl = |listener, properties: String| Login {
        listener,
        properties,
        principal: "User:risk",
    };
    let mut logins: Vec<Login> = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
        .map(|mechanism| {
            let properties =
                format!("security.protocol: sasl_ssl, ssl.ca.location: {ca}, sasl.mechanisms: {mechanism}");
            sasl("sasltls", format!("{properties}, {password}"))
        })
        .into();
    let unsecured = "security.protocol: sasl_plaintext, sasl.mechanisms: OAUTHBEARER, \
                     enable.sasl.oauthbearer.unsecure.jwt: true, sasl.oauthbearer.config: principal=risk";
    logins.push(sasl("sasl", unsecured.to_owned()));
    logins.push(Login {
        listener: "tls",
        properties: format!(
            "security.protocol: ssl, ssl.ca.location: {ca}, ssl.certificate.location: {}, ssl.key.location: {}",
            broker.certificate("client.crt"),
            broker.certificate("client.key")
        ),
        principal: "User:CN=risk",
    });
    logins
}

/// Topics are created and records are written as a superuser. Then the pipeline file gets the login.
fn run_with(broker: &Broker, login: &Login) {
    let trial = Trial::new(&Setup::new(&broker.address, &unique("login")));
    let text = std::fs::read_to_string(&trial.pipeline).unwrap();
    let text = text.replace("properties: {}", &format!("properties: {{{}}}", login.properties));
    let text = text.replace(&broker.address, &broker.listener(login.listener));
    std::fs::write(&trial.pipeline, text).unwrap();
    allow(&broker.address, login.principal, &crate::rights::rules(&trial.name));
    trial.send_good(0..GOOD);
    trial.finish(trial.start(), GOOD, 0, |n| trial.payment(n));
}

#[test]
fn a_pipeline_runs_with_every_way_to_log_in() {
    let broker = secure_broker();
    for login in logins(&broker) {
        run_with(&broker, &login);
    }
}

#[cfg(feature = "oidc")]
#[test]
fn tokens_come_from_an_endpoint_of_oidc() {
    let broker = secure_broker();
    let (endpoint, asked) = token_endpoint::start();
    let properties = format!(
        "security.protocol: sasl_plaintext, sasl.mechanisms: OAUTHBEARER, sasl.oauthbearer.method: oidc, \
         sasl.oauthbearer.client.id: risk, sasl.oauthbearer.client.secret: risk-secret, \
         sasl.oauthbearer.token.endpoint.url: '{endpoint}'"
    );
    let login = Login {
        listener: "sasl",
        properties,
        principal: "User:risk",
    };
    run_with(&broker, &login);
    let request = asked.recv().unwrap();
    // risk:risk-secret
    assert!(
        request.contains("Authorization: Basic cmlzazpyaXNrLXNlY3JldA=="),
        "{request}"
    );
}

#[test]
fn a_wrong_password_is_named() {
    let broker = secure_broker();
    let directory = tempfile::tempdir().unwrap();
    let trial = Trial::new(&Setup::new(&broker.address, &unique("password")));
    let text = std::fs::read_to_string(&trial.pipeline).unwrap();
    let properties = "security.protocol: sasl_plaintext, sasl.mechanisms: SCRAM-SHA-256, sasl.username: risk, \
                      sasl.password: guessed";
    let text = text.replace("properties: {}", &format!("properties: {{{properties}}}"));
    let text = text.replace(&broker.address, &broker.listener("sasl"));
    let pipeline = directory.path().join("pipeline.yaml");
    std::fs::write(&pipeline, text).unwrap();
    let (code, _, errors) = run(&["topics", pipeline.to_str().unwrap()], &[]);
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("SASL authentication error") && !errors.contains("guessed"),
        "{errors}"
    );
}
