//! The fenced boxes of the documentation: each is run by a test, or its page says that it was not run.
//!
//! `cargo test --test boxes every_box -- --nocapture` prints each box with its test. The other tests of this file run
//! boxes that need no application: configurations, scripts, and code as far as its language can parse it.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const QRGATE: &str = env!("CARGO_BIN_EXE_qrgate");

/// What runs a box.
enum By {
    /// These tests: a file, or `file::test`.
    Tests(&'static [&'static str]),
    /// Nothing runs it, and its page says so.
    Nobody,
    /// Nothing: it is a picture or output.
    NotCode,
}
use By::{Nobody, NotCode, Tests};

/// Page, language, number of boxes and what runs them. `*` matches any end of a page or language; the first row that
/// matches counts. The number is given where a test takes certain boxes of the page.
const ROWS: &[(&str, &str, Option<usize>, By)] = &[
    ("*", "text", None, NotCode),
    ("*", "toml", None, Tests(&["tests/boxes.rs::configurations_are_valid"])),
    ("*", "json", None, Tests(&["tests/boxes.rs::json_parses"])),
    ("README.md", "sh", Some(2), Tests(&["tests/boxes.rs::shell_parses"])),
    ("docs/behind-a-proxy.md", "nginx", Some(2), Tests(&["tests/stories/proxies.rs"])),
    ("docs/behind-a-proxy.md", "caddy", Some(1), Tests(&["tests/stories/proxies.rs"])),
    ("docs/behind-a-proxy.md", "haproxy", Some(1), Tests(&["tests/stories/proxies.rs"])),
    ("docs/behind-a-proxy.md", "apache", Some(3), Tests(&["tests/browser/apache.test.mjs"])),
    ("docs/behind-a-proxy.md", "yaml", Some(1), Nobody),
    ("docs/button.md", "html", Some(2), Tests(&["tests/browser/demo.test.mjs"])),
    ("docs/getting-started.md", "*", None, Tests(&["tests/browser/getting-started.test.mjs"])),
    (
        "docs/install.md",
        "sh",
        Some(7),
        Tests(&[
            "tests/deploy/release.sh",
            "tests/deploy/systemd.sh",
            "tests/deploy/container.sh",
            "tests/deploy/site.sh",
        ]),
    ),
    ("docs/events.md", "sh", Some(1), Tests(&["tests/boxes.rs::commands_of_qrgate_are_known"])),
    ("docs/events.md", "ini", Some(1), Tests(&["tests/boxes.rs::systemd_accepts_the_drop_ins"])),
    ("docs/events.md", "http", Some(1), NotCode),
    ("docs/events.md", "python", Some(1), Tests(&["tests/browser/events.test.mjs"])),
    ("docs/operations.md", "ini", Some(1), Tests(&["tests/boxes.rs::systemd_accepts_the_drop_ins"])),
    (
        "docs/operations.md",
        "sh",
        Some(3),
        Tests(&[
            "tests/boxes.rs::the_deploy_hook_restarts_qrgate",
            "tests/stories/packaging.rs",
            "tests/deploy/container.sh",
            "tests/stories/status.rs",
        ]),
    ),
    ("docs/operations.md", "", Some(2), Tests(&["src/store/test_redis.rs"])),
    (
        "docs/pages.md",
        "sh",
        Some(2),
        Tests(&["tests/boxes.rs::the_export_makes_a_folder_that_can_be_used", "tests/browser/gallery.mjs"]),
    ),
    ("docs/pages.md", "css", Some(1), Tests(&["tests/boxes.rs::the_rules_of_an_operator_name_variables_that_exist"])),
    ("docs/recipes/README.md", "ini", Some(2), Tests(&["tests/boxes.rs::systemd_accepts_the_drop_ins"])),
    (
        "docs/recipes/README.md",
        "apache",
        Some(1),
        Tests(&["tests/boxes.rs::the_secret_for_apache_is_what_the_proxy_page_has"]),
    ),
    ("docs/recipes/spring.md", "java", Some(3), Tests(&["tests/boxes.rs::the_signature_of_spring_is_checked_by_java"])),
    ("docs/recipes/aspnet.md", "csharp", Some(1), Nobody),
    ("docs/recipes/*", "html", None, Tests(&["tests/boxes.rs::buttons_and_links_lead_to_the_ticket_path"])),
    ("docs/recipes/laravel.md", "php", None, Tests(&["tests/boxes.rs::code_parses"])),
    ("docs/recipes/*", "sh*", None, Tests(&["tests/browser/packages.test.mjs"])),
    ("docs/applications.md", "sh", Some(1), Tests(&["tests/boxes.rs::commands_of_qrgate_are_known"])),
    ("docs/applications/*", "*", None, Tests(&["tests/browser/applications.test.mjs"])),
    // The hooks are files of the examples, or a package; the rest is parsed.
    (
        "docs/recipes/*",
        "*",
        None,
        Tests(&["tests/browser/recipes.test.mjs", "tests/browser/packages.test.mjs", "tests/boxes.rs::code_parses"]),
    ),
    ("examples/*", "", None, Tests(&["tests/browser/recipes.test.mjs"])),
    ("fuzz/README.md", "sh", Some(1), Tests(&["tests/fuzz.sh"])),
    ("integrations/*", "*", None, Tests(&["tests/boxes.rs::code_parses"])),
];

struct Fence {
    page: String,
    line: usize,
    language: String,
    text: String,
}

impl Fence {
    fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }

    fn row(&self) -> Option<&'static (&'static str, &'static str, Option<usize>, By)> {
        ROWS.iter().find(|(page, language, ..)| fits(page, &self.page) && fits(language, &self.language))
    }

    /// Whether it is for a shell.
    fn is_shell(&self) -> bool {
        self.language.starts_with("sh") || self.page.starts_with("examples/")
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == text, |start| text.starts_with(start))
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

/// All pages, except those of packages that were installed below them.
fn pages() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(".")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let is_foreign =
                name.starts_with('.') || matches!(name.as_str(), "node_modules" | "target" | "vendor" | "build");
            match path.is_dir() {
                true if !is_foreign => folders.push(path),
                false if name.ends_with(".md") => found.push(path.strip_prefix(".").unwrap().display().to_string()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn boxes() -> Vec<Fence> {
    let mut found = Vec::new();
    for page in pages() {
        let mut open: Option<Fence> = None;
        for (number, line) in read(&page).lines().enumerate() {
            match (line.trim_start().strip_prefix("```"), &mut open) {
                (Some(language), None) => {
                    let (page, language) = (page.clone(), language.to_owned());
                    open = Some(Fence { page, line: number + 1, language, text: String::new() });
                }
                (Some(_), Some(_)) => found.extend(open.take()),
                (None, Some(fence)) => fence.text.push_str(&format!("{line}\n")),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{page}: a box has no end");
    }
    assert!(found.len() > 80, "{}", found.len());
    found
}

/// The boxes of a page in this language.
fn of(page: &str, language: &str) -> Vec<String> {
    let boxes = boxes().into_iter().filter(|fence| fence.page == page && fence.language == language);
    boxes.map(|fence| fence.text).collect()
}

/// Runs a command to its end. Returns its output; panics if it fails.
fn run(command: &mut Command, about: &str) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{about}: {said}");
    said
}

fn is_installed(program: &str) -> bool {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        eprintln!("skipped: {program} is not installed");
    }
    there
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, text).unwrap();
    file
}

/// `PATH` with the folder of qrgate in front, and `folder` before that.
fn path(folder: &Path) -> String {
    let qrgate = Path::new(QRGATE).parent().unwrap();
    format!("{}:{}:{}", folder.display(), qrgate.display(), std::env::var_os("PATH").unwrap().to_string_lossy())
}

#[test]
fn every_box_is_run_or_its_page_says_that_it_was_not() {
    let mut without = Vec::new();
    for fence in boxes() {
        let Some((page, language, count, by)) = fence.row() else {
            without.push(format!("{} ({})", fence.place(), fence.language));
            continue;
        };
        if let Some(count) = count {
            assert_eq!(of(page, language).len(), *count, "{}: is the new box run, too?", fence.place());
        }
        let said = match by {
            Tests(tests) => tests.join(", "),
            NotCode => "no code".to_owned(),
            Nobody => {
                assert!(read(&fence.page).to_lowercase().contains("not run"), "{} must say so", fence.place());
                "not run, as its page says".to_owned()
            }
        };
        println!("{:<40} {:<10} {said}", fence.place(), fence.language);
    }
    assert!(without.is_empty(), "nothing in tests/boxes.rs runs {}", without.join(", "));
}

#[test]
fn every_test_of_the_list_is_there() {
    for (.., by) in ROWS {
        let Tests(tests) = by else { continue };
        for test in *tests {
            let (file, name) = test.split_once("::").unwrap_or((test, ""));
            assert!(read(file).contains(&format!("fn {name}")) || name.is_empty(), "no test {test}");
        }
    }
}

/// Each box is completed with the settings that are always required.
#[test]
fn configurations_are_valid() {
    let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let mut seen = 0;
    for fence in boxes().into_iter().filter(|fence| fence.language == "toml") {
        let mut table: toml::Table = fence.text.parse().unwrap_or_else(|error| panic!("{}: {error}", fence.place()));
        let mut set = |section: &str, key: &str, value: &str| {
            let section = table.entry(section).or_insert_with(|| toml::Table::new().into()).as_table_mut().unwrap();
            section.entry(key).or_insert_with(|| value.into());
        };
        set("application", "url", "http://127.0.0.1:8000");
        set("login", "secret", secret);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "events.secret", "whsec_ZXZlbnRzLWV2ZW50cy1ldmVudHMtZXZlbnRzLTAxMjM=");
        let file = write(folder.path(), "proxy.toml", &table.to_string());
        run(Command::new(QRGATE).args(["check", "--offline", "--config"]).arg(file), &fence.place());
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn json_parses() {
    for fence in boxes().into_iter().filter(|fence| fence.language == "json") {
        let parsed = serde_json::from_str::<serde_json::Value>(&fence.text);
        assert!(parsed.is_ok(), "{}: {parsed:?}", fence.place());
    }
}

#[test]
fn shell_parses() {
    let folder = tempfile::tempdir().unwrap();
    for fence in boxes().into_iter().filter(Fence::is_shell) {
        let script = write(folder.path(), "box.sh", &fence.text);
        run(Command::new("bash").arg("-n").arg(script), &fence.place());
    }
}

/// Checks what the language's own parser checks without running the code.
#[test]
fn code_parses() {
    let folder = tempfile::tempdir().unwrap();
    for (language, file, command) in [
        ("python", "box.py", &["python3", "-m", "py_compile"][..]),
        ("js", "box.cjs", &["node", "--check"]),
        ("php", "box.php", &["php", "-l"]),
        ("ruby", "box.rb", &["ruby", "-c"]),
    ] {
        if !is_installed(command[0]) {
            continue;
        }
        for fence in boxes().into_iter().filter(|fence| fence.language == language) {
            // Without the opening tag it is a part of a file.
            let is_part = language == "php" && !fence.text.trim_start().starts_with("<?php");
            if !is_part {
                let file = write(folder.path(), file, &fence.text);
                run(Command::new(command[0]).args(&command[1..]).arg(file), &fence.place());
            }
        }
    }
}

#[test]
fn buttons_and_links_lead_to_the_ticket_path() {
    for fence in boxes().into_iter().filter(|fence| fence.language == "html" && fence.page.contains("/recipes/")) {
        for line in fence.text.lines() {
            let is_button =
                line.contains("<form method=\"post\" action=\"/qr/\"><button>") && line.ends_with("</form>");
            let is_link = line.contains("<a href=\"/qr/code/") && line.ends_with("</a>");
            // A package renders them by its own tag or function, which its test in packages.test.mjs checks.
            let is_call = line.contains("qrgate");
            assert!(is_button || is_link || is_call, "{}: {line}", fence.place());
        }
    }
}

/// A unit with the drop-in of each page.
#[test]
fn systemd_accepts_the_drop_ins() {
    if !is_installed("systemd-analyze") {
        return;
    }
    let own = read("deploy/systemd/qrgate.service").replace("/usr/bin/qrgate", QRGATE);
    let own = own.replace("Documentation=man:qrgate(1)\n", "");
    let other = "[Service]\nExecStart=/bin/true\n";
    for (page, unit, text) in [
        ("docs/operations.md", "qrgate.service", own.as_str()),
        ("docs/events.md", "qrgate.service", own.as_str()),
        ("docs/recipes/README.md", "myapp.service", other),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let drop_in = of(page, "ini").into_iter().find(|text| text.starts_with("[Service]\n")).unwrap();
        let file = write(folder.path(), unit, text);
        write(folder.path(), &format!("{unit}.d/override.conf"), &drop_in);
        let mut command = Command::new("systemd-analyze");
        let said = run(
            command.arg("verify").arg(&file).env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display())),
            page,
        );
        assert!(!said.contains("override.conf") && !said.contains(unit), "{page}: {said}");
    }
}

/// The pool's settings and Apache's are those that `tests/browser/apache.test.mjs` runs with mod_php.
#[test]
fn the_secret_for_apache_is_what_the_proxy_page_has() {
    let run = of("docs/behind-a-proxy.md", "apache").concat();
    for line in of("docs/recipes/README.md", "apache").concat().lines() {
        assert!(run.lines().any(|other| other.trim() == line), "{line}");
        let variable = line.strip_prefix("SetEnv ").and_then(|rest| rest.split_once(' ')).unwrap();
        let pool = format!("env[{}] = {}\n", variable.0, variable.1);
        assert!(of("docs/recipes/README.md", "ini").concat().contains(&pool), "{pool}");
    }
}

/// certbot's deploy hook, with a substitute for systemctl and the folder that certbot passes.
#[test]
fn the_deploy_hook_restarts_qrgate() {
    let folder = tempfile::tempdir().unwrap();
    let executable = |name: &str, text: &str| {
        let file = write(folder.path(), name, text);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    };
    executable("systemctl", "#!/bin/sh\necho \"systemctl $*\"\n");
    let hook = of("docs/operations.md", "sh").into_iter().find(|text| text.starts_with("#!")).unwrap();
    let hook = executable("qrgate-hook", &hook);
    let mut command = Command::new(hook);
    command.env("PATH", path(folder.path())).env("RENEWED_LINEAGE", "/etc/letsencrypt/live/app.example.com");
    assert_eq!(run(&mut command, "the deploy hook"), "systemctl try-restart qrgate.service\n");
}

#[test]
fn the_export_makes_a_folder_that_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let commands = of("docs/pages.md", "sh").into_iter().find(|text| text.starts_with("qrgate export")).unwrap();
    let mut bash = Command::new("bash");
    let bash = bash.args(["-euo", "pipefail", "-c", &commands]).current_dir(&folder).env("PATH", path(folder.path()));
    run(bash, "qrgate export");
    is_usable(folder.path(), "ours");
}

#[test]
fn the_rules_of_an_operator_name_variables_that_exist() {
    let folder = tempfile::tempdir().unwrap();
    let rules = of("docs/pages.md", "css").concat();
    let built_in = read("templates/style.css");
    for name in rules.split("--").skip(1).filter_map(|rest| rest.split([':', ')']).next()) {
        assert!(built_in.contains(&format!("--{name}:")), "no --{name}");
    }
    write(folder.path(), "ours/extra.css", &rules);
    is_usable(folder.path(), "ours");
}

/// `qrgate check --offline` with this folder of templates.
fn is_usable(folder: &Path, templates: &str) {
    let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let text = format!(
        "[application]\nurl = \"http://127.0.0.1:8000\"\n[login]\nsecret = \"{secret}\"\n[pages]\ntemplates = \"{templates}\"\n"
    );
    let file = write(folder, "proxy.toml", &text);
    run(Command::new(QRGATE).args(["check", "--offline", "--config"]).arg(file), templates);
}

/// The class of the recipe, compiled with a stand-in for Jackson's `JsonNode`, and called by tests/boxes/Check.java.
#[test]
fn the_signature_of_spring_is_checked_by_java() {
    if !is_installed("javac") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let class =
        of("docs/recipes/spring.md", "java").into_iter().find(|text| text.contains("class QrSignature")).unwrap();
    let files = [
        write(folder.path(), "QrSignature.java", &class),
        write(folder.path(), "com/fasterxml/jackson/databind/JsonNode.java", &read("tests/boxes/JsonNode.java")),
        write(folder.path(), "Check.java", &read("tests/boxes/Check.java")),
    ];
    run(Command::new("javac").arg("-Xlint:all").arg("-d").arg(folder.path()).args(files), "javac");
    let said = run(Command::new("java").arg("-cp").arg(folder.path()).arg("Check"), "java");
    assert_eq!(said, "all as it should be\n");
}

/// Every `qrgate …` of the pages, in a sentence or in a box: the command and its options exist.
#[test]
fn commands_of_qrgate_are_known() {
    let mut commands = std::collections::BTreeSet::new();
    let mut add = |page: &str, line: &str| {
        let words: Vec<&str> = line.split_whitespace().skip_while(|word| word.starts_with("QRGATE_")).collect();
        let is_own = |word: &&&str| !word.contains(['|', ';', '>', '&', '#', '$', '(', '\u{2026}', '[']);
        // Texts of a page, quoted, do not count.
        let is_command = words.get(1).is_some_and(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        if words.first() == Some(&"qrgate") && is_command {
            let mut own: Vec<String> = words[1..].iter().take_while(is_own).map(|word| (*word).to_owned()).collect();
            // The shell provides the option's value.
            if own.len() + 1 < words.len() && own.last().is_some_and(|last| last.starts_with("--")) {
                own.pop();
            }
            commands.insert((own, page.to_owned()));
        }
    };
    for fence in boxes().iter().filter(|fence| fence.is_shell()) {
        fence.text.lines().for_each(|line| add(&fence.page, line));
    }
    for page in pages() {
        let sentences: String = read(&page).split("```").step_by(2).collect();
        sentences.split('`').skip(1).step_by(2).for_each(|words| add(&page, words));
    }
    assert!(commands.len() > 20, "{commands:?}");
    for (words, page) in commands {
        run(Command::new(QRGATE).args(&words).arg("--help"), &format!("{page}: qrgate {}", words.join(" ")));
    }
}
