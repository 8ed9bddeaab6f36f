//! Pebble, the ACME server that Let's Encrypt tests clients with, in the roles of the authority and of its DNS; and a
//! front that adds what Pebble lacks: limits, renewal information, an unreachable authority.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::eventually;
use super::ports::unused;
use super::tls::{Authority, Files, chain, connect, key};

/// A running authority, and the ports at which it validates.
pub struct Pebble {
    pub https: u16,
    pub http: u16,
    port: u16,
    management: u16,
    /// The file of the authority that signed the directory's own certificate.
    authority: Authority,
    files: Files,
    life: u32,
    children: Vec<Child>,
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl Pebble {
    /// Certificates live for five years.
    pub fn start() -> Pebble {
        Pebble::with(157_766_400, &[])
    }

    /// The same for a test that counts requests, without refused nonces, which repeat requests.
    pub fn without_refused_nonces() -> Pebble {
        Pebble::with(157_766_400, &[("PEBBLE_WFE_NONCEREJECT", "0")])
    }

    /// Certificates live for `life` seconds; the environment enables faults.
    pub fn with(life: u32, environment: &[(&str, &str)]) -> Pebble {
        let authority = Authority::new();
        let files = authority.issue("pebble", &["localhost"]);
        let [https, http, port, management] = [(); 4].map(|()| unused().port());
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = environment.iter().map(owned).collect();
        let (children, folder) = (Vec::new(), tempfile::tempdir().expect("tempdir"));
        let mut pebble =
            Pebble { https, http, port, management, authority, files, life, children, folder, environment };
        pebble.start_again();
        pebble
    }

    /// Starts it, at the same address. It keeps nothing: accounts and orders are lost.
    pub fn start_again(&mut self) {
        let (dns, config) = (unused().port(), self.folder.path().join("pebble.json"));
        let settings = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{}", self.port),
            "managementListenAddress": format!("127.0.0.1:{}", self.management),
            "certificate": self.files.certificate,
            "privateKey": self.files.key,
            "httpPort": self.http,
            "tlsPort": self.https,
            "certificateValidityPeriod": self.life,
        }});
        std::fs::write(&config, settings.to_string()).expect("write pebble.json");
        let dns = format!("127.0.0.1:{dns}");
        let names = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-management", "", "-defaultIPv6", ""];
        self.children = vec![
            run("pebble-challtestsrv", |command| command.args(names).args(["-dns01", &dns])),
            run("pebble", |command| {
                command.arg("-config").arg(&config).args(["-dnsserver", &dns]).env("PEBBLE_VA_NOSLEEP", "1");
                command.envs(self.environment.iter().map(|(name, value)| (name, value)))
            }),
        ];
        eventually("pebble listens", || TcpStream::connect(self.address()).ok());
    }

    /// Ends it. Connections to its ports are refused.
    pub fn stop(&mut self) {
        self.kill();
    }

    fn kill(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.children.clear();
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The sections of a gate that is validated at both ports.
    pub fn settings(&self, folder: &Path, domains: &[&str]) -> String {
        let addresses = format!("\"https://127.0.0.1:{}\", \"http://127.0.0.1:{}\"", self.https, self.http);
        self.settings_at(&format!("https://localhost:{}/dir", self.port), &addresses, folder, domains)
    }

    /// The same with another directory and these addresses.
    pub fn settings_at(&self, directory: &str, addresses: &str, folder: &Path, domains: &[&str]) -> String {
        format!(
            "[listen]\naddress = [{addresses}]\n[listen.acme]\ndomains = {domains:?}\naccept_terms = true\n\
             folder = {folder:?}\ndirectory = {directory:?}\nca = {:?}\n",
            self.authority.file()
        )
    }

    /// A client that trusts what this authority has issued since its start.
    pub fn client(&self, protocols: &[&str]) -> ClientConfig {
        let address = SocketAddr::from(([127, 0, 0, 1], self.management));
        let pem = get(address, self.authority.client(&["http/1.1"], None), "/roots/0");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("a root")).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config.resumption = rustls::client::Resumption::disabled();
        config
    }

    /// A front with this directory: `rule` may respond to a request (start line and fields, then content) in Pebble's
    /// place. Returns the URL of the directory.
    pub fn behind(&self, rule: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("local_addr").port();
        let (inside, client) = (self.address(), self.authority.client(&["http/1.1"], None));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.expect("versions").with_no_client_auth();
        let (chain, key) = (chain(&self.files.certificate), key(&self.files.key));
        let config = Arc::new(builder.with_single_cert(chain, key).expect("a certificate"));
        let rule = Arc::new(rule);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, client, rule) = (config.clone(), client.clone(), rule.clone());
                std::thread::spawn(move || {
                    let connection = ServerConnection::new(config).expect("a connection");
                    let mut outside = StreamOwned::new(connection, stream);
                    let Some(request) = read_request(&mut outside) else { return };
                    let response = rule(&request).map(String::into_bytes).unwrap_or_else(|| {
                        let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
                        let mut inside = connect(inside, client).expect("pebble");
                        inside.write_all(request.as_bytes()).expect("pebble reads");
                        let mut response = Vec::new();
                        let _ = inside.read_to_end(&mut response);
                        response
                    });
                    let _ = outside.write_all(&response);
                    outside.conn.send_close_notify();
                    let _ = outside.flush();
                });
            }
        });
        format!("https://localhost:{port}/dir")
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A whole response of the authority.
pub fn acme_response(status: u16, fields: &str, content: &str) -> String {
    let length = content.len();
    format!("HTTP/1.1 {status} Status\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n{content}")
}

fn read_request(stream: &mut impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, content)) = text.split_once("\r\n\r\n") {
            let lower = head.to_ascii_lowercase();
            let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            if content.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

fn get(address: SocketAddr, client: ClientConfig, path: &str) -> String {
    let mut stream = connect(address, client).expect("a connection");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("write");
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    let response = String::from_utf8(response).expect("text");
    response.split_once("\r\n\r\n").map(|(_, content)| content.to_owned()).unwrap_or_default()
}

fn run(program: &str, settings: impl FnOnce(&mut Command) -> &mut Command) -> Child {
    let mut command = Command::new(program);
    settings(command.stdout(Stdio::null()).stderr(Stdio::null()));
    command.spawn().unwrap_or_else(|error| panic!("{program}: {error}; tests/setup.sh installs it"))
}

/// The file with the key and the chain under `folder`.
pub fn certificate_file(folder: &Path) -> Option<PathBuf> {
    let mut found = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path().join("certificate.pem"));
    found.find(|path| path.exists())
}
