//! A TCP relay that can be stopped.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A port on which no server listens.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Relays connections from an address to a server, until it is dropped.
pub struct Relay {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    accepting: Option<JoinHandle<()>>,
}

impl Relay {
    pub fn start(address: SocketAddr, target: &str) -> Relay {
        let listener = TcpListener::bind(address).unwrap();
        let (stopped, connections) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<TcpStream>>>::default());
        let (target, is_stopped, open) = (target.to_owned(), Arc::clone(&stopped), Arc::clone(&connections));
        let accepting = std::thread::spawn(move || {
            for from in listener.incoming() {
                if is_stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (from, to) = (from.unwrap(), TcpStream::connect(&target).unwrap());
                let ends = [&from, &to].map(|end| end.try_clone().unwrap());
                open.lock().unwrap().extend(ends);
                for (from, to) in [(from.try_clone().unwrap(), to.try_clone().unwrap()), (to, from)] {
                    std::thread::spawn(move || forward(from, to));
                }
            }
        });
        Relay {
            address,
            stopped,
            connections,
            accepting: Some(accepting),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // The thread accepts this connection, sees that the relay was stopped, and closes the port.
        drop(TcpStream::connect(self.address));
        let _ = self.accepting.take().map(JoinHandle::join);
        for connection in self.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
