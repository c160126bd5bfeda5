//! An OIDC token endpoint. Its tokens are unsecured, which the broker of the tests takes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{SystemTime, UNIX_EPOCH};

/// Its address, and the requests that it got.
pub fn start() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/token", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let request = answer(stream.unwrap());
            // The test may have ended.
            let _ = sender.send(request);
        }
    });
    (address, receiver)
}

fn answer(mut stream: TcpStream) -> String {
    let mut request = [0; 4096];
    let length = stream.read(&mut request).unwrap();
    let body = format!(
        r#"{{"access_token":"{}","token_type":"Bearer","expires_in":3600}}"#,
        token()
    );
    let length_of_body = body.len();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
    write!(stream, "{head}\r\nContent-Length: {length_of_body}\r\n\r\n{body}").unwrap();
    String::from_utf8_lossy(&request[..length]).into_owned()
}

/// A JSON Web Token without a signature.
fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = format!(r#"{{"sub":"risk","iat":{now},"exp":{}}}"#, now + 3_600);
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims))
}
