//! The phone's side: what opens a code, what does not, and that exactly one session results.

use std::sync::Barrier;
use std::time::Duration;

use crate::harness::application::{Reply, TestApplication, is_signed, response};
use crate::harness::browser::{Browser, computer, phone};
use crate::harness::gate::TestGate;
use crate::harness::people::{approved, claim, open, press, show_code};
use crate::harness::ports::unused;
use crate::harness::redis::TestRedis;

#[test]
fn previews_and_prefetches_use_no_code_up() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    for _ in 0..5 {
        assert_eq!(phone(&gate).get(&code.path).status(), 200);
    }
    let head = phone(&gate).request("HEAD", &code.path, &[], None);
    assert_eq!((head.status(), head.content.len()), (200, 0));
    for line in ["Purpose: prefetch", "Sec-Purpose: prefetch", "Range: bytes=0-0"] {
        assert_eq!(phone(&gate).request("GET", &code.path, &[line], None).status(), 200, "{line}");
    }
    assert_eq!(code.state(&mut ana), "issued");
    let mut person = phone(&gate);
    let (number, proof) = claim(&mut person, &code);
    code.type_number(&mut ana, &number);
    assert_eq!(press(&mut person, &code, "finish", &proof).status(), 303);
    assert_eq!(application.logins(), 1);
}

#[test]
fn only_a_press_in_the_phones_own_page_claims() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let mut victim = phone(&gate);
    let proof = open(&mut victim, &code);
    let form = format!("proof={proof}&action=continue");
    let foreign = ["Origin: https://evil.example", "Content-Type: application/x-www-form-urlencoded"];
    assert_eq!(victim.request("POST", &code.path, &foreign, Some(&form)).status(), 403);
    assert_eq!(victim.request("POST", &code.path, &foreign[1..], Some(&form)).status(), 403, "no Origin");
    let own = format!("Origin: {}", gate.origin());
    let cross = [own.as_str(), "Sec-Fetch-Site: cross-site"];
    assert_eq!(victim.request("POST", &code.path, &cross, Some(&form)).status(), 403);
    assert_eq!(press(&mut phone(&gate), &code, "continue", &proof).status(), 403, "no cookie");
    let mut other = phone(&gate);
    open(&mut other, &code);
    assert_eq!(press(&mut other, &code, "continue", &proof).status(), 403, "the form token belongs to another browser");
    assert_eq!(press(&mut victim, &code, "explode", &proof).status(), 400);
    assert_eq!(code.state(&mut ana), "issued");
    assert_eq!(press(&mut victim, &code, "continue", &proof).status(), 303);
}

#[test]
fn a_second_browser_is_refused_and_shown_on_the_computer() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let mut second = phone(&gate);
    let proof = open(&mut second, &code);
    claim(&mut phone(&gate), &code);
    assert_eq!(press(&mut second, &code, "continue", &proof).status(), 409);
    let event = gate.wait_for_log(&["ticket.refused", "another browser holds the code"]);
    assert!(event.contains("\"user\":\"ana\""), "{event}");
    second.request("GET", &code.path, &["Sec-Purpose: prefetch"], None);
    assert!(code.status(&mut ana)["contested"].is_null(), "a prefetch opens nothing");
    let told = second.get(&code.path);
    assert_eq!(told.status(), 409);
    assert!(told.text().contains("This QR code is open on another device"), "{}", told.text());
    assert_eq!(code.status(&mut ana)["contested"], true);
}

#[test]
fn a_spent_ticket_signs_nobody_in() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut first = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut first);
    assert_eq!(press(&mut first, &code, "finish", &proof).status(), 303);
    let late = phone(&gate).get(&code.path);
    assert_eq!(late.status(), 410);
    assert!(late.text().contains("This QR code can&#39;t be used"), "{}", late.text());
    gate.wait_for_log(&["ticket.replayed"]);
    assert_eq!(application.logins(), 1);
}

#[test]
fn every_token_that_opens_nothing_gets_the_same_response() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let declined = show_code(&mut ana);
    declined.decline(&mut ana);
    let pages: Vec<_> = [declined.path.clone(), format!("/qr/{}/", "A".repeat(44)), "/qr/invalid_code/".to_owned()]
        .iter()
        .map(|path| phone(&gate).get(path))
        .collect();
    for page in &pages {
        assert_eq!(page.status(), 410);
        assert_eq!(page.content.len(), pages[0].content.len());
    }
    for odd in ["A".repeat(43), "A".repeat(45), format!("{}=", "A".repeat(43)), format!("{}+", "A".repeat(43))] {
        assert_eq!(phone(&gate).get(&format!("/qr/{odd}/")).status(), 404, "{odd}");
    }
}

#[test]
fn many_phones_race_for_one_ticket_and_one_gets_a_session() {
    let application = TestApplication::start();
    let redis = TestRedis::start();
    let first = TestGate::with(&application, &redis.settings());
    let second = TestGate::with(&application, &format!("{}[public]\nurl = \"{}\"", redis.settings(), first.origin()));
    let mut ana = computer(&first).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);

    let mut phones: Vec<(Browser, String)> = (0..24)
        .map(|i| {
            let mut phone = phone(&first);
            if i % 2 == 1 {
                phone.through(&second);
            }
            let proof = open(&mut phone, &code);
            (phone, proof)
        })
        .collect();
    let start = Barrier::new(phones.len());
    let mut won: Vec<usize> = std::thread::scope(|scope| {
        let races: Vec<_> = phones
            .iter_mut()
            .map(|(phone, proof)| {
                let (code, start) = (&code, &start);
                scope.spawn(move || {
                    start.wait();
                    press(phone, code, "continue", proof).status()
                })
            })
            .collect();
        races.into_iter().enumerate().filter_map(|(i, race)| (race.join().unwrap() == 303).then_some(i)).collect()
    });
    assert_eq!(won.len(), 1, "one claim");
    let (mut holder, proof) = phones.swap_remove(won.pop().unwrap());
    let number = crate::harness::people::number(&mut holder, &code);
    assert_eq!(code.type_number(&mut ana, &number).json()["state"], "approved");

    let cookie = format!("Cookie: qrgate={}", holder.cookie("qrgate").unwrap());
    let start = Barrier::new(16);
    let sessions: Vec<_> = std::thread::scope(|scope| {
        let presses: Vec<_> = (0..16)
            .map(|i| {
                let mut again = phone(&first);
                again.fields.push(cookie.clone());
                if i % 2 == 1 {
                    again.through(&second);
                }
                let (code, proof, start) = (&code, &proof, &start);
                scope.spawn(move || {
                    start.wait();
                    press(&mut again, code, "finish", proof)
                })
            })
            .collect();
        presses.into_iter().map(|press| press.join().unwrap()).collect()
    });
    let mut relayed: Vec<_> = sessions
        .iter()
        .flat_map(|response| response.all("set-cookie"))
        .filter(|c| c.starts_with("sessionid"))
        .collect();
    assert!(!relayed.is_empty());
    relayed.dedup();
    assert_eq!(relayed.len(), 1, "one session, in however many responses: {relayed:?}");
    assert_eq!(application.logins(), 1);
}

#[test]
fn signing_out_on_the_computer_ends_the_code() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let session = application.sign_in("ana");
    let mut ana = computer(&gate).with_cookie(&session);
    let mut phone = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut phone);
    application.sign_out(&session);
    let refused = press(&mut phone, &code, "finish", &proof);
    assert_eq!(refused.status(), 410);
    assert_eq!(code.status(&mut ana)["reason"], "signed_out");
    assert_eq!(application.logins(), 0);
}

#[test]
fn a_hook_that_fails_may_be_tried_three_times_with_one_id() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    application.route("/_qr/login", |_| Reply::Bytes(response(500, &[], b"oops")));
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut phone = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut phone);
    for press_number in 1..=3 {
        let failed = press(&mut phone, &code, "finish", &proof);
        assert_eq!(failed.status(), 502);
        assert_eq!(
            failed.text().contains("Your code is still good. Try again."),
            press_number < 3,
            "{}",
            failed.text()
        );
    }
    assert_eq!(code.status(&mut ana)["reason"], "application");
    assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 410);
    let calls = application.requests_to("/_qr/login");
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(is_signed));
    assert!(calls.iter().all(|call| call.field("webhook-id") == calls[0].field("webhook-id")));
    let mut times: Vec<u64> =
        calls.iter().map(|call| call.field("webhook-timestamp").unwrap().parse().unwrap()).collect();
    times.dedup();
    assert_eq!(times.len(), 3, "each attempt has a later timestamp: {times:?}");
}

#[test]
fn a_refusal_by_the_application_is_shown_and_its_pages_are_not() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    application
        .route("/_qr/login", |_| Reply::Bytes(response(403, &["Content-Type: text/html"], b"<h1>CSRF secret</h1>")));
    let mut first = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut first);
    let wrong = press(&mut first, &code, "finish", &proof);
    assert_eq!(wrong.status(), 502);
    assert!(!wrong.text().contains("CSRF secret"));
    assert_eq!(code.state(&mut ana), "approved");
    application.route("/_qr/login", |_| Reply::Bytes(response(404, &[], br#"{"message":"Not on <b>Sundays</b>."}"#)));
    let refused = press(&mut first, &code, "finish", &proof);
    assert_eq!(refused.status(), 410);
    assert!(refused.text().contains("Not on &lt;b&gt;Sundays"), "{}", refused.text());
    assert_eq!(code.status(&mut ana)["reason"], "application");
}

#[test]
fn a_session_of_another_user_is_not_relayed() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let wrong = application.sign_in("bob");
    application
        .route("/_qr/login", move |_| Reply::Bytes(response(204, &[&format!("Set-Cookie: {wrong}; Path=/")], b"")));
    let mut phone = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut phone);
    let refused = press(&mut phone, &code, "finish", &proof);
    assert_eq!(refused.status(), 502);
    assert!(phone.session().is_none());
    assert!(code.state(&mut ana) == "approved");
}

#[test]
fn the_hooks_cookies_are_relayed_as_raw_lines() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let session = application.sign_in("ana");
    let lines = [
        format!("Set-Cookie: {session}; path=/; EXPIRES=Fri, 31 Dec 2100 23:59:59 GMT; httponly"),
        "Set-Cookie: csrf=\"a,b\"; Path=/; Odd".to_owned(),
        "Set-Cookie: qrgate=stolen; Path=/".to_owned(),
        "Set-Cookie: far=1; Domain=evil.example".to_owned(),
    ];
    let fields: Vec<&str> = lines.iter().map(String::as_str).collect();
    let reply = response(204, &fields, b"");
    application.route("/_qr/login", move |_| Reply::Bytes(reply.clone()));
    let mut phone = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut phone);
    let landed = press(&mut phone, &code, "finish", &proof);
    assert_eq!(landed.status(), 303, "{}", landed.text());
    let relayed: Vec<String> = landed.all("set-cookie").iter().map(|line| format!("Set-Cookie: {line}")).collect();
    assert_eq!(relayed, lines[..2]);
}

#[test]
fn a_failed_connection_to_the_hook_is_no_attempt() {
    let application = TestApplication::start();
    let dead = unused();
    let gate = TestGate::with(&application, &format!("[login]\nurl = \"http://{dead}/login\""));
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut phone = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut phone);
    for _ in 0..4 {
        assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 502);
        assert_eq!(code.state(&mut ana), "approved");
    }
}

/// The timeout passes before the connection is open, here in the TLS handshake.
#[test]
fn a_connection_to_the_hook_that_times_out_is_no_attempt() {
    let application = TestApplication::start();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/_qr/login", silent.local_addr().unwrap());
    let gate = TestGate::with(&application, &format!("[login]\nurl = \"{url}\"\ntimeout = \"100ms\""));
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut phone = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut phone);
    for press_number in 1..=4 {
        let failed = press(&mut phone, &code, "finish", &proof);
        assert_eq!(failed.status(), 502);
        assert!(
            failed.text().contains("Your code is still good. Try again."),
            "press {press_number}: {}",
            failed.text()
        );
    }
    assert_eq!(code.state(&mut ana), "approved");
    gate.wait_for_log(&["login hook", "no connection within 100ms"]);
}

#[test]
fn cancel_and_decline_end_the_code_on_both_devices() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut one = phone(&gate);
    let code = show_code(&mut ana);
    let proof = open(&mut one, &code);
    let cancelled = press(&mut one, &code, "cancel", &proof);
    assert_eq!(cancelled.status(), 200);
    assert!(cancelled.text().contains("You&#39;re not signed in."), "{}", cancelled.text());
    assert_eq!(code.status(&mut ana)["reason"], "phone");

    let code = show_code(&mut ana);
    let (_, proof) = claim(&mut one, &code);
    assert_eq!(code.decline(&mut ana).json()["reason"], "computer");
    assert_eq!(code.decline(&mut ana).status(), 200, "the same press again succeeds");
    let told = press(&mut one, &code, "finish", &proof);
    assert_eq!(told.status(), 410);
    assert!(told.text().contains("It was stopped on the computer."), "{}", told.text());
}

#[test]
fn a_code_ends_with_its_lifetime() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[tickets]\nlifetime = \"30s\"");
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let left = code.status(&mut ana)["expires_in"].as_u64().unwrap();
    assert!((28..=30).contains(&left), "{left}");
    claim(&mut phone(&gate), &code);
    let left = code.status(&mut ana)["expires_in"].as_u64().unwrap();
    assert!((58..=60).contains(&left), "a claim leaves a minute to finish: {left}");
}

#[test]
fn another_network_is_refused_where_the_same_one_is_required() {
    let application = TestApplication::start();
    let settings = "[public]\nurl = \"http://app.example\"\ntrusted_proxies = [\"127.0.0.1\"]\n[tickets]\nsame_network = \"require\"";
    let gate = TestGate::with(&application, settings);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana")).at_origin("http://app.example");
    ana.fields.push("X-Forwarded-For: 203.0.113.7".to_owned());
    let code = show_code(&mut ana);
    let from = |address: &str| {
        let mut phone = phone(&gate).at_origin("http://app.example");
        phone.fields.push(format!("X-Forwarded-For: {address}"));
        phone
    };
    for elsewhere in ["198.51.100.9", "2001:db8::7"] {
        let mut far = from(elsewhere);
        let proof = open(&mut far, &code);
        assert_eq!(press(&mut far, &code, "continue", &proof).status(), 403, "{elsewhere}");
    }
    assert_eq!(code.state(&mut ana), "issued");
    let mut near = from("203.0.113.200");
    claim(&mut near, &code);
    assert_eq!(code.status(&mut ana)["device"]["same_network"], true);
    assert_eq!(code.status(&mut ana)["device"]["address"], "203.0.113.200");
}

#[test]
fn a_slow_hook_makes_the_second_press_wait_and_both_get_the_same_session() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let (ask, asked) = std::sync::mpsc::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (ask, wait) = (std::sync::Mutex::new(ask), std::sync::Mutex::new(wait));
    let login = application.login_reply();
    application.route("/_qr/login", move |request| {
        ask.lock().unwrap().send(()).unwrap();
        wait.lock().unwrap().recv_timeout(Duration::from_secs(4)).unwrap();
        login(request)
    });
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut one = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut one);
    let cookie = format!("Cookie: qrgate={}", one.cookie("qrgate").unwrap());
    let first = std::thread::scope(|scope| {
        let slow = scope.spawn(|| press(&mut one, &code, "finish", &proof));
        asked.recv().unwrap();
        let mut again = phone(&gate);
        again.fields.push(cookie.clone());
        let second = press(&mut again, &code, "finish", &proof);
        assert_eq!(second.status(), 200);
        assert!(second.text().contains("data-state=\"redeeming\""), "{}", second.text());
        go.send(()).unwrap();
        slow.join().unwrap()
    });
    assert_eq!(first.status(), 303);
    let mut again = phone(&gate);
    again.fields.push(cookie);
    assert_eq!(press(&mut again, &code, "finish", &proof).all("set-cookie"), first.all("set-cookie"));
    assert_eq!(application.logins(), 1);
}

#[test]
fn a_preview_of_a_spent_code_is_no_second_use() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut first = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut first);
    assert_eq!(press(&mut first, &code, "finish", &proof).status(), 303);
    let replayed = || gate.admin("/metrics").text().contains("qrgate_tickets_total{outcome=\"replayed\"} 1");
    assert_eq!(phone(&gate).request("HEAD", &code.path, &[], None).status(), 410);
    assert!(!replayed());
    assert_eq!(phone(&gate).get(&code.path).status(), 410);
    assert!(replayed());
}

#[test]
fn a_press_that_waits_for_another_does_not_count_against_the_limit() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[limits]\nredeems_per_client = \"1/1m\"");
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut person = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut person);
    let slow = application.login_reply();
    application.route("/_qr/login", move |request| {
        std::thread::sleep(Duration::from_millis(1500));
        slow(request)
    });
    let browser = format!("qrgate={}", person.cookie("qrgate").unwrap());
    let mut again = phone(&gate).with_cookie(&browser);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| press(&mut person, &code, "finish", &proof).status());
        crate::harness::eventually("the hook is called", || (application.logins() == 1).then_some(()));
        let waiting = press(&mut again, &code, "finish", &proof);
        assert_eq!(waiting.status(), 200, "{}", waiting.text());
        assert_eq!(first.join().unwrap(), 303);
    });
    let (other, proof) = approved(&mut ana, &mut again);
    assert_eq!(press(&mut again, &other, "finish", &proof).status(), 429);
    assert_eq!(other.state(&mut ana), "approved");
    gate.wait_for_log(&["ticket.refused", "too many tries"]);
}

#[test]
fn repeated_cookies_go_to_the_same_network_only() {
    let application = TestApplication::start();
    let settings = "[public]\nurl = \"http://app.example\"\ntrusted_proxies = [\"127.0.0.1\"]\n[tickets]\nsame_network = \"require\"";
    let gate = TestGate::with(&application, settings);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana")).at_origin("http://app.example");
    ana.fields.push("X-Forwarded-For: 203.0.113.7".to_owned());
    let mut person = phone(&gate).at_origin("http://app.example");
    person.fields.push("X-Forwarded-For: 203.0.113.9".to_owned());
    let (code, proof) = approved(&mut ana, &mut person);
    assert_eq!(press(&mut person, &code, "finish", &proof).status(), 303);
    person.fields = vec!["X-Forwarded-For: 198.51.100.9".to_owned()];
    let elsewhere = press(&mut person, &code, "finish", &proof);
    assert_eq!((elsewhere.status(), elsewhere.all("set-cookie").len()), (403, 0));
    person.fields = vec!["X-Forwarded-For: 203.0.113.9".to_owned()];
    assert_eq!(press(&mut person, &code, "finish", &proof).status(), 303);
    assert_eq!(application.logins(), 1);
}

#[test]
fn without_verify_a_cookie_of_another_path_is_a_session_too() {
    let application = TestApplication::start();
    application.route("/_qr/login", |_| {
        Reply::Bytes(response(204, &["Set-Cookie: sid=1; Path=/shop", "Set-Cookie: old=; Max-Age=0"], b""))
    });
    let gate = TestGate::with(&application, "[login]\nverify = false");
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut person = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut person);
    let finished = press(&mut person, &code, "finish", &proof);
    assert_eq!((finished.status(), finished.all("set-cookie").len()), (303, 2));
    application.route("/_qr/login", |_| Reply::Bytes(response(204, &["Set-Cookie: sid=; Path=/; Max-Age=0"], b"")));
    let mut second = phone(&gate);
    let (code, proof) = approved(&mut ana, &mut second);
    let response = press(&mut second, &code, "finish", &proof);
    assert_eq!(
        (response.status(), response.all("set-cookie").len()),
        (502, 0),
        "a cookie that is deleted is not a session"
    );
}

#[test]
fn a_tap_over_the_limit_changes_nothing() {
    let application = TestApplication::start();
    let settings = "[limits]\nredeems_per_client = \"1/1m\"\n[tickets]\napproval = \"phone\"";
    let gate = TestGate::with(&application, settings);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    for (status, state) in [(303, "spent"), (429, "issued")] {
        let code = show_code(&mut ana);
        let mut person = phone(&gate);
        let proof = open(&mut person, &code);
        let pressed = press(&mut person, &code, "continue", &proof);
        assert_eq!((pressed.status(), code.state(&mut ana).as_str()), (status, state));
        assert_eq!(pressed.field("retry-after").is_some(), status == 429);
    }
    assert_eq!(application.logins(), 1);
}

#[test]
fn a_phone_that_hangs_up_while_it_is_signed_in_leaves_every_step_in_the_audit_trail() {
    let application = TestApplication::start();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (wait, reply) = (std::sync::Mutex::new(wait), application.login_reply());
    application.route("/_qr/login", move |request| {
        wait.lock().unwrap().recv().unwrap();
        reply(request)
    });
    let gate = TestGate::with(&application, "[tickets]\napproval = \"phone\"");
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let mut person = phone(&gate);
    let proof = open(&mut person, &code);
    let pressed = person.begin_post(&code.path, &format!("proof={proof}&action=continue"));
    crate::harness::eventually("the hook is called", || {
        (!application.requests_to("/_qr/login").is_empty()).then_some(())
    });
    drop(pressed);
    gate.wait_for_log(&["\"status\":499"]);
    go.send(()).unwrap();
    gate.wait_for_log(&["ticket.spent"]);
    let log = gate.log().join("\n");
    for event in ["ticket.claimed", "ticket.approved", "ticket.spent"] {
        assert_eq!(log.matches(event).count(), 1, "{event}: {log}");
    }
}
