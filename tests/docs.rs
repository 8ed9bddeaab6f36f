//! Compares the documentation with the program: names, messages, tests and links on a page must exist.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            match path.is_dir() {
                true if name != "node_modules" => folders.push(path),
                true => {}
                false => found.extend((path.extension().is_some_and(|e| e == extension)).then_some(path)),
            }
        }
    }
    found.sort();
    found
}

/// The program's source without tests, with continued string literals joined.
fn program() -> String {
    let own = |text: String| {
        let text = text.replace("#[cfg(test)]\npub(super) mod ", "#[cfg(test)]\nmod ");
        text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("").to_owned()
    };
    let sources = files("src", "rs").into_iter().filter(|path| !is_for_tests(path));
    let text: String = sources.map(|path| own(read(path))).collect();
    text.split("\\\n").enumerate().map(|(at, part)| if at == 0 { part } else { part.trim_start() }).collect()
}

fn is_for_tests(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    name.ends_with("tests") || name.starts_with("test_") || path.components().any(|part| part.as_os_str() == "tests")
}

/// The messages of the log: the first string of each call, if it is one.
fn messages(program: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for call in [".error(", ".warn(", ".info(", ".debug(", ".warn_once("] {
        for rest in program.split(call).skip(1) {
            let Some((before, rest)) = rest.split_once('"') else { continue };
            let before = before.trim();
            let is_message = match call {
                ".warn_once(" => !before.contains(['(', ')']),
                _ => before.is_empty() || before == "&format!(",
            };
            let text = rest.split(['"', '\\', '{']).next().unwrap_or("");
            if is_message {
                found.insert(text.to_owned());
            }
        }
    }
    found
}

/// The words in backticks of a text.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The words in backticks in one column of a table that begins with this head.
fn column<'t>(page: &'t str, head: &str, column: usize) -> BTreeSet<&'t str> {
    let table = page.split(head).nth(1).unwrap_or_else(|| panic!("no table {head}"));
    let rows = table.lines().skip(1).take_while(|line| line.is_empty() || line.starts_with('|'));
    let rows = rows.skip_while(|line| line.is_empty() || line.starts_with("|---"));
    rows.take_while(|line| !line.is_empty()).filter_map(|row| row.split(" | ").nth(column)).flat_map(quoted).collect()
}

#[test]
fn every_audit_event_is_explained_and_no_other() {
    let source = read("src/telemetry/audit.rs");
    let source = source.split("#[cfg(test)]").next().unwrap();
    let said: BTreeSet<&str> = source.split('"').filter(|word| word.starts_with("ticket.")).collect();
    let page = read("docs/operations.md");
    let events = column(&page, "| event | means | look at it when |", 0);
    assert_eq!(events, said);
}

#[test]
fn every_reason_of_a_refusal_is_explained() {
    let program = program();
    let mut reasons: BTreeSet<String> = BTreeSet::new();
    let is_argument = |c: char| c.is_alphanumeric() || "_,.&() ".contains(c);
    for rest in program.split("refused(").skip(1) {
        let (before, reason) = rest.split_once('"').unwrap_or((";", ""));
        if before.chars().all(is_argument) {
            reasons.extend(reason.split('"').next().map(str::to_owned));
        }
    }
    for rest in program.split("Step::Refused").skip(1) {
        let statement = rest.split(";\n").next().unwrap_or("");
        let reason = statement.split(".because(\"").nth(1).and_then(|rest| rest.split('"').next());
        reasons.extend(reason.map(str::to_owned));
    }
    assert!(reasons.len() > 10, "{reasons:?}");
    let page = read("docs/operations.md");
    for reason in reasons {
        assert!(page.contains(&format!("`{reason}`")), "operations.md lacks the reason {reason}");
    }
    let quoted = column(&page, "| reason of `ticket.refused` | response |", 0);
    for words in quoted {
        assert!(program.contains(words), "no refusal says {words}");
    }
}

#[test]
fn every_message_of_the_log_is_explained() {
    // Warnings about the configuration need no explanation.
    let program = program().replace("section.warn(", "").replace("root.warn(", "");
    let page = read("docs/operations.md");
    let messages = messages(&program);
    assert!(messages.len() > 15, "{messages:?}");
    for message in &messages {
        assert!(page.contains(&format!("`{message}`")), "operations.md lacks the message {message}");
    }
    for words in column(&page, "| message | level | means |", 0) {
        assert!(program.contains(words), "the log never says {words}");
    }
}

#[test]
fn every_label_that_is_listed_is_one_the_program_gives() {
    let program = program();
    let page = read("docs/operations.md");
    let labels = column(&page, "| label | values |", 1);
    assert!(labels.len() > 30, "{labels:?}");
    for label in labels.iter().filter(|label| !label.contains("tickets.path")) {
        // The steps of tickets are counted by the names of their events.
        let is_given = ["", "ticket."].iter().any(|prefix| program.contains(&format!("\"{prefix}{label}\"")));
        assert!(is_given, "nothing is labelled {label}");
    }
    let kinds = read("src/application/error.rs");
    let kinds = kinds.split("pub fn kind").nth(1).unwrap().split("}\n    }").next().unwrap();
    for kind in kinds.split('"').skip(1).step_by(2) {
        assert!(labels.contains(kind), "operations.md lacks the kind {kind}");
    }
}

#[test]
fn every_exit_code_and_signal_is_explained() {
    let page = read("docs/operations.md");
    let program = read("src/cli/mod.rs");
    let codes = program.split("Exit codes:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    for line in codes.lines() {
        let code = line.trim().split(' ').next().unwrap();
        assert!(page.contains(&format!("\n| {code} | ")), "operations.md lacks exit code {code}");
    }
    let program = self::program();
    let listened: BTreeSet<&str> =
        program.split("SignalKind::").skip(1).filter_map(|rest| rest.split('(').next()).collect();
    let explained = [
        ("hangup", "SIGHUP"),
        ("interrupt", "SIGINT"),
        ("quit", "SIGQUIT"),
        ("terminate", "SIGTERM"),
        ("user_defined1", "SIGUSR1"),
        ("user_defined2", "SIGUSR2"),
    ];
    assert_eq!(listened, explained.map(|(kind, _)| kind).into());
    assert!(explained.iter().all(|(_, name)| page.contains(name)));
}

/// Each quoted line is a message of the program or a text of a page.
#[test]
fn every_line_that_troubleshooting_quotes_exists() {
    let said = format!("{}{}", program(), read("locales/en.toml")).replace('\u{2019}', "'");
    let page = read("docs/troubleshooting.md");
    let mut quotes = 0;
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        for words in row.split(" | ").nth(1).into_iter().flat_map(quoted) {
            quotes += 1;
            let words = words.trim_matches('"').replace("\":\"", "");
            let known = said.contains(&words) || matches!(words.as_str(), "storedown" | "cause");
            assert!(known, "nothing says {words}");
        }
    }
    assert!(quotes > 40, "{quotes}");
}

/// Tests are named `file::test`, the file by its path or its name; `…` abbreviates the end.
#[test]
fn every_test_that_the_documentation_names_is_there() {
    let mut tests = String::new();
    for (folder, extension) in [("tests", "rs"), ("src", "rs"), ("tests", "mjs")] {
        for path in files(folder, extension) {
            tests.push_str(&format!("\u{0}{}\n{}", path.display(), read(&path)));
        }
    }
    let mut named = 0;
    for page in files("docs", "md") {
        for words in quoted(&read(&page)) {
            if words.starts_with("tests/browser/") && words.ends_with(".mjs") {
                assert!(Path::new(words).exists(), "{}: no {words}", page.display());
            }
            let Some((file, test)) = words.rsplit_once("::") else { continue };
            if file.contains(' ') || !test.contains('_') || test.contains('(') {
                continue;
            }
            named += 1;
            let file = file.rsplit("::").next().unwrap();
            let start = match test.strip_suffix('\u{2026}') {
                Some(start) => format!("fn {start}"),
                None => format!("fn {test}("),
            };
            let is_file = |part: &&str| {
                let path = part.lines().next().unwrap_or("");
                path == file || path.contains(&format!("/{file}.")) || path.contains(&format!("/{file}/"))
            };
            let mut files = tests.split('\u{0}').filter(is_file);
            assert!(files.any(|part| part.contains(&start)), "{}: no test {words}", page.display());
        }
    }
    assert!(named > 10, "{named}");
}

#[test]
fn every_link_of_the_documentation_leads_somewhere() {
    let mut pages: Vec<PathBuf> = files("docs", "md");
    pages.extend(files("examples", "md"));
    pages.extend(["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(PathBuf::from));
    for page in pages {
        let text = read(&page);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = page.parent().unwrap().join(path);
            let target = if path.is_empty() { page.clone() } else { target };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            let heading = |line: &str| {
                let words = line.trim_start_matches('#').trim().to_lowercase();
                words
                    .chars()
                    .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'))
                    .collect::<String>()
                    .replace(' ', "-")
            };
            if !anchor.is_empty() {
                let there = read(&target).lines().any(|line| line.starts_with('#') && heading(line) == anchor);
                assert!(there, "{}: {link} has no such heading", page.display());
            }
        }
    }
}

/// `docs/….md` in the comments and messages of the program and the tests.
#[test]
fn every_page_that_the_source_names_exists() {
    let mut named = 0;
    for path in files("src", "rs").into_iter().chain(files("tests", "rs")).chain(files("tests", "mjs")) {
        for rest in read(&path).split("docs/").skip(1) {
            let page: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_/.".contains(*c)).collect();
            let Some(page) = page.split_once(".md").map(|(page, _)| format!("docs/{page}.md")) else { continue };
            named += 1;
            // `docs/recipes/NAME.md` stands for any of them.
            assert!(page.contains("NAME") || Path::new(&page).exists(), "{}: no {page}", path.display());
        }
    }
    assert!(named > 50, "{named}");
}
