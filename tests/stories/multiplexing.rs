//! Many streams on one HTTP/2 connection, on either side: what one of them holds back, the others do not wait for.

use std::io::Read;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::harness::gate::{TestGate, configuration};
use crate::harness::http::PATIENCE;
use crate::harness::tls::Authority;
use crate::harness::{eventually, stands_still};

/// What is read of the first upload.
const FAST: usize = 128 << 20;
/// The requests that a client may have at once on one connection.
const STREAMS: usize = 128;

/// An application that reads the upload to `/read`, and nothing of any other.
fn deaf(path: &std::path::Path) {
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut start = [0; 10];
                stream.read_exact(&mut start).unwrap();
                if &start == b"POST /read" {
                    let _ = std::io::copy(&mut stream, &mut std::io::sink());
                }
                std::thread::park_timeout(PATIENCE);
            });
        }
    });
}

/// Sends on `streams` streams of one connection whatever the gate takes, and counts it, until `stop`.
async fn push(
    gate: std::net::SocketAddr,
    client: rustls::ClientConfig,
    streams: usize,
    sent: Arc<AtomicUsize>,
    stop: tokio::sync::oneshot::Receiver<()>,
) {
    let stream = tokio::net::TcpStream::connect(gate).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let (client, connection) = h2::client::handshake(connector.connect(name, stream).await.unwrap()).await.unwrap();
    tokio::spawn(connection);
    for number in 0..streams {
        let path = if number == 0 { "read".to_owned() } else { format!("stalled/{number}") };
        let request = http::Request::post(format!("https://{gate}/{path}")).body(()).unwrap();
        let mut client = client.clone().ready().await.unwrap();
        let (answer, mut content) = client.send_request(request, false).unwrap();
        let counted = sent.clone();
        tokio::spawn(async move {
            let mut own = 0;
            while own < FAST {
                content.reserve_capacity(1 << 14);
                let Some(Ok(room)) = std::future::poll_fn(|cx| content.poll_capacity(cx)).await else { break };
                content.send_data(Bytes::from(vec![b'x'; room]), false).unwrap();
                own += room;
                counted.fetch_add(room, Ordering::SeqCst);
            }
            drop(answer.await);
        });
        if number == 0 {
            // A window that adapts has grown by then.
            while sent.load(Ordering::SeqCst) < FAST {
                tokio::task::yield_now().await;
            }
        }
    }
    let _ = stop.await;
}

/// docs/performance.md: content that the application does not read takes a bounded memory for each client connection.
#[test]
fn stalled_uploads_of_one_connection_hold_one_mebibyte() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let socket = folder.path().join("application");
    deaf(&socket);
    let tls = authority.issue("gate", &["localhost"]).settings();
    let settings = format!("{tls}[application]\nurl = \"unix:{}\"", socket.display());
    let gate = TestGate::start(&configuration("127.0.0.1:1".parse().unwrap(), &settings));
    let (sent, (stop, stopped)) = (Arc::new(AtomicUsize::new(0)), tokio::sync::oneshot::channel());
    let pushing = push(gate.address, authority.client(&["h2"], None), STREAMS, sent.clone(), stopped);
    let thread = std::thread::spawn(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(pushing);
    });
    let pushed = stands_still(&sent);
    stop.send(()).unwrap();
    thread.join().unwrap();
    let lines = eventually("every upload has its access line", || {
        let lines: Vec<String> = gate.log().into_iter().filter(|line| line.contains("\"method\":\"POST\"")).collect();
        (lines.len() == STREAMS).then_some(lines)
    });
    let field = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap()["bytes_in"].as_u64().unwrap();
    let taken: u64 = lines.iter().map(field).sum();
    let held = pushed - usize::try_from(taken).unwrap();
    assert!(held <= 1 << 20, "{held} bytes are held for one connection, of {pushed} that it sent");
}
