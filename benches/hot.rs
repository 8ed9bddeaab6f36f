//! The functions of every request and every sign-in, one at a time, for `benches/instructions`.
//!
//! `hot NAME CALLS` calls one of them this many times on realistic input; `hot` without arguments calls each once and
//! lists them: name, calls for a stable figure, description.

#![allow(clippy::unwrap_used, reason = "a bench that cannot read its own input has failed")]

use std::hint::black_box;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use futures_util::FutureExt;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, StatusCode, Uri, Version};

use qrgate::bench::*;

#[path = "worst/targets.rs"]
mod worst_targets;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One call, with its input prepared.
type Call = Box<dyn FnMut()>;

struct Hot {
    name: &'static str,
    /// Calls for a stable figure.
    calls: u32,
    what: &'static str,
    prepare: fn() -> Call,
}

const FAST: u32 = 5000;
const SLOW: u32 = 500;
const DRAWN: u32 = 50;

#[rustfmt::skip]
const ALL: &[Hot] = &[
    // a forwarded request
    Hot { name: "target/ordinary", calls: FAST, what: "the owner of an ordinary path", prepare: target_ordinary },
    Hot { name: "target/searched", calls: FAST, what: "the same for a path that needs every reading", prepare: target_searched },
    Hot { name: "target/escaped", calls: FAST, what: "the same for percent-encoded letters", prepare: target_escaped },
    Hot { name: "target/worst/0", calls: DRAWN, what: "a target with many readings", prepare: worst_target::<0> },
    Hot { name: "target/worst/1", calls: DRAWN, what: "another", prepare: worst_target::<1> },
    Hot { name: "target/worst/2", calls: DRAWN, what: "another", prepare: worst_target::<2> },
    Hot { name: "target/worst/3", calls: DRAWN, what: "another", prepare: worst_target::<3> },
    Hot { name: "target/worst/4", calls: DRAWN, what: "another", prepare: worst_target::<4> },
    Hot { name: "target/worst/5", calls: DRAWN, what: "another", prepare: worst_target::<5> },
    Hot { name: "target/worst/6", calls: DRAWN, what: "another", prepare: worst_target::<6> },
    Hot { name: "target/worst/7", calls: DRAWN, what: "another", prepare: worst_target::<7> },
    Hot { name: "target/worst/8", calls: DRAWN, what: "another", prepare: worst_target::<8> },
    Hot { name: "target/worst/9", calls: DRAWN, what: "another", prepare: worst_target::<9> },
    Hot { name: "framing/http1", calls: FAST, what: "checking a request's framing", prepare: framing_http1 },
    Hot { name: "framing/http2", calls: FAST, what: "the same for HTTP/2", prepare: framing_http2 },
    Hot { name: "forwarded/direct", calls: FAST, what: "client and origin of a direct connection", prepare: forwarded_direct },
    Hot { name: "forwarded/proxied", calls: FAST, what: "the same behind a trusted proxy", prepare: forwarded_proxied },
    Hot { name: "fields/request", calls: FAST, what: "the request fields for the application", prepare: fields_request },
    Hot { name: "fields/answer", calls: FAST, what: "the response fields for the client", prepare: fields_answer },
    Hot { name: "access-line", calls: FAST, what: "an access line in JSON, and the counters", prepare: access_line },
    Hot { name: "worst/forwarded-for", calls: SLOW, what: "16 KiB of X-Forwarded-For from a trusted proxy", prepare: worst_forwarded_for },
    Hot { name: "worst/session-cookies", calls: DRAWN, what: "16 KiB of cookies that match a pattern", prepare: worst_session_cookies },
    Hot { name: "worst/user-agent", calls: SLOW, what: "a label for 16 KiB of User-Agent", prepare: worst_user_agent },
    Hot { name: "worst/languages", calls: SLOW, what: "16 KiB of Accept-Language", prepare: worst_languages },
    // a sign-in
    Hot { name: "target/ticket", calls: FAST, what: "the path in a code", prepare: target_ticket },
    Hot { name: "guard", calls: FAST, what: "whether a navigation requested the code", prepare: guard_of_a_mint },
    Hot { name: "limit", calls: FAST, what: "another request of one of a thousand clients", prepare: limit },
    Hot { name: "cookies/session", calls: FAST, what: "the session cookies among others", prepare: cookies_session },
    Hot { name: "cookies/relay", calls: FAST, what: "checking a login's Set-Cookie lines", prepare: cookies_relay },
    Hot { name: "cookies/jar", calls: FAST, what: "the cookies that a browser would send after them", prepare: cookies_jar },
    Hot { name: "jwt", calls: SLOW, what: "a session token signed with HS256", prepare: jwt_claims },
    Hot { name: "return-path", calls: FAST, what: "where the phone lands", prepare: return_path },
    Hot { name: "device", calls: FAST, what: "a label for a User-Agent", prepare: device_label },
    Hot { name: "language", calls: FAST, what: "the language of a browser", prepare: language },
    Hot { name: "mint", calls: SLOW, what: "a token, its capabilities, and the sealed ticket", prepare: mint },
    Hot { name: "open", calls: SLOW, what: "a token's ticket, its record and the form token", prepare: open },
    Hot { name: "answer", calls: SLOW, what: "the login response, sealed and opened again", prepare: answer },
    Hot { name: "status", calls: SLOW, what: "a page's status: ticket found, read, opened", prepare: status },
    Hot { name: "webhook", calls: FAST, what: "the signature of a login call", prepare: webhook_signature },
    Hot { name: "store/mint", calls: FAST, what: "storing a ticket in memory in place of an older one", prepare: store_mint },
    Hot { name: "store/read", calls: FAST, what: "reading a ticket from memory", prepare: store_read },
    Hot { name: "store/swap", calls: FAST, what: "a step of a ticket in memory", prepare: store_swap },
    Hot { name: "code/svg", calls: DRAWN, what: "drawing the code", prepare: code_svg },
    Hot { name: "page/code", calls: DRAWN, what: "the page with the code, the code included", prepare: page_code },
    Hot { name: "page/confirm", calls: SLOW, what: "the first page on the phone", prepare: page_confirm },
    Hot { name: "page/error", calls: SLOW, what: "an error page", prepare: page_error },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    match arguments.as_slice() {
        [] => list(),
        [name, calls] => {
            let hot = ALL.iter().find(|hot| hot.name == name);
            let (Some(hot), Ok(calls)) = (hot, calls.parse::<u32>()) else { return usage() };
            let mut call = (hot.prepare)();
            for _ in 0..calls {
                call();
            }
            ExitCode::SUCCESS
        }
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    let _ = writeln!(std::io::stderr(), "usage: hot [NAME CALLS]\n`hot` alone lists the names");
    ExitCode::from(2)
}

fn list() -> ExitCode {
    let mut out = std::io::stdout().lock();
    for hot in ALL {
        (hot.prepare)()();
        if writeln!(out, "{}\t{}\t{}", hot.name, hot.calls, hot.what).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const LIFETIME: Duration = Duration::from_secs(120);
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";
const COOKIES: &str = "csrftoken=Zq1vT8yWm3RkN5bJ; sessionid=p1x7qmz0w3e8r5t2y6u9i4o1a7s3d5f8; theme=dark; _ga=GA1.1.1234567890.1750000000";

fn field(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap()
}

fn fields(list: &[(&'static str, &str)]) -> HeaderMap {
    list.iter().map(|(name, value)| (HeaderName::from_static(name), field(value))).collect()
}

fn origin() -> Origin {
    Origin::parse("https://app.example").unwrap()
}

/// What a browser sends when a person follows a link.
fn browser_head() -> Parts {
    let (mut head, ()) = Request::get("/inbox/messages?page=2&sort=date").body(()).unwrap().into_parts();
    head.headers = fields(&[
        ("host", "app.example"),
        ("user-agent", FIREFOX),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "de-DE,de;q=0.8,en-US;q=0.5,en;q=0.3"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("referer", "https://app.example/inbox/"),
        ("cookie", COOKIES),
        ("upgrade-insecure-requests", "1"),
        ("sec-fetch-dest", "document"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-site", "same-origin"),
        ("priority", "u=0, i"),
    ]);
    head
}

fn peer(address: [u8; 4]) -> Peer {
    Peer { address: PeerAddress::ip(SocketAddr::from((address, 50_000))), tls: true, source: Source::Socket }
}

// a forwarded request

fn deciding(path: &str) -> Call {
    let reserved = Reserved::new("/qr/", &["/_qr/whoami".to_owned(), "/_qr/login".to_owned()], "");
    let uri: Uri = path.parse().unwrap();
    Box::new(move || {
        black_box(decide(&Method::GET, black_box(&uri), &reserved));
    })
}

fn target_ordinary() -> Call {
    deciding("/inbox/messages/2026/september?page=2&sort=date")
}

fn target_searched() -> Call {
    deciding("/static/images/qr-codes/a%20square.png?v=3")
}

fn target_escaped() -> Call {
    deciding("/wiki/%E4%BD%A0%E5%A5%BD/caf%C3%A9?v=3")
}

fn worst_target<const N: usize>() -> Call {
    deciding(&worst_targets::WORST_TARGETS[N].iter().map(|(piece, times)| piece.repeat(*times)).collect::<String>())
}

fn target_ticket() -> Call {
    deciding("/qr/QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJC/")
}

fn framing(version: Version, without: &[HeaderName]) -> Call {
    let mut headers = browser_head().headers;
    for name in without {
        headers.remove(name);
    }
    Box::new(move || check_framing(version, black_box(&headers), 100).unwrap())
}

fn framing_http1() -> Call {
    framing(Version::HTTP_11, &[])
}

fn framing_http2() -> Call {
    framing(Version::HTTP_2, &[header::HOST])
}

fn forwarded_direct() -> Call {
    let (head, trusted) = (browser_head(), TrustedProxies::default());
    Box::new(move || drop(black_box(resolve(black_box(&head), &peer([203, 0, 113, 7]), &trusted).unwrap())))
}

fn forwarded_proxied() -> Call {
    let mut head = browser_head();
    head.headers.extend(fields(&[
        ("x-forwarded-for", "203.0.113.7, 10.0.0.2"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "app.example"),
    ]));
    let trusted = TrustedProxies::parse(&["10.0.0.0/8".to_owned()]).unwrap();
    Box::new(move || drop(black_box(resolve(black_box(&head), &peer([10, 0, 0, 1]), &trusted).unwrap())))
}

fn worst_forwarded_for() -> Call {
    let mut head = browser_head();
    head.headers.insert("x-forwarded-for", field(&format!("{}203.0.113.7", "1,".repeat(8000))));
    let trusted = TrustedProxies::parse(&["10.0.0.0/8".to_owned()]).unwrap();
    Box::new(move || drop(black_box(resolve(black_box(&head), &peer([10, 0, 0, 1]), &trusted).unwrap())))
}

fn worst_session_cookies() -> Call {
    let headers = fields(&[("cookie", &(0..2500).map(|n| format!("s{n}=;")).collect::<String>())]);
    let patterns = ["s*".to_owned()];
    Box::new(move || drop(black_box(cookies::sessions(black_box(&headers), &patterns).unwrap())))
}

fn worst_user_agent() -> Call {
    let user_agent = field(&"Safar".repeat(3200));
    Box::new(move || drop(black_box(device::label(Some(black_box(&user_agent))))))
}

fn worst_languages() -> Call {
    let (pages, accepted) = (pages(), field(&"a-".repeat(8000)));
    Box::new(move || {
        black_box(pages.language(Some(black_box(&accepted))));
    })
}

fn fields_request() -> Call {
    let mut head = browser_head();
    let downstream = resolve(&head, &peer([203, 0, 113, 7]), &TrustedProxies::default()).unwrap();
    let (request_id, rules) = (field("3f9ac0517b22e6d800000042"), Rc::new(FieldRules::default()));
    Box::new(move || {
        let managed = ManagedFields {
            downstream: &downstream,
            request_id: &request_id,
            host: downstream.host.clone(),
            forwarded: false,
            rules: &rules,
        };
        let edit = Edit::of_client(black_box(&mut head.headers), managed);
        for passing in edit.fields(&head.headers) {
            black_box(passing);
        }
    })
}

fn fields_answer() -> Call {
    let mut headers = fields(&[
        ("date", "Mon, 21 Sep 2026 14:13:20 GMT"),
        ("content-type", "text/html; charset=utf-8"),
        ("content-length", "5120"),
        ("cache-control", "private, no-cache"),
        ("vary", "Cookie, Accept-Language"),
        ("x-frame-options", "DENY"),
        ("set-cookie", "sessionid=p1x7qmz0w3e8r5t2; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax; Secure"),
    ]);
    Box::new(move || prepare_response(black_box(&mut headers)))
}

fn access_line() -> Call {
    let log = Log { format: LogFormat::Json, access: true, level: Level::Info };
    let recorder = Recorder::new(Telemetry::in_memory(&log, Clock::manual(NOW)));
    Box::new(move || {
        recorder.record(black_box(&AccessLine {
            method: &Method::GET,
            route: "forward",
            path: "/inbox/messages?page=2&sort=date",
            status: 200,
            bytes_in: 0,
            bytes_out: 5120,
            duration: Duration::from_micros(1543),
            application: Some(Duration::from_micros(1432)),
            client: Some(IpAddr::from([203, 0, 113, 7])),
            request_id: Some("3f9ac0517b22e6d800000042"),
            trace_id: None,
        }));
    })
}

// a sign-in: before there is a ticket

fn guard_of_a_mint() -> Call {
    let (mut headers, origin) = (browser_head().headers, origin());
    headers.insert(header::ORIGIN, field("https://app.example"));
    Box::new(move || guard::may_mint(black_box(&headers), &origin, true).unwrap())
}

fn limit() -> Call {
    let limiter = Limiter::new(Rate { count: 100_000, per: Duration::from_secs(86_400) });
    let client = |n: u32| {
        let address = IpAddr::from((0x0a00_0000 + n * 17).to_be_bytes());
        Client { peer: PeerAddress::Unix, address: Some(address), many: false }
    };
    let mut clients = (0..1000).map(client).cycle();
    for client in clients.by_ref().take(1000) {
        limiter.admit(client).unwrap();
    }
    Box::new(move || limiter.admit(clients.next().unwrap()).unwrap())
}

fn cookies_session() -> Call {
    let headers = fields(&[("cookie", COOKIES)]);
    let patterns = ["sessionid", "connect.sid", "PHPSESSID", "wordpress_logged_in_*"].map(str::to_owned);
    Box::new(move || drop(black_box(cookies::sessions(black_box(&headers), &patterns).unwrap())))
}

fn login_lines() -> [HeaderValue; 3] {
    [
        "sessionid=n3w7qmz0w3e8r5t2y6u9i4o1a7s3d5f8; expires=Mon, 05 Oct 2026 14:13:20 GMT; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax",
        "csrftoken=Zq1vT8yWm3RkN5bJ; expires=Mon, 20 Sep 2027 14:13:20 GMT; Max-Age=31449600; Path=/; SameSite=Lax; Secure",
        "messages=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/",
    ]
    .map(field)
}

fn cookies_relay() -> Call {
    let (lines, origin) = (login_lines(), origin());
    Box::new(move || drop(black_box(cookies::relay(black_box(&lines).iter(), &origin))))
}

fn cookies_jar() -> Call {
    let (relayed, origin) = (cookies::relay(login_lines().iter(), &origin()), origin());
    Box::new(move || {
        let browser = cookies::Browser::at(&origin, "/_qr/login", NOW);
        drop(black_box(cookies::Jar::receive(black_box(&relayed), &browser).sent_to("/_qr/whoami").unwrap()));
    })
}

fn jwt_claims() -> Call {
    let key = [7; 32];
    let encode = |json: &str| BASE64URL_NOPAD.encode(json.as_bytes());
    let claims = r#"{"sub":"ana","name":"Ana Example","iat":1789999000,"exp":1790003600}"#;
    let message = format!("{}.{}", encode(r#"{"alg":"HS256","typ":"JWT"}"#), encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), message.as_bytes());
    let token = format!("{message}.{}", BASE64URL_NOPAD.encode(tag.as_ref()));
    let verifier = jwt::Verifier::with_key(jwt::Algorithm::Hs256, &key).unwrap();
    Box::new(move || drop(black_box(verifier.claims(black_box(&token), NOW, true).unwrap())))
}

fn return_path() -> Call {
    Box::new(|| drop(black_box(ReturnPath::parse(black_box("/inbox/messages?page=2&sort=date"), "").unwrap())))
}

fn device_label() -> Call {
    let user_agent = field(SAFARI);
    Box::new(move || drop(black_box(device::label(Some(black_box(&user_agent))))))
}

fn language() -> Call {
    let (pages, accepted) = (pages(), field("de-DE,de;q=0.8,en-US;q=0.5,en;q=0.3"));
    Box::new(move || {
        black_box(pages.language(Some(black_box(&accepted))));
    })
}

// a sign-in: tokens and seals

/// A code on ana's screen.
struct Scene {
    secrets: TicketSecrets,
    phone: BrowserId,
    claim_key: ClaimKey,
    origin: Origin,
    draft: Draft,
}

impl Scene {
    fn new() -> Scene {
        let secrets = TicketSecrets::new(vec![Secret::from_bytes(vec![7; 32])]).unwrap();
        let browser = |byte| BrowserId::parse(&BASE64URL_NOPAD.encode(&[byte; 32])).unwrap();
        let claim_key = ClaimKey::parse(&BASE64URL_NOPAD.encode(&[3; 32])).unwrap();
        let draft = Draft::new(sign_in(), &browser(1), &secrets, &origin(), NOW, LIFETIME).unwrap();
        Scene { secrets, phone: browser(2), claim_key, origin: origin(), draft }
    }
}

fn sign_in() -> SignIn {
    SignIn {
        user: "ana".to_owned(),
        name: Some("Ana Example".to_owned()),
        account_hint: None,
        auth_time: Some(NOW.seconds() - 600),
        session: "sessionid=p1x7qmz0w3e8r5t2y6u9i4o1a7s3d5f8".to_owned(),
        computer: Party { address: Some([203, 0, 113, 7].into()), label: "Firefox on Linux".to_owned() },
        user_agent: Some(FIREFOX.as_bytes().to_vec()),
        next: Some("/inbox?page=2".to_owned()),
        approval: Approval::Number,
        stay: Vec::new(),
    }
}

fn mint() -> Call {
    let (scene, sign_in) = (Scene::new(), sign_in());
    Box::new(move || {
        let browser = BrowserId::random().unwrap();
        let draft = Draft::new(sign_in.clone(), &browser, &scene.secrets, &scene.origin, NOW, LIFETIME);
        drop(black_box(draft.unwrap()));
    })
}

fn open() -> Call {
    let scene = Scene::new();
    let (text, ticket) = (scene.draft.token.text().to_string(), scene.draft.ticket.clone());
    Box::new(move || {
        let token = Token::parse(black_box(&text)).unwrap();
        let opened = scene.secrets.open(&token).unwrap();
        let record = opened.for_record(&scene.origin).open(&ticket.record).unwrap();
        black_box(opened.key().form_proof(&opened.id(), &scene.phone, &scene.origin, record.end).unwrap());
    })
}

fn answer() -> Call {
    let scene = Scene::new();
    let cookies = login_lines().iter().map(|line| line.as_bytes().to_vec()).collect();
    let answer = RedeemResponse { cookies, location: "/inbox?page=2".to_owned() };
    Box::new(move || {
        let sealed = scene.draft.opened.for_response(&scene.claim_key).seal(black_box(&answer)).unwrap();
        black_box(scene.draft.opened.for_response(&scene.claim_key).open(&sealed).unwrap());
    })
}

fn webhook_signature() -> Call {
    let secrets = [Secret::from_bytes(vec![7; 32])];
    let body =
        br#"{"user":"ana","issued_at":1790000000,"auth_time":1789999400,"computer":"Firefox on Linux","attempt":1}"#;
    Box::new(move || {
        drop(black_box(webhook::sign(&secrets, "msg_p5jXN8AQM9LWM0D4loKW", 1_790_000_000, black_box(body))))
    })
}

// a sign-in: the store

/// A store with a thousand live tickets, and one more.
fn full_store(clock: Clock) -> (Store, TicketId, Ticket, Scene) {
    let (store, scene) = (Store::memory(clock, 1_000_000), Scene::new());
    let (id, ticket) = (scene.draft.id(), scene.draft.ticket.clone());
    store.mint(&id, &ticket).now_or_never().unwrap().unwrap();
    for number in 0..1000u32 {
        let shard = u8::try_from(number % 256).unwrap();
        let mut hash = [shard; 32];
        hash[1..5].copy_from_slice(&number.to_be_bytes());
        let other = Ticket { anchor: AnchorKey(hash), view: ViewIndex { shard, hash }, ..ticket.clone() };
        store.mint(&numbered(shard, number), &other).now_or_never().unwrap().unwrap();
    }
    (store, id, ticket, scene)
}

fn numbered(shard: u8, number: u32) -> TicketId {
    let mut id = [0xa5; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    TicketId { shard, id }
}

fn store_mint() -> Call {
    let clock = Clock::manual(NOW);
    let (store, id, mut ticket, _) = full_store(clock.clone());
    let mut number = 1_000_000u32;
    Box::new(move || {
        // One a second: the older ones leave at the same pace.
        clock.advance(Duration::from_secs(1));
        number += 1;
        ticket.exp = clock.now() + LIFETIME;
        ticket.end = ticket.exp + Duration::from_secs(60);
        ticket.view.hash[..4].copy_from_slice(&number.to_be_bytes());
        black_box(store.mint(&numbered(id.shard, number), &ticket).now_or_never().unwrap().unwrap());
    })
}

fn store_read() -> Call {
    let (store, id, ..) = full_store(Clock::manual(NOW));
    Box::new(move || drop(black_box(read(&store, black_box(&id)))))
}

fn read(store: &Store, id: &TicketId) -> Row {
    store.read(id).now_or_never().unwrap().unwrap().unwrap()
}

fn store_swap() -> Call {
    let (store, id, ticket, _) = full_store(Clock::manual(NOW));
    let step = Step { before: Some(ticket.exp), anchored: true, ticket, with: () };
    let mut version = read(&store, &id).version;
    Box::new(move || {
        let swapped = store.swap(&id, version, black_box(&step), None).now_or_never().unwrap().unwrap();
        assert_eq!(swapped, Swapped::Written);
        version += 1;
    })
}

fn status() -> Call {
    let (store, _, _, scene) = full_store(Clock::manual(NOW));
    let text = scene.draft.record.desk.view().text();
    Box::new(move || {
        let view = View::parse(black_box(&text)).unwrap();
        let id = store.find(&view.index()).now_or_never().unwrap().unwrap().unwrap();
        let row = read(&store, &id);
        let key = scene.secrets.key(row.ticket.key_id).unwrap();
        black_box((row.phase(), key.for_page(&id, &view).open(&row.ticket.page).unwrap()));
    })
}

// a sign-in: pages

fn pages() -> Pages {
    let settings = PageSettings {
        site: "Example".to_owned(),
        templates: None,
        language: None,
        accent: "#1a5fb4".to_owned(),
        logo: String::new(),
        logo_dark: String::new(),
        links: Vec::new(),
        devices_url: String::new(),
    };
    Pages::new(&settings).unwrap()
}

/// The same in every run: how a code is drawn depends on its text.
fn link() -> String {
    let bytes: [u8; 33] = std::array::from_fn(|at| u8::try_from(at * 37 % 251).unwrap());
    format!("{}/qr/{}/", origin(), BASE64URL_NOPAD.encode(&bytes))
}

fn code_svg() -> Call {
    let link = link();
    Box::new(move || drop(black_box(picture::svg(black_box(&link), "A code").unwrap())))
}

fn rendering(page: impl Fn(&str) -> Page + 'static) -> Call {
    let (pages, origin, link) = (pages(), origin(), link());
    Box::new(move || {
        let context = Context {
            lang: pages.language(None),
            origin: &origin,
            ticket_path: "/qr/",
            home: "/",
            request_id: "3f9ac0517b22e6d800000042",
            devices: device::Devices::default(),
        };
        let rendered = pages.render(black_box(&page(&link)), &context);
        assert!(rendered.problem.is_none());
        black_box(rendered);
    })
}

fn page_code() -> Call {
    rendering(|link| {
        Page::Code(Code {
            link: link.to_owned(),
            name: Some("Ana Example".into()),
            expires_in: LIFETIME,
            by_number: true,
            desk: "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM".into(),
            view: "A9KZ3bpOdUYkT1q7Sx2mW8cRfEoVh5LgJ0nXaYiPuQs".into(),
            next: Some("/inbox?page=2".into()),
            stay: Vec::new(),
            typed: Some("BCDF-GHJK".into()),
            undo: false,
            unreachable: None,
        })
    })
}

fn page_confirm() -> Call {
    rendering(|_| {
        Page::Confirm(Confirm {
            account: Some("a••@example.com".into()),
            current: None,
            computer: Device { label: "Firefox on Linux".into(), address: None, same_network: Some(true) },
            computer_known: true,
            next: None,
            stay: Vec::new(),
            age: Duration::from_secs(12),
            proof: "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM".into(),
        })
    })
}

fn page_error() -> Call {
    rendering(|_| Page::Error(Failure::Status(StatusCode::BAD_GATEWAY)))
}
