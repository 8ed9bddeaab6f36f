//! The client against a bare socket, so that tests see every byte and every connection.

use std::cell::Cell;
use std::net::SocketAddr;

use bytes::Bytes;
use http::HeaderValue;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::body::BodyError;
use crate::server::LocalExecutor;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Server { listener, address }
    }

    fn client(&self) -> Client {
        self.client_with(|_| {})
    }

    fn client_with(&self, change: impl FnOnce(&mut ClientSettings)) -> Client {
        let url = ApplicationUrl::Http(self.address.to_string().parse().unwrap());
        client(&url, change)
    }

    async fn accept(&self) -> TcpStream {
        let (stream, _) = self.listener.accept().await.unwrap();
        // The kernel must not delay small writes, because its clock is not paused.
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Whether no further connection arrives.
    async fn is_left_alone(&self) -> bool {
        tokio::time::timeout(Duration::from_millis(150), self.listener.accept()).await.is_err()
    }
}

fn client(url: &ApplicationUrl, change: impl FnOnce(&mut ClientSettings)) -> Client {
    let mut settings = ClientSettings {
        connect_timeout: Duration::from_secs(5),
        response_timeout: Some(Duration::from_secs(5)),
        keep_alive: Duration::from_secs(4),
        idle_timeout: Duration::from_secs(5),
        tls: ClientTls::default(),
    };
    change(&mut settings);
    Client::new(url, settings, Deadlines::start()).unwrap()
}

/// Runs on one thread, like a worker, for at most a minute. Time is paused and advances when all tasks are idle.
fn run(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let bounded = async { tokio::time::timeout(Duration::from_secs(60), story).await.unwrap() };
    tokio::task::LocalSet::new().block_on(&runtime, bounded);
}

fn request(method: Method, body: Body) -> Request<Body> {
    Request::builder().method(method).uri("/a?b").header("host", "app.example").body(body).unwrap()
}

fn get() -> Request<Body> {
    request(Method::GET, Body::Empty)
}

/// Reads until the bytes end in `end`.
async fn read_to(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        match stream.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(read).unwrap()
}

async fn answer(stream: &mut TcpStream, text: &str) {
    read_to(stream, "\r\n\r\n").await;
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn content(response: Response<Body>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

/// Content as it comes from a client. `head` begins the request; the rest is what the caller writes to the stream.
async fn upload(head: &'static str) -> (TcpStream, Body) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut hand = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (end, _) = listener.accept().await.unwrap();
    hand.write_all(head.as_bytes()).await.unwrap();
    let (found, finding) = tokio::sync::oneshot::channel();
    let found = Rc::new(Cell::new(Some(found)));
    tokio::task::spawn_local(async move {
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            if let Some(found) = found.take() {
                let _ = found.send(request.into_body());
            }
            std::future::pending::<Result<Response<Body>, std::convert::Infallible>>()
        });
        let io = hyper_util::rt::TokioIo::new(end);
        let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
    });
    (hand, Body::Incoming(finding.await.unwrap()))
}

#[test]
fn an_answered_connection_is_used_again() {
    run(async {
        let server = Server::start().await;
        let client = server.client();
        let serve = async {
            let mut stream = server.accept().await;
            answer(&mut stream, OK).await;
            answer(&mut stream, OK).await;
        };
        let ask = async {
            assert_eq!(content(client.send(get()).await.unwrap()).await, "ok");
            tokio::task::yield_now().await;
            assert_eq!(content(client.send(get()).await.unwrap()).await, "ok");
        };
        tokio::join!(serve, ask);
        assert!(server.is_left_alone().await);
    });
}

#[test]
fn a_get_is_sent_once_more_when_a_kept_connection_ends_without_a_byte() {
    run(async {
        let server = Server::start().await;
        let client = server.client();
        let serve = async {
            let mut first = server.accept().await;
            answer(&mut first, OK).await;
            read_to(&mut first, "\r\n\r\n").await;
            drop(first);
            answer(&mut server.accept().await, OK).await;
        };
        let ask = async {
            content(client.send(get()).await.unwrap()).await;
            tokio::task::yield_now().await;
            assert_eq!(content(client.send(get()).await.unwrap()).await, "ok");
        };
        tokio::join!(serve, ask);
    });
}

#[test]
fn an_upgrade_is_sent_once_more_too() {
    run(async {
        let server = Server::start().await;
        let client = server.client();
        let serve = async {
            let mut first = server.accept().await;
            answer(&mut first, OK).await;
            read_to(&mut first, "\r\n\r\n").await;
            drop(first);
            let switched = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
            answer(&mut server.accept().await, switched).await;
        };
        let ask = async {
            content(client.send(get()).await.unwrap()).await;
            tokio::task::yield_now().await;
            let mut upgrade = get();
            upgrade.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            upgrade.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("x"));
            assert_eq!(client.send(upgrade).await.unwrap().status(), 101);
        };
        tokio::join!(serve, ask);
    });
}

#[test]
fn a_get_is_not_sent_a_third_time() {
    run(async {
        let server = Server::start().await;
        let client = server.client();
        let serve = async {
            let mut first = server.accept().await;
            answer(&mut first, OK).await;
            read_to(&mut first, "\r\n\r\n").await;
            drop(first);
            read_to(&mut server.accept().await, "\r\n\r\n").await;
        };
        let ask = async {
            content(client.send(get()).await.unwrap()).await;
            tokio::task::yield_now().await;
            let error = client.send(get()).await.unwrap_err();
            assert!(!error.nothing_sent());
        };
        tokio::join!(serve, ask);
        assert!(server.is_left_alone().await);
    });
}

#[test]
fn a_post_and_a_begun_answer_are_never_repeated() {
    for (method, said) in [(Method::POST, ""), (Method::GET, "HTTP/1.1 2")] {
        run(async move {
            let server = Server::start().await;
            let client = server.client();
            let serve = async {
                let mut stream = server.accept().await;
                answer(&mut stream, OK).await;
                answer(&mut stream, said).await;
            };
            let ask = async {
                content(client.send(get()).await.unwrap()).await;
                tokio::task::yield_now().await;
                let error = client.send(request(method, Body::Empty)).await.unwrap_err();
                assert!(!error.nothing_sent());
                assert_eq!(error.kind(), "broken");
            };
            tokio::join!(serve, ask);
            assert!(server.is_left_alone().await);
        });
    }
}

#[test]
fn a_refused_connection_sends_nothing() {
    run(async {
        let server = Server::start().await;
        let client = server.client();
        drop(server);
        let error = client.send(request(Method::POST, Body::full("x"))).await.unwrap_err();
        assert!(error.nothing_sent());
        assert_eq!(error.kind(), "connect");
    });
}

#[test]
fn a_silent_application_is_given_up_and_its_connection_closed() {
    run(async {
        let server = Server::start().await;
        let client = server.client_with(|settings| settings.response_timeout = Some(Duration::from_millis(200)));
        let serve = async {
            let mut stream = server.accept().await;
            read_to(&mut stream, "\r\n\r\n").await;
            assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
        };
        let ask = async {
            let error = client.send(get()).await.unwrap_err();
            assert!(error.is_timeout() && !error.nothing_sent());
        };
        tokio::join!(serve, ask);
    });
}

#[test]
fn the_time_for_an_answer_begins_when_the_content_is_over() {
    run(async {
        let server = Server::start().await;
        let client = server.client_with(|settings| settings.response_timeout = Some(Duration::from_millis(300)));
        let (mut hand, body) = upload("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n").await;
        let serve = async {
            let mut stream = server.accept().await;
            read_to(&mut stream, "12345").await;
            stream.write_all(OK.as_bytes()).await.unwrap();
        };
        let type_slowly = async {
            for byte in b"12345" {
                tokio::time::sleep(Duration::from_millis(200)).await;
                hand.write_all(&[*byte]).await.unwrap();
            }
        };
        let ask = async {
            let mut slow = request(Method::POST, body);
            slow.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("5"));
            assert_eq!(content(client.send(slow).await.unwrap()).await, "ok");
        };
        tokio::join!(serve, type_slowly, ask);
    });
}

#[test]
fn the_time_for_an_answer_ends_after_an_upload_too() {
    run(async {
        let server = Server::start().await;
        let client = server.client_with(|settings| settings.response_timeout = Some(Duration::from_millis(200)));
        let (mut hand, body) = upload("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n").await;
        hand.write_all(b"1").await.unwrap();
        let serve = async {
            let mut stream = server.accept().await;
            read_to(&mut stream, "never").await;
        };
        let ask = async {
            let began = tokio::time::Instant::now();
            assert!(client.send(request(Method::POST, body)).await.unwrap_err().is_timeout());
            assert!(began.elapsed() < Duration::from_secs(2));
        };
        tokio::join!(serve, ask);
    });
}

#[test]
fn an_application_that_stops_reading_is_given_up() {
    run(async {
        let server = Server::start().await;
        let client = server.client_with(|settings| settings.idle_timeout = Duration::from_millis(300));
        let (mut hand, body) = upload("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
        let flood = async {
            let chunk = [b"10000\r\n", &[b'x'; 0x10000][..], b"\r\n"].concat();
            while hand.write_all(&chunk).await.is_ok() {}
        };
        let ask = async {
            let stream = server.accept();
            let (error, _stream) = tokio::join!(client.send(request(Method::POST, body)), stream);
            assert!(error.unwrap_err().is_timeout());
        };
        tokio::select! { () = ask => {}, () = flood => {} }
    });
}

#[test]
fn content_that_breaks_off_is_not_the_applications_fault() {
    run(async {
        let server = Server::start().await;
        let client = server.client();
        let (mut hand, body) = upload("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
        hand.write_all(b"1\r\nx\r\nnonsense\r\n").await.unwrap();
        let serve = async {
            let mut stream = server.accept().await;
            let seen = read_to(&mut stream, "0\r\n\r\n").await;
            assert!(!seen.ends_with("0\r\n\r\n"), "a broken request was completed: {seen}");
        };
        let ask = async {
            let error = client.send(request(Method::POST, body)).await.unwrap_err();
            assert_eq!(error.kind(), "request");
            assert!(matches!(error.content(), Some(BodyError::Broken(_))));
            assert!(!error.nothing_sent());
        };
        tokio::join!(serve, ask);
    });
}

#[test]
fn an_early_answer_is_passed_on_while_the_content_still_comes() {
    run(async {
        let server = Server::start().await;
        let client = server.client();
        let (_hand, body) = upload("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n").await;
        let serve = async {
            let mut stream = server.accept().await;
            answer(&mut stream, "HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n").await;
            answer(&mut server.accept().await, OK).await;
        };
        let ask = async {
            assert_eq!(client.send(request(Method::POST, body)).await.unwrap().status(), 413);
            assert_eq!(content(client.send(get()).await.unwrap()).await, "ok");
        };
        tokio::join!(serve, ask);
    });
}

#[test]
fn a_dropped_request_closes_its_connection() {
    run(async {
        let server = Server::start().await;
        let client = server.client();
        let serve = async {
            let mut stream = server.accept().await;
            read_to(&mut stream, "\r\n\r\n").await;
            assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
        };
        let ask = async {
            let given_up = tokio::time::timeout(Duration::from_millis(200), client.send(get())).await;
            assert!(given_up.is_err());
        };
        tokio::join!(serve, ask);
    });
}

#[test]
fn a_half_read_answer_closes_its_connection() {
    run(async {
        let server = Server::start().await;
        let client = server.client();
        let serve = async {
            let mut stream = server.accept().await;
            answer(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
            assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
        };
        let ask = async {
            let mut response = client.send(get()).await.unwrap();
            response.body_mut().frame().await.unwrap().unwrap();
        };
        tokio::join!(serve, ask);
    });
}

#[test]
fn events_arrive_one_by_one() {
    run(async {
        let server = Server::start().await;
        let client = server.client();
        let (go_on, gone_on) = tokio::sync::oneshot::channel::<()>();
        let serve = async {
            let mut stream = server.accept().await;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            answer(&mut stream, &format!("{head}9\r\ndata: 1\n\n\r\n")).await;
            gone_on.await.unwrap();
            stream.write_all(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n").await.unwrap();
        };
        let ask = async {
            let mut events = client.send(get()).await.unwrap();
            let first = events.body_mut().frame().await.unwrap().unwrap();
            assert_eq!(first.into_data().unwrap(), "data: 1\n\n");
            go_on.send(()).unwrap();
            assert_eq!(content(events).await, "data: 2\n\n");
        };
        tokio::join!(serve, ask);
    });
}

#[test]
fn a_silent_answer_is_broken_off() {
    run(async {
        let server = Server::start().await;
        let client = server.client_with(|settings| settings.idle_timeout = Duration::from_millis(200));
        let serve = async {
            let mut stream = server.accept().await;
            answer(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
            read_to(&mut stream, "never").await;
        };
        let ask = async {
            let broken = client.send(get()).await.unwrap().into_body().collect().await;
            assert!(matches!(broken, Err(BodyError::TooSlow)));
        };
        tokio::join!(serve, ask);
    });
}

#[test]
fn head_is_answered_without_content_and_its_connection_closed() {
    run(async {
        let server = Server::start().await;
        let client = server.client();
        let serve = async {
            let mut stream = server.accept().await;
            answer(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
            answer(&mut server.accept().await, OK).await;
        };
        let ask = async {
            let head = client.send(request(Method::HEAD, Body::Empty)).await.unwrap();
            assert_eq!(head.headers()["content-length"], "1000");
            assert!(content(head).await.is_empty());
            tokio::task::yield_now().await;
            content(client.send(get()).await.unwrap()).await;
        };
        tokio::join!(serve, ask);
    });
}

#[test]
fn bytes_after_an_answer_end_its_connection() {
    run(async {
        let server = Server::start().await;
        let client = server.client();
        let serve = async {
            let mut first = server.accept().await;
            answer(&mut first, &format!("{OK}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")).await;
            answer(&mut server.accept().await, OK).await;
        };
        let ask = async {
            for _ in 0..2 {
                assert_eq!(content(client.send(get()).await.unwrap()).await, "ok");
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(serve, ask);
    });
}

#[test]
fn a_thousand_interim_answers_are_not_the_answer() {
    run(async {
        let server = Server::start().await;
        let client = server.client();
        let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(1000);
        let serve = async { answer(&mut server.accept().await, &format!("{interim}{OK}")).await };
        let ask = async { assert_eq!(content(client.send(get()).await.unwrap()).await, "ok") };
        tokio::join!(serve, ask);
    });
}

#[test]
fn idle_connections_are_closed_in_time() {
    run(async {
        let server = Server::start().await;
        let client = server.client_with(|settings| settings.keep_alive = Duration::from_millis(300));
        let serve = async {
            let mut stream = server.accept().await;
            answer(&mut stream, OK).await;
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        };
        let ask = async {
            content(client.send(get()).await.unwrap()).await;
        };
        tokio::join!(serve, ask);
    });
}

/// Answers requests of one HTTP/2 connection until `most` were answered; the next one ends it.
async fn serve_http2(stream: TcpStream, most: usize) {
    let answered = Rc::new(Cell::new(0));
    let (full, wait) = (answered.clone(), Rc::new(tokio::sync::Notify::new()));
    let ended = wait.clone();
    let service = hyper::service::service_fn(move |_| {
        let (count, wait) = (answered.clone(), wait.clone());
        async move {
            if count.replace(count.get() + 1) >= most {
                wait.notify_one();
                std::future::pending::<()>().await;
            }
            Ok::<_, std::convert::Infallible>(Response::new(Body::full("ok")))
        }
    });
    let io = hyper_util::rt::TokioIo::new(stream);
    let serving = hyper::server::conn::http2::Builder::new(LocalExecutor).serve_connection(io, service);
    tokio::select! { _ = serving => {}, () = ended.notified() => assert_eq!(full.get(), most + 1) }
}

#[test]
fn http2_is_one_connection_and_a_get_survives_its_end() {
    run(async {
        let server = Server::start().await;
        let client = client(&ApplicationUrl::H2c(server.address.to_string().parse().unwrap()), |_| {});
        let serve = async {
            serve_http2(server.accept().await, 2).await;
            tokio::task::spawn_local(serve_http2(server.accept().await, 9));
        };
        let ask = async {
            for _ in 0..3 {
                assert_eq!(content(client.send(get()).await.unwrap()).await, "ok");
            }
        };
        tokio::join!(serve, ask);
        assert!(server.is_left_alone().await);
    });
}

#[test]
fn a_post_over_http2_is_not_repeated_and_the_next_request_gets_a_new_connection() {
    run(async {
        let server = Server::start().await;
        let client = client(&ApplicationUrl::H2c(server.address.to_string().parse().unwrap()), |_| {});
        let serve = async {
            serve_http2(server.accept().await, 1).await;
            tokio::task::spawn_local(serve_http2(server.accept().await, 9));
        };
        let ask = async {
            content(client.send(get()).await.unwrap()).await;
            assert!(!client.send(request(Method::POST, Body::full("x"))).await.unwrap_err().nothing_sent());
            assert_eq!(content(client.send(get()).await.unwrap()).await, "ok");
        };
        tokio::join!(serve, ask);
    });
}

#[test]
fn a_request_over_http2_does_not_wait_for_the_connection_of_an_upload() {
    run(async {
        let server = Server::start().await;
        let client = client(&ApplicationUrl::H2c(server.address.to_string().parse().unwrap()), |_| {});
        let upload = || request(Method::POST, Body::stream(futures_util::stream::pending()));
        let began = tokio::time::Instant::now();
        // The connection for the second upload stays in the backlog.
        let serve = async { serve_http2(server.accept().await, 9).await };
        let uploads = futures_util::future::join(client.send(upload()), client.send(upload()));
        let got = async { content(client.send(get()).await.unwrap()).await };
        let others = futures_util::future::join(serve, uploads);
        match futures_util::future::select(std::pin::pin!(others), std::pin::pin!(got)).await {
            futures_util::future::Either::Left(_) => panic!("the uploads end after the GET"),
            futures_util::future::Either::Right((content, _)) => assert_eq!(content, "ok"),
        }
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    });
}

#[test]
fn a_websocket_goes_over_http1_to_a_server_of_http2() {
    run(async {
        let server = Server::start().await;
        let client = client(&ApplicationUrl::H2c(server.address.to_string().parse().unwrap()), |_| {});
        let serve = async {
            tokio::task::spawn_local(serve_http2(server.accept().await, 9));
            let mut stream = server.accept().await;
            let head = read_to(&mut stream, "\r\n\r\n").await;
            assert!(head.starts_with("GET /a?b HTTP/1.1\r\n") && head.contains("upgrade: websocket\r\n"), "{head}");
            let switched = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
            stream.write_all(switched.as_bytes()).await.unwrap();
        };
        let ask = async {
            content(client.send(get()).await.unwrap()).await;
            let mut upgrade = get();
            upgrade.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            upgrade.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
            upgrade.headers_mut().insert(header::SEC_WEBSOCKET_KEY, key);
            assert_eq!(client.send(upgrade).await.unwrap().status(), 101);
        };
        tokio::join!(serve, ask);
    });
}

#[test]
fn a_get_with_content_of_unknown_length_keeps_it() {
    run(async {
        let server = Server::start().await;
        let client = server.client();
        let (mut hand, body) = upload("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n").await;
        hand.write_all(b"1\r\nx\r\n0\r\n\r\n").await.unwrap();
        let serve = async {
            let mut stream = server.accept().await;
            assert!(read_to(&mut stream, "1\r\nx\r\n0\r\n\r\n").await.contains("transfer-encoding: chunked\r\n"));
            stream.write_all(OK.as_bytes()).await.unwrap();
        };
        let ask = async { assert_eq!(content(client.send(request(Method::GET, body)).await.unwrap()).await, "ok") };
        tokio::join!(serve, ask);
    });
}

#[test]
fn an_answer_without_content_has_no_length() {
    run(async {
        let server = Server::start().await;
        let client = server.client();
        let serve = async {
            let mut stream = server.accept().await;
            answer(&mut stream, "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n").await;
            // A connection on which content was announced is not reused.
            let mut stream = server.accept().await;
            answer(&mut stream, "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n").await;
        };
        let ask = async {
            for _ in 0..2 {
                let response = client.send(get()).await.unwrap();
                assert!(!response.headers().contains_key("content-length"));
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(serve, ask);
    });
}
