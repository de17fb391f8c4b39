//! A door to the shared cluster over TCP: what comes in is listened to, and how often somebody waits for an answer counted.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::pg::cluster;
use super::scene::{PASSWORD_IN_URL, Scene};

/// The URL of a database behind an address.
pub fn url(host: &str, port: u16, database: &str) -> String {
    format!("postgresql+psycopg://postgres:{PASSWORD_IN_URL}@{host}:{port}/{database}")
}

/// A door to the shared cluster.
pub struct Door {
    pub port: u16,
    /// What came in through it.
    pub sent: Arc<Mutex<String>>,
    trips: Arc<AtomicUsize>,
}

impl Door {
    /// A door that passes everything on; `pools`: but announces another process, as PgBouncer does.
    pub fn open(address: &str, pools: bool) -> Door {
        let door = TcpListener::bind((address, 0)).unwrap();
        let port = door.local_addr().unwrap().port();
        let sent: Arc<Mutex<String>> = Arc::default();
        let (heard, trips) = (Arc::clone(&sent), Arc::default());
        let counted = Arc::clone(&trips);
        std::thread::spawn(move || {
            for far in door.incoming().flatten() {
                let near = UnixStream::connect(cluster().socket_dir.join(".s.PGSQL.5432")).unwrap();
                let (far_in, near_in) = (far.try_clone().unwrap(), near.try_clone().unwrap());
                let (heard, trips) = (Arc::clone(&heard), Arc::clone(&counted));
                std::thread::spawn(move || from_client(far_in, near, &heard, &trips));
                std::thread::spawn(move || from_server(near_in, far, pools));
            }
        });
        Door { port, sent, trips }
    }

    /// How often somebody has asked through it and waited for the answer since this was last called. Getting in does not
    /// count.
    pub fn trips(&self) -> usize {
        self.trips.swap(0, Ordering::Relaxed)
    }
}

/// A project one revision behind, whose database stands behind a door.
pub struct Counted {
    scene: Scene,
    door: Door,
}

impl Counted {
    pub fn new() -> Counted {
        let scene = Scene::three().at("b2");
        let door = Door::open("127.0.0.1", false);
        let address = url("127.0.0.1", door.port, &scene.database);
        Counted { scene: scene.url(&address), door }
    }

    /// What is counted, in this order: the status, a round trip, a migration, another one with nothing to do.
    pub fn commands(&self) -> [String; 4] {
        let migrate = format!("db-migrate --allow-remote=127.0.0.1:{}", self.door.port);
        ["db-status".to_owned(), "db-roundtrip".to_owned(), migrate.clone(), migrate]
    }

    /// How often a command that succeeds waits for the server, and all that it has sent.
    #[track_caller]
    pub fn run(&self, words: &str) -> (usize, String) {
        self.door.sent.lock().unwrap().clear();
        self.door.trips();
        let _ = self.scene.run(words).code(0);
        (self.door.trips(), self.door.sent.lock().unwrap().clone())
    }
}

fn from_client(mut far: TcpStream, mut near: UnixStream, heard: &Mutex<String>, trips: &AtomicUsize) {
    let mut bytes = [0; 8192];
    let mut messages = Messages::default();
    while let Ok(count @ 1..) = far.read(&mut bytes) {
        heard.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
        trips.fetch_add(messages.questions(&bytes[..count]), Ordering::Relaxed);
        if near.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = near.shutdown(std::net::Shutdown::Write);
}

fn from_server(mut near: UnixStream, mut far: TcpStream, mut pools: bool) {
    const KEY: [u8; 5] = [b'K', 0, 0, 0, 12];
    let mut bytes = [0; 8192];
    while let Ok(count @ 1..) = near.read(&mut bytes) {
        let key = bytes[..count].windows(5).position(|window| window == KEY);
        if let Some(at) = key.filter(|at| pools && at + 9 <= count) {
            bytes[at + 5] ^= 0x55;
            pools = false;
        }
        if far.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = far.shutdown(std::net::Shutdown::Write);
}

/// A client's messages, as their bytes come in.
#[derive(Default)]
struct Messages {
    bytes: Vec<u8>,
    is_started: bool,
    /// Whether something was asked since the last message that asks for an answer to all before.
    asks: bool,
}

impl Messages {
    /// How many of those that end here are waited for.
    fn questions(&mut self, bytes: &[u8]) -> usize {
        const STARTUP: [u8; 4] = [0, 3, 0, 0];
        self.bytes.extend_from_slice(bytes);
        let mut questions = 0;
        loop {
            // The first ones have no kind.
            let at = usize::from(self.is_started);
            let Some(length) = self.bytes.get(at..at + 4).and_then(|it| it.first_chunk()) else { return questions };
            let length = at + u32::from_be_bytes(*length) as usize;
            if self.bytes.len() < length {
                return questions;
            }
            let message: Vec<u8> = self.bytes.drain(..length).collect();
            match message[0] {
                _ if !self.is_started => self.is_started = message[4..8] == STARTUP,
                b'P' | b'B' | b'E' => self.asks = true,
                // To forget a statement is not waited for.
                b'S' => questions += usize::from(std::mem::take(&mut self.asks)),
                b'Q' => questions += 1,
                _ => {}
            }
        }
    }
}
