//! The admin listener: `/healthz`, `/readyz`, `/status` and `/metrics`, for the operator's machines only.
//!
//! It never shares a port with the public listener, so no path, field or user agent of a client leads here
//! (CVE-2026-34457). It shows no secret and takes no commands.

mod status;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::time::timeout;

use crate::body::Body;
use crate::endpoint::{ApplicationUrl, Endpoint, HostPort};
use crate::peer::Peer;
use crate::server::serve_plain;
use crate::telemetry::Format;
use crate::tunnel::TunnelSlot;
use status::Facts;

pub use status::{AdminParts, Level, Status, in_words};

const MAX_CONNECTIONS: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(10);

/// The content of `/readyz`.
#[derive(Debug, Serialize)]
struct Readiness {
    store: &'static str,
    application: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxies: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<&'static str>,
}

/// Serves until the future is dropped, on a local runtime. `parts` is called for each request, so that a reload can
/// replace them.
pub async fn serve(listener: TcpListener, parts: impl Fn() -> AdminParts + 'static) {
    let handler = move |request: Request<Body>, _: Peer, _: TunnelSlot| {
        let parts = parts();
        async move { respond(&request, &parts).await }
    };
    serve_plain(listener, MAX_CONNECTIONS, TIMEOUT, handler).await;
}

async fn respond(request: &Request<Body>, parts: &AdminParts) -> Response<Body> {
    let path = request.uri().path();
    if !matches!(path, "/healthz" | "/readyz" | "/status" | "/metrics") {
        return response(StatusCode::NOT_FOUND, "text/plain", "healthz, readyz, status or metrics\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = response(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET or HEAD\n");
        refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match path {
        "/healthz" => response(StatusCode::OK, "text/plain", "ok\n"),
        "/metrics" => {
            let format = Format::accepted(request.headers());
            response(StatusCode::OK, format.media_type(), parts.telemetry.metrics().render(format))
        }
        _ => {
            let application = is_reachable(&parts.application, parts.connect_timeout);
            let (store, application) = tokio::join!(parts.store.ping(), application);
            match path {
                "/readyz" => readiness(store.is_ok(), application, parts),
                _ => status_of(&Facts { parts, store, is_application_reachable: application }),
            }
        }
    }
}

/// Only the store decides the status. If the application is unreachable, qrgate still serves the error page that says
/// so; if the log is blocked, pages and codes still work, and one stopped log shipper would take every process out of
/// service; without a certificate, the authority that issues one must reach this process through the load balancer.
fn readiness(store: bool, application: bool, parts: &AdminParts) -> Response<Body> {
    let telemetry = &parts.telemetry;
    let proxies = telemetry.proxies(false);
    let readiness = Readiness {
        store: if store { "ok" } else { "down" },
        application: if application { "ok" } else { "unreachable" },
        log: telemetry.is_blocked().then_some("blocked"),
        proxies: (!proxies.is_empty()).then(|| format!("not in public.trusted_proxies: {}", proxies.join(", "))),
        certificate: parts.certificate,
    };
    let status = if store { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    response(status, "application/json", serde_json::to_string(&readiness).unwrap_or_default())
}

fn status_of(facts: &Facts<'_>) -> Response<Body> {
    let content = serde_json::to_string_pretty(&status::status(facts)).unwrap_or_default();
    response(StatusCode::OK, "application/json", content)
}

/// Whether the application accepts a connection.
async fn is_reachable(url: &ApplicationUrl, limit: Duration) -> bool {
    let connecting = async {
        match url.endpoint() {
            Endpoint::Unix(path) => UnixStream::connect(path).await.is_ok(),
            Endpoint::Tcp(HostPort { host, port }) => TcpStream::connect((host, port)).await.is_ok(),
        }
    };
    timeout(limit, connecting).await.unwrap_or(false)
}

fn response(status: StatusCode, media_type: &'static str, content: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(content));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::clock::Clock;
    use crate::config::{Level, Log, LogFormat, StoreUrl};
    use crate::peer::PeerAddress;
    use crate::store::Store;
    use crate::telemetry::Telemetry;
    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::LocalSet;

    async fn application() -> (TcpListener, ApplicationUrl) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = ApplicationUrl::Http(listener.local_addr().unwrap().to_string().parse().unwrap());
        (listener, url)
    }

    fn telemetry() -> Telemetry {
        Telemetry::in_memory(&Log { format: LogFormat::Text, access: false, level: Level::Info }, Clock::default())
    }

    fn parts(application: ApplicationUrl) -> AdminParts {
        let store = Arc::new(Store::memory(Clock::System, 1));
        let connect_timeout = Duration::from_secs(1);
        AdminParts {
            telemetry: telemetry(),
            store,
            store_url: StoreUrl::Memory,
            application,
            connect_timeout,
            certificate: None,
        }
    }

    async fn text(response: Response<Body>) -> (u16, String) {
        let status = response.status().as_u16();
        let content = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(content.to_vec()).unwrap())
    }

    async fn get(path: &str, parts: &AdminParts) -> (u16, String) {
        text(respond(&Request::get(path).body(Body::Empty).unwrap(), parts).await).await
    }

    #[tokio::test]
    async fn ready_while_the_store_responds_even_without_the_application() {
        let (listener, url) = application().await;
        let parts = parts(url);
        assert_eq!(get("/readyz", &parts).await, (200, r#"{"store":"ok","application":"ok"}"#.to_owned()));
        drop(listener);
        assert_eq!(get("/readyz", &parts).await, (200, r#"{"store":"ok","application":"unreachable"}"#.to_owned()));
    }

    #[tokio::test]
    async fn not_ready_without_the_store() {
        let (_listener, url) = application().await;
        let (status, content) = text(readiness(false, true, &parts(url))).await;
        assert_eq!((status, content.as_str()), (503, r#"{"store":"down","application":"ok"}"#));
    }

    #[tokio::test]
    async fn a_missing_certificate_is_named() {
        let (_listener, url) = application().await;
        let parts = AdminParts { certificate: Some("none yet"), ..parts(url) };
        let (status, content) = get("/readyz", &parts).await;
        assert_eq!((status, content.as_str()), (200, r#"{"store":"ok","application":"ok","certificate":"none yet"}"#));
    }

    #[tokio::test]
    async fn an_undeclared_proxy_is_named() {
        let (_listener, url) = application().await;
        let parts = parts(url);
        let peer = PeerAddress::ip("10.0.0.5:1".parse().unwrap());
        parts.telemetry.ignored_field(&http::HeaderName::from_static("x-real-ip"), peer, true);
        let (status, content) = text(readiness(true, true, &parts)).await;
        assert_eq!(status, 200);
        assert!(content.contains(r#""proxies":"not in public.trusted_proxies: 10.0.0.5""#), "{content}");
    }

    #[tokio::test]
    async fn other_paths_and_methods_lead_nowhere() {
        let (_listener, url) = application().await;
        let parts = parts(url);
        for path in ["/", "/metrics/", "/healthz/../metrics", "//metrics", "/qr/"] {
            assert_eq!(get(path, &parts).await.0, 404, "{path}");
        }
        let refusal = respond(&Request::post("/metrics").body(Body::Empty).unwrap(), &parts).await;
        assert_eq!((refusal.status().as_u16(), refusal.headers()["allow"].as_bytes()), (405, &b"GET, HEAD"[..]));
    }

    #[tokio::test]
    async fn it_speaks_http_to_a_bounded_number_of_connections() {
        let serving = async {
            let (_listener, url) = application().await;
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::task::spawn_local(serve(listener, move || parts(url.clone())));
            let idle = futures_util::future::join_all((0..MAX_CONNECTIONS).map(|_| TcpStream::connect(address))).await;
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
            let mut response = String::new();
            let waiting = timeout(Duration::from_millis(50), stream.read_to_string(&mut response)).await;
            assert!(waiting.is_err(), "it waits for its turn");
            drop(idle);
            stream.read_to_string(&mut response).await.unwrap();
            assert!(response.starts_with("HTTP/1.1 200 OK\r\n"));
            assert!(response.contains("content-type: text/plain; version=0.0.4"));
            assert!(response.contains("qrgate_build_info"));
        };
        LocalSet::new().run_until(serving).await;
    }
}
