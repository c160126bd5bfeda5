//! With the rights that docs/operations.md lists a pipeline runs. Without one of them it ends, and says which is missing.

use crate::secure_broker;
use crate::support::acls::{Operation, Resource, Rule, allow, deny};
use crate::support::process::{Service, run};
use crate::support::trial::{GOOD, Setup, Trial};
use crate::support::unique;

/// The user of the listeners with SASL.
const USER: &str = "User:risk";

/// The service logs in as [`USER`]; the tests are a superuser, without authentication.
const PROPERTIES: &str = "{security.protocol: \"${PROTOCOL:-plaintext}\", sasl.mechanisms: PLAIN, \
                          sasl.username: risk, sasl.password: risk-secret}";

/// The rules for a pipeline `name`, as documented.
pub(super) fn rules(name: &str) -> Vec<Rule> {
    let topic = |of: &str, operation| Rule {
        resource: Resource::Topic(format!("{name}-{of}")),
        operation,
    };
    let mut rules: Vec<Rule> = ["transactions", "labels", "hop-card", "hop-shop"]
        .map(|of| topic(of, Operation::Read))
        .into();
    rules.extend(["hop-card", "hop-shop", "decisions", "dead-letters"].map(|of| topic(of, Operation::Write)));
    rules.push(Rule {
        resource: Resource::Group(name.to_owned()),
        operation: Operation::Read,
    });
    rules.push(Rule {
        resource: Resource::TransactionalIds(format!("{name}-")),
        operation: Operation::Write,
    });
    rules
}

/// How the service says that it lacks the right of a rule.
fn complaint(rule: &Rule) -> String {
    match (&rule.resource, rule.operation) {
        (Resource::Topic(topic), Operation::Read) => format!("not authorized to read {topic}: allow"),
        (Resource::Topic(topic), Operation::Write) => format!("not authorized to write to {topic}: allow"),
        (Resource::Group(group), _) => format!("not authorized to join the group {group}: allow"),
        (Resource::TransactionalIds(prefix), _) => format!("not authorized to use the transactional id {prefix}"),
    }
}

/// A pipeline of the user [`USER`], with good payments and one bad record in its topics.
fn trial(brokers: &str, sasl: &str, further: &str) -> Trial {
    let trial = Trial::new(&Setup {
        properties: PROPERTIES,
        further,
        environment: &[("BROKERS", sasl.to_owned()), ("PROTOCOL", "sasl_plaintext".to_owned())],
        ..Setup::new(brokers, &unique("rights"))
    });
    trial.send(0, b"not json");
    trial.send_good(0..GOOD);
    trial
}

/// The service ends with exit code 1 and says `complaint`.
fn refused(service: Service, trial: &Trial, complaint: &str) {
    let status = service.wait();
    let log = std::fs::read_to_string(trial.log()).unwrap();
    assert_eq!(status.code(), Some(1), "{complaint}: {log}");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains(complaint), "expected: {complaint}\n{log}");
    assert!(!log.contains("restarting the worker"), "{log}");
}

#[test]
fn with_the_documented_rights_a_pipeline_runs() {
    let broker = secure_broker();
    let trial = trial(&broker.address, &broker.listener("sasl"), "");
    allow(&broker.address, USER, &rules(&trial.name));
    let results = trial.finish(trial.start(), GOOD, 1, |n| trial.payment(n));
    assert_eq!(results.reasons(Some(b"not json")), ["not_json"]);
}

#[test]
fn each_right_that_is_missing_is_named() {
    let broker = secure_broker();
    let sasl = broker.listener("sasl");
    for missing in 0..rules("").len() {
        let trial = trial(&broker.address, &sasl, "");
        let mut granted = rules(&trial.name);
        let rule = granted.remove(missing);
        allow(&broker.address, USER, &granted);
        refused(trial.start(), &trial, &complaint(&rule));
    }
}

#[test]
fn each_right_that_is_missing_is_named_without_transactions() {
    let broker = secure_broker();
    let sasl = broker.listener("sasl");
    for of in ["hop-shop", "decisions", "dead-letters"] {
        let trial = trial(&broker.address, &sasl, "delivery: at_least_once\n");
        let topic = format!("{}-{of}", trial.name);
        let granted = rules(&trial.name).into_iter().filter(|rule| {
            !matches!((&rule.resource, rule.operation), (Resource::Topic(name), Operation::Write) if *name == topic)
        });
        let granted: Vec<Rule> = granted.collect();
        allow(&broker.address, USER, &granted);
        refused(
            trial.start(),
            &trial,
            &format!("not authorized to write to {topic}: allow"),
        );
    }
}

#[test]
fn each_right_that_is_taken_away_is_named() {
    let broker = secure_broker();
    let sasl = broker.listener("sasl");
    for taken in 0..rules("").len() {
        let trial = trial(&broker.address, &sasl, "");
        let granted = rules(&trial.name);
        allow(&broker.address, USER, &granted);
        let mut service = trial.start();
        trial.wait_for(&mut service, GOOD as usize + 1);
        deny(&broker.address, USER, [&granted[taken]]);
        trial.send(0, b"not json either");
        trial.send_good(GOOD..2 * GOOD);
        refused(service, &trial, &complaint(&granted[taken]));
    }
}

/// Proposals and approvals lie in topics of their own: who may write to one of them cannot do what the other is for.
#[test]
fn who_may_propose_and_who_may_approve_is_up_to_kafka() {
    let broker = secure_broker();
    let name = unique("rights");
    let environment = [
        ("BROKERS", broker.listener("sasl")),
        ("PROTOCOL", "sasl_plaintext".to_owned()),
    ];
    let trial = Trial::new(&Setup {
        properties: PROPERTIES,
        further: &format!("rollout: {{topic: {name}-rollouts, approvals: 1, approvals_topic: {name}-approvals}}\n"),
        environment: &environment,
        ..Setup::new(&broker.address, &name)
    });
    let right = |of: &str, operation| Rule {
        resource: Resource::Topic(trial.topic(of)),
        operation,
    };
    // librdkafka looks up the coordinator of the group that the pipeline file names, though the command does not join it.
    let group = Rule {
        resource: Resource::Group(name.clone()),
        operation: Operation::Read,
    };
    let reads = [
        right("rollouts", Operation::Read),
        right("approvals", Operation::Read),
        group,
    ];
    allow(&broker.address, USER, &reads);
    let file = trial.directory.path().join("rollout.yaml");
    std::fs::write(&file, "rules: [{name: often, when: card_payments > 5, then: review}]").unwrap();
    let (pipeline, file) = (trial.pipeline.to_str().unwrap(), file.to_str().unwrap());
    let propose = || {
        run(
            &["rollout", "propose", pipeline, file, "--author", "anna"],
            &environment,
        )
    };
    let approve = || run(&["rollout", "approve", pipeline, "1", "--author", "ben"], &environment);

    let (code, _, errors) = propose();
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.to_lowercase().contains("authoriz"), "{errors}");
    allow(&broker.address, USER, &[right("rollouts", Operation::Write)]);
    let (code, _, errors) = propose();
    assert_eq!(code, Some(0), "{errors}");
    let (code, _, errors) = approve();
    assert_eq!(code, Some(1), "{errors}");
    assert!(
        errors.contains(&format!("nothing was written to {}", trial.topic("approvals"))),
        "{errors}"
    );
    allow(&broker.address, USER, &[right("approvals", Operation::Write)]);
    let (code, _, errors) = approve();
    assert_eq!(code, Some(0), "{errors}");
}
