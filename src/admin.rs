//! The admin listener: `/healthz`, `/readyz` and `/metrics`, for the operator's machines only.
//!
//! It never shares a port with the public listener, so no path, field or user agent of a client leads here
//! (CVE-2026-34457). It shows no configuration and takes no commands.

use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::ApplicationUrl;
use crate::telemetry::{Format, Telemetry};

/// How long a caller may take over a request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Callers served at once; a further one waits.
const MOST_CALLERS: usize = 64;

/// Descriptors that are held for them: for a few callers, and for the look at the application.
const SPARES: usize = 8;

/// Asks whether the store answers. The future is the store's own, with its own time limit.
pub type StorePing = Box<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// What the admin listener reports on.
pub struct AdminParts {
    /// Counters, and the proxies nobody declared.
    pub telemetry: Telemetry,
    /// The store.
    pub store: StorePing,
    /// Where the application should be.
    pub application: ApplicationUrl,
    /// How long it may take to accept a connection.
    pub connect_timeout: Duration,
}

/// What `/readyz` says.
#[derive(Debug, Serialize)]
struct Readiness {
    store: &'static str,
    application: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxies: Option<String>,
}

/// Serves until the future is dropped. `parts` is asked for each request, so that a reload can replace them.
pub async fn serve(listener: TcpListener, parts: impl Fn() -> Arc<AdminParts> + Clone + Send + Sync + 'static) {
    let mut callers = JoinSet::new();
    let mut spares = Spares::default();
    spares.refill();
    loop {
        tokio::select! {
            Some(_) = callers.join_next() => if callers.is_empty() { spares.refill() },
            accepted = listener.accept(), if callers.len() < MOST_CALLERS => match accepted {
                Ok((stream, _)) => _ = callers.spawn(serve_caller(stream, parts.clone())),
                Err(_) if spares.release() => {}
                // Out of descriptors, mostly: it gets better when others close.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    spares.refill();
                }
            },
        }
    }
}

/// Descriptors that are held for callers: who asks what is wrong is answered while there are no others.
#[derive(Default)]
struct Spares(Vec<OwnedFd>);

impl Spares {
    /// Takes as many as are missing, if there are any.
    fn refill(&mut self) {
        while self.0.len() < SPARES
            && let Ok(spare) = std::io::stderr().as_fd().try_clone_to_owned()
        {
            self.0.push(spare);
        }
    }

    /// Gives all of them up for the next callers, and what these ask; false: there were none.
    fn release(&mut self) -> bool {
        !std::mem::take(&mut self.0).is_empty()
    }
}

async fn serve_caller(stream: TcpStream, parts: impl Fn() -> Arc<AdminParts> + Clone + Send + Sync + 'static) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let parts = parts();
        async move { Ok::<_, Infallible>(respond(&request, &parts).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    // A caller that breaks off has nobody to be told.
    let _ = connection.await;
}

/// The answer to one request.
pub async fn respond<B>(request: &Request<B>, parts: &AdminParts) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if !matches!(path, "/healthz" | "/readyz" | "/metrics") {
        return answer(StatusCode::NOT_FOUND, "text/plain", "healthz, readyz or metrics\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET or HEAD\n");
        refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match path {
        "/healthz" => answer(StatusCode::OK, "text/plain", "ok\n"),
        "/metrics" => {
            let format = Format::accepted(request.headers());
            answer(StatusCode::OK, format.media_type(), parts.telemetry.render(format))
        }
        _ => readiness(parts).await,
    }
}

/// An application that is away is the operator's to know, but no reason to be taken out of service: the error page
/// that says so comes from here. Nor is a log that cannot be written: pages and codes still work, and a log shipper that
/// has stopped would take every process out at once.
async fn readiness(parts: &AdminParts) -> Response<Full<Bytes>> {
    let (store, application) = tokio::join!((parts.store)(), is_reachable(&parts.application, parts.connect_timeout));
    let proxies = parts.telemetry.undeclared_proxies();
    let readiness = Readiness {
        store: if store { "ok" } else { "down" },
        application: if application { "ok" } else { "unreachable" },
        log: parts.telemetry.is_blocked().then_some("blocked"),
        proxies: (!proxies.is_empty()).then(|| format!("not in public.trusted_proxies: {}", proxies.join(", "))),
    };
    let status = if store { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    answer(status, "application/json", serde_json::to_string(&readiness).unwrap_or_default())
}

/// Whether the application accepts a connection.
async fn is_reachable(url: &ApplicationUrl, limit: Duration) -> bool {
    let connecting = async {
        match url {
            ApplicationUrl::Unix(path) => UnixStream::connect(path).await.is_ok(),
            ApplicationUrl::Http(authority) | ApplicationUrl::H2c(authority) => connect(authority, 80).await,
            ApplicationUrl::Https(authority) => connect(authority, 443).await,
        }
    };
    timeout(limit, connecting).await.unwrap_or(false)
}

async fn connect(authority: &http::uri::Authority, default_port: u16) -> bool {
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    TcpStream::connect((name, authority.port_u16().unwrap_or(default_port))).await.is_ok()
}

fn answer(status: StatusCode, media_type: &'static str, content: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(content.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::{Level, Log, LogFormat};
    use crate::peer::PeerAddress;
    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn application() -> (TcpListener, ApplicationUrl) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = ApplicationUrl::Http(listener.local_addr().unwrap().to_string().parse().unwrap());
        (listener, url)
    }

    fn parts(store_is_up: bool, application: ApplicationUrl) -> AdminParts {
        let log = Log { format: LogFormat::Text, access: false, level: Level::Info };
        AdminParts {
            telemetry: Telemetry::in_memory(&log, Clock::default()),
            store: Box::new(move || Box::pin(async move { store_is_up })),
            application,
            connect_timeout: Duration::from_secs(1),
        }
    }

    async fn get(path: &str, parts: &AdminParts) -> (u16, String) {
        let answer = respond(&Request::get(path).body(()).unwrap(), parts).await;
        let status = answer.status().as_u16();
        let content = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(content.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn ready_while_the_store_answers_even_without_the_application() {
        let (listener, url) = application().await;
        let parts = parts(true, url);
        assert_eq!(get("/readyz", &parts).await, (200, r#"{"store":"ok","application":"ok"}"#.to_owned()));
        drop(listener);
        assert_eq!(get("/readyz", &parts).await, (200, r#"{"store":"ok","application":"unreachable"}"#.to_owned()));
    }

    #[tokio::test]
    async fn not_ready_without_the_store() {
        let (_listener, url) = application().await;
        let (status, content) = get("/readyz", &parts(false, url)).await;
        assert_eq!((status, content.as_str()), (503, r#"{"store":"down","application":"ok"}"#));
    }

    #[tokio::test]
    async fn an_undeclared_proxy_is_named() {
        let (_listener, url) = application().await;
        let parts = parts(true, url);
        let peer = PeerAddress::ip("10.0.0.5:1".parse().unwrap());
        parts.telemetry.ignored_field(&http::HeaderName::from_static("x-real-ip"), peer, true);
        let (status, content) = get("/readyz", &parts).await;
        assert_eq!(status, 200);
        assert!(content.contains(r#""proxies":"not in public.trusted_proxies: 10.0.0.5""#), "{content}");
    }

    #[tokio::test]
    async fn other_paths_and_methods_lead_nowhere() {
        let (_listener, url) = application().await;
        let parts = parts(true, url);
        for path in ["/", "/metrics/", "/healthz/../metrics", "//metrics", "/qr/"] {
            assert_eq!(get(path, &parts).await.0, 404, "{path}");
        }
        let answer = respond(&Request::post("/metrics").body(()).unwrap(), &parts).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["allow"]),
            (405, &HeaderValue::from_static("GET, HEAD"))
        );
    }

    #[tokio::test]
    async fn it_speaks_http() {
        let (_listener, url) = application().await;
        let parts = Arc::new(parts(true, url));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, move || parts.clone()));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(answer.contains("content-type: text/plain; version=0.0.4"));
        assert!(answer.contains("qrgate_build_info"));
        server.abort();
    }
}
