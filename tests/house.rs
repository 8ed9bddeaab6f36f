//! Checks the floors: compares the `use` lines of `src/` with the list in `lib.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Module → number of its group in `lib.rs`, ground floor first. A blank line ends a group.
fn floors() -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string("src/lib.rs").unwrap();
    let mut floor = 0;
    let mut floors = BTreeMap::new();
    let mut open = false;
    for line in text.lines() {
        let item = line.strip_prefix("pub(crate) mod ").or_else(|| line.strip_prefix("pub mod "));
        if let Some(name) = item.and_then(|rest| rest.strip_suffix(';')) {
            floors.insert(name.to_owned(), floor);
            open = true;
        } else if line.trim().is_empty() && open {
            floor += 1;
            open = false;
        }
    }
    floors
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test(&path) {
            found.push(path);
        }
    }
}

/// Tests in separate files may use any module.
fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    name == "tests" || name.ends_with("_tests") || name.starts_with("test_") || name == "contract"
}

/// The source of the file without comments and tests.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.replace("#[cfg(test)]\npub(super) mod ", "#[cfg(test)]\nmod ");
    let own = text.split("#[cfg(test)]\nmod ").next().unwrap_or("").to_owned();
    own.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// Every `x` and `y` of `crate::x::y` (`y` may be empty).
fn uses(code: &str) -> BTreeSet<(String, String)> {
    let word = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let module = word(rest);
        let below = rest[module.len()..].strip_prefix("::").map(word).unwrap_or_default();
        found.insert((module, below));
    }
    found
}

/// Every `x` of `super::x` and `super::{x, y::z}`.
fn siblings(code: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut found = BTreeSet::new();
    for rest in code.split("super::").skip(1) {
        match rest.strip_prefix('{').and_then(|list| list.split('}').next()) {
            Some(list) => found.extend(list.split(',').map(|item| word(item.trim_start()))),
            None => _ = found.insert(word(rest)),
        }
    }
    found
}

/// `src/forward/upgrade.rs` → ("forward", "upgrade"); `src/clock.rs` → ("clock", "").
fn place(path: &Path) -> (String, String) {
    let inside = path.strip_prefix("src").unwrap().with_extension("");
    let mut parts = inside.iter().map(|part| part.to_string_lossy().into_owned());
    let module = parts.next().unwrap();
    let below: Vec<String> = parts.filter(|part| part != "mod").collect();
    (module, below.join("/"))
}

#[test]
fn a_module_uses_only_floors_below_it() {
    let floors = floors();
    assert!(floors.len() > 20, "lib.rs lists {} modules", floors.len());
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let (module, _) = place(&file);
        if module == "lib" || module == "main" {
            continue;
        }
        let own = *floors.get(&module).unwrap_or_else(|| panic!("{module} is not in lib.rs"));
        for (used, _) in uses(&code(&file)) {
            if used != module && floors.get(&used).is_some_and(|floor| *floor >= own) {
                wrong.push(format!("{} (floor {own}) uses {used} (floor {})", file.display(), floors[&used]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_of_a_folder_have_no_cyclic_uses() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in &files {
        let (module, below) = place(file);
        let from = format!("{module}/{below}");
        let text = code(file);
        let siblings = siblings(&text).into_iter().map(|sibling| (module.clone(), sibling));
        for (used, inner) in uses(&text).into_iter().chain(siblings) {
            let to = format!("{used}/{inner}");
            if used == module && to != from && files.iter().any(|f| place(f) == (used.clone(), inner.clone())) {
                edges.entry(from.clone()).or_default().insert(to);
            }
        }
    }
    for start in edges.keys() {
        let mut seen = BTreeSet::new();
        let mut waiting: Vec<&String> = edges[start].iter().collect();
        while let Some(next) = waiting.pop() {
            assert_ne!(next, start, "a circle through {start}");
            if seen.insert(next) {
                waiting.extend(edges.get(next).into_iter().flatten());
            }
        }
    }
}

#[test]
fn a_file_does_not_use_the_mod_that_it_belongs_to() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let mut found = BTreeMap::new();
    for file in files.iter().filter(|file| file.components().count() > 2) {
        let is_mod = file.file_stem().is_some_and(|stem| stem == "mod");
        let folder = file.parent().unwrap();
        let folder = if is_mod { folder.parent().unwrap() } else { folder };
        if folder == Path::new("src") || folder.ends_with("tests") {
            continue;
        }
        let is_sibling = |name: &String| {
            folder.join(name).with_extension("rs").exists() || folder.join(name).join("mod.rs").exists()
        };
        let mut others: Vec<String> = siblings(&code(file)).into_iter().filter(|name| !is_sibling(name)).collect();
        others.retain(|name| name != "super" && !name.is_empty());
        if !others.is_empty() {
            let folder = folder.strip_prefix("src").unwrap().display().to_string();
            found.entry(folder).or_insert_with(Vec::new).push(format!("{}: {}", file.display(), others.join(", ")));
        }
    }
    assert!(found.is_empty(), "move the shared type to a separate file: {found:#?}");
}

#[test]
fn a_request_is_decided_and_resolved_once_in_the_order_of_the_chart() {
    let architecture = std::fs::read_to_string("ARCHITECTURE.md").unwrap();
    let chart = architecture.split("```").nth(1).unwrap();
    let exchange = code(Path::new("src/exchange/mod.rs"));
    let mut places = Vec::new();
    for (drawn, call) in [
        ("target::decide(", " decide(&head"),
        ("forwarded::resolve(", " resolve(head"),
        ("forward::..", "self.forward(head"),
        ("qr::take(..)", " qr::take(&self"),
    ] {
        assert_eq!(chart.matches(drawn).count(), 1, "{drawn} in the chart");
        assert_eq!(exchange.matches(call).count(), 1, "{call} in src/exchange/mod.rs");
        places.push((chart.find(drawn), exchange.find(call)));
    }
    assert!(places.is_sorted() && places.is_sorted_by_key(|(_, code)| *code), "{places:?}");
}

#[test]
fn every_file_begins_with_a_doc_comment() {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//!"), "{} has no //! header", file.display());
    }
}

/// The tests that `docs/conformance.md` names in this text: file and function.
fn named_tests(text: &str) -> Vec<(String, String)> {
    let names = text.split('`').skip(1).step_by(2).filter_map(|word| word.split_once("::"));
    names
        .map(|(place, test)| match place.starts_with("src/") {
            true => (place.to_owned(), test.to_owned()),
            false => (format!("tests/stories/{place}.rs"), test.to_owned()),
        })
        .filter(|(_, test)| *test != "test")
        .collect()
}

#[test]
fn every_row_of_the_conformance_table_names_tests_that_exist() {
    let table = std::fs::read_to_string("docs/conformance.md").unwrap();
    for (file, test) in named_tests(&table) {
        let text = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("docs/conformance.md names {file}"));
        assert!(text.contains(&format!("fn {test}(")), "{file} has no test {test}");
    }
    for (section, last) in [('E', 17), ('F', 18), ('G', 22), ('H', 11), ('I', 12), ('J', 8), ('K', 8)] {
        for number in 1..=last {
            let begins = format!("| {section}{number} | ");
            let row = table.lines().find(|line| line.starts_with(&begins)).unwrap_or_else(|| panic!("no row {begins}"));
            assert!(!named_tests(row).is_empty(), "{row}");
        }
    }
    let promised = table.split("## Forwarding").nth(1).unwrap().lines().filter(|line| line.starts_with("| ")).skip(1);
    for row in promised {
        assert!(!named_tests(row).is_empty(), "{row}");
    }
}

/// ARCHITECTURE.md lists every lock.
#[test]
fn locks_are_where_the_architecture_says() {
    let text = std::fs::read_to_string("ARCHITECTURE.md").unwrap();
    let table = text.split("## What workers share").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let listed: BTreeSet<&str> = rows.flat_map(|row| row.split('`')).filter(|name| name.ends_with(".rs")).collect();
    let mut found = Vec::new();
    sources(Path::new("src"), &mut found);
    let locks = ["Mutex<", "RwLock<", "OnceLock<", "LazyLock<", "OnceCell<", "Condvar", "Family<", "Barrier"];
    let holds = |path: &&PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().any(|line| !line.trim_start().starts_with("//") && locks.iter().any(|lock| line.contains(lock)))
    };
    let names = found.iter().filter(holds).map(|path| path.strip_prefix("src").unwrap().to_str().unwrap());
    assert_eq!(names.collect::<BTreeSet<_>>(), listed);
}
