//! The client against a server in the test that gives prepared answers.

use super::backoff::FIRST_PAUSE;
use super::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A server that gives one answer to each request, in order, and then returns the requests.
struct Server {
    url: String,
    seen: JoinHandle<Vec<String>>,
}

impl Server {
    fn start(answers: Vec<(u16, &'static str)>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = std::thread::spawn(move || answers.into_iter().map(|answer| serve(&listener, answer)).collect());
        Server { url, seen }
    }

    /// The requests, once all answers were given.
    fn requests(self) -> Vec<String> {
        self.seen.join().unwrap()
    }
}

/// Answers one request and returns its first line, its authorization and its body.
fn serve(listener: &TcpListener, (status, body): (u16, &str)) -> String {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(&stream);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut seen = first.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").unwrap();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" => seen.push_str(&format!(" [{value}]")),
            _ => {}
        }
    }
    let mut sent = vec![0; length];
    reader.read_exact(&mut sent).unwrap();
    if length > 0 {
        seen.push_str(&format!(" {}", String::from_utf8(sent).unwrap()));
    }
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    (&stream).write_all(format!("{head}{body}").as_bytes()).unwrap();
    seen
}

const ID: SchemaReference = SchemaReference::Id(7);
const UNKNOWN: (u16, &str) = (404, r#"{"error_code":40403,"message":"Schema not found"}"#);

#[test]
fn a_schema_is_requested_once() {
    let server = Server::start(vec![(200, r#"{"schema":"\"string\""}"#)]);
    let registry = Registry::new(&server.url, Credentials::None);
    for _ in 0..3 {
        assert_eq!(registry.clone().writer_schema(ID).as_deref(), Ok("\"string\""));
    }
    assert_eq!(server.requests(), ["GET /schemas/ids/7"]);
}

#[test]
fn a_schema_is_requested_by_its_guid() {
    let server = Server::start(vec![(200, r#"{"schema":"\"string\""}"#)]);
    let registry = Registry::new(&server.url, Credentials::None);
    let mut guid = [0; 16];
    guid.copy_from_slice(&(1..=16).collect::<Vec<u8>>());
    for _ in 0..2 {
        let schema = registry.schema(SchemaReference::Guid(guid)).unwrap();
        assert_eq!(&*schema, "\"string\"");
    }
    assert_eq!(
        server.requests(),
        ["GET /schemas/guids/01020304-0506-0708-090a-0b0c0d0e0f10"]
    );
}

#[test]
fn a_registry_without_guids_says_so() {
    let server = Server::start(vec![(404, "")]);
    let registry = Registry::new(&server.url, Credentials::None);
    let error = registry.schema(SchemaReference::Guid([7; 16])).unwrap_err();
    assert!(error.to_string().contains("/schemas/guids"), "{error}");
    server.requests();
}

#[test]
fn an_unknown_schema_is_requested_again() {
    let server = Server::start(vec![UNKNOWN, (200, r#"{"schema":"\"int\""}"#)]);
    let mut registry = Registry::new(&server.url, Credentials::None);
    assert_eq!(registry.writer_schema(ID), Err(SchemaSourceError::Unknown));
    assert_eq!(registry.writer_schema(ID).as_deref(), Ok("\"int\""));
    server.requests();
}

#[test]
fn an_answer_that_is_not_a_registrys_does_not_make_a_schema_unknown() {
    let cases = [
        (404, "<html>not found</html>", "is the address complete?"),
        (404, r#"{"detail":"no such page"}"#, "is the address complete?"),
        (200, "<html>hello</html>", "is the address complete?"),
        (200, "{}", "no schema"),
        (401, "", "check the user name and password"),
        (403, "", "check the user name and password"),
        (429, "", "status 429"),
        (
            500,
            r#"{"message":"the store is closed"}"#,
            "status 500: the store is closed",
        ),
    ];
    for (status, body, expected) in cases {
        let server = Server::start(vec![(status, body)]);
        let answer = Registry::new(&server.url, Credentials::None).writer_schema(ID);
        match answer {
            Err(SchemaSourceError::Unavailable(why)) => assert!(why.contains(expected), "{status} {body}: {why}"),
            other => panic!("{status} {body}: {other:?}"),
        }
        server.requests();
    }
}

#[test]
fn requests_pause_after_a_failure() {
    // No server listens on a port that was free a moment ago.
    let url = format!(
        "http://{}",
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    );
    let registry = Registry::new(&url, Credentials::None);
    let first = registry.schema(ID).unwrap_err();
    let pause = |registry: &Registry| registry.state().backoff.as_ref().unwrap().pause;
    assert_eq!(pause(&registry), FIRST_PAUSE);
    // Still the first pause: no request was sent.
    assert_eq!(registry.schema(SchemaReference::Id(8)).unwrap_err(), first);
    assert_eq!(pause(&registry), FIRST_PAUSE);
    for expected in [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000] {
        registry.state().backoff.as_mut().unwrap().until = Instant::now();
        registry.schema(ID).unwrap_err();
        assert_eq!(pause(&registry), Duration::from_millis(expected));
    }
}

#[test]
fn a_schema_that_is_registered_is_not_registered_again() {
    let server = Server::start(vec![(200, r#"{"subject":"t-value","id":12,"version":1}"#)]);
    let registry = Registry::new(&server.url, Credentials::None);
    assert_eq!(registry.register("t-value", "\"int\""), Ok(12));
    assert_eq!(server.requests(), [r#"POST /subjects/t-value {"schema":"\"int\""}"#]);
}

#[test]
fn a_new_schema_is_registered() {
    let server = Server::start(vec![UNKNOWN, (200, r#"{"id":13}"#)]);
    let registry = Registry::new(&server.url, Credentials::None);
    assert_eq!(registry.register("t-value", "\"int\""), Ok(13));
    let expected = [
        r#"POST /subjects/t-value {"schema":"\"int\""}"#,
        r#"POST /subjects/t-value/versions {"schema":"\"int\""}"#,
    ];
    assert_eq!(server.requests(), expected);
}

#[test]
fn an_incompatible_schema_is_refused() {
    let server = Server::start(vec![
        UNKNOWN,
        (409, r#"{"error_code":409,"message":"Incompatible schema"}"#),
    ]);
    let error = Registry::new(&server.url, Credentials::None)
        .register("t-value", "\"int\"")
        .unwrap_err();
    let RegistryError::Refused { why, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(why, "status 409: Incompatible schema");
    server.requests();
}

#[test]
fn references_are_fetched() {
    let payment = r#"{"schema":"{\"type\":\"record\",\"name\":\"Payment\",\"fields\":[{\"name\":\"card\",\"type\":\"shop.Card\"}]}",
        "references":[{"name":"shop.Card","subject":"cards/eu","version":3}]}"#;
    let card = r#"{"schema":"{\"type\":\"enum\",\"name\":\"shop.Card\",\"symbols\":[\"A\"]}"}"#;
    let server = Server::start(vec![(200, payment), (200, card)]);
    let schema = Registry::new(&server.url, Credentials::None).schema(ID).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let expected = json!({"type": "enum", "name": "Card", "namespace": "shop", "symbols": ["A"]});
    assert_eq!(schema["fields"][0]["type"], expected);
    assert_eq!(
        server.requests(),
        ["GET /schemas/ids/7", "GET /subjects/cards%2Feu/versions/3"]
    );
}

#[test]
fn credentials_are_sent_and_never_shown() {
    let server = Server::start(vec![(401, "")]);
    let credentials = Credentials::Basic {
        username: "ann".into(),
        password: "hunter2".into(),
    };
    let registry = Registry::new(&server.url, credentials.clone());
    let error = registry.schema(ID).unwrap_err();
    for shown in [
        format!("{error}"),
        format!("{error:?}"),
        format!("{registry:?}"),
        format!("{credentials:?}"),
    ] {
        assert!(!shown.contains("hunter2") && !shown.contains("ann"), "{shown}");
    }
    // base64 of ann:hunter2
    assert_eq!(server.requests(), ["GET /schemas/ids/7 [Basic YW5uOmh1bnRlcjI=]"]);
}
