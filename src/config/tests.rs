//! Whole files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;

pub(super) const LEAST: &str = "[application]\nurl = \"http://127.0.0.1:8000\"\n";
pub(super) const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(super) const OTHER: &str = "whsec_HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub(super) fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    read_in(Path::new("/nowhere"), text, variables)
}

pub(super) fn read_in(base: &Path, text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let environment = variables.iter().copied().collect();
    parse("proxy.toml", text, base, &environment)
}

/// The report about the shortest valid file with `more` behind it.
pub(super) fn refused(more: &str) -> String {
    read(&format!("{LEAST}{more}"), &[]).expect_err(more).to_string()
}

#[test]
fn the_application_s_address_alone_is_enough() {
    let config = read(LEAST, &[]).unwrap();
    assert_eq!(config.application.url.to_string(), "http://127.0.0.1:8000");
    assert_eq!(config.tickets.path, "/qr/");
    assert_eq!(config.login.secrets.len(), 1);
    assert!(config.tickets.secrets.is_empty());
    assert!(config.listen.workers > 0);
    assert!(config.warnings.iter().any(|warning| warning.to_string().starts_with("login.secret is not set")));
}

#[test]
fn every_problem_is_reported_at_once_with_its_place() {
    let text = "[application]\nurl = 5\n[public]\ntrusted_proxy = [\"10.0.0.0/8\"]\n[tickets]\nlifetime = \"1h\"\n";
    assert_eq!(
        read(text, &[]).unwrap_err().to_string(),
        "proxy.toml:2:7: `url` is a text in quotes\n   |\n 2 | url = 5\n   |       ^\n\n\
         proxy.toml:4:1: unknown key `trusted_proxy` in [public]\n   |\n 4 | trusted_proxy = [\"10.0.0.0/8\"]\n   \
         | ^^^^^^^^^^^^^ did you mean `trusted_proxies`?\n\n\
         proxy.toml:6:12: `lifetime` must be between 30s and 10m\n   |\n 6 | lifetime = \"1h\"\n   \
         |            ^^^^\n\n3 errors, nothing started"
    );
}

#[test]
fn every_syntax_error_is_reported_at_once() {
    let errors = read("[application]\nurl = \nhost = \"preserve\"\nhost = \"application\"\n[log\n", &[]).unwrap_err();
    assert!(errors.count() >= 3, "{errors}");
    assert!(errors.to_string().contains("proxy.toml:2:"), "{errors}");
}

#[test]
fn a_section_that_occurs_twice_is_explained() {
    let said = refused("[application]\nhost = \"preserve\"\n");
    assert!(said.contains("\n 3 | [application]\n   |  ^^^^^^^^^^^ may occur once: change the one above\n"), "{said}");
}

#[test]
fn a_syntax_error_hides_no_other_problem_and_makes_none_up() {
    let places = |text: &str| {
        let shown = read(text, &[]).unwrap_err().to_string();
        let heads = shown
            .lines()
            .filter_map(|line| line.strip_prefix("proxy.toml:"))
            .map(|head| head.split_once(": ").map_or(head, |(place, _)| place).to_owned());
        heads.collect::<Vec<_>>()
    };
    let text = "[application]\nurl = http://a\n[tickets]\nlifetime = \"1h\"\nx = 1\n[pages]\nsite = \"\n";
    assert_eq!(places(text), ["2:7", "4:12", "5:1", "7:9"], "the broken address is not also missing");
    let text = "[application]\nurl = \"http://a\"\n[log\nlevel = \"info\"\n[lgo]\n";
    assert_eq!(places(text), ["3:5", "5:2"], "nobody knows whose key `level` is");
    let text = format!("{LEAST}[login]\nsecret = \"hush-hush\"\nx = \n[store]\nurl = \"redis://u:hush@h/x\"\n");
    let shown = read(&text, &[]).unwrap_err().to_string();
    assert!(shown.contains("does not start with `whsec_`") && !shown.contains("hush"), "{shown}");
}

#[test]
fn a_missing_application_is_reported_at_its_section() {
    assert!(read("", &[]).unwrap_err().to_string().contains("proxy.toml: `url` is missing in [application]"));
    let shown = read("[listen]\n[application]\n", &[]).unwrap_err().to_string();
    assert!(shown.starts_with("proxy.toml:2:2: `url` is missing in [application]"), "{shown}");
}

#[test]
fn unknown_names_come_with_the_nearest_one() {
    for (text, said) in [
        ("[lissten]\nx = 1", "unknown section or key `lissten`"),
        ("[lissten]\nx = 1", "did you mean `listen`?"),
        ("[pages]\nlifetime = \"2m\"", "`lifetime` belongs in [tickets]"),
        ("[listen.tsl]\nkey = \"k\"", "did you mean `tls`?"),
        ("[tickets]\napproval = \"numbr\"", "did you mean \"number\"?"),
        ("[zzzzzzzz]", "unknown section or key `zzzzzzzz`"),
    ] {
        assert!(refused(text).contains(said), "{}", refused(text));
    }
}

#[test]
fn values_of_the_wrong_kind_or_range_are_refused() {
    for text in [
        "[tickets]\nlifetime = \"29s\"",
        "[tickets]\nlifetime = \"601s\"",
        "[tickets]\nlifetime = 90",
        "[tickets]\npath = \"/\"",
        "[tickets]\npath = \"/qr\"",
        "[tickets]\npath = \"/_qr/\"",
        "[tickets]\npath = \"/_QR/\"",
        "[listen]\nworkers = -1",
        "[listen]\nworkers = 5000",
        "[listen]\nproxy_protocol = \"yes\"",
        "[listen]\nproxy_protocol = true",
        "[listen]\naddress = []",
        "[listen]\naddress = [\"127.0.0.1:80\", \"127.0.0.1:80\"]",
        "[listen]\naddress = \"https://127.0.0.1:80\"",
        "[listen]\naddress = \"127.0.0.1:8000\"",
        "[listen]\naddress = \"0.0.0.0:8000\"",
        "[listen]\nadmin = \"127.0.0.1:8080\"",
        "[listen]\nredirect_to_https = true",
        "[listen.tls]\nkey = \"k.pem\"",
        "[public]\ntrusted_proxies = [\"0.0.0.0/0\"]",
        "[public]\ntrusted_proxies = [\"::/0\"]",
        "[public]\nurl = \"app.example.com\"",
        "[public]\nhosts = [\"https://a\"]",
        "[identify]\nsession_cookies = []",
        "[identify]\nsession_cookies = [\"a b\"]",
        "[identify]\nsession_cookies = [\"__Host-qrgate\"]",
        "[identify]\nuser_id = \"user_id\"",
        "[identify]\nlogin_url = \"//evil.example\"",
        "[identify]\nlogin_url = \"/qr/in\"",
        "[identify]\npath = \"/\"",
        "[identify]\npath = \"whoami\"",
        "[login]\nredirect = \"https://evil.example\"",
        "[limits]\ncodes_per_user = \"20\"",
        "[limits]\nheader_size = \"10\"",
        "[limits]\nconnections = 0",
        "[pages]\naccent = \"blue\"",
        "[pages]\nlogo = \"none.svg\"",
        "[pages]\nlogo_dark = \"data:image/png;base64,AA==\"",
        "[pages]\ndevices_url = \"devices\"",
        "[pages]\ndevices_url = \"javascript:alert(1)\"",
        "[pages]\nlinks = \"/help\"",
        "[pages]\nlinks = [\"/help\"]",
        "[pages]\nlinks = [{ text = \"Help\" }]",
        "[pages]\nlinks = [{ text = \"Help\", url = \"/help\", new = true }]",
        "[pages]\nlinks = [{ text = \"\", url = \"/help\" }]",
        "[pages]\nlinks = [{ text = \"Help\", url = \"//evil.example\" }]",
        "[pages]\nlinks = [{ text = \"Help\", url = \"https://\" }]",
        "[pages]\nlinks = [{ text = \"Help\", url = \"javascript:alert(1)\" }]",
        "[pages]\nlanguage = \"tlh\"",
        "[store]\nurl = \"redis://127.0.0.1\"",
        "[store]\nprefix = \"{a}\"",
        "[log]\nlevel = 3",
        "[login]\nsecret_file = \"nowhere.secret\"",
        "[login]\nsecret_env = \"NOT_SET\"",
        "[login]\nsecret = []",
        "[identify.jwt]\nissuer = \"x\"",
        "application = 5",
    ] {
        let said = refused(text);
        assert!(said.contains("nothing started") && said.starts_with("proxy.toml"), "{said}");
    }
    let front = "[application]\nurl = \"http://localhost\"\n[listen]\naddress = \"0.0.0.0:80\"";
    assert!(read(front, &[]).is_err());
    let unix = "[application]\nurl = \"unix:/run/a\"\nhost = \"application\"";
    assert!(read(unix, &[]).is_err());
}

#[test]
fn the_environment_overrides_the_file() {
    let text = format!("{LEAST}[tickets]\nlifetime = \"2m\"\n");
    let variables = [
        ("QRGATE_TICKETS__LIFETIME", "90s"),
        ("QRGATE_PUBLIC__HOSTS", "a.example, b.example:81"),
        ("QRGATE_LISTEN__WORKERS", "3"),
        ("QRGATE_LOG__ACCESS", "false"),
        ("QRGATE_HOOK_SECRET", "the application's own"),
        ("QRGATE_TICKETS_LIFETIME", "30s"),
    ];
    let config = read(&text, &variables).unwrap();
    assert_eq!(config.tickets.lifetime.as_secs(), 90);
    assert_eq!(
        config.public.origins.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["a.example", "b.example:81"]
    );
    assert_eq!((config.listen.workers, config.log.access), (3, false));
    let near = "tickets.lifetime is not overridden by QRGATE_TICKETS_LIFETIME: the name is QRGATE_TICKETS__LIFETIME";
    assert!(config.warnings.iter().any(|warning| warning.to_string() == near), "{:?}", config.warnings);
    assert!(read("", &[("QRGATE_APPLICATION__URL", "http://127.0.0.1:8000")]).is_ok());
}

#[test]
fn a_problem_in_the_environment_names_its_variable() {
    let variables = [("QRGATE_TICKETS__LIFETIME", "1h"), ("QRGATE_TICKETS__LIFETIMES", "1h")];
    assert_eq!(
        read(LEAST, &variables).unwrap_err().to_string(),
        "QRGATE_TICKETS__LIFETIME: `lifetime` must be between 30s and 10m\n   |\n   | 1h\n   | ^^\n\n\
         QRGATE_TICKETS__LIFETIMES: this variable names no key of proxy.toml\n   |\n   | ***\n   \
         | ^^^ did you mean QRGATE_TICKETS__LIFETIME?\n\n2 errors, nothing started"
    );
    let shown = read(LEAST, &[("QRGATE_LISTEN__ADMIN", "")]).unwrap_err().to_string();
    assert!(shown.contains("\n   | \n   | ^ an address"), "an empty value is no secret: {shown}");
    let shown = read(LEAST, &[("QRGATE_PUBLIC__HOSTS", "a, b c")]).unwrap_err().to_string();
    assert!(shown.contains("   | a, b c\n   |    ^^^\n"), "{shown}");
}

#[test]
fn a_variable_that_is_not_text_is_an_error_that_names_it() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let said = |more: &str, name: &[u8], value: &[u8]| {
        let environment = [(OsStr::from_bytes(name), OsStr::from_bytes(value))].into_iter().collect();
        parse("proxy.toml", &format!("{LEAST}{more}"), Path::new("/nowhere"), &environment).map_err(|e| e.to_string())
    };
    for name in ["QRGATE_TICKETS__LIFETIME", "QRGATE_APPLICATION__URL", "QRGATE_LOGIN__SECRET", "QRGATE_NO__KEY"] {
        let shown = said("", name.as_bytes(), b"hush\xff").unwrap_err();
        assert!(shown.starts_with(&format!("{name}: this variable is not text in UTF-8\n")), "{shown}");
        assert!(shown.ends_with("1 error, nothing started") && !shown.contains("hush"), "{shown}");
    }
    let shown = said("", b"QRGATE_LOG__\xe4", b"x").unwrap_err();
    assert!(shown.contains("this variable is not text in UTF-8"), "{shown}");
    let shown = said("[login]\nsecret_env = \"HOOK\"", b"HOOK", b"hush\xff").unwrap_err();
    assert!(shown.contains("the variable HOOK is set, and is not text in UTF-8"), "{shown}");
    let shown = said("[store]\nurl_env = \"redis_url\"", b"redis_url", b"hush\xff").unwrap_err();
    assert!(shown.contains("the variable redis_url is set, and is not text") && !shown.contains("hush"), "{shown}");
    assert!(said("", b"OTHER", b"\xff").is_ok());
    let config = said("", b"QRGATE_TICKETS_LIFETIME", b"\xff").unwrap();
    assert!(config.warnings.iter().any(|warning| warning.sentence.contains("QRGATE_TICKETS_LIFETIME: the name is")));
}

#[test]
fn a_secret_that_a_variable_replaces_is_reported_where_an_operator_would_miss_it() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["new.secret", "old.secret"] {
        fs::write(folder.path().join(name), format!("{SECRET}\n")).unwrap();
    }
    let warned = |text: &str| {
        let variables = [("QRGATE_LOGIN__SECRET_FILE", "old.secret")];
        let config = read_in(folder.path(), &format!("{LEAST}[login]\n{text}"), &variables).unwrap();
        config.warnings.into_iter().find(|warning| warning.to_string().contains("QRGATE_LOGIN__SECRET_FILE"))
    };
    let rotating = warned("secret_file = [\"new.secret\", \"old.secret\"]").unwrap().to_string();
    assert_eq!(rotating, "login.secret_file is not used: QRGATE_LOGIN__SECRET_FILE is set, and the environment wins");
    assert!(warned(&format!("secret = \"{OTHER}\"")).unwrap().to_string().starts_with("login.secret is not used"));
    assert!(warned("secret_file = \"new.secret\"").is_none(), "the unit of the Debian package does so");
}

#[test]
fn no_secret_is_ever_shown() {
    for (text, variables) in [
        ("[login]\nsecret = \"hush-hush\"", vec![]),
        ("[login]\nsecret = [\"hush\", \"hush-hush\"]", vec![]),
        ("[login]\nsecret = \"\"\"\nhush\nhush\"\"\"", vec![]),
        ("[login]\nsecrets = \"hush\"", vec![]),
        ("[tickets]\nhook_secret = \"hush\"", vec![]),
        ("[login]\nsecret = \"hush", vec![]),
        ("[login]\nsecret_env = \"hush\"", vec![]),
        ("[store]\nurl = \"redis://u:hush@h/x\"", vec![]),
        ("[store]\nurl_env = \"redis://u:hush@h/0\"", vec![]),
        ("[login]\n", vec![("QRGATE_LOGIN__SECRET", "hush")]),
        ("[login]\n", vec![("QRGATE_LOGIN__SECRET", "hush,hush")]),
        ("[store]\n", vec![("QRGATE_STORE__URL", "redis://u:hush@h/x")]),
        ("[store]\nurl = \"redis://u:hush@h/x\"\nx = 1", vec![("QRGATE_STORE__URL", "memory:")]),
        ("[login]\n", vec![("QRGATE_LOGIN__SECRT", "hush")]),
        ("login = { secret = \"hush-hush\", timeout = 5 }", vec![]),
    ] {
        let text = if text.starts_with("login") { format!("{text}\n{LEAST}") } else { format!("{LEAST}{text}") };
        let shown = read(&text, &variables).expect_err(&text).to_string();
        assert!(!shown.contains("hush"), "{shown}");
    }
}

#[test]
fn a_missing_file_says_how_to_write_one() {
    let shown = load(Path::new("/nowhere/proxy.toml"), &Environment::default()).unwrap_err().to_string();
    assert!(shown.starts_with("/nowhere/proxy.toml: the configuration cannot be read"), "{shown}");
    assert!(shown.contains("qrgate init") && shown.ends_with("1 error, nothing started"), "{shown}");
}

/// The commented example, every key in it switched on: path → (value as TOML, mark).
fn example() -> BTreeMap<String, (String, String)> {
    let is_key =
        |line: &str| line.starts_with('#') && line[1..].starts_with(|c: char| c.is_ascii_lowercase() || c == '[');
    let text: String = include_str!("../../proxy.toml")
        .lines()
        .map(|line| line[usize::from(is_key(line))..].to_owned() + "\n")
        .collect();
    toml::from_str::<toml::Table>(&text).expect("the example parses");
    let mut section = String::new();
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
            continue;
        }
        let (setting, mark) = line.rsplit_once(" # ").expect(line);
        let (key, value) = setting.split_once(" = ").expect(line);
        found.insert(format!("{section}.{key}"), (value.to_owned(), mark.to_owned()));
    }
    found
}

#[test]
fn the_example_shows_every_key_and_its_true_default() {
    let mut example = example();
    for Key { path, default, .. } in keys() {
        let (value, mark) = example.remove(&path).unwrap_or_else(|| panic!("proxy.toml lacks {path}"));
        match (mark.as_str(), default) {
            ("default", Some(default)) => {
                assert!(value == default || format!("[{value}]") == default, "{path}: {value}, {default}");
            }
            ("example", None) => {}
            ("example", Some(default)) => assert!(default == "\"\"" || default == "[]", "{path} has a default"),
            ("required", None) => assert_eq!(path, "application.url"),
            (mark, default) => panic!("{path} is marked {mark}, its default is {default:?}"),
        }
    }
    assert!(example.is_empty(), "proxy.toml shows what is no key: {example:?}");
}

#[test]
fn the_example_is_a_configuration_as_it_stands() {
    read(include_str!("../../proxy.toml"), &[]).unwrap();
}

/// Broken files, made of pieces of the example.
fn pieces() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let example: Vec<&str> = include_str!("../../proxy.toml").lines().filter(|line| !line.starts_with("# ")).collect();
    let line = prop_oneof![
        proptest::sample::select(example).prop_map(str::to_owned),
        "[\\[\\]a-z_.=\" '#{},0-9é\u{feff}\r\t-]{0,24}",
        proptest::sample::select(vec![
            "[login]",
            "secret = \"hush\"",
            "secret = 'hush",
            "x = {secret=\"hush\"}",
            "\"\"\""
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest::proptest! {
    #[test]
    fn no_file_makes_it_panic_or_tell_a_secret(text in pieces(), value in "\\PC{0,12}") {
        let variables = [("QRGATE_PUBLIC__HOSTS", value.as_str()), ("QRGATE_STORE__URL", "redis://u:hush@")];
        if let Err(errors) = read(&text, &variables) {
            let shown = errors.report("nothing started", true);
            proptest::prop_assert!(errors.count() > 0);
            proptest::prop_assert!(!shown.contains("hush"), "{}", shown);
        }
    }
}
