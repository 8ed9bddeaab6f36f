use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderValue;

use super::*;
use crate::clock::{Clock, Timestamp};
use crate::config::{self, Level, Log, LogFormat};
use crate::forwarded::Client;
use crate::origin::Origin;
use crate::pages::Lang;
use crate::peer::PeerAddress;
use crate::token::Party;

fn responder() -> Responder {
    let log = Log { format: LogFormat::Text, access: false, level: Level::Info };
    let pages = config::Pages {
        site: "Example".to_owned(),
        templates: None,
        language: None,
        accent: "#0b57d0".to_owned(),
        logo: String::new(),
        logo_dark: String::new(),
        links: Vec::new(),
        devices_url: String::new(),
    };
    Responder {
        pages: Arc::new(Pages::new(&pages).unwrap()),
        ticket_path: "/qr/".to_owned(),
        home: "/".to_owned(),
        telemetry: Telemetry::in_memory(&log, Clock::manual(Timestamp(0))),
    }
}

fn asked(route: Route, origin: &str) -> Asked {
    let address = SocketAddr::from(([203, 0, 113, 7], 40000));
    let origin = Origin::parse(origin).unwrap();
    Asked {
        client: Client { peer: PeerAddress::Ip(address), address: Some(address.ip()), many: false },
        isolated: origin.is_trustworthy() && route != Route::Forward,
        admitted: true,
        lang: Lang::default(),
        request_id: HeaderValue::from_static("3f9ac051"),
        origin,
        route,
    }
}

fn at_start() -> Asked {
    asked(Route::Ticket(TicketRoute::Start), "https://app.example")
}

fn field<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn every_reply_bears_the_security_fields() {
    let responder = responder();
    for reply in [
        Reply::page(Page::Done),
        Reply::failure(Failure::InUse),
        Reply::see("/inbox"),
        Reply::moved("/qr/"),
        Reply::json(StatusCode::OK, &serde_json::json!({})),
        Reply::events(futures_util::stream::empty()),
    ] {
        let shown = format!("{:?}", reply.what);
        let response = responder.respond(reply, &at_start());
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "strict-origin"),
            ("x-robots-tag", "noindex"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(field(&response, name), Some(value), "{name} of {shown}");
        }
        let policy = field(&response, "content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{policy} of {shown}");
        assert_eq!(field(&response, "access-control-allow-origin"), None, "{shown}");
    }
}

#[test]
fn the_route_and_the_origin_decide_what_else_it_bears() {
    let responder = responder();
    let (start, forward) = (Route::Ticket(TicketRoute::Start), Route::Forward);
    let (status, approve) = (TicketRoute::Status("x".to_owned()), TicketRoute::Approve);
    for (route, origin, any_origin, isolated) in [
        (start.clone(), "https://app.example", false, true),
        (start.clone(), "http://localhost:8080", false, true),
        (start, "http://192.168.1.20", false, false),
        (Route::Ticket(status), "https://app.example", true, true),
        (Route::Ticket(approve), "http://192.168.1.20", true, false),
        (Route::Ticket(TicketRoute::Undo), "https://app.example", true, true),
        (forward, "https://app.example", false, false),
    ] {
        let response =
            responder.respond(Reply::failure(Failure::Status(StatusCode::BAD_GATEWAY)), &asked(route.clone(), origin));
        let cors = field(&response, "access-control-allow-origin");
        assert_eq!(cors.is_some(), any_origin, "{route:?} {origin}");
        assert_eq!(field(&response, "cross-origin-opener-policy").is_some(), isolated, "{route:?} {origin}");
    }
    let moved = responder.respond(Reply::moved("https://app.example/"), &asked(Route::Forward, "http://app.example"));
    assert_eq!((moved.status().as_u16(), field(&moved, "cache-control")), (308, None), "the application's address");
}

#[test]
fn a_fault_has_its_page_its_status_and_its_connection() {
    let responder = responder();
    let host = || Fault::Host(crate::forwarded::ForwardedError::Missing);
    let large = || Fault::Content(crate::body::ReadError::TooLarge);
    for (fault, status, connection) in [
        (host(), 400, Some("close")),
        (Fault::Target, 400, Some("close")),
        (large(), 413, None),
        (Fault::Internal("no reason"), 500, None),
    ] {
        let response = responder.respond(Reply::of_fault(&fault, &Route::Forward), &at_start());
        assert_eq!((response.status().as_u16(), field(&response, "connection")), (status, connection), "{fault}");
    }
    for (reply, seconds) in [
        (Reply::failure(Failure::Unavailable), "5"),
        (Reply::failure(Failure::ApplicationAway), "5"),
        (Reply::failure(Failure::TooManyTries { retry_after: Duration::from_millis(1001) }), "2"),
        (Reply::try_later(Duration::from_millis(1001)), "2"),
        (Reply::try_later(Duration::ZERO), "1"),
    ] {
        assert_eq!(field(&responder.respond(reply, &at_start()), "retry-after"), Some(seconds));
    }
    let response = responder.respond(Reply::not_allowed("GET, HEAD"), &at_start());
    assert_eq!((response.status().as_u16(), field(&response, "allow")), (405, Some("GET, HEAD")));
}

#[test]
fn cookies_are_set_in_order_and_fit_the_origin() {
    let responder = responder();
    let browser = BrowserId::random().unwrap();
    for (origin, name, secure) in
        [("https://app.example", "__Host-qrgate=", true), ("http://localhost:8080", "qrgate=", false)]
    {
        let reply = Reply::see("/").setting(Cookie::Relayed(b"a=\xff; Path=/x".to_vec()));
        let reply = reply.setting(Cookie::Browser(browser.clone())).setting(None);
        let response = responder.respond(reply, &asked(Route::Ticket(TicketRoute::Start), origin));
        let lines: Vec<&[u8]> = response.headers().get_all("set-cookie").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(lines.len(), 2, "{origin}");
        assert_eq!(lines[0], b"a=\xff; Path=/x", "as it came");
        let own = std::str::from_utf8(lines[1]).unwrap();
        assert!(own.starts_with(name) && own.contains("; HttpOnly; SameSite=Lax"), "{own}");
        assert_eq!(own.contains("; Secure"), secure, "{own}");
    }
}

#[test]
fn events_are_written_once_with_the_request_that_they_belong_to() {
    let responder = responder();
    let phone = Party { address: None, label: "Safari on iPhone".to_owned() };
    let events = ["no such code", "another network"].map(|reason| Event::phone_refused(phone.clone(), reason));
    let [first, second] = events;
    responder.respond(Reply::page(Page::InvalidCode).noting(first).noting(second), &at_start());
    let written = responder.telemetry.written();
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines.len(), 2, "{written}");
    for (line, reason) in lines.iter().zip(["no such code", "another network"]) {
        let whole = ["event=ticket.refused", reason, "phone_label=\"Safari on iPhone\"", "request_id=3f9ac051"];
        assert!(whole.iter().all(|words| line.contains(words)), "{line}");
    }
}
