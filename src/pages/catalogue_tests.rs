//! The built-in texts of all languages, and texts of an operator.

use super::*;
use crate::device::Kind;
use crate::locales::BUILT_IN;

fn built_in(tag: &str) -> Catalogue {
    let (_, source) = BUILT_IN.iter().find(|(t, _)| *t == tag).unwrap();
    let known: Vec<_> = tag.strip_suffix(FORMAL).map(built_in).into_iter().collect();
    Catalogue::parse(tag, source, &known).unwrap()
}

fn ask(field: &str) -> Option<&'static str> {
    let tags = BUILT_IN.iter().map(|(tag, _)| *tag);
    negotiate(&HeaderValue::from_str(field).unwrap(), tags).map(|i| BUILT_IN[i].0)
}

#[test]
fn an_address_may_end_a_line_after_its_separators_alone() {
    assert_eq!(
        escape_address("https://a.example:81/x?a=1&b=é"),
        "https://<wbr>a.<wbr>example:<wbr>81/<wbr>x?<wbr>a=<wbr>1&amp;<wbr>b=<wbr>é"
    );
    assert_eq!(escape_address("https://app.example/qr/"), "https://app.example/qr/", "it fits");
    assert_eq!(escape_address("<a>"), "&lt;a&gt;");
}

#[test]
fn every_language_has_every_text_with_the_same_variables() {
    let english = built_in("en");
    for (tag, _) in BUILT_IN {
        let other = built_in(tag);
        for (this, that) in [(&english, &other), (&other, &english)] {
            for key in this.texts.keys() {
                let [these, those] = [this, that].map(|catalogue| Some(BTreeSet::from_iter(catalogue.variables(key)?)));
                assert_eq!(these, those, "{key}: {} and {}", this.tag, that.tag);
            }
        }
        for key in other.texts.keys().filter(|key| strip_plural(key) != *key) {
            assert!(other.texts.contains_key(&format!("{}.other", strip_plural(key))), "{tag}: {key} without other");
        }
    }
}

#[test]
fn a_text_for_a_kind_of_device_takes_the_place_of_one_and_asks_for_no_more() {
    for (tag, _) in BUILT_IN {
        let catalogue = built_in(tag);
        let kinds = ["other", "phone", "tablet", "computer", "device"];
        for (key, text) in &catalogue.texts {
            let Some(rest) = key.strip_prefix("shown_on.").or_else(|| key.strip_prefix("read_on.")) else {
                continue;
            };
            let (kind, place) = rest.split_once('.').unwrap();
            assert!(kinds.contains(&kind), "{tag}: {key}");
            let of_all = catalogue.texts.get(place).unwrap_or_else(|| panic!("{tag}: {key} takes the place of none"));
            let known: Vec<&str> = placeholders(of_all).collect();
            assert!(placeholders(text).all(|name| known.contains(&name)), "{tag}: {key}");
        }
    }
}

#[test]
fn texts_name_devices_by_what_they_are() {
    let say = |shown_on, read_on, key: &str| {
        let catalogue = built_in("en").between(Devices { shown_on, read_on });
        catalogue.plain(key, &Kwargs::from_iter([("site", Value::from("Notes"))])).unwrap()
    };
    assert_eq!(say(Kind::Computer, Kind::Phone, "code.title"), built_in("en").texts["code.title"]);
    assert_eq!(say(Kind::Phone, Kind::Phone, "code.title"), "Sign in another device");
    assert_eq!(say(Kind::Tablet, Kind::Computer, "waiting.title"), "Type this on your tablet");
    assert_eq!(say(Kind::Phone, Kind::Computer, "code.state.claimed"), "Is this your computer?");
    assert_eq!(say(Kind::Computer, Kind::Device, "finish.text"), "Choose Finish to sign in to Notes on this device.");
}

#[test]
fn an_operators_text_is_for_every_kind_of_device() {
    let (mut catalogue, english) = (built_in("en"), built_in("en"));
    catalogue.replace("[waiting]\ntitle = \"Tipp!\"", &english).unwrap();
    for shown_on in [Kind::Phone, Kind::Tablet, Kind::Computer, Kind::Device] {
        let catalogue = catalogue.between(Devices { shown_on, read_on: Kind::Computer });
        assert_eq!(catalogue.plain("waiting.title", &Kwargs::from_iter([("n", Value::from(0))])).unwrap(), "Tipp!");
    }
}

#[test]
fn a_text_for_one_kind_of_device_holds_wherever_it_stands() {
    let (mut catalogue, english) = (built_in("en"), built_in("en"));
    catalogue.replace("[waiting]\ntitle = \"Tipp!\"\n[shown_on.tablet.waiting]\ntitle = \"Tap!\"", &english).unwrap();
    for (shown_on, title) in [(Kind::Phone, "Tipp!"), (Kind::Tablet, "Tap!")] {
        let catalogue = catalogue.between(Devices { shown_on, read_on: Kind::Phone });
        assert_eq!(catalogue.plain("waiting.title", &Kwargs::from_iter([("n", Value::from(0))])).unwrap(), title);
    }
}

#[test]
fn each_language_keeps_its_own_typography() {
    for (tag, _) in BUILT_IN {
        for (key, text) in built_in(tag).texts {
            let shown = format!("{tag}, {key}: {text}");
            // The English wording is held literally, its apostrophes too.
            let straight = ['"', '`', if tag == "en" { '"' } else { '\'' }];
            assert!(!text.contains(straight) && !text.contains("..") && !text.contains("  "), "{shown}");
            let opened = |quote: &str| text.matches(quote).count();
            match tag {
                "fr" => {
                    for wrong in [" ?", " !", " ;", " :", " »", "« "] {
                        assert!(!text.contains(wrong), "a plain blank may break the line, {shown}");
                    }
                    for mark in ['?', '!', ';'] {
                        let narrow = format!("\u{202f}{mark}");
                        assert_eq!(opened(&mark.to_string()), opened(&narrow), "{shown}");
                    }
                }
                "de" | "de-formal" => assert_eq!(opened("„"), opened("“"), "{shown}"),
                "ru" | "es" => assert_eq!(opened("«"), opened("»"), "{shown}"),
                "zh-Hans" => {
                    let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
                    let pairs = text.chars().zip(text.chars().skip(1));
                    let half = |(a, b): (char, char)| is_han(a) && matches!(b, ',' | '.' | '?' | '!' | ':' | ';' | '(');
                    assert!(!pairs.clone().any(half), "{shown}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn the_language_asked_for_most_is_spoken() {
    assert_eq!(ask("de-CH,de;q=0.9,en;q=0.8"), Some("de"));
    assert_eq!(ask("pl, ru;q=0.5, fr;q=0.7"), Some("fr"));
    assert_eq!(ask("EN-us"), Some("en"));
    assert_eq!(ask("zh-CN"), Some("zh-Hans"));
    assert_eq!(ask("zh-Hans-SG"), Some("zh-Hans"));
    assert_eq!(ask("de;q=0, pl"), None);
    assert_eq!(ask("*"), None);
    assert_eq!(ask(";;;,=,q=1"), None);
    assert_eq!(ask("ru;q=9, es;q=nan, fr;q=0.001"), Some("fr"));
}

#[test]
fn a_region_that_writes_traditional_characters_finds_them_where_there_are_any() {
    let found = |range, tags: &[&'static str]| lookup(range, tags.iter().copied()).map(|at| tags[at]);
    assert_eq!(found("zh-tw", &["en", "zh-Hans", "zh-Hant"]), Some("zh-Hant"));
    assert_eq!(found("zh-CN", &["en", "zh-Hans", "zh-Hant"]), Some("zh-Hans"));
    assert_eq!(found("zh-TW", &["en", "zh-Hans"]), Some("zh-Hans"));
}

#[test]
fn variables_are_escaped_and_isolated_and_markup_stays() {
    let mut catalogue = built_in("en");
    catalogue.texts.insert("x".to_owned(), "a < {b} & {c} {D} { }".to_owned());
    let variables: Kwargs =
        [("b", Value::from("<i>")), ("c", Value::from_safe_string("<b>c</b>".to_owned()))].into_iter().collect();
    let markup = catalogue.markup("x", &variables).unwrap().to_string();
    assert_eq!(markup, "a &lt; <bdi>&lt;i&gt;</bdi> &amp; <b>c</b> {D} { }");
    assert!(catalogue.plain("y", &variables).is_err());
    let none: Kwargs = std::iter::empty::<(&str, Value)>().collect();
    assert!(catalogue.markup("x", &none).is_err());
}

#[test]
fn an_operator_may_replace_single_texts_but_not_invent_any() {
    let english = built_in("en");
    let mut catalogue = built_in("en");
    catalogue.replace("[start]\ntitle = \"Phone, please\"", &english).unwrap();
    assert_eq!(catalogue.texts["start.title"], "Phone, please");
    let wrong = catalogue.replace("[start]\n  titel = \"x\"", &english).unwrap_err();
    assert_eq!(wrong.offset, Some(10));
    assert!(wrong.message.contains("start.titel"));
    assert!(catalogue.replace("[start]\ntitle = \"{evil}\"", &english).unwrap_err().message.contains("{evil}"));
    assert!(catalogue.replace("[start]\ntitle = 3", &english).is_err());
    assert!(catalogue.replace("[start", &english).is_err());
}

#[test]
fn formal_german_is_german_and_never_says_du() {
    let formal = built_in("de-formal");
    assert_eq!((formal.tag(), formal.lang()), ("de-formal", "de"));
    for (key, text) in &formal.texts {
        let informal = ["du", "dein", "deine", "deinem", "deinen", "deiner", "dich", "dir", "deins"];
        let mut words = text.split(|c: char| !c.is_alphabetic());
        assert!(!words.any(|word| informal.contains(&word.to_lowercase().as_str())), "{key}: {text}");
    }
    assert_eq!(ask("de-AT"), Some("de"), "a browser does not choose it");
}

#[test]
fn numbers_take_the_form_of_their_language() {
    let forms = |language| [1, 2, 5, 11, 21, 22].map(|n| plural_form(language, n));
    assert_eq!(forms("en"), ["one", "other", "other", "other", "other", "other"]);
    assert_eq!(forms("ru"), ["one", "few", "many", "many", "one", "few"]);
    assert_eq!(forms("zh"), ["other"; 6]);
    assert_eq!(plural_form("fr", 0), "one");
}
