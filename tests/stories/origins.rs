//! The public origin: a sub-path that a proxy in front strips, and addresses that a phone can or cannot reach.

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::browser::{Browser, computer, phone};
use crate::harness::code::scan;
use crate::harness::gate::TestGate;
use crate::harness::people::{CodePage, approved, claim, code_page, open, press, show_code};

const SHOP: &str = "[public]\nurl = \"http://app.example/shop\"\n[identify]\nlogin_url = \"/login?next={return}\"\n";

/// A phone's request after the proxy in front has stripped the sub-path.
fn stripped(mut code: CodePage) -> CodePage {
    code.path = code.path.strip_prefix("/shop").expect("the link lies under the sub-path").to_owned();
    code
}

#[test]
fn a_sub_path_precedes_every_path_that_is_written_and_none_that_is_read() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, SHOP);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana")).at_origin("http://app.example");
    let away = computer(&gate).at_origin("http://app.example").get("/qr/");
    assert_eq!(away.field("location"), Some("/shop/login?next=%2Fshop%2Fqr%2F%3Ffrom%3Dlogin"));
    assert_eq!(ana.get("/qr").field("location"), Some("/shop/qr/"));
    assert_eq!(
        ana.get(&format!("/qr/{}", "A".repeat(44))).field("location"),
        Some(format!("/shop/qr/{}/", "A".repeat(44)).as_str())
    );
    let start = ana.get("/qr/").text();
    assert!(start.contains("action=\"/shop/qr/\""), "{start}");
    for (next, lands) in
        [("/shop/basket?a=b", "/shop/basket?a=b"), ("/basket", "/shop/"), ("/shopping", "/shop/"), ("", "/shop/")]
    {
        let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        let page = ana.post("/qr/", &form);
        let text = page.text();
        assert!(
            !text.contains("\"/qr/") && text.contains("/shop/qr/status/") && text.contains("/shop/qr/approve"),
            "{text}"
        );
        let code = stripped(code_page(&page));
        let mut phone = phone(&gate).at_origin("http://app.example");
        let proof = open(&mut phone, &code);
        let claimed = press(&mut phone, &code, "continue", &proof);
        assert_eq!(claimed.field("location"), Some(format!("/shop{}", code.path).as_str()));
        let number = crate::harness::people::number(&mut phone, &code);
        code.type_number(&mut ana, &number);
        let landed = press(&mut phone, &code, "finish", &proof);
        assert_eq!((landed.status(), landed.field("location")), (303, Some(lands)), "{next}");
    }
    // Requests are forwarded as received, and hidden paths are those of the application.
    assert_eq!(gate.get("/shop/page", &["Host: x"]).status(), 400, "two hosts");
    assert_eq!(gate.get("/shop/page", &[]).status(), 200);
    assert_eq!(application.requests_to("/shop/page").len(), 1);
    assert_eq!(gate.get("/_qr/login", &[]).status(), 404);
}

#[test]
fn a_sub_path_that_the_proxy_in_front_does_not_strip_leaks_no_token_and_is_named() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, SHOP);
    let token = "A".repeat(44);
    for target in [
        format!("/shop/qr/{token}/"),
        format!("/shop/qr/{token}"),
        format!("/shop//qr/{token}/?a=b"),
        format!("/Shop/%71r/{token}/"),
        format!("/x/../shop/qr/status/{}", &token[1..]),
        "/shop/qr/".to_owned(),
        "/shop/qr".to_owned(),
    ] {
        let page = computer(&gate).at_origin("http://app.example").get(&target);
        assert_eq!(page.status(), 404, "{target}");
        assert!(page.text().contains("/shop") && page.text().contains("public.url"), "{target}: {}", page.text());
        assert_eq!(page.field("cache-control"), Some("no-store"), "{target}");
    }
    for target in ["/shop/_qr/login", "/shop/_qr%2fwhoami"] {
        assert_eq!(gate.get(target, &[]).status(), 404, "{target}");
    }
    assert!(application.requests().is_empty(), "{:?}", application.requests());
    for target in ["/shop/qrcode", "/shop/a/qr/", "/shopping/qr/"] {
        assert_eq!(gate.get(target, &[]).status(), 200, "{target}");
    }
    assert_eq!(gate.wait_for_logs(12, &["duration_ms"]).len(), 12);
    let log = gate.log().join("\n");
    assert!(log.contains("/qr/:other") && !log.contains("AAAAAAAA"), "{log}");
    assert_eq!(log.matches("the proxy in front does not strip").count(), 1, "{log}");
}

#[test]
fn a_cookie_under_the_sub_path_identifies_the_new_session() {
    let application = TestApplication::start();
    for (path, status) in [("/shop", 303), ("/shop/_qr", 303), ("/other", 502)] {
        let session = application.sign_in("ana");
        application.route("/_qr/login", move |_| {
            Reply::Bytes(response(204, &[&format!("Set-Cookie: {session}; Path={path}")], b""))
        });
        let gate = TestGate::with(&application, &format!("{SHOP}[tickets]\napproval = \"phone\""));
        let mut ana = computer(&gate).with_cookie(&application.sign_in("ana")).at_origin("http://app.example");
        let code = stripped(show_code(&mut ana));
        let mut phone = phone(&gate).at_origin("http://app.example");
        let proof = open(&mut phone, &code);
        assert_eq!(press(&mut phone, &code, "continue", &proof).status(), status, "{path}");
    }
}

#[test]
fn without_a_public_url_codes_work_on_private_addresses() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let page = computer(&gate).with_cookie(&application.sign_in("ana")).post("/qr/", "");
    assert!(page.text().contains("Open this page by the computer"), "{}", page.text());
    let ask = |host: &str| {
        let cookie = application.sign_in("ana");
        let request = format!("GET /qr/ HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
        gate.send(request).unwrap().status()
    };
    for host in
        ["localhost", "127.0.0.1:1", "[::1]", "10.1.2.3", "192.168.0.9:8080", "172.16.0.1", "box.local", "a.localhost"]
    {
        assert_eq!(ask(host), 200, "{host}");
    }
    for host in
        ["app.example", "203.0.113.7", "8.8.8.8", "local", "localhost.evil.example", "172.32.0.1", "[2001:db8::1]"]
    {
        assert_eq!(ask(host), 421, "{host}");
    }
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let mut phone = phone(&gate);
    approved(&mut ana, &mut phone);
}

/// A browser at https://app.example:8443, behind a proxy that names the host without its port.
fn behind_proxy(browser: Browser, port: &str) -> Browser {
    let mut browser = browser.at_origin("https://app.example:8443");
    let fields = ["X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: app.example", port];
    browser.fields.extend(fields.map(str::to_owned));
    browser.fields.extend(["Site: same-origin", "Mode: navigate", "Dest: document"].map(|f| format!("Sec-Fetch-{f}")));
    browser
}

#[test]
fn the_port_that_a_trusted_proxy_reports_belongs_to_the_public_origin() {
    const PORT: &str = "X-Forwarded-Port: 8443";
    let application = TestApplication::start();
    for public in ["url = \"https://app.example:8443\"", "hosts = [\"app.example:8443\"]"] {
        let gate = TestGate::with(&application, &format!("[public]\n{public}\ntrusted_proxies = [\"127.0.0.1\"]"));
        let mut ana = behind_proxy(computer(&gate), PORT).with_cookie(&application.sign_in("ana"));
        let page = ana.post("/qr/", "");
        assert_eq!(page.status(), 200, "{public}: {}", page.text());
        let link = scan(&page.text());
        assert!(link.starts_with("https://app.example:8443/qr/"), "{public}: {link}");
        let policy = page.field("content-security-policy").unwrap_or_default();
        assert!(policy.contains("connect-src https://app.example:8443;"), "{policy}");
        let asked = application.requests_to("/_qr/whoami").pop().expect("a question");
        assert_eq!(asked.field("x-forwarded-port"), Some("8443"));
        assert_eq!(ana.get("/page").status(), 200);
        let told = application.requests_to("/page").pop().expect("a request");
        assert_eq!(told.field("x-forwarded-port"), Some("8443"), "{public}");

        let code = code_page(&page);
        let mut phone = behind_proxy(phone(&gate), PORT);
        let (number, proof) = claim(&mut phone, &code);
        code.type_number(&mut ana, &number);
        assert_eq!(press(&mut phone, &code, "finish", &proof).status(), 303, "{public}");
    }
}

#[test]
fn a_port_from_an_untrusted_peer_belongs_to_no_origin() {
    let application = TestApplication::start();
    for (trusted, port) in [("10.9.9.9", "X-Forwarded-Port: 8443"), ("127.0.0.1", "X-Forwarded-Port: 8443, 1")] {
        let public = "[public]\nhosts = [\"app.example:8443\"]\n";
        let gate = TestGate::with(&application, &format!("{public}trusted_proxies = [\"{trusted}\"]"));
        let fields = ["Host: app.example", "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https", port];
        let head = format!("GET /qr/ HTTP/1.1\r\n{}\r\nConnection: close\r\n\r\n", fields.join("\r\n"));
        assert_eq!(gate.send(head).unwrap().status(), 421, "{trusted}, {port}");
    }
}

#[test]
fn a_proxy_that_reports_a_port_of_its_own_does_not_move_the_public_url() {
    let application = TestApplication::start();
    let public = "[public]\nurl = \"https://app.example\"\ntrusted_proxies = [\"127.0.0.1\"]";
    let gate = TestGate::with(&application, public);
    let ana = behind_proxy(computer(&gate), "X-Forwarded-Port: 8080").at_origin("https://app.example");
    let link = scan(&ana.with_cookie(&application.sign_in("ana")).post("/qr/", "").text());
    assert!(link.starts_with("https://app.example/qr/"), "{link}");
}

#[test]
fn a_form_that_is_too_large_is_not_read() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    let mut ana = computer(&gate).with_cookie(&application.sign_in("ana"));
    let code = show_code(&mut ana);
    let large = "x".repeat(1 << 20);
    for path in ["/qr/", "/qr/approve", &code.path] {
        let got = ana.post(path, &large);
        assert!(matches!(got.status(), 403 | 413), "{path}: {}", got.status());
    }
    assert_eq!(ana.post("/qr/", &format!("next=/{large}")).status(), 413);
    assert_eq!(code.state(&mut ana), "issued");
}

#[test]
fn an_error_page_of_the_site_knows_language_origin_and_paths() {
    let application = TestApplication::start();
    application.route("/breaks", |_| Reply::Close);
    let folder = tempfile::tempdir().unwrap();
    let template =
        "<html lang=\"{{ lang }}\"><h1>{{ title }}</h1>{{ host }} {{ home }} {{ ticket_path }} {{ action_url }}";
    std::fs::write(folder.path().join("error.html"), template).unwrap();
    let settings =
        format!("[public]\nurl = \"https://app.example/shop\"\n[pages]\ntemplates = \"{}\"\n", folder.path().display());
    let gate = TestGate::with(&application, &settings);
    let page = |target: &str, language: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: app.example\r\nAccept-Language: {language}\r\n\r\n");
        gate.send(head).unwrap().text()
    };
    for (target, action) in [("/breaks", ""), ("/_qr/login", "/shop/")] {
        let page = page(target, "de-AT, en;q=0.5");
        assert!(page.contains("<html lang=\"de\">"), "{page}");
        assert!(page.ends_with(&format!("app.example /shop/ /shop/qr/ {action}")), "{page}");
    }
    assert!(page("/a\\b", "fr").contains("<html lang=\"fr\">"));
}
