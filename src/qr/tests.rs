//! The steps as tables: what a request comes to, without sockets. Sessions are tokens, so no hook is called.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderValue, Request};
use tokio::task::LocalSet;

use super::{Qr, Settings, Tries, Visit, take};
use crate::application::{Client, ClientSettings, Hooks};
use crate::asked::Asked;
use crate::body::Body;
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::deadline::Deadlines;
use crate::forwarded;
use crate::limits::Limiter;
use crate::origin::Origin;
use crate::pages::{Code, Lang, Page};
use crate::peer::PeerAddress;
use crate::reply::{Cookie, Reply, What};
use crate::stage;
use crate::store::Store;
use crate::target::{Reserved, decide};
use crate::telemetry::Telemetry;
use crate::token::{CodeHash, TicketSecrets};

const NOW: u64 = 1_790_000_000;
const KEY: &str = "0123456789abcdef0123456789abcdef";
const CONFIG: &str = "[application]\nurl = \"http://127.0.0.1:9\"\n[public]\nurl = \"https://app.example\"\n\
    [login]\nredirect = \"/home\"\n[identify]\nlogin_url = \"/login?next={return}\"\n\
    [identify.jwt]\nalgorithm = \"HS256\"\nissuer = \"https://id\"\nkey = \"0123456789abcdef0123456789abcdef\"\n";
const CLICK: [(&str, &str); 4] = [
    ("origin", "https://app.example"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
];

/// The cookie of a session.
fn session(user: &str, more: &str) -> String {
    let claims = format!("{{\"iss\":\"https://id\",\"sub\":\"{user}\",\"exp\":{}{more}}}", NOW + 3600);
    let signed = [r#"{"alg":"HS256"}"#, &claims].map(|part| BASE64URL_NOPAD.encode(part.as_bytes())).join(".");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes()), signed.as_bytes());
    format!("sessionid={signed}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
}

/// One worker's steps over a store in memory.
struct Scene {
    qr: Rc<Qr>,
    clock: Clock,
}

/// A browser that keeps its cookies.
#[derive(Clone, Default)]
struct Browser {
    cookies: Vec<String>,
    agent: &'static str,
}

impl Browser {
    fn new(agent: &'static str) -> Browser {
        Browser { cookies: Vec::new(), agent }
    }

    fn with(&self, cookie: String) -> Browser {
        let mut browser = self.clone();
        browser.cookies.push(cookie);
        browser
    }

    fn keep(&mut self, reply: &Reply) {
        for cookie in &reply.cookies {
            self.cookies.push(match cookie {
                Cookie::Browser(browser) => format!("__Host-qrgate={}", *browser.text()),
                Cookie::Claim { id, key, .. } => format!("__Host-qrgate-{}={}", id.short(), *key.text()),
                Cookie::Relayed(line) => String::from_utf8(line.clone()).unwrap(),
            });
        }
    }
}

impl Scene {
    fn new(more: &str) -> Scene {
        let environment = Vec::<(&str, &str)>::new().into_iter().collect();
        let config = config::parse("proxy.toml", &format!("{CONFIG}{more}"), Path::new("/nowhere"), &environment);
        let config = config.unwrap();
        let clock = Clock::manual(Timestamp(NOW * 1000));
        let telemetry = Telemetry::in_memory(&config.log, clock.clone());
        let settings = ClientSettings::from(&config.application);
        let client = Client::new(&config.application.url, settings, Deadlines::start()).unwrap();
        let hooks = Hooks::new(&config, &client, telemetry.clone(), clock.clone()).unwrap();
        let qr = Rc::new(Qr {
            settings: Settings::new(&config),
            store: Arc::new(Store::memory(clock.clone(), 100)),
            secrets: Arc::new(TicketSecrets::random().unwrap()),
            opens: Arc::new(Limiter::new(config.limits.opens_per_client)),
            redeems: Arc::new(Limiter::new(config.limits.redeems_per_client)),
            tries: Arc::new(Tries::new(config.limits.codes_typed_per_client)),
            hooks,
            telemetry,
            stages: stage::stages().1,
            clock: clock.clone(),
        });
        Scene { qr, clock }
    }

    async fn send(&self, browser: &Browser, method: &str, path: &str, fields: &[(&str, &str)], form: &str) -> Reply {
        let mut request = Request::builder().method(method).uri(path).header("user-agent", browser.agent);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        if !browser.cookies.is_empty() {
            request = request.header("cookie", browser.cookies.join("; "));
        }
        let head = request.body(()).unwrap().into_parts().0;
        let address = std::net::SocketAddr::from(([203, 0, 113, 7], 40000));
        let asked = Asked {
            route: decide(&head.method, &head.uri, &Reserved::new("/qr/", &[], "")),
            client: forwarded::Client { peer: PeerAddress::Ip(address), address: Some(address.ip()), many: false },
            origin: Origin::parse("https://app.example").unwrap(),
            admitted: true,
            isolated: true,
            lang: Lang::default(),
            request_id: HeaderValue::from_static("id"),
        };
        let visit = Rc::new(Visit { asked, head, bytes_in: Rc::default() });
        take(&self.qr, &visit, Body::full(form.to_owned())).await.unwrap()
    }

    async fn get(&self, browser: &Browser, path: &str) -> Reply {
        self.send(browser, "GET", path, &[], "").await
    }

    /// Presses a button of the page that the phone shows for this link.
    async fn press(&self, phone: &mut Browser, path: &str, action: &str) -> Reply {
        let reply = self.get(phone, path).await;
        phone.keep(&reply);
        let proof = match &reply.what {
            What::Page(Page::Confirm(confirm)) => confirm.proof.clone(),
            What::Page(Page::Waiting { proof, .. } | Page::Finish { proof, .. }) => proof.clone(),
            other => panic!("no form on {other:?}"),
        };
        let form = format!("proof={proof}&action={action}");
        let reply = self.send(phone, "POST", path, &CLICK[..2], &form).await;
        phone.keep(&reply);
        reply
    }

    /// Shows a code to ana.
    async fn code(&self) -> Code {
        let ana = Browser::new("Firefox").with(session("ana", ""));
        match self.send(&ana, "POST", "/qr/", &CLICK, "").await.what {
            What::Page(Page::Code(code)) => code,
            other => panic!("no code: {other:?}"),
        }
    }

    async fn approve(&self, desk: &str, more: &str) -> Reply {
        let script = [("content-type", "text/plain")];
        self.send(&Browser::default(), "POST", "/qr/approve", &script, &format!("desk={desk}&{more}")).await
    }

    async fn status(&self, code: &Code) -> serde_json::Value {
        json(&self.get(&Browser::default(), &format!("/qr/status/{}", code.view)).await).1
    }

    /// How many events were written at once.
    fn recorded(&self) -> usize {
        self.qr.telemetry.written().matches("ticket.").count()
    }
}

fn path(code: &Code) -> String {
    code.link.strip_prefix("https://app.example").unwrap().to_owned()
}

fn json(reply: &Reply) -> (u16, serde_json::Value) {
    match &reply.what {
        What::Json { status, text, .. } => (status.as_u16(), serde_json::from_str(text).unwrap()),
        other => panic!("no JSON: {other:?}"),
    }
}

/// What is shown, in a word or an address.
fn shown(reply: &Reply) -> String {
    let name = |debug: String| debug.split([' ', '(']).next().unwrap_or_default().to_owned();
    match &reply.what {
        What::Page(Page::Error(failure)) => name(format!("{failure:?}")),
        What::Page(page) => name(format!("{page:?}")),
        What::See(location) => format!("303 {location}"),
        What::Moved(location) => format!("308 {location}"),
        What::Json { status, .. } => status.to_string(),
        What::Events(_) => "events".to_owned(),
        What::Validation(_) => "validation".to_owned(),
    }
}

/// What the audit trail reads of a reply.
fn said(reply: &Reply) -> String {
    let events = reply.events.iter().map(|event| match &event.reason {
        Some(reason) => format!("{:?}: {reason}", event.step),
        None => format!("{:?}", event.step),
    });
    events.collect::<Vec<_>>().join(", ")
}

async fn within(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn the_start_page_is_for_people_who_may_be_signed_in() {
    within(async {
        let scene = Scene::new("");
        let no_session = Browser::new("Firefox");
        let ana = no_session.with(session("ana", ",\"name\":\"Ana\""));
        let barred = no_session.with(session("bob", ",\"allow\":false"));
        let planted = ana.with(session("eve", ""));
        let login = "303 /login?next=%2Fqr%2F%3Ffrom%3Dlogin";
        for (browser, path, site, page, events) in [
            (&ana, "/qr/", "same-origin", "Start", ""),
            (&barred, "/qr/", "same-origin", "NotAllowed", "Refused: not allowed"),
            (&no_session, "/qr/", "same-origin", login, ""),
            (&planted, "/qr/", "same-origin", login, ""),
            (&no_session, "/qr/?from=login", "same-origin", "StillSignedOut", ""),
            (&no_session, "/qr/?from=code", "same-origin", "Start", ""),
            (&no_session, "/qr/?from=expired", "same-origin", "Start", ""),
            (&no_session, "/qr/?from=leave", "cross-site", "Leave", ""),
            (&no_session, "/qr/", "cross-site", "Start", ""),
        ] {
            let reply = scene.send(browser, "GET", path, &[("sec-fetch-site", site)], "").await;
            assert_eq!((shown(&reply).as_str(), said(&reply).as_str()), (page, events), "{path} {site}");
        }
        let reply = scene.get(&ana, "/qr/?next=/inbox").await;
        let What::Page(Page::Start(start)) = reply.what else { panic!("{reply:?}") };
        assert_eq!((start.name.as_deref(), start.next.as_deref()), (Some("Ana"), Some("/inbox")));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_no_step_gets_a_page_or_a_redirect() {
    within(async {
        let scene = Scene::new("");
        for (method, path, expected) in [
            ("GET", "/qr", "308 /qr/"),
            ("GET", "/qr?next=/a", "308 /qr/?next=/a"),
            ("GET", "/qr/invalid_code/", "InvalidCode"),
            ("GET", "/qr/else", "Status"),
            ("PUT", "/qr/", "Status"),
            ("POST", "/qr/invalid_code/", "Status"),
            ("GET", "/qr/approve", "303 /qr/"),
        ] {
            let reply = scene.send(&Browser::default(), method, path, &[], "").await;
            assert_eq!(shown(&reply), expected, "{method} {path}");
            assert_eq!(reply.allow.is_some(), matches!((method, path), ("PUT", _) | ("POST", "/qr/invalid_code/")));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_code_is_shown_to_a_person_who_may_have_one() {
    within(async {
        let scene = Scene::new("");
        let no_session = Browser::new("Firefox");
        let ana = no_session.with(session("ana", ""));
        for (browser, fields, page, events) in [
            (&ana, &CLICK[..1], "NotByPerson", "Refused: Sec-Fetch-Dest"),
            (&no_session, &CLICK[..], "303 /login?next=", "Refused: signed out"),
            (&no_session.with(session("bob", ",\"allow\":false")), &CLICK[..], "NotAllowed", "Refused: not allowed"),
            (&ana, &CLICK[..], "Code", "Issued"),
        ] {
            let reply = scene.send(browser, "POST", "/qr/", fields, "").await;
            assert!(shown(&reply).starts_with(page), "{page}: {reply:?}");
            assert!(said(&reply).starts_with(events), "{events}: {}", said(&reply));
        }
        let mut ana = ana;
        ana.keep(&scene.send(&ana, "POST", "/qr/", &CLICK, "").await);
        let again = scene.send(&ana, "POST", "/qr/", &CLICK, "").await;
        assert_eq!(said(&again), "Replaced, Issued", "the same browser");
        assert!(again.cookies.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_code_that_the_store_does_not_keep_leaves_the_picture_alone() {
    within(async {
        let scene = Scene::new("");
        assert!(scene.code().await.typed.is_some());
        for number in 0..99 {
            let hash = CodeHash([number; 32]);
            assert!(scene.qr.store.keep_code(&hash, b"sealed", Duration::from_secs(60)).await.unwrap());
        }
        let code = scene.code().await;
        assert_eq!(code.typed, None);
        assert_eq!(shown(&scene.get(&Browser::default(), &path(&code)).await), "Confirm");
        assert!(scene.qr.telemetry.written().contains("the page shows the picture alone"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_link_shows_each_browser_how_the_ticket_stands_for_it() {
    within(async {
        let scene = Scene::new("");
        let code = scene.code().await;
        let (mut phone, other) = (Browser::new("Phone"), Browser::new("Other"));
        let unknown = format!("/qr/{}/", "A".repeat(44));
        let reply = scene.get(&phone, &unknown).await;
        assert_eq!((shown(&reply), said(&reply)), ("InvalidCode".into(), "Refused: no such code".into()));

        let reply = scene.get(&phone, &path(&code)).await;
        assert_eq!((shown(&reply).as_str(), said(&reply).as_str()), ("Confirm", ""));
        assert!(matches!(reply.cookies[..], [Cookie::Browser(_)]), "the browser is new");
        phone.keep(&reply);
        assert!(scene.get(&phone, &path(&code)).await.cookies.is_empty(), "the browser is known");

        scene.press(&mut phone, &path(&code), "continue").await;
        assert_eq!(scene.recorded(), 0);
        for (method, contested) in [("HEAD", 0), ("GET", 1), ("GET", 1)] {
            let reply = scene.send(&other, method, &path(&code), &[], "").await;
            assert_eq!((shown(&reply).as_str(), said(&reply).as_str()), ("InUse", ""), "{method}");
            assert_eq!(scene.recorded(), contested, "{method}: once, and written at once");
        }
        assert_eq!(shown(&scene.get(&phone, &path(&code)).await), "Waiting");

        scene.approve(&code.desk, "decision=decline").await;
        assert_eq!(shown(&scene.get(&phone, &path(&code)).await), "Refused");
        assert_eq!(shown(&scene.get(&other, &path(&code)).await), "InvalidCode");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_expired_ticket_is_counted_once_by_the_first_request_that_reads_it() {
    within(async {
        let scene = Scene::new("");
        let code = scene.code().await;
        let mut phone = Browser::new("Phone");
        scene.press(&mut phone, &path(&code), "continue").await;
        scene.clock.advance(Duration::from_secs(121));
        for _ in 0..2 {
            assert_eq!(shown(&scene.get(&phone, &path(&code)).await), "TooLate");
            assert_eq!(scene.recorded(), 1);
        }
        assert_eq!(shown(&scene.get(&Browser::new("Other"), &path(&code)).await), "InvalidCode");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_opens_too_much_must_wait() {
    within(async {
        let scene = Scene::new("[limits]\nopens_per_client = \"2/15m\"\n");
        let unknown = format!("/qr/{}/", "A".repeat(44));
        for (page, event) in [
            ("InvalidCode", "Refused: no such code"),
            ("InvalidCode", "Refused: no such code"),
            ("TooManyTries", "Refused: too many opens of this client"),
        ] {
            let reply = scene.get(&Browser::new("Phone"), &unknown).await;
            assert_eq!((shown(&reply).as_str(), said(&reply).as_str()), (page, event));
        }
        let reply = scene.approve("x", "number=47").await;
        assert_eq!((json(&reply).0, said(&reply)), (429, "Refused: too many requests of this client".into()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_press_counts_only_from_the_browser_that_has_the_form() {
    within(async {
        let scene = Scene::new("");
        let code = scene.code().await;
        let link = path(&code);
        let mut phone = Browser::new("Phone");
        let reply = scene.get(&phone, &link).await;
        phone.keep(&reply);
        let What::Page(Page::Confirm(confirm)) = reply.what else { panic!("{reply:?}") };
        let form = |action: &str| format!("proof={}&action={action}", confirm.proof);
        let no_session = Browser::new("Phone");
        for (browser, fields, form, page, event) in [
            (&phone, &CLICK[1..2], form("continue"), "OpenAgain", "Refused: "),
            (&no_session, &CLICK[..2], form("continue"), "OpenAgain", "Refused: not exactly one browser cookie"),
            (&phone, &CLICK[..2], "action=continue".into(), "OpenAgain", "Refused: the form is not this browser's"),
            (&phone, &CLICK[..2], form("else"), "Status", ""),
            (&phone, &CLICK[..2], form("finish"), &*format!("303 {link}"), ""),
        ] {
            let reply = scene.send(browser, "POST", &link, fields, &form).await;
            assert_eq!(shown(&reply), page, "{form}");
            assert!(said(&reply).starts_with(event), "{event}: {}", said(&reply));
            assert!(reply.cookies.is_empty());
        }
        assert_eq!(scene.status(&code).await["state"], "issued");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_phone_claims_and_the_same_form_claims_once() {
    within(async {
        let scene = Scene::new("");
        let code = scene.code().await;
        let link = path(&code);
        let (mut phone, mut other) = (Browser::new("Phone"), Browser::new("Other"));
        let opened = scene.get(&other, &link).await;
        other.keep(&opened);
        let What::Page(Page::Confirm(confirm)) = &opened.what else { panic!("{opened:?}") };

        let claimed = scene.press(&mut phone, &link, "continue").await;
        assert_eq!((shown(&claimed), said(&claimed)), (format!("303 {link}"), "Claimed".into()));
        assert!(matches!(claimed.cookies[..], [Cookie::Claim { .. }]), "{:?}", claimed.cookies);
        let again = scene.press(&mut phone, &link, "continue").await;
        assert_eq!((shown(&again), said(&again)), (format!("303 {link}"), String::new()));

        let form = format!("proof={}&action=continue", confirm.proof);
        let late = scene.send(&other, "POST", &link, &CLICK[..2], &form).await;
        assert_eq!(said(&late), "Refused: another browser holds the code");
        assert_eq!((shown(&late).as_str(), late.cookies.len()), ("InUse", 0));

        let cancelled = scene.press(&mut phone, &link, "cancel").await;
        assert_eq!((shown(&cancelled), said(&cancelled)), ("Cancelled".into(), "Declined: phone".into()));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_desk_approves_with_the_number_and_declines_without() {
    within(async {
        for (answer, status, state, event, then) in [
            ("number=right", 200, "approved", "Approved", "Finish"),
            ("number=wrong", 200, "declined", "Declined: number", "Refused"),
            ("decision=decline", 200, "declined", "Declined: computer", "Refused"),
            ("number=4", 400, "claimed", "", "Waiting"),
            ("", 400, "claimed", "", "Waiting"),
        ] {
            let scene = Scene::new("");
            let code = scene.code().await;
            let mut phone = Browser::new("Phone");
            scene.press(&mut phone, &path(&code), "continue").await;
            let What::Page(Page::Waiting { number, .. }) = scene.get(&phone, &path(&code)).await.what else { panic!() };
            let answer = answer.replace("right", &format!("{number:02}"));
            let answer = answer.replace("wrong", &format!("{:02}", (number + 1) % 100));
            let reply = scene.approve(&code.desk, &answer).await;
            let (code_of_reply, json) = json(&reply);
            assert_eq!((code_of_reply, json["state"].as_str()), (status, Some(state)), "{answer}");
            assert_eq!(said(&reply), event, "{answer}");
            assert_eq!(shown(&scene.get(&phone, &path(&code)).await), then, "{answer}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_capability_speaks_for_its_own_ticket_alone() {
    within(async {
        let scene = Scene::new("");
        let code = scene.code().await;
        let other = "A".repeat(43);
        for desk in ["", "x", &other, &code.view] {
            let reply = scene.approve(desk, "decision=decline").await;
            assert_eq!((json(&reply).0, said(&reply)), (403, "Refused: wrong capability".into()), "{desk}");
        }
        let early = scene.approve(&code.desk, "number=47").await;
        assert_eq!((json(&early).0, said(&early)), (409, String::new()), "no phone waits");
        let plain = scene.send(&Browser::default(), "POST", "/qr/approve", &[], &format!("desk={other}")).await;
        assert_eq!((shown(&plain).as_str(), said(&plain).as_str()), ("Approve", "Refused: wrong capability"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_status_names_the_state_and_the_phone() {
    within(async {
        let scene = Scene::new("");
        let code = scene.code().await;
        for view in ["A".repeat(43), code.desk.clone()] {
            let reply = scene.get(&Browser::default(), &format!("/qr/status/{view}")).await;
            assert_eq!(json(&reply), (404, serde_json::json!({})));
        }
        let issued = scene.status(&code).await;
        assert_eq!(issued, serde_json::json!({"state": "issued", "expires_in": 120}));

        let mut phone = Browser::new("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1");
        scene.press(&mut phone, &path(&code), "continue").await;
        let claimed = scene.status(&code).await;
        assert_eq!((&claimed["state"], &claimed["device"]["address"]), (&"claimed".into(), &"203.0.113.7".into()));
        assert!(claimed["claim"].is_string(), "{claimed}");

        let events = [("accept", "Text/Event-Stream")];
        let reply = scene.send(&Browser::default(), "GET", &format!("/qr/status/{}", code.view), &events, "").await;
        assert_eq!(shown(&reply), "events");
        scene.clock.advance(Duration::from_secs(121));
        assert_eq!(scene.status(&code).await["state"], "expired");
    })
    .await;
}
