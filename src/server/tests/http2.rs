//! TLS, and HTTP/2 under it.

use http_body_util::Empty;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

/// A server under TLS, and how to reach it.
struct Secure {
    gate: Gate,
    client: rustls::ClientConfig,
    files: CertificateFiles,
    certificates: Arc<Certificates>,
    folder: tempfile::TempDir,
}

impl Secure {
    fn start() -> Secure {
        let folder = tempfile::tempdir().unwrap();
        let (files, client) = super::certificates(folder.path());
        let certificates = Arc::new(Certificates::read(&files).unwrap());
        let settings = ServerSettings { certificates: Some(certificates.clone()), ..settings() };
        let gate = Gate::start(settings, Permits::new(100, None, None));
        Secure { gate, client, files, certificates, folder }
    }

    async fn connect(&self, protocol: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = self.client.clone();
        config.alpn_protocols = vec![protocol.into()];
        let stream = TcpStream::connect(self.gate.address).await?;
        // The kernel must not wait for more bytes: its clock is not the paused one.
        stream.set_nodelay(true)?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    async fn http2(&self) -> (SendRequest<Empty<Bytes>>, tokio::task::JoinHandle<hyper::Result<()>>) {
        let stream = self.connect("h2").await.unwrap();
        let (mut sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let connection = tokio::task::spawn_local(connection);
        sender.ready().await.unwrap();
        (sender, connection)
    }
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("https://localhost{path}")).body(Empty::new()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn http1_under_tls_is_parked_and_serves_again() {
    LocalSet::new()
        .run_until(async {
            let secure = Secure::start();
            let mut stream = secure.connect("http/1.1").await.unwrap();
            for idle in [0, 3] {
                pass(idle).await;
                stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
                let mut response = Vec::new();
                while !response.ends_with(b"hello") {
                    response.push(stream.read_u8().await.unwrap());
                }
            }
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.unwrap_or_default();
            assert!(rest.is_empty());
            assert_eq!(secure.gate.worker.open(), 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn half_a_handshake_is_closed() {
    LocalSet::new()
        .run_until(async {
            let secure = Secure::start();
            let mut client = secure.gate.connect().await;
            client.0.write_all(&[22, 3, 1]).await.unwrap();
            assert_eq!(client.rest().await, "");
            assert_eq!(*secure.gate.events.borrow(), [ConnectionEvent::TooSlow]);
            let mut client = secure.gate.connect().await;
            client.send("GET / HTTP/1.1\r\n\r\n").await;
            client.rest().await;
            assert_eq!(*secure.gate.events.borrow(), [ConnectionEvent::TooSlow, ConnectionEvent::Handshake]);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn certificates_are_replaced_while_connections_live() {
    LocalSet::new()
        .run_until(async {
            let secure = Secure::start();
            let (mut old, _connection) = secure.http2().await;
            let other = tempfile::tempdir().unwrap();
            let (files, client) = super::certificates(other.path());
            let swapped = CertificateFiles { certificate: files.certificate.clone(), key: secure.files.key.clone() };
            let error = secure.certificates.reload(&swapped).unwrap_err().to_string();
            assert!(error.contains(&secure.folder.path().join("key.pem").display().to_string()), "{error}");
            secure.certificates.reload(&files).unwrap();
            assert!(secure.connect("h2").await.is_err(), "the old certificate is gone");
            assert_eq!(old.send_request(get("/")).await.unwrap().status(), 200);
            Secure { client, ..secure }.connect("h2").await.unwrap();
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_over_http2_may_take_longer_than_keep_alive() {
    LocalSet::new()
        .run_until(async {
            let secure = Secure::start();
            let (mut sender, connection) = secure.http2().await;
            let response = sender.send_request(get("/slow")).await.unwrap();
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
            let response = sender.send_request(get("/drip")).await.unwrap();
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), 20);
            let began = tokio::time::Instant::now();
            connection.await.unwrap().unwrap();
            let kept = began.elapsed().as_secs();
            assert!((75..82).contains(&kept), "{kept}");
            pass(6).await;
            assert_eq!(secure.gate.worker.open(), 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_of_http2_that_takes_nothing_is_closed() {
    LocalSet::new()
        .run_until(async {
            let secure = Secure::start();
            let (mut sender, _connection) = secure.http2().await;
            let response = sender.send_request(get("/endless")).await.unwrap();
            pass(290).await;
            assert_eq!(secure.gate.worker.open(), 1);
            pass(15).await;
            assert_eq!(secure.gate.worker.open(), 0);
            assert!(response.into_body().collect().await.is_err());
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_taken_back_leaves_the_connection_idle() {
    LocalSet::new()
        .run_until(async {
            let secure = Secure::start();
            let (mut sender, connection) = secure.http2().await;
            let given_up = tokio::time::timeout(Duration::from_secs(1), sender.send_request(get("/slow"))).await;
            assert!(given_up.is_err());
            connection.await.unwrap().unwrap();
            pass(6).await;
            assert_eq!(secure.gate.worker.open(), 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_resets_stream_after_stream_gets_a_goaway() {
    LocalSet::new()
        .run_until(async {
            let secure = Secure::start();
            let (mut sender, connection) = secure.http2().await;
            let mut sent = 0;
            while sender.ready().await.is_ok() && sent < 2000 {
                let _ = tokio::time::timeout(Duration::from_millis(10), sender.send_request(get("/slow"))).await;
                sent += 1;
            }
            assert!((200..2000).contains(&sent), "{sent}");
            drop(connection);
            assert_eq!(secure.gate.worker.open(), 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_extended_connect_is_joined_with_the_application() {
    LocalSet::new()
        .run_until(async {
            let secure = Secure::start();
            let (mut sender, _connection) = secure.http2().await;
            let mut request = get("/socket");
            *request.method_mut() = Method::CONNECT;
            request.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"));
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.status(), 200);
            let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
            let mut message = [0; 5];
            for _ in 0..3 {
                stream.write_all(b"ping!").await.unwrap();
                stream.read_exact(&mut message).await.unwrap();
            }
            stream.shutdown().await.unwrap();
            assert_eq!(stream.read(&mut message).await.unwrap(), 0);
            while secure.gate.ended.borrow().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert_eq!(*secure.gate.ended.borrow(), [(15, 15)]);
        })
        .await;
}
