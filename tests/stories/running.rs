//! What happens to a running process: signals, files that appear later, scrapers, malformed requests.

use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::application::{Reply, TestApplication, response};
use crate::harness::browser::{computer, phone};
use crate::harness::eventually;
use crate::harness::gate::{TestGate, configuration};
use crate::harness::http::Connection;
use crate::harness::http2::Http2;
use crate::harness::people::show_code;
use crate::harness::tls::Authority;

#[test]
fn sigusr1_and_sigusr2_are_ignored() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    for signal in ["USR1", "USR2", "PIPE", "USR1"] {
        gate.signal(signal);
        assert_eq!(gate.get("/", &[]).status(), 200, "after SIG{signal}");
    }
    gate.signal("HUP");
    gate.wait_for_log(&["configuration reloaded"]);
}

#[test]
fn sigquit_drains_as_sigterm_does() {
    let application = TestApplication::start();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    application.route("/slow", move |_| {
        wait.lock().unwrap().recv().unwrap();
        Reply::Bytes(response(200, &[], b"done"))
    });
    let mut gate = TestGate::before(&application);
    let mut connection = gate.connect();
    connection.write(format!("GET /slow HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address).as_bytes());
    eventually("the request is under way", || (!application.requests_to("/slow").is_empty()).then_some(()));
    let mut idle = gate.connect();
    gate.signal("QUIT");
    assert!(idle.is_closed(), "an idle connection is closed at once");
    go.send(()).unwrap();
    assert_eq!(connection.read_response(false).unwrap().text(), "done");
    assert_eq!(gate.wait(), Some(0));
}

/// `/metrics` for this `Accept`: its media type and text.
fn metrics(gate: &TestGate, accept: &str) -> (String, String) {
    let mut connection = Connection::open(gate.admin.unwrap());
    let request = format!("GET /metrics HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n{accept}\r\n");
    connection.write(request.as_bytes());
    let response = connection.read_response(false).expect("a response");
    (response.field("content-type").unwrap_or_default().to_owned(), response.text())
}

#[test]
fn a_scraper_gets_the_format_that_it_accepts() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    gate.get("/", &[]);
    eventually("the request is counted", || metrics(&gate, "").1.contains("route=\"forward\"").then_some(()));
    for accept in ["", "Accept: text/plain\r\n", "Accept: */*\r\n", "Accept: application/openmetrics-text;q=0\r\n"] {
        let (media_type, text) = metrics(&gate, accept);
        assert_eq!(media_type, "text/plain; version=0.0.4; charset=utf-8", "{accept}");
        assert!(text.contains("\n# TYPE qrgate_requests_total counter\n"), "{text}");
        assert!(text.contains("\n# TYPE qrgate_build_info gauge\n") && !text.contains("# EOF"), "{text}");
    }
    let prometheus = "Accept: application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5\r\n";
    let (media_type, text) = metrics(&gate, prometheus);
    assert_eq!(media_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(text.contains("\n# TYPE qrgate_requests counter\n") && text.ends_with("\n# EOF\n"), "{text}");
}

#[test]
fn a_request_that_cannot_be_read_leaves_an_access_line_without_its_target() {
    let application = TestApplication::start();
    let gate = TestGate::before(&application);
    for (bytes, status) in [
        ("GET /a-secret  HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("G\u{1}T /a-secret HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("GET /a-secret HTTP/1.1\r\nHost : a\r\n\r\n".to_owned(), 400),
        ("GET /a-secret HTTP/3.0\r\nHost: a\r\n\r\n".to_owned(), 400),
        ("\u{16}\u{3}\u{1}\u{2}".to_owned(), 400),
        (format!("GET /a-secret HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(20_000)), 431),
    ] {
        let seen = gate.log().len();
        assert_eq!(gate.send(&bytes).expect("a response").status(), status, "{bytes:?}");
        let line =
            eventually("its line", || gate.log().into_iter().skip(seen).find(|line| line.contains("\"(malformed)\"")));
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!((&line["event"], &line["status"]), (&"request".into(), &status.into()), "{line}");
        assert_eq!((&line["client"], &line["request_id"]), (&"127.0.0.1".into(), &serde_json::Value::Null), "{line}");
    }
    assert!(!gate.log().iter().any(|line| line.contains("a-secret")));
    let metrics = gate.admin("/metrics").text();
    for sample in ["route=\"malformed\",method=\"OTHER\",status=\"400\"} 5", "status=\"431\"} 1"] {
        assert!(metrics.contains(sample), "{metrics}");
    }
}

/// Sends a form's head and first bytes, and then byte by byte until there is a response.
fn drip_form(gate: &TestGate, target: &str, cookie: &str) -> u16 {
    let mut connection = gate.connect();
    let fields =
        format!("Host: {0}\r\nOrigin: http://{0}\r\nCookie: {cookie}\r\nContent-Length: 5000\r\n", gate.address);
    connection.write(format!("POST {target} HTTP/1.1\r\n{fields}\r\ndesk=").as_bytes());
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(15) {
        connection.stream().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        if connection.stream().peek(&mut [0]).is_ok() {
            connection.stream().set_read_timeout(Some(crate::harness::http::TIMEOUT)).unwrap();
            return connection.read_response(false).map_or(0, |response| response.status());
        }
        connection.write(b"x");
    }
    panic!("{target} waits for ever");
}

#[test]
fn a_form_must_arrive_within_header_timeout() {
    let application = TestApplication::start();
    let gate = TestGate::with(&application, "[limits]\nheader_timeout = \"2s\"");
    let session = application.sign_in("ana");
    let code = show_code(&mut computer(&gate).with_cookie(&session));
    let mut phone = phone(&gate);
    phone.get(&code.path);
    let browser = format!("qrgate={}", phone.cookie("qrgate").expect("the browser cookie"));
    for (target, cookie) in [("/qr/approve", ""), ("/qr/", &session), (&code.path, &browser)] {
        assert_eq!(drip_form(&gate, target, cookie), 408, "{target}");
    }
}

#[test]
fn a_form_over_http_2_must_arrive_within_header_timeout() {
    let application = TestApplication::start();
    let authority = Authority::new();
    let settings = format!("{}[limits]\nheader_timeout = \"2s\"", authority.issue("gate", &["localhost"]).settings());
    let gate = TestGate::with(&application, &settings);
    let mut client = Http2::open(&gate, &authority);
    let origin = format!("https://localhost:{}", gate.address.port());
    client.request(1, "POST", "/qr/approve", &[("content-length", "5000"), ("origin", &origin)], false);
    client.frame(0, 0, 1, b"desk=");
    assert_eq!(client.response(1).status, Some(408));
}

/// A change of permissions leaves the modification time as it is, so the files must be tried again all the same. The
/// test writes the file and then restores the time.
#[test]
fn a_certificate_that_could_not_be_used_is_tried_again() {
    let (application, authority) = (TestApplication::start(), Authority::new());
    let files = authority.issue("gate", &["localhost"]);
    let gate = TestGate::with(&application, &files.settings());
    let good = std::fs::read(&files.certificate).unwrap();
    std::fs::write(&files.certificate, vec![b'?'; good.len()]).unwrap();
    let written = std::fs::metadata(&files.certificate).unwrap().modified().unwrap();
    gate.wait_for_log(&["the old certificate stays in use"]);
    std::fs::write(&files.certificate, good).unwrap();
    std::fs::File::options().append(true).open(&files.certificate).unwrap().set_modified(written).unwrap();
    gate.wait_for_log(&["certificate reloaded"]);
    let failures = gate.log().iter().filter(|line| line.contains("the old certificate stays in use")).count();
    assert_eq!(failures, 1);
}

#[test]
fn a_configuration_whose_secret_appears_later_is_tried_again_and_its_error_logged_once() {
    let application = TestApplication::start();
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("ticket.secret");
    let gate = TestGate::before(&application);
    let file = configuration(application.address, "[pages]\nsite = \"Another name\"");
    let file = file.lines().filter(|line| !line.contains("ZmVkY2Jh")).collect::<Vec<_>>().join("\n");
    let file = file.replace("[tickets]", &format!("[tickets]\nsecret_file = {secret:?}"));
    gate.rewrite(&file);
    gate.wait_for_log(&["reload failed", "ticket.secret"]);
    std::fs::write(&secret, "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU=\n").unwrap();
    gate.wait_for_log(&["configuration reloaded"]);
    let failures = gate.log().iter().filter(|line| line.contains("reload failed")).count();
    assert_eq!(failures, 1, "{:?}", gate.log());
}

#[test]
fn owner_and_group_may_connect_to_a_socket_file_whatever_the_umask() {
    let application = TestApplication::start();
    for umask in ["000", "077"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("http.sock");
        let listen = format!("[listen]\naddress = [\"127.0.0.1:0\", \"unix:{}\"]", path.display());
        let by = ["sh", "-c", &format!("umask {umask}; exec \"$@\""), "sh"];
        let gate = TestGate::start_by(&by, &configuration(application.address, &listen), &[]);
        let file = std::fs::metadata(&path).unwrap();
        assert!(file.file_type().is_socket());
        assert_eq!(file.permissions().mode() & 0o777, 0o660, "umask {umask}");
        UnixStream::connect(&path).unwrap();
        drop(gate);
    }
}

/// A listener with a full backlog accepts no connection, but is in use.
#[test]
fn a_socket_file_is_replaced_only_when_no_process_listens_on_it() {
    let application = TestApplication::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    let listen = format!("[listen]\naddress = [\"127.0.0.1:0\", \"unix:{}\"]", path.display());
    let file = folder.path().join("proxy.toml");
    std::fs::write(&file, configuration(application.address, &listen)).unwrap();

    let busy = UnixListener::bind(&path).unwrap();
    let mut waiting = Vec::new();
    loop {
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        if socket.connect(&socket2::SockAddr::unix(&path).unwrap()).is_err() {
            break;
        }
        waiting.push(socket);
    }
    let run = Command::new(env!("CARGO_BIN_EXE_qrgate")).arg("--config").arg(&file).output().unwrap();
    assert_eq!(run.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&run.stderr).contains("another program listens there"), "{run:?}");
    assert!(path.exists());
    drop((waiting, busy));
    assert!(path.exists(), "a file that a dead process left is replaced");
    let gate = TestGate::start(&std::fs::read_to_string(&file).unwrap());
    UnixStream::connect(&path).unwrap();
    drop(gate);
}

/// In `/proc`, the files of a process that is not dumpable belong to root (proc(5), PR_SET_DUMPABLE).
#[test]
fn a_process_with_secrets_cannot_be_dumped_or_traced_by_its_own_user() {
    let application = TestApplication::start();
    let folder = tempfile::tempdir().unwrap();
    let (program, file) = (folder.path().join("qrgate"), folder.path().join("proxy.toml"));
    std::fs::copy(env!("CARGO_BIN_EXE_qrgate"), &program).unwrap();
    std::fs::write(&file, configuration(application.address, "")).unwrap();
    for path in [folder.path(), &program, &file] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(&program);
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(65534).gid(65534);
    }
    let mut gate = command.arg("--config").arg(&file).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    gate.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).expect("it starts");
    let (process, status) = (format!("/proc/{}", gate.id()), format!("/proc/{}/status", gate.id()));
    let (uid, status) = (std::fs::metadata(format!("{process}/mem")).unwrap().uid(), std::fs::read_to_string(status));
    gate.kill().unwrap();
    gate.wait().unwrap();
    assert_eq!(uid, 0, "{}", status.unwrap());
}

#[test]
fn the_unit_allows_no_core_dump() {
    let unit = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/systemd/qrgate.service")).unwrap();
    assert!(unit.contains("\nLimitCORE=0\n"));
}
