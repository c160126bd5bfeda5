//! Rules of Kafka's authorizer. They are written in Kafka's own protocol: no client library that the tests have does it.

use super::process::wait_for;
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

impl Resource {
    /// The kind, the name, and how the name is compared, as in the protocol.
    fn parts(&self) -> (u8, &str, u8) {
        match self {
            Resource::Topic(name) => (2, name, 3),
            Resource::Group(name) => (3, name, 3),
            Resource::TransactionalIds(prefix) => (5, prefix, 4),
        }
    }
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

/// CreateAcls, version 1. Waits until the broker goes by the rules: the controller answers before.
fn create<'a>(brokers: &str, principal: &str, rules: impl IntoIterator<Item = &'a Rule>, permission: u8) {
    let rules: Vec<&Rule> = rules.into_iter().collect();
    let count = (rules.len() as u32).to_be_bytes();
    let mut body = count.to_vec();
    for rule in &rules {
        let (kind, name, pattern) = rule.resource.parts();
        body.push(kind);
        text(&mut body, name);
        body.push(pattern);
        text(&mut body, principal);
        text(&mut body, "*");
        body.extend([rule.operation as u8, permission]);
    }
    let answer = request(brokers, 30, &body);
    // Throttle time, number of results, and for each result an error code and an empty text.
    let expected = [&[0; 4], &count[..], &[0; 4].repeat(rules.len())].concat();
    assert_eq!(answer, expected, "the broker refused a rule");
    for rule in rules {
        wait_for("a rule to be in force", || {
            is_known(brokers, principal, rule, permission).then_some(())
        });
    }
}

/// DescribeAcls, version 1: whether the broker's answer names a resource.
fn is_known(brokers: &str, principal: &str, rule: &Rule, permission: u8) -> bool {
    let (kind, name, pattern) = rule.resource.parts();
    let mut body = vec![kind];
    text(&mut body, name);
    body.push(pattern);
    text(&mut body, principal);
    text(&mut body, "*");
    body.extend([rule.operation as u8, permission]);
    let answer = request(brokers, 29, &body);
    // Throttle time, error code, a null or empty text, number of resources.
    let resources = &answer[8..];
    !resources.starts_with(&[0; 4])
}

/// Sends a request of version 1 and returns the answer after its correlation id.
fn request(brokers: &str, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut request = vec![0, kind, 0, 1, 0, 0, 0, 7];
    text(&mut request, "tests");
    request.extend(body);
    let mut stream = TcpStream::connect(brokers).unwrap();
    stream.write_all(&(request.len() as u32).to_be_bytes()).unwrap();
    stream.write_all(&request).unwrap();
    let mut size = [0; 4];
    stream.read_exact(&mut size).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer[..4], [0, 0, 0, 7]);
    answer.split_off(4)
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u16).to_be_bytes());
    bytes.extend(text.as_bytes());
}
