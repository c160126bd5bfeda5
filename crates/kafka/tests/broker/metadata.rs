//! Brokers whose metadata lists no brokers.

use std::time::{Duration, Instant};

use riskstream_kafka::Delivery;

use crate::harness::{LIMIT, Member, brokers, committed, numbered, options, produce};
use crate::relay::Relay;

/// So answers a broker that has just started, or that its controller believes to be dead. librdkafka then forgets the broker, and
/// may never ask it again.
#[test]
fn clients_come_back_after_a_broker_that_lists_no_brokers() {
    let mut options = options("metadata", 1);
    let relay = Relay::start(&brokers());
    // librdkafka may also never return from sending positions to a coordinator that it has forgotten; a watch ends such members.
    options.delivery = Delivery::AtLeastOnce;
    options.brokers.clone_from(&relay.address);
    let (input, output) = (options.inputs[0].clone(), options.outputs[0].clone());
    let mut member = Member::new(options);
    member.wait_for_partitions(1);
    let values = numbered("value", 6);
    // Without help, a client stays away about once in ten times.
    for (number, value) in values.iter().enumerate() {
        relay.hide_brokers();
        let deadline = Instant::now() + LIMIT;
        // The consumers and producers of the member ask for metadata when they connect again.
        let expected = relay.hidden() + 4;
        while relay.hidden() < expected {
            assert!(Instant::now() < deadline, "{} of {expected} answers", relay.hidden());
            member.wait(Duration::from_millis(10)).unwrap();
        }
        relay.show_brokers();
        produce(&input, 0, [value]);
        member.copy_until(number + 1);
    }
    assert_eq!(committed(&output, 1), [values]);
}
