//! Rules of Kafka's authorizer. They are written in Kafka's own protocol: no client library that the tests have does it.

use std::io::{Read, Write};
use std::net::TcpStream;

/// What a rule is about.
#[derive(Clone, Debug)]
pub enum Resource {
    Topic(String),
    Group(String),
    /// All transactional ids with this prefix.
    TransactionalIds(String),
}

/// What a rule allows or denies.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Read = 3,
    Write = 4,
}

/// A rule for one user.
#[derive(Clone, Debug)]
pub struct Rule {
    pub resource: Resource,
    pub operation: Operation,
}

const DENY: u8 = 2;
const ALLOW: u8 = 3;

/// Allows `principal`, such as `User:risk`, what the rules name. `brokers` is the address of a superuser.
pub fn allow<'a>(brokers: &str, principal: &str, rules: impl IntoIterator<Item = &'a Rule>) {
    create(brokers, principal, rules, ALLOW);
}

/// Denies `principal` what the rules name, whatever else allows it.
pub fn deny<'a>(brokers: &str, principal: &str, rules: impl IntoIterator<Item = &'a Rule>) {
    create(brokers, principal, rules, DENY);
}

/// CreateAcls, version 1.
fn create<'a>(brokers: &str, principal: &str, rules: impl IntoIterator<Item = &'a Rule>, permission: u8) {
    let mut request = vec![0, 30, 0, 1, 0, 0, 0, 7];
    text(&mut request, "tests");
    let count = request.len();
    request.extend([0; 4]);
    let mut rules_written = 0_u32;
    for rule in rules {
        let (kind, name, pattern) = match &rule.resource {
            Resource::Topic(name) => (2, name, 3),
            Resource::Group(name) => (3, name, 3),
            Resource::TransactionalIds(prefix) => (5, prefix, 4),
        };
        request.push(kind);
        text(&mut request, name);
        request.push(pattern);
        text(&mut request, principal);
        text(&mut request, "*");
        request.extend([rule.operation as u8, permission]);
        rules_written += 1;
    }
    request[count..count + 4].copy_from_slice(&rules_written.to_be_bytes());
    let mut stream = TcpStream::connect(brokers).unwrap();
    stream.write_all(&(request.len() as u32).to_be_bytes()).unwrap();
    stream.write_all(&request).unwrap();
    let mut size = [0; 4];
    stream.read_exact(&mut size).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut answer).unwrap();
    // Correlation id, throttle time, number of results, and for each result an error code and an empty text.
    let expected = [&[0, 0, 0, 7, 0, 0, 0, 0], &rules_written.to_be_bytes()[..]].concat();
    let results = [0; 4].repeat(rules_written as usize);
    assert_eq!(answer, [expected, results].concat(), "the broker refused a rule");
}

fn text(request: &mut Vec<u8>, text: &str) {
    request.extend((text.len() as u16).to_be_bytes());
    request.extend(text.as_bytes());
}
