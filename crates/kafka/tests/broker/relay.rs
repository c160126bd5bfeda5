//! A TCP relay to a broker, whose metadata can be changed on the way, and which can hold back clients' requests.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::LIMIT;

const METADATA: i16 = 3;
pub const OFFSET_COMMIT: i16 = 8;
const FIND_COORDINATOR: i16 = 10;
pub const END_TXN: i16 = 26;
/// No request has it.
const NONE: i16 = -1;

/// Relays clients to a broker, and makes the broker name the relay's port as its own, so that they come back to it.
pub struct Relay {
    pub address: String,
    shared: Arc<Shared>,
}

struct Shared {
    broker: String,
    port: u16,
    hides_brokers: AtomicBool,
    is_cut: AtomicBool,
    /// Answers from which brokers were removed.
    hidden: AtomicUsize,
    /// The kind of requests that are held back.
    holds: AtomicI16,
    /// Requests that were held back and are not yet answered.
    held: AtomicUsize,
    connections: Mutex<Vec<TcpStream>>,
}

impl Relay {
    pub fn start(broker: &str) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            broker: broker.to_owned(),
            port: address.port(),
            hides_brokers: AtomicBool::new(false),
            is_cut: AtomicBool::new(false),
            hidden: AtomicUsize::new(0),
            holds: AtomicI16::new(NONE),
            held: AtomicUsize::new(0),
            connections: Mutex::default(),
        });
        let relay = Arc::clone(&shared);
        thread::spawn(move || listener.incoming().for_each(|client| relay.connect(client.unwrap())));
        Relay {
            address: address.to_string(),
            shared,
        }
    }

    /// Ends all connections; until the next call, metadata lists no brokers.
    pub fn hide_brokers(&self) {
        self.shared.hides_brokers.store(true, Ordering::SeqCst);
        self.shared.end_connections();
    }

    pub fn show_brokers(&self) {
        self.shared.hides_brokers.store(false, Ordering::SeqCst);
    }

    /// Until `release`, connections with requests of this kind stand still.
    pub fn hold(&self, kind: i16) {
        self.shared.holds.store(kind, Ordering::SeqCst);
    }

    /// Holds back requests of this kind. As soon as there is one, all connections end, and every further one.
    pub fn cut_at(&self, kind: i16) {
        self.hold(kind);
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || {
            wait_until(|| shared.held.load(Ordering::SeqCst) > 0);
            shared.is_cut.store(true, Ordering::SeqCst);
            shared.end_connections();
        });
    }

    /// Returns when what was held back has been answered.
    pub fn release(&self) {
        self.shared.holds.store(NONE, Ordering::SeqCst);
        wait_until(|| self.shared.held.load(Ordering::SeqCst) == 0);
    }

    /// The number of answers without brokers so far.
    pub fn hidden(&self) -> usize {
        self.shared.hidden.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn end_connections(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn connect(self: &Arc<Self>, client: TcpStream) {
        if self.is_cut.load(Ordering::SeqCst) {
            return;
        }
        let broker = TcpStream::connect(&self.broker).unwrap();
        let copy = |end: &TcpStream| end.try_clone().unwrap();
        self.connections.lock().unwrap().extend([copy(&client), copy(&broker)]);
        // The request, by its correlation id, if its answer may be changed.
        let requests: Arc<Mutex<HashMap<[u8; 4], i16>>> = Arc::default();
        let (noted, from, to) = (Arc::clone(&requests), copy(&client), copy(&broker));
        let shared = Arc::clone(self);
        thread::spawn(move || {
            forward(from, to, |request| {
                let key = i16::from_be_bytes([request[0], request[1]]);
                let is_held = key == shared.holds.load(Ordering::SeqCst);
                if is_held {
                    shared.held.fetch_add(1, Ordering::SeqCst);
                    wait_until(|| key != shared.holds.load(Ordering::SeqCst));
                }
                if is_held || [METADATA, FIND_COORDINATOR].contains(&key) {
                    noted.lock().unwrap().insert(request[4..8].try_into().unwrap(), key);
                }
            });
        });
        let shared = Arc::clone(self);
        thread::spawn(move || {
            forward(broker, client, |answer| {
                let request = requests.lock().unwrap().remove(&answer[..4]);
                if request == Some(METADATA) && shared.hides_brokers.load(Ordering::SeqCst) {
                    remove_brokers(answer);
                    shared.hidden.fetch_add(1, Ordering::SeqCst);
                } else if matches!(request, Some(OFFSET_COMMIT | END_TXN)) {
                    shared.held.fetch_sub(1, Ordering::SeqCst);
                } else if request.is_some() {
                    shared.change_port(answer);
                }
            });
        });
    }

    /// In both answers the port follows the host.
    fn change_port(&self, answer: &mut [u8]) {
        let (host, port) = self.broker.rsplit_once(':').unwrap();
        let port: u32 = port.parse().unwrap();
        let old = [host.as_bytes(), &port.to_be_bytes()].concat();
        let found = answer.windows(old.len()).position(|window| window == old);
        if let Some(at) = found {
            answer[at + host.len()..][..4].copy_from_slice(&u32::from(self.port).to_be_bytes());
        }
    }
}

fn wait_until(done: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < deadline, "requests were held back for too long");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Forwards messages, each after its length, until one side ends.
fn forward(mut from: TcpStream, mut to: TcpStream, look: impl Fn(&mut Vec<u8>)) {
    let mut length = [0; 4];
    while from.read_exact(&mut length).is_ok() {
        let mut message = vec![0; u32::from_be_bytes(length) as usize];
        if from.read_exact(&mut message).is_err() {
            break;
        }
        look(&mut message);
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        if to.write_all(&[&length[..], &message].concat()).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// Removes all brokers from an answer to Metadata, version 9 or later: correlation id, tags, throttle time, then an array of
/// brokers, each a number, a host, a port, a rack and tags (KIP-482, "compact" arrays and strings).
fn remove_brokers(answer: &mut Vec<u8>) {
    let start = 4 + 1 + 4;
    let mut end = start + 1;
    for _ in 1..answer[start] {
        end += 4;
        end += usize::from(answer[end]);
        end += 4;
        // A rack that is null has length 0, as is one byte.
        end += usize::from(answer[end]).max(1);
        assert_eq!(answer[end], 0, "no tags");
        end += 1;
    }
    answer.splice(start..end, [1]);
}
