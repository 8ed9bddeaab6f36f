use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::device::Kind;
use crate::stay::Stay;
use crate::ticket::Reason;

fn settings(templates: Option<&Path>) -> config::Pages {
    config::Pages {
        site: "Example".to_owned(),
        templates: templates.map(Path::to_owned),
        language: None,
        accent: "#0b57d0".to_owned(),
        logo: String::new(),
        logo_dark: String::new(),
        links: Vec::new(),
        devices_url: String::new(),
    }
}

fn context(lang: Lang, origin: &Origin) -> Context<'_> {
    Context { lang, origin, ticket_path: "/qr/", home: "/", request_id: "-", devices: Devices::default() }
}

fn render(pages: &Pages, page: &Page) -> Rendered {
    let origin = Origin::parse("https://app.example.com").unwrap();
    let context = Context { request_id: "0123456789abcdef", ..context(Lang(0), &origin) };
    pages.render(page, &context)
}

/// The words of a document: markup dropped, blanks collapsed.
fn words(html: &str) -> String {
    let mut text = String::new();
    let body = html.split("</head>").nth(1).unwrap_or(html).split("<template").next().unwrap_or_default();
    let body = body.split("<script").next().unwrap_or_default();
    for piece in body.split('<') {
        text.push_str(piece.split_once('>').map_or("", |(_, text)| text));
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn code_page() -> Page {
    samples::all().into_iter().find(|page| matches!(page, Page::Code(_))).unwrap()
}

fn waiting() -> Page {
    samples::all().into_iter().find(|page| matches!(page, Page::Waiting { .. })).unwrap()
}

fn approve(outcome: Outcome, device: Option<Device>) -> Approve {
    let (desk, stay) = ("D".to_owned(), Vec::new());
    Approve { outcome, device, desk, by_number: true, next: None, stay, chosen: None, undo: false }
}

fn with_files(files: &[(&str, &str)]) -> Result<Pages, TemplateErrors> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    Pages::new(&settings(Some(folder.path())))
}

fn with_file(name: &str, text: &str) -> Result<Pages, TemplateError> {
    with_files(&[(name, text)]).map_err(|mut errors| errors.0.remove(0))
}

#[test]
fn every_page_has_one_heading_one_main_and_loads_nothing() {
    let pages = Pages::new(&settings(None)).unwrap();
    for page in samples::all() {
        let Rendered { html, problem, .. } = render(&pages, &page);
        assert_eq!(problem, None);
        assert_eq!(html.matches("<h1").count(), 1, "{page:?}");
        assert_eq!(html.matches("<main>").count(), 1, "{page:?}");
        assert!(html.starts_with("<!doctype html>\n<html lang=\"en\" dir=\"ltr\""), "{html}");
        for away in ["http://", "https://", " src=\"//", "url(", "@import"] {
            let own =
                ["https://app.example.com", "http://www.w3.org", "http://localhost:8080", "http://192.168.1.20:8080"];
            let rest = own.iter().fold(html.replace("<wbr>", ""), |html, own| html.replace(own, ""));
            assert!(!rest.contains(away), "{away} in {page:?}");
        }
        assert!(!html.contains(" on") || !html.contains(" onclick="), "no inline handler");
        assert!(!html.contains(" style="), "a style attribute has no nonce");
        assert!(
            !html.replace("<h1 tabindex=\"-1\" autofocus>", "").contains("autofocus"),
            "Enter does nothing at first"
        );
        assert!(!html.contains("tabindex=\"1"));
        for region in ["role=\"status\"></div>", "role=\"alert\"></div>"] {
            assert_eq!(html.matches(region).count(), 1, "one region of each kind, empty: {page:?}");
        }
        assert!(html.len() < 30 * 1024, "{} bytes", html.len());
        assert!(!words(&html).contains('{'), "{}", words(&html));
        if matches!(page, Page::Error(_)) {
            assert!(html.contains("0123456789abcdef"));
        }
    }
}

#[test]
fn the_code_comes_with_its_form_and_without_its_link_as_text() {
    let pages = Pages::new(&settings(None)).unwrap();
    let Rendered { html, status, .. } = render(&pages, &code_page());
    assert_eq!(status, 200);
    assert!(html.contains("<svg ") && !html.contains("example.com/qr/AAAA"));
    assert!(html.contains("<form method=\"post\" action=\"/qr/approve\" id=\"approve\">"));
    assert!(html.contains("<input type=\"hidden\" name=\"desk\" value=\"D\">"));
    assert!(html.contains("data-status=\"/qr/status/V\""));
    assert!(html.contains("href=\"/qr/?from=code&amp;next=%2Fnotes%3Fa%3D1%26b%3D2\""));
    let words = words(&html);
    assert!(words.contains("Scan once, and your phone is signed in to Example as Ana. No password."), "{words}");
    assert!(words.contains("Expires in 2:00"), "{words}");
}

/// The phone that presses Finish may be another one than that which claimed.
#[test]
fn from_the_claim_to_the_end_the_page_says_where_the_phone_is() {
    let pages = Pages::new(&settings(None)).unwrap();
    let html = render(&pages, &code_page()).html;
    let state = |name: &str| {
        let begin = html.find(&format!("<template id=\"is-{name}\"")).unwrap();
        html[begin..].split("</template>").next().unwrap()
    };
    for name in ["claimed", "approved", "spent"] {
        assert!(state(name).contains("<div class=\"device\"></div>"), "{name}");
    }
    for name in ["claimed", "approved"] {
        assert!(state(name).contains("data-if=\"contested\""), "{name}");
    }
}

#[test]
fn what_others_say_is_escaped() {
    let evil = "<script>alert(1)</script>\"'";
    let pages = Pages::new(&config::Pages { site: evil.to_owned(), ..settings(None) }).unwrap();
    let device = Device { label: evil.into(), address: Some(evil.into()), same_network: None };
    for page in [
        Page::Start(Start { after: After::Nothing, name: Some(evil.into()), next: Some(evil.into()) }),
        Page::Confirm(Confirm {
            account: Some(evil.into()),
            current: Some(evil.into()),
            computer: device.clone(),
            computer_known: true,
            next: Some(evil.into()),
            stay: Vec::new(),
            age: Default::default(),
            proof: evil.into(),
        }),
        Page::Refused { reason: Reason::Application, message: Some(evil.into()) },
        Page::Error(Failure::UnknownHost { host: evil.into() }),
        Page::Approve(Approve {
            outcome: Outcome::Approved,
            device: Some(device.clone()),
            desk: evil.into(),
            by_number: true,
            next: Some(evil.into()),
            stay: Vec::new(),
            chosen: None,
            undo: true,
        }),
        code_page(),
    ] {
        let html = render(&pages, &page).html;
        assert!(!html.contains("<script>") && !html.contains("\"'"), "{html}");
        assert!(html.contains("&lt;script&gt;"));
    }
}

#[test]
fn a_device_of_which_nothing_is_known_is_called_so_in_every_language() {
    let pages = Pages::new(&settings(None)).unwrap();
    let origin = Origin::parse("https://app.example.com").unwrap();
    let lang = pages.language(Some(&HeaderValue::from_static("de")));
    let context = context(lang, &origin);
    let device = Device { label: crate::device::label(None), address: None, same_network: None };
    let confirm = Confirm {
        account: None,
        current: None,
        computer: device.clone(),
        computer_known: true,
        next: None,
        stay: Vec::new(),
        age: Default::default(),
        proof: "P".into(),
    };
    let outcome = Outcome::Approved;
    let approve = Page::Approve(approve(outcome, Some(device)));
    for page in [Page::Confirm(confirm), approve, code_page()] {
        let html = pages.render(&page, &context).html;
        assert!(html.contains("Unbekanntes Gerät"), "{html}");
        let own = html.replace("'Unknown device'", "");
        assert!(!own.contains("Unknown device"), "but in the script, which translates it: {own}");
    }
}

#[test]
fn pages_with_the_desk_are_sandboxed_and_name_the_public_origin() {
    let pages = Pages::new(&settings(None)).unwrap();
    for page in samples::all() {
        let Rendered { html, policy, .. } = render(&pages, &page);
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"));
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        assert_eq!(nonce.len(), 24);
        assert!(html.contains(&format!("<style nonce=\"{nonce}\">")));
        assert_eq!(html.matches("<script").count(), html.matches(&format!("<script nonce=\"{nonce}\"")).count());
        let sandboxed = html.contains("name=\"desk\"") || matches!(page, Page::Code(_) | Page::Approve(_));
        assert_eq!(policy.contains("sandbox allow-scripts allow-forms"), sandboxed, "{page:?}");
        assert_eq!(policy.contains("form-action https://app.example.com;"), sandboxed);
        assert!(!policy.contains("allow-same-origin"));
    }
    assert_ne!(render(&pages, &code_page()).policy, render(&pages, &code_page()).policy, "a nonce is used once");
    assert_eq!(source_of(&Origin::parse("http://[::1]:8080").unwrap()), "http:");
    assert_eq!(source_of(&Origin::parse("http://10.0.0.7:8080").unwrap()), "http://10.0.0.7:8080");
}

#[test]
fn each_row_has_its_status() {
    let pages = Pages::new(&settings(None)).unwrap();
    let status = |page| render(&pages, &page).status;
    assert_eq!(status(Page::InvalidCode), 410);
    assert_eq!(status(Page::Done), 200);
    assert_eq!(status(Page::Refused { reason: Reason::Phone, message: None }), 410);
    assert_eq!(status(Page::Error(Failure::InUse)), 409);
    assert_eq!(status(Page::Error(Failure::Status(StatusCode::GATEWAY_TIMEOUT))), 504);
    assert_eq!(Failure::Unavailable.retry_after(), Some(5));
}

#[test]
fn every_end_leads_somewhere() {
    let pages = Pages::new(&settings(None)).unwrap();
    for page in samples::all() {
        let html = render(&pages, &page).html;
        let operators = matches!(
            page,
            Page::Error(Failure::UnknownHost { .. } | Failure::OtherOrigin { .. } | Failure::NotStripped { .. })
        );
        let goes_on = matches!(page, Page::SigningIn { .. });
        assert!(operators || goes_on || html.contains("<a class=\"button") || html.contains("<button"), "{page:?}");
    }
    let code = render(&pages, &code_page()).html;
    let again = code.split("<template id=\"again\">").nth(1).unwrap().split("</template>").next().unwrap();
    assert!(again.contains("href=\"/qr/?from=code") && again.contains("href=\"/qr/?from=leave\""), "{again}");
    for state in ["spent", "declined", "expired", "replaced", "denied"] {
        let begin = code.find(&format!("<template id=\"is-{state}\"")).unwrap();
        let state = code[begin..].split("</template>").next().unwrap();
        assert!(
            state.contains("href=\"/qr/?from=leave\"") || state.contains("<p class=\"actions\" data-again="),
            "{state}"
        );
    }
}

#[test]
fn the_devices_of_the_account_are_one_link_away_where_the_operator_says_where() {
    let settings = config::Pages { devices_url: "/account/devices".to_owned(), ..settings(None) };
    let spent = |outcome| {
        let device = Device { label: "Safari on iPhone".into(), address: None, same_network: None };
        Page::Approve(approve(outcome, Some(device)))
    };
    let pages = Pages::new(&settings).unwrap();
    for page in [code_page(), spent(Outcome::Spent), spent(Outcome::Late)] {
        let html = render(&pages, &page).html;
        assert!(html.contains("href=\"/qr/?from=leave&amp;to=devices\""), "{html}");
        assert!(!html.contains("Sign out everywhere"), "{html}");
    }
}

#[test]
fn the_age_of_a_code_is_said_in_words() {
    let pages = Pages::new(&settings(None)).unwrap();
    let origin = Origin::parse("https://app.example.com").unwrap();
    let shown = |tag: &'static str, seconds| {
        let lang = pages.language(Some(&HeaderValue::from_static(tag)));
        let context = context(lang, &origin);
        let computer = Device { label: "Chrome on Linux".into(), address: None, same_network: None };
        let age = Duration::from_secs(seconds);
        let (account, current, proof, next, stay) = (None, None, "P".into(), None, Vec::new());
        let confirm = Confirm { account, current, computer, computer_known: true, age, next, stay, proof };
        words(&pages.render(&Page::Confirm(confirm), &context).html)
    };
    for (seconds, expected) in [(9, "Just now"), (10, "10 seconds ago"), (60, "1 minute ago"), (200, "3 minutes ago")] {
        assert!(shown("en", seconds).contains(expected), "{}", shown("en", seconds));
    }
    assert!(shown("ru", 22).contains("22 секунды назад") && shown("ru", 25).contains("25 секунд назад"));
}

#[test]
fn a_length_of_session_is_an_option_in_words() {
    let pages = Pages::new(&settings(None)).unwrap();
    let origin = Origin::parse("https://app.example.com").unwrap();
    let stay = vec![Stay::Browser, Stay::Minutes(1), Stay::Hours(2), Stay::Hours(21), Stay::Days(5), Stay::Days(400)];
    let options = |tag: &'static str, stay: &[Stay]| {
        let lang = pages.language(Some(&HeaderValue::from_static(tag)));
        let context = context(lang, &origin);
        let again = Approve { stay: stay.to_owned(), chosen: Some(Stay::Days(5)), ..approve(Outcome::Malformed, None) };
        let html = pages.render(&Page::Approve(again), &context).html;
        let marked: Vec<_> =
            html.split("<option value=").skip(1).map(|option| option.split('<').next().unwrap()).collect();
        marked.join(" ")
    };
    for (tag, expected) in [
        (
            "en",
            "\"browser\">Until the browser closes \"1m\">1 minute \"2h\">2 hours \"21h\">21 hours \"5d\" selected>5 days \
             \"400d\">400 days",
        ),
        (
            "ru",
            "\"browser\">До закрытия браузера \"1m\">1 минута \"2h\">2 часа \"21h\">21 час \"5d\" selected>5 дней \
             \"400d\">400 дней",
        ),
        (
            "zh",
            "\"browser\">直到关闭浏览器 \"1m\">1 分钟 \"2h\">2 小时 \"21h\">21 小时 \"5d\" selected>5 天 \
             \"400d\">400 天",
        ),
    ] {
        assert_eq!(options(tag, &stay), expected);
    }
    for none in [&[][..], &[Stay::Hours(8)]] {
        assert_eq!(options("en", none), "", "nothing to choose from");
    }
}

#[test]
fn a_long_wait_is_shown_in_minutes() {
    let pages = Pages::new(&settings(None)).unwrap();
    let shown = |seconds| {
        let retry_after = std::time::Duration::from_secs(seconds);
        words(&render(&pages, &Page::Error(Failure::TooManyCodes { retry_after })).html)
    };
    assert!(shown(61).contains("Too many QR codes Try again in 2 minutes. Your last"), "{}", shown(61));
    assert!(shown(0).contains("Try again in 1 minute."));
}

#[test]
fn an_account_is_masked_as_asked() {
    use crate::config::ShowAccount::{Full, Masked, None};
    let shown = |name, how| shown_account(name, Option::None, how);
    for (name, expected) in [
        ("ana@example.com", "a••@example.com"),
        ("ana", "a••"),
        ("Ana Lindqvist", "A•• L••"),
        ("Ана Петрова", "А•• П••"),
        ("", "••"),
        ("@x", "x••"),
        ("a@b", "a••@b"),
        ("Ana <ana@example.com>", "A•• a••"),
    ] {
        assert_eq!(shown(name, Masked).as_deref(), Some(expected), "{name}");
    }
    assert_eq!(shown("ana", Full).as_deref(), Some("ana"));
    assert_eq!(shown("ana", None), Option::None);
    let hinted = |how| shown_account("Ana Lindqvist", Some("account 4711"), how);
    assert_eq!(hinted(Masked).as_deref(), Some("account 4711"));
    assert_eq!((hinted(Full).as_deref(), hinted(None)), (Some("Ana Lindqvist"), Option::None));
}

#[test]
fn a_file_of_the_operator_replaces_one_page_by_name() {
    let changed =
        "{% extends 'base.html' %}{% block content %}<h1>Gone, {{ site }}</h1>{{ t('invalid.text') }}{% endblock %}";
    let pages = with_file("invalid_code.html", changed).unwrap();
    assert!(render(&pages, &Page::InvalidCode).html.contains("<h1>Gone, Example</h1>It may have expired"));
    assert!(render(&pages, &Page::Done).html.contains("You&#39;re signed in</h1>"));
}

#[test]
fn the_head_shows_the_logo_of_the_theme_or_the_monogram() {
    let (logo, dark) = ("data:image/png;base64,AA==", "data:image/png;base64,BB==");
    let head = |logo: &str, logo_dark: &str| {
        let settings = config::Pages { logo: logo.into(), logo_dark: logo_dark.into(), ..settings(None) };
        let html = render(&Pages::new(&settings).unwrap(), &Page::Done).html;
        html.split("<header class=\"top\">").nth(1).unwrap().split("</header>").next().unwrap().trim().to_owned()
    };
    let image = "<img src=\"data:image/png;base64,AA==\" alt=\"Example\">";
    assert_eq!(head("", ""), "<span class=\"monogram\" aria-hidden=\"true\">E</span><bdi>Example</bdi>");
    assert_eq!(head(logo, ""), image.replace("<img", "<img class=\"chip\""));
    let source = "<source srcset=\"data:image/png;base64,BB==\" media=\"(prefers-color-scheme: dark)\">".to_owned();
    assert_eq!(head(logo, dark), format!("<picture>{source}{image}</picture>"));
}

#[test]
fn the_bars_of_a_phone_have_the_colour_of_the_page() {
    let html = render(&Pages::new(&settings(None)).unwrap(), &Page::Done).html;
    for (theme, style) in ["light", "dark"].into_iter().zip(html.split("--ground:").skip(1)) {
        let ground = style.split(';').next().unwrap();
        let meta =
            format!("<meta name=\"theme-color\" content=\"{ground}\" media=\"(prefers-color-scheme: {theme})\">");
        assert!(html.contains(&meta), "{meta}");
    }
}

#[test]
fn the_operators_links_stand_at_the_foot_of_every_page() {
    let link = |text: &str, url: &str| config::PageLink { text: text.to_owned(), url: url.to_owned() };
    let links = vec![link("Help & more", "/help?a=1"), link("Impressum", "https://example.com/impressum")];
    let pages = Pages::new(&config::Pages { links, ..settings(None) }).unwrap();
    let origin = Origin::parse("https://app.example.com").unwrap();
    let context = Context {
        lang: Lang(0),
        origin: &origin,
        ticket_path: "/shop/qr/",
        home: "/shop/",
        request_id: "-",
        devices: Devices::default(),
    };
    for page in samples::all() {
        let html = pages.render(&page, &context).html;
        let foot = html.split("<footer").nth(1).unwrap();
        assert!(foot.contains("<a href=\"/shop/help?a=1\">Help &amp; more</a>"), "{foot}");
        assert!(foot.contains("<a href=\"https://example.com/impressum\">Impressum</a>"), "{foot}");
    }
}

#[test]
fn extra_css_follows_the_style_sheet() {
    let pages = with_file("extra.css", ":root { --accent: #123456 }").unwrap();
    let html = render(&pages, &Page::Done).html;
    let style = html.split("</style>").next().unwrap();
    assert!(style.contains(".card{") && style.trim_end().ends_with(":root { --accent: #123456 }"), "{style}");
}

#[test]
fn every_template_knows_the_variables_that_are_listed_for_it() {
    let mut pages = Pages::new(&settings(None)).unwrap();
    let common = "site logo logo_dark monogram icon links accent lang dir nonce host home ticket_path request_id t";
    for (file, variables) in [
        ("start.html", "name form public_url"),
        ("page.html", "name qr form script expires_in approval warning again_url"),
        ("approve.html", "result device form again_url"),
        ("confirm.html", "account current computer form script"),
        ("waiting.html", "state number expires_in message form script"),
        ("invalid_code.html", ""),
        ("error.html", "status title message action_url action_text retry_after"),
    ] {
        for variable in common.split(' ').chain(variables.split_whitespace()) {
            pages.templates.add_template_owned(file, format!("{{{{ {variable} is defined }}}}")).unwrap();
            let mut laid_out = samples::all().into_iter().filter(|page| page.template() == file);
            let known = laid_out.any(|page| render(&pages, &page).html == "True");
            assert!(known, "{file} does not know {variable}");
        }
    }
}

#[test]
fn a_file_of_any_name_is_escaped_where_it_is_included() {
    let files =
        [("start.html", "{{ form }}{% include 'parts/note.txt' %}"), ("parts/note.txt", "{{ name }}, {{ site }}")];
    let pages = with_files(&files).unwrap();
    let html =
        render(&pages, &Page::Start(Start { after: After::Nothing, name: Some("<b>Ana".into()), next: None })).html;
    assert!(html.ends_with("&lt;b&gt;Ana, Example"), "{html}");
}

#[test]
fn a_template_that_does_not_parse_is_named_with_line_and_caret() {
    let error = with_file("error.html", "<h1>{{ title }}</h1>\n<p>{% if %}</p>\n").unwrap_err();
    assert!(error.file.ends_with("error.html"));
    assert_eq!(error.place.map(|(line, _)| line), Some(2));
    let text = error.to_string();
    assert!(text.contains("error.html:2:") && text.contains("2 | <p>{% if %}</p>") && text.contains('^'), "{text}");
}

#[test]
fn a_template_that_cannot_render_or_forgets_a_part_is_refused() {
    let error = with_file("error.html", "x\n{{ t('no.such') }}").unwrap_err();
    assert_eq!(error.place.map(|(line, _)| line), Some(2));
    assert!(error.message.contains("no.such"), "{error}");
    assert!(with_file("error.html", "{{ nothing.at.all }}").is_err());
    let error = with_file("page.html", "{{ qr }}{{ script }}").unwrap_err();
    assert!(error.to_string().contains("page.html:1:1: must use `{{ form }}`"), "{error}");
    assert!(with_file("waiting.html", "{{ form }}{{ script }}").unwrap_err().message.contains("{{ number }}"));
    let error = with_file("confirm.html", "{# ours #}\n<p>{{ account }}</p>").unwrap_err();
    assert!(error.to_string().ends_with("does not work\n   |\n 1 | {# ours #}\n   | ^^^^^^^^^^"), "{error}");
    assert!(
        with_file("start.html", "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}")
            .is_err()
    );
}

#[test]
fn a_part_is_missed_by_what_it_would_change_and_not_by_its_text() {
    // The style sheet holds the digits of the number that is tried, and this form looks like the one that is needed.
    let text = "{% extends 'base.html' %}\n{% block content %}{{ form }}{{ script }}{% endblock %}";
    let error = with_file("waiting.html", text).unwrap_err();
    assert!(error.to_string().contains("waiting.html:2:1: must use `{{ number }}`"), "{error}");
    let text = "<form method=\"post\" action=\"/search\"></form>";
    assert!(with_file("start.html", text).unwrap_err().message.contains("{{ form }}"));
    let digits = "{% for digit in number %}<b>{{ digit }}</b>{% endfor %}{{ form }}{{ script }}";
    let pages = with_file("waiting.html", digits).unwrap();
    assert!(render(&pages, &waiting()).html.starts_with("<b>4</b><b>7</b>"));
}

#[test]
fn a_layout_without_a_place_for_the_page_is_named_itself() {
    let errors = with_files(&[("base.html", "<title>Ours</title>\n{{ style }}")]).unwrap_err();
    let text = errors.report("nothing started");
    assert!(text.contains("base.html:1:1: start.html: must use `{{ form }}`"), "{text}");
    assert_eq!(text.matches("start.html: must use").count(), 1, "in whatever language: {text}");
    assert!(text.contains("confirm.html: must use") && text.ends_with(" errors, nothing started"), "{text}");
}

#[test]
fn every_file_that_cannot_be_used_is_reported_at_once() {
    let files =
        [("error.html", "{% if %}"), ("start.html", "{% for %}"), ("locales/de.toml", "[start]\ntitel = \"x\"")];
    let text = with_files(&files).unwrap_err().report("nothing started");
    for place in ["error.html:1:", "start.html:1:", "locales/de.toml:2:1: "] {
        assert!(text.contains(place), "{text}");
    }
    assert!(text.ends_with("\n\n3 errors, nothing started"), "{text}");
}

#[test]
fn a_language_may_be_added_and_a_text_replaced() {
    let pages = with_file("locales/ar.toml", "[invalid]\ntitle = \"لا يمكن استخدام هذا الرمز.\"").unwrap();
    let lang = pages.language(Some(&HeaderValue::from_static("ar-EG,en;q=0.5")));
    assert_eq!(pages.languages[lang.0].catalogue.tag(), "ar");
    let origin = Origin::parse("https://app.example.com").unwrap();
    let context = context(lang, &origin);
    let html = pages.render(&Page::InvalidCode, &context).html;
    assert!(html.contains("<html lang=\"ar\" dir=\"rtl\"") && html.contains("لا يمكن"));
    assert!(html.contains("It may have expired"), "what is missing is English");
    let error = with_file("locales/de.toml", "[invalid]\ntitel = \"x\"").unwrap_err();
    assert_eq!(error.place, Some((2, 1)));
}

#[test]
fn style_and_missing_folders_are_the_operators_too() {
    let pages = with_file("style.css", "body{color:red}").unwrap();
    let html = render(&pages, &Page::Done).html;
    assert!(html.contains("body{color:red}.drawing{"), "what follows on these pages stays: {html}");
    let pages = with_files(&[("page.css", "i{color:red}"), ("other.css", "b{color:red}")]).unwrap();
    let (code, done) = (render(&pages, &code_page()).html, render(&pages, &Page::Done).html);
    assert!(code.contains("i{color:red}") && !code.contains("b{color:red}"));
    assert!(done.contains("b{color:red}") && !done.contains("i{color:red}"));
    let error = Pages::new(&settings(Some(Path::new("/no/such/folder")))).err().unwrap();
    assert!(error.to_string().starts_with("/no/such/folder: cannot be read"), "{error}");
}

/// What `qrgate export` writes, unchanged, changes no byte of any page.
#[test]
fn exported_files_lay_out_the_same_pages() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("locales")).unwrap();
    for (name, text) in replaceable() {
        fs::write(folder.path().join(name), text).unwrap();
    }
    for (tag, text) in crate::locales::BUILT_IN {
        fs::write(folder.path().join(format!("locales/{tag}.toml")), text).unwrap();
    }
    let (built_in, exported) =
        (Pages::new(&settings(None)).unwrap(), Pages::new(&settings(Some(folder.path()))).unwrap());
    assert_eq!(built_in.languages.len(), exported.languages.len());
    let origin = Origin::parse("https://app.example.com").unwrap();
    let kinds = [Kind::Phone, Kind::Tablet, Kind::Computer, Kind::Device];
    for lang in (0..built_in.languages.len()).map(Lang) {
        let context = context(lang, &origin);
        for (shown_on, read_on) in kinds.into_iter().flat_map(|shown| kinds.map(|read| (shown, read))) {
            for page in samples::all() {
                let devices = Devices { shown_on, read_on };
                let html = |pages: &Pages| {
                    pages.render_with(&pages.templates, &page, &Context { devices, ..context }, "-", None).unwrap()
                };
                assert!(html(&built_in) == html(&exported), "{page:?} in {lang:?} between {devices:?}");
            }
        }
    }
}

#[test]
fn every_page_for_every_pair_of_devices_is_small() {
    let pages = Pages::new(&settings(None)).unwrap();
    let origin = Origin::parse("https://app.example.com").unwrap();
    let kinds = [Kind::Phone, Kind::Tablet, Kind::Computer, Kind::Device];
    let mut largest = Vec::new();
    for (lang, shown_on) in (0..pages.languages.len()).map(Lang).flat_map(|lang| kinds.map(|kind| (lang, kind))) {
        let context = Context { request_id: "7f3a9c2e51", ..context(lang, &origin) };
        let cached_pages = samples::all().into_iter().filter(Page::is_cached);
        for (page, read_on) in cached_pages.flat_map(|page| kinds.map(|kind| (page.clone(), kind))) {
            let Rendered { html, problem, .. } =
                pages.render(&page, &Context { devices: Devices { shown_on, read_on }, ..context });
            assert_eq!(problem, None);
            let tag = pages.languages[lang.0].catalogue.tag();
            largest.push((html.len(), format!("{tag}, {shown_on:?}, {}", page.template())));
        }
    }
    largest.sort();
    largest.dedup();
    // In the samples each of the two capabilities is one letter instead of 43.
    let too_large: Vec<_> = largest.iter().filter(|(bytes, _)| bytes + 2 * 42 >= 30 * 1024).collect();
    assert!(too_large.is_empty(), "{too_large:#?}");
}

#[test]
#[ignore = "writes every page to target/gallery, for `npm run gallery` in tests/browser"]
fn gallery() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/gallery/pages");
    // Pages of an earlier version would be looked at, too.
    _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let pages = Pages::new(&settings(None)).unwrap();
    let origin = Origin::parse("https://app.example.com").unwrap();
    for lang in (0..pages.languages.len()).map(Lang) {
        let context = Context { request_id: "7f3a9c2e51", ..context(lang, &origin) };
        let from_a_phone = Devices { shown_on: Kind::Phone, read_on: Kind::Computer };
        let usual = samples::all().into_iter().map(|page| (page, Devices::default()));
        let others = samples::all().into_iter().filter(Page::is_cached).map(|page| (page, from_a_phone));
        for (at, (page, devices)) in usual.chain(others).enumerate() {
            let Rendered { html, status, .. } = pages.render(&page, &Context { devices, ..context });
            let tag = pages.languages[lang.0].catalogue.tag();
            let name = format!("{tag}.{at:02}.{}.{}", status.as_u16(), page.template());
            fs::write(folder.join(name), html).unwrap();
        }
    }
}

/// Pages like the samples, with values that need escaping and others that are missing.
fn awkward() -> Vec<Page> {
    let odd = "<b>&\"'\u{202e}Ana</b>";
    let code = |name: Option<&str>, next: Option<&str>| {
        Page::Code(Code {
            link: "https://app.example.com/qr/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB/".into(),
            name: name.map(str::to_owned),
            expires_in: Duration::from_secs(61),
            by_number: true,
            desk: "desk".into(),
            view: "view".into(),
            next: next.map(str::to_owned),
            stay: vec![Stay::Minutes(1), Stay::Browser],
            typed: Some("BCDF-GHJK".into()),
            undo: true,
            unreachable: None,
        })
    };
    let confirm = |account: Option<&str>, current: Option<&str>| {
        let (account, current) = (account.map(str::to_owned), current.map(str::to_owned));
        let computer = Device { label: "Unknown device".into(), address: None, same_network: None };
        Page::Confirm(Confirm {
            account,
            current,
            computer,
            computer_known: false,
            next: Some("/a?b=1".into()),
            stay: Vec::new(),
            age: Duration::ZERO,
            proof: odd.into(),
        })
    };
    vec![
        Page::Start(Start { after: After::Nothing, name: Some(odd.into()), next: Some("/a?b=1&c='2'".into()) }),
        Page::Start(Start { after: After::Nothing, name: None, next: Some("/a".into()) }),
        code(Some(odd), Some("/a?b=1&c='2'")),
        code(None, None),
        confirm(Some(odd), None),
        confirm(Some("a••"), Some(odd)),
        Page::Waiting { number: 0, expires_in: Duration::ZERO, proof: odd.into() },
        Page::Finish { by_number: true, expires_in: Duration::ZERO, proof: "".into() },
    ]
}

#[test]
fn a_page_that_is_filled_in_is_the_one_that_is_laid_out() {
    let (filled, mut laid_out) = (Pages::new(&settings(None)).unwrap(), Pages::new(&settings(None)).unwrap());
    laid_out.is_built_in = false;
    for url in ["https://app.example.com", "http://192.168.1.20:8080"] {
        let origin = Origin::parse(url).unwrap();
        for lang in (0..filled.languages.len()).map(Lang) {
            for page in samples::all().into_iter().chain(awkward()) {
                let context = context(lang, &origin);
                let [html, expected] = [&filled, &laid_out]
                    .map(|pages| pages.render_with(&pages.built_in, &page, &context, "nonce", None).unwrap());
                assert_eq!(html, expected, "{page:?}");
            }
        }
    }
    // Each way to look was met more than once.
    for language in &filled.languages {
        assert_eq!(language.variant(Devices::default()).cache.len(), 2 * 19, "{}", language.catalogue.tag());
    }
}

#[test]
fn more_ways_to_look_than_are_kept_are_laid_out_all_the_same() {
    let pages = Pages::new(&settings(None)).unwrap();
    for number in 0..200 {
        let origin = Origin::parse(&format!("http://10.0.0.{number}")).unwrap();
        let context = context(Lang(0), &origin);
        let html = pages
            .render(&Page::Start(Start { after: After::Nothing, name: Some("Ana".into()), next: None }), &context)
            .html;
        assert!(html.contains(&format!("10.0.0.{number}")) && html.contains("Ana"), "{html}");
    }
    assert_eq!(pages.languages[0].variant(Devices::default()).cache.len(), 128);
}
