//! Which request fields reach the application: none that moves a request onto a hook, and none that only a proxy may
//! set.

use crate::harness::application::{Reply, TestApplication};
use crate::harness::attempt::Ground;
use crate::harness::gate::TestGate;
use crate::harness::http::{Connection, Message};
use crate::harness::http2::{END_STREAM, Http2};
use crate::harness::tls::Authority;

/// Fields from which a server or a framework takes a path or host other than the request's own.
const MOVING: [&str; 24] = [
    "Script-Name",
    "Path-Info",
    "Daphne-Root-Path",
    "Root-Path",
    "X-Script-Name",
    "X-Forwarded-Script-Name",
    "X-Forwarded-Prefix",
    "X-Forwarded-Path",
    "X-Forwarded-PathBase",
    "X-Forwarded-Root-Path",
    "X-Forwarded-Context",
    "X-Original-URL",
    "X-Original-Path",
    "X-Original-Host",
    "X-Rewrite-URL",
    "X-Rewrite-Path",
    "X-Replaced-Path",
    "X-Envoy-Original-Path",
    "X-Envoy-Original-Host",
    "X-ProxyContextPath",
    "X-Vhm-Root",
    "X-Traversal-Path",
    "Request-Uri",
    "Proxy",
];

/// Fields in which a proxy describes the client and its connection.
const OF_PROXIES: [&str; 24] = [
    "Client-IP",
    "True-Client-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Original-Forwarded-For",
    "X-Envoy-External-Address",
    "X-Forwarded-By",
    "CF-Connecting-IP",
    "CF-Connecting-IPv6",
    "CF-Pseudo-IPv4",
    "CF-Visitor",
    "CloudFront-Forwarded-Proto",
    "Fastly-Client-IP",
    "Fly-Client-IP",
    "X-Appengine-User-IP",
    "X-Azure-ClientIP",
    "WL-Proxy-Client-IP",
    "X-ARR-SSL",
    "X-Proxied-HTTPS",
    "X-Forwarded-HTTPS",
    "X-HTTPS",
    "X-Host",
    "X-Forwarded-Client-Cert",
    "Client-Cert",
];

/// Fields of applications and browsers that resemble those above.
const APPLICATIONS: [&str; 9] = [
    "X-HTTP-Method-Override",
    "X-Requested-With",
    "X-CSRF-Token",
    "X-Forwarded-User",
    "X-Client-Version",
    "X-Script",
    "Path",
    "Sec-Fetch-Site",
    "Webhook-Id",
];

const UNDERSCORES: &str = "[application]\nunderscores_in_headers = true\n";

/// A name, and other spellings of it that CGI, PHP or a framework treats as the same name.
fn spellings(name: &str) -> Vec<String> {
    [name.to_owned(), name.to_uppercase(), name.replace('-', "_"), name.replace('-', "."), name.replacen('-', "~", 1)]
        .into()
}

/// Every spelling of these names, as field lines. The value shows where one of them arrives.
fn lines<'n>(names: impl IntoIterator<Item = &'n &'n str>) -> Vec<String> {
    names.into_iter().flat_map(|name| spellings(name)).map(|name| format!("{name}: /moved")).collect()
}

/// A GET of these field lines through `gate`, as the application sees it.
fn seen(application: &TestApplication, gate: &TestGate, path: &str, lines: &[String]) -> Message {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(gate.get(path, &lines).status(), 200, "{lines:?}");
    application.requests_to(path).pop().expect("a request")
}

fn moved(request: &Message) -> Vec<&(String, String)> {
    request.fields.iter().filter(|(_, value)| value == "/moved").collect()
}

#[test]
fn no_spelling_of_a_field_that_moves_a_path_arrives() {
    for settings in ["", UNDERSCORES, "[public]\ntrusted_proxies = [\"127.0.0.1\"]\n"] {
        let ground = Ground::with(settings);
        for names in [&MOVING[..], &OF_PROXIES] {
            for lines in lines(names).chunks(60) {
                let seen = seen(&ground.application, &ground.gate, "/static/_qr/logins", lines);
                assert!(moved(&seen).is_empty(), "{:?}", moved(&seen));
            }
        }
        let kept = APPLICATIONS.map(|name| format!("{name}: /moved"));
        let seen = seen(&ground.application, &ground.gate, "/page", &kept);
        assert_eq!(moved(&seen).len(), APPLICATIONS.len(), "{seen:?}");
    }
}

#[test]
fn private_fields_of_a_web_server_plug_in_do_not_arrive() {
    let ground = Ground::with(UNDERSCORES);
    let lines = ["$WSSN", "$WSRA", "$wssc", "$WSRU", "WL-Proxy-Client-Cert", "Proxy-Ssl-Id", "Proxy_Auth_Cert"];
    let seen = seen(&ground.application, &ground.gate, "/page", &lines.map(|name| format!("{name}: /moved")));
    assert!(moved(&seen).is_empty(), "{:?}", moved(&seen));
}

#[test]
fn no_field_moves_the_path_by_http_2_or_in_an_upgrade() {
    let (application, authority) = (TestApplication::start(), Authority::new());
    let tls = authority.issue("gate", &["localhost"]).settings();
    let gate = TestGate::with(&application, &tls);
    let mut connection = Http2::open(&gate, &authority);
    let names: Vec<String> = MOVING.iter().flat_map(|name| spellings(name)).map(|name| name.to_lowercase()).collect();
    for (names, stream) in names.chunks(60).zip((1..).step_by(2)) {
        let fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "/moved")).collect();
        connection.request(stream, "GET", "/page", &fields, true);
        assert_eq!(connection.response(stream).status, Some(200));
        assert!(moved(&application.requests_to("/page").pop().unwrap()).is_empty(), "{names:?}");
    }

    application.route("/socket", |_| {
        Reply::Take(Box::new(|mut connection: Connection| {
            connection.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
        }))
    });
    let plain = TestGate::before(&application);
    let mut connection = plain.connect();
    let fields = format!("{}\r\nX_Own: /moved", lines(&MOVING[..10]).join("\r\n"));
    let upgrade = "Connection: Upgrade, Script-Name\r\nUpgrade: echo";
    connection
        .write(format!("GET /socket HTTP/1.1\r\nHost: {}\r\n{upgrade}\r\n{fields}\r\n\r\n", plain.address).as_bytes());
    assert_eq!(connection.read_head().expect("a head").status(), 101);
    let seen = &application.requests_to("/socket")[0];
    assert!(moved(seen).is_empty() && seen.field("upgrade") == Some("echo"), "{seen:?}");
}

#[test]
fn a_name_with_an_underscore_passes_only_if_configured() {
    for (settings, passes) in [("", false), (UNDERSCORES, true)] {
        let ground = Ground::with(settings);
        let own = ["X_Own: /moved", "_: /moved", "own_: /moved", "a_rather_long_name_of_their_own: /moved"];
        let seen = seen(&ground.application, &ground.gate, "/page", &own.map(str::to_owned));
        assert_eq!(moved(&seen).len(), if passes { own.len() } else { 0 }, "{seen:?}");

        let trailers = "Trailer: X_Own, X-Own, Script-Name, Script_Name, CF-Connecting-IP";
        let request = format!(
            "POST /echo HTTP/1.1\r\n{}\r\nTransfer-Encoding: chunked\r\n{trailers}\r\n\r\n1\r\na\r\n0\r\n\
             X_Own: 1\r\nX-Own: 1\r\nScript-Name: /moved\r\nScript_Name: /moved\r\nCF-Connecting-IP: 1\r\n\r\n",
            ground.host()
        );
        let (seen, _) = ground.passes(request);
        let named = |name: &str| seen.fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        assert_eq!((named("trailer-x-own"), named("trailer-x_own")), (true, passes), "{seen:?}");
        assert!(moved(&seen).is_empty() && !named("trailer-cf-connecting-ip"), "{seen:?}");
    }
}

#[test]
fn trailers_of_http_2_hold_no_underscore() {
    let (application, authority) = (TestApplication::start(), Authority::new());
    let tls = authority.issue("gate", &["localhost"]).settings();
    let gate = TestGate::with(&application, &tls);
    let mut connection = Http2::open(&gate, &authority);
    connection.request(1, "POST", "/echo", &[("trailer", "x_own, x-own")], false);
    connection.frame(crate::harness::http2::DATA, 0, 1, b"a");
    let trailers = crate::harness::http2::block(&[("x_own", "1"), ("x-own", "1"), ("script_name", "/moved")]);
    let flags = END_STREAM | crate::harness::http2::END_HEADERS;
    connection.frame(crate::harness::http2::HEADERS, flags, 1, &trailers);
    assert_eq!(connection.response(1).status, Some(200));
    let seen = &application.requests_to("/echo")[0];
    let named = |name: &str| seen.fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
    assert!(named("trailer-x-own") && !named("trailer-x_own") && moved(seen).is_empty(), "{seen:?}");
}

#[test]
fn a_field_of_a_proxy_passes_where_it_is_listed_and_trusted() {
    let listed = "proxy_headers = [\"CF-Connecting-IP\", \"X-HTTPS\", \"X-Forwarded-User\"]\n";
    let trusting = format!("[public]\ntrusted_proxies = [\"127.0.0.1\"]\n{listed}");
    let sent = lines(&["CF-Connecting-IP", "X-HTTPS", "X-Forwarded-User", "True-Client-IP", "X-Requested-With"]);
    for settings in [trusting.clone(), format!("{trusting}{UNDERSCORES}")] {
        let ground = Ground::with(&settings);
        let seen = seen(&ground.application, &ground.gate, "/page", &sent);
        for name in ["CF-Connecting-IP", "X-HTTPS", "X-Forwarded-User"] {
            assert_eq!(seen.all(name), ["/moved", "/moved"], "both letter cases, {seen:?}");
        }
        let other = |(name, _): &&(String, String)| !name.to_lowercase().contains("requested");
        assert_eq!(moved(&seen).into_iter().filter(other).count(), 6, "and no other spelling: {seen:?}");
    }
    // No other peer may send them, not even those that any client could send if they were not listed.
    let strange = format!("[public]\ntrusted_proxies = [\"10.0.0.1\"]\n{listed}{UNDERSCORES}");
    let ground = Ground::with(&strange);
    let seen = seen(&ground.application, &ground.gate, "/page", &sent);
    assert!(moved(&seen).iter().all(|(name, _)| name.to_lowercase().contains("requested")), "{seen:?}");
}
