//! A relay in front of a server, which forwards bytes until a fault is injected.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// When the fault happens: before the write reaches the server, or before its reply reaches qrgate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum When {
    Before,
    After,
}

/// What happens to the write, or to its reply.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// That process is killed, and the connection ends.
    Kills(u32),
    /// The connection ends.
    IsLost,
}

/// A clone is the same relay.
#[derive(Clone)]
pub struct Relay {
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    trap: Mutex<Option<(&'static str, When, Fate)>>,
    /// How long every reply is delayed.
    delay: Mutex<Duration>,
    /// How many connections were accepted, and how many of the first ones no longer forward anything.
    made: AtomicUsize,
    dropped: AtomicUsize,
    /// Both ends of every connection.
    ends: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// To a server at that port of this machine.
    pub fn before(port: u16) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("local_addr");
        let state = Arc::<State>::default();
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                pass_on(client, server, &shared);
            }
        });
        Relay { address, state }
    }

    /// The `[store]` section that goes through it to a Redis.
    pub fn settings(&self) -> String {
        format!("[store]\nurl = \"redis://{}/0\"\n", self.address)
    }

    /// Injects the fault into the next write that contains this mark.
    pub fn arm(&self, mark: &'static str, when: When, fate: Fate) {
        *self.state.trap.lock().expect("lock") = Some((mark, when, fate));
    }

    /// Silently stops forwarding on the open connections, as if a firewall had dropped their state.
    pub fn drops_without_a_word(&self) {
        self.state.dropped.store(self.state.made.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Closes the open connections.
    pub fn closes(&self) {
        for end in self.state.ends.lock().expect("lock").drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Delays every later reply by this much.
    pub fn delays(&self, by: Duration) {
        *self.state.delay.lock().expect("lock") = by;
    }
}

fn pass_on(mut client: TcpStream, mut server: TcpStream, state: &Arc<State>) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut to_client, mut from_server) = (client.try_clone().expect("clone"), server.try_clone().expect("clone"));
    let number = state.made.fetch_add(1, Ordering::SeqCst);
    state.ends.lock().expect("lock").extend([client.try_clone().expect("clone"), server.try_clone().expect("clone")]);
    let (doom, shared) = (Arc::new(Mutex::new(None)), state.clone());
    let met = doom.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from_server.read(&mut buffer) {
            if number < shared.dropped.load(Ordering::SeqCst) {
                continue;
            }
            let delay = *shared.delay.lock().expect("lock");
            std::thread::sleep(delay);
            if let Some(fate) = met.lock().expect("lock").take() {
                strike(fate);
                break;
            }
            if to_client.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = (to_client.shutdown(Shutdown::Both), from_server.shutdown(Shutdown::Both));
    });
    let shared = state.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = client.read(&mut buffer) {
            if number < shared.dropped.load(Ordering::SeqCst) {
                continue;
            }
            let text = String::from_utf8_lossy(&buffer[..count]);
            let sprung = shared.trap.lock().expect("lock").take_if(|(mark, ..)| text.contains(*mark));
            match sprung {
                Some((_, When::Before, fate)) => {
                    strike(fate);
                    break;
                }
                Some((_, When::After, fate)) => *doom.lock().expect("lock") = Some(fate),
                None => {}
            }
            if server.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
    });
}

fn strike(fate: Fate) {
    if let Fate::Kills(pid) = fate {
        kill(pid);
    }
}

/// Ends a process at once, as a crash would.
pub fn kill(pid: u32) {
    assert!(Command::new("kill").arg("-KILL").arg(pid.to_string()).status().expect("kill").success());
}
