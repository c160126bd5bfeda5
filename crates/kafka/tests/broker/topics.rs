//! Topics are described and created.

use riskstream_kafka::KafkaOptions;
use riskstream_kafka::topics::{self, Created, TopicLookup};

use crate::harness::{brokers, spec, unique};

#[test]
fn topics_are_described_and_created_once() {
    let options = KafkaOptions::new(&brokers(), "topics");
    let (one, two) = (unique("one"), unique("two"));
    let described = topics::describe(&options, &[&one, &two]).unwrap();
    assert!(
        described.iter().all(|topic| topic.partitions.is_none()),
        "{described:?}"
    );
    let mut specs = [spec(&one, 3), spec(&two, 1)];
    specs[1].settings.insert("retention.ms".to_owned(), "60000".to_owned());
    assert_eq!(topics::create(&options, &specs).unwrap(), [Created::New, Created::New]);
    assert_eq!(
        topics::create(&options, &specs).unwrap(),
        [Created::Existed, Created::Existed]
    );
    let described = topics::describe(&options, &[&two, &one]).unwrap();
    let expected = [
        TopicLookup {
            name: two,
            partitions: Some(1),
        },
        TopicLookup {
            name: one,
            partitions: Some(3),
        },
    ];
    assert_eq!(described, expected);
}

#[test]
fn a_topic_that_is_refused_is_named() {
    let options = KafkaOptions::new(&brokers(), "topics");
    let mut refused = spec(&unique("refused"), 1);
    refused.settings.insert("no.such.setting".to_owned(), "1".to_owned());
    let error = topics::create(&options, std::slice::from_ref(&refused)).unwrap_err();
    assert!(error.to_string().contains(&refused.name), "{error}");
}

/// Kafka refuses the second of them as an invalid topic, without a word about the first.
#[test]
fn names_that_differ_in_dots_and_underscores_are_explained() {
    let options = KafkaOptions::new(&brokers(), "topics");
    let name = unique("collision");
    let (dotted, underscored) = (format!("{name}.a"), format!("{name}_a"));
    topics::create(&options, &[spec(&dotted, 1)]).unwrap();
    let error = topics::create(&options, &[spec(&underscored, 1)]).unwrap_err();
    let expected = format!("topic {underscored}: there is a topic {dotted}, and Kafka takes no two");
    assert!(error.to_string().starts_with(&expected), "{error}");
}
