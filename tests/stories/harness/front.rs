//! Another proxy in front, started from a block of docs/behind-a-proxy.md, and the clients' side of its TLS.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::sync::oneshot;

use super::ports::unused;
use super::tls::{Authority, Files};

/// The host that the page's blocks serve.
pub const HOST: &str = "app.example.com";

/// The first block of that language under that heading of docs/behind-a-proxy.md.
pub fn block(heading: &str, language: &str) -> String {
    let page = std::fs::read_to_string("docs/behind-a-proxy.md").expect("docs/behind-a-proxy.md");
    let section = page.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no heading {heading}"));
    let block = section.split(&format!("```{language}\n")).nth(1).unwrap_or_else(|| panic!("no block {language}"));
    block.split("```").next().expect("an end").to_owned()
}

/// Whether the program is installed; prints a message if not.
pub fn is_installed(program: &str) -> bool {
    let there = Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        eprintln!("skipped: {program} is not installed");
    }
    there
}

/// A running proxy, which is killed when dropped.
pub struct Front {
    address: SocketAddr,
    child: Child,
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Front {
    /// Starts `program` with `block`, in which the gate and the application have these addresses.
    pub fn start(program: &str, block: &str, gate: SocketAddr, application: SocketAddr) -> Front {
        let block = block.replace("127.0.0.1:8080", &gate.to_string());
        let block = block.replace("127.0.0.1:8000", &application.to_string());
        let authority = Authority::new();
        let files = authority.issue("front", &[HOST]);
        let folder = tempfile::tempdir().expect("tempdir");
        let address = unused();
        let child = match program {
            "nginx" => nginx(folder.path(), &block, address, &files),
            "caddy" => caddy(folder.path(), &block, address, &files),
            "haproxy" => haproxy(folder.path(), &block, address, &files),
            _ => panic!("{program} is not known"),
        };
        let mut front = Front { address, child, folder, authority };
        super::eventually(&format!("{program} listens"), || {
            if let Ok(Some(status)) = front.child.try_wait() {
                panic!("{program} ended with {status}: {}", front.said());
            }
            TcpStream::connect(address).ok()
        });
        front
    }

    /// A plain address for a visitor with the address `from`: bytes sent there go to the proxy over TLS.
    pub fn visitor(&self, from: &str) -> Visitor {
        Visitor::at(self.address, from.parse().expect("an address"), self.authority.client(&["http/1.1"], None))
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the proxy in front: {}", self.said());
        }
    }
}

fn spawn(folder: &Path, command: &mut Command) -> Child {
    let said = std::fs::File::create(folder.join("said")).expect("a file");
    let again = said.try_clone().expect("a file");
    command.stdin(Stdio::null()).stdout(said).stderr(again).spawn().expect("spawn")
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, text).expect("write");
    file
}

/// Replaces `old` by `new`. Panics if the block does not contain `old`.
fn with(block: &str, old: &str, new: &str) -> String {
    assert!(block.contains(old), "no {old:?} in {block}");
    block.replace(old, new)
}

fn nginx(folder: &Path, block: &str, address: SocketAddr, files: &Files) -> Child {
    let block = with(block, "listen 443", &format!("listen {address}"));
    let block = with(&block, "/etc/ssl/app.example.com.pem", &files.certificate.display().to_string());
    let block = with(&block, "/etc/ssl/app.example.com.key", &files.key.display().to_string());
    let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("{name}_temp_path {name};\n"))
        .collect();
    let around = "daemon off; master_process off; pid nginx.pid; error_log stderr; events {}";
    let text = format!("{around}\nhttp {{\naccess_log off;\n{paths}\n{block}\n}}\n");
    let file = write(folder, "nginx.conf", &text);
    spawn(folder, Command::new("nginx").arg("-e").arg("stderr").arg("-p").arg(folder).arg("-c").arg(file))
}

fn caddy(folder: &Path, block: &str, address: SocketAddr, files: &Files) -> Child {
    let own = format!(
        "https://{HOST}:{} {{\nbind {}\ntls {} {}\n",
        address.port(),
        address.ip(),
        files.certificate.display(),
        files.key.display()
    );
    let block = with(block, &format!("{HOST} {{\n"), &own);
    let text = format!("{{\nadmin off\nauto_https disable_redirects\n}}\n{block}");
    let file = write(folder, "Caddyfile", &text);
    let homes = ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"].map(|name| (name, folder));
    let arguments = ["run", "--adapter", "caddyfile", "--config"];
    spawn(folder, Command::new("caddy").envs(homes).args(arguments).arg(file))
}

fn haproxy(folder: &Path, block: &str, address: SocketAddr, files: &Files) -> Child {
    let read = |file: &Path| std::fs::read_to_string(file).expect("PEM");
    let pem = write(folder, "front.pem", &(read(&files.certificate) + &read(&files.key)));
    let block = with(block, "bind :443", &format!("bind {address}"));
    let block = with(&block, "/etc/haproxy/app.example.com.pem", &pem.display().to_string());
    let file = write(folder, "haproxy.cfg", &block);
    spawn(folder, Command::new("haproxy").arg("-db").arg("-f").arg(file))
}

/// A plain port for one client, from which bytes go to the proxy over TLS, from the client's own address.
pub struct Visitor {
    pub address: SocketAddr,
    _until_dropped: oneshot::Sender<()>,
}

impl Visitor {
    fn at(front: SocketAddr, from: IpAddr, config: ClientConfig) -> Visitor {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("set_nonblocking");
        let (until_dropped, dropped) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                let serve = async {
                    while let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(tunnel(stream, front, from, config.clone()));
                    }
                };
                tokio::select! {
                    () = serve => {}
                    _ = dropped => {}
                }
            });
        });
        Visitor { address, _until_dropped: until_dropped }
    }
}

async fn tunnel(mut near: tokio::net::TcpStream, front: SocketAddr, from: IpAddr, config: ClientConfig) {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(from, 0)).expect("bind");
    let far = socket.connect(front).await.expect("connect to the proxy");
    let name = ServerName::try_from(HOST).expect("a name");
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut far = connector.connect(name, far).await.expect("the proxy's TLS");
    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
}
