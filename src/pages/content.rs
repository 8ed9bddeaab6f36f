//! The variables of a page's template.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;

use minijinja::value::{Kwargs, Value};
use minijinja::{Error, ErrorKind};

use super::catalogue::Catalogue;
use super::page::{After, Approve, Code, Confirm, Device, Failure, Outcome, Page, Start, Tried, TypeCode};
use super::picture;
use crate::clock::seconds_up;
use crate::device::{Kind, UNKNOWN};
use crate::stay::Stay;
use crate::ticket::Reason;

/// The variables of a template. Of two with the same name the later one counts. They are so few that a linear search
/// beats a map.
pub(super) type Names = Vec<(&'static str, Value)>;

/// The variables that every page has.
pub(super) struct Frame<'a> {
    pub(super) language: &'a Catalogue,
    pub(super) site: &'a str,
    pub(super) home: &'a str,
    pub(super) ticket_path: &'a str,
    pub(super) shown_on: Kind,
    pub(super) host: String,
}

/// Parts that are rendered for a page: the variable and the file. A part may use those before it.
pub(super) fn parts(page: &Page) -> &'static [(&'static str, &'static str)] {
    match page.template() {
        "start.html" => &[("form", "parts/start_form.html")],
        "page.html" => &[
            ("qr", "parts/qr.html"),
            ("form", "parts/code_form.html"),
            ("states", "parts/code_states.html"),
            ("script", "parts/code_script.html"),
        ],
        "approve.html" => &[("form", "parts/approve_form.html")],
        "code.html" => &[("form", "parts/type_form.html")],
        "confirm.html" => &[("form", "parts/confirm_form.html")],
        "waiting.html" => &[("form", "parts/waiting_form.html"), ("script", "parts/waiting_script.html")],
        _ => &[],
    }
}

/// The variables of `page`, without its parts.
pub(super) fn names(page: &Page, frame: &Frame<'_>) -> Result<Names, Error> {
    match page {
        Page::Start(start) => start_names(start, frame),
        Page::Code(code) => code_names(code, frame),
        Page::Approve(approve) => approve_names(approve, frame),
        Page::TypeCode(page) => Ok(type_names(page)),
        Page::Confirm(confirm) => confirm_names(confirm, frame),
        Page::InvalidCode => Ok(Names::from([("state", Value::from("gone"))])),
        Page::Leave { to } => Ok(Names::from([("target", to.as_str().into())])),
        Page::Error(failure) => failure_names(failure, frame),
        _ => holder_names(page, frame),
    }
}

fn start_names(start: &Start, frame: &Frame<'_>) -> Result<Names, Error> {
    let (heading, button) = match start.after {
        After::Nothing => ("start.title", "start.button"),
        After::Code => ("go.new_code", "go.new_code"),
        After::Expiry => ("code.state.expired", "go.new_code"),
    };
    let message = match start.after {
        After::Expiry => frame.markup("code.say.nothing", &[])?,
        After::Nothing | After::Code => Value::UNDEFINED,
    };
    Ok(Names::from([
        ("heading", heading.into()),
        ("message", message),
        ("button", button.into()),
        ("name", text(start.name.as_deref())),
        ("next", text(start.next.as_deref())),
    ]))
}

fn type_names(page: &TypeCode) -> Names {
    let problem = match page.tried {
        Tried::NotYet => Value::UNDEFINED,
        Tried::Malformed => "malformed".into(),
        Tried::Refused => "refused".into(),
    };
    Names::from([
        ("current", text(page.current.as_deref())),
        ("next", text(page.next.as_deref())),
        ("proof", page.proof.as_str().into()),
        ("problem", problem),
    ])
}

fn code_names(code: &Code, frame: &Frame<'_>) -> Result<Names, Error> {
    let title = frame.plain("code.picture", &[("site", frame.site.into())])?;
    let svg = picture::svg(&code.link, &title)
        .map_err(|e| Error::new(ErrorKind::InvalidOperation, "no picture").with_source(e))?;
    let warning = code.unreachable.as_deref().map(|url| {
        frame.markup(
            "code.unreachable",
            &[("url", Value::from_safe_string(address(url))), ("setting", mono("public.url"))],
        )
    });
    Ok(Names::from([
        ("name", text(code.name.as_deref())),
        ("picture", Value::from_safe_string(svg)),
        ("expires_in", seconds_up(code.expires_in).into()),
        ("seconds", seconds_up(code.expires_in).into()),
        ("time", clock(code.expires_in)),
        ("approval", approval(code.by_number)),
        ("stay", lengths(&code.stay, None, frame)?),
        ("typed", text(code.typed.as_deref())),
        ("code_first", matches!(frame.shown_on, Kind::Phone | Kind::Tablet).into()),
        ("undo", code.undo.into()),
        ("warning", warning.transpose()?.unwrap_or_default()),
        ("again_url", again(frame.ticket_path, code.next.as_deref()).into()),
        ("desk", code.desk.as_str().into()),
        ("view", code.view.as_str().into()),
    ]))
}

fn approve_names(approve: &Approve, frame: &Frame<'_>) -> Result<Names, Error> {
    let site = ("site", Value::from(frame.site));
    let phone = approve.device.as_ref();
    let label = frame.label(phone)?;
    let say = |key: &str| frame.markup(key, &[site.clone(), ("label", strong(&label))]);
    let (heading, result) = match approve.outcome {
        Outcome::Approved => ("code.say.almost", "approved"),
        Outcome::Spent => ("code.state.spent", "spent"),
        Outcome::Declined(_) => ("code.state.declined", "declined"),
        Outcome::Undone => ("code.undo.done", "undone"),
        Outcome::NotUndone => ("code.undo.failed", "not_undone"),
        Outcome::NothingToUndo => ("code.undo.over", "nothing_to_undo"),
        Outcome::Late => ("code.say.late", "late"),
        Outcome::Early => ("code.say.early", "early"),
        Outcome::Malformed => ("code.say.malformed", "malformed"),
        Outcome::Denied => ("code.state.denied", "denied"),
    };
    let lines = match approve.outcome {
        Outcome::Approved => vec![press_finish(&label, frame)?],
        Outcome::Declined(Reason::Computer) => vec![say("code.say.nothing")?, say("code.say.asked_to")?],
        Outcome::Declined(reason) => {
            let why = say(&format!("code.why.{}", reason.as_str()))?;
            vec![say("code.say.nothing")?, why, say("code.say.asked_to")?]
        }
        Outcome::Early => vec![say("code.say.early_scan")?],
        Outcome::Undone => vec![say("code.say.asked_to")?],
        Outcome::Spent
        | Outcome::NotUndone
        | Outcome::NothingToUndo
        | Outcome::Late
        | Outcome::Malformed
        | Outcome::Denied => vec![],
    };
    let again_text = match approve.outcome {
        Outcome::Declined(_) => Some("go.start_again"),
        Outcome::Early | Outcome::Denied => Some("go.new_code"),
        Outcome::Spent => Some("go.another_phone"),
        Outcome::Approved
        | Outcome::Undone
        | Outcome::NotUndone
        | Outcome::NothingToUndo
        | Outcome::Late
        | Outcome::Malformed => None,
    };
    Ok(Names::from([
        ("heading", heading.into()),
        ("result", result.into()),
        ("lines", Value::from(lines)),
        ("device", device(phone, label)),
        ("desk", approve.desk.as_str().into()),
        ("undo", approve.undo.into()),
        ("approval", approval(approve.by_number)),
        ("stay", lengths(&approve.stay, approve.chosen, frame)?),
        ("again_url", again(frame.ticket_path, approve.next.as_deref()).into()),
        ("again_text", again_text.map(|key| frame.markup(key, &[])).transpose()?.unwrap_or_default()),
    ]))
}

fn press_finish(label: &Value, frame: &Frame<'_>) -> Result<Value, Error> {
    let button = Value::from(frame.plain("finish.button", &[])?);
    frame.markup("code.say.almost_press", &[("finish", strong(&button)), ("label", label.clone())])
}

fn confirm_names(confirm: &Confirm, frame: &Frame<'_>) -> Result<Names, Error> {
    let label = frame.label(Some(&confirm.computer))?;
    Ok(Names::from([
        ("state", "issued".into()),
        ("account", text(confirm.account.as_deref())),
        ("current", text(confirm.current.as_deref())),
        ("computer", device(Some(&confirm.computer), label)),
        ("computer_unknown", Value::from(!confirm.computer_known)),
        ("age", age(confirm.age, frame)?),
        ("stay", lengths(&confirm.stay, None, frame)?),
        ("next", text(confirm.next.as_deref())),
        ("proof", confirm.proof.as_str().into()),
        ("script", Value::from_safe_string(String::new())),
    ]))
}

/// The pages of the holder: waiting, finish, and the final states.
fn holder_names(page: &Page, frame: &Frame<'_>) -> Result<Names, Error> {
    let site = ("site", Value::from(frame.site));
    let say = |key: &str| frame.markup(key, std::slice::from_ref(&site));
    let (state, heading, message) = match page {
        Page::Waiting { .. } => ("claimed", "waiting.title", None),
        Page::Finish { by_number: true, .. } => ("approved", "finish.title", Some(say("finish.text")?)),
        Page::Finish { .. } => ("approved", "finish.ready", Some(say("finish.text")?)),
        Page::SigningIn { .. } => ("redeeming", "finish.signing_in", None),
        Page::Done => ("done", "finish.done", None),
        Page::Used => ("used", "ended.used", None),
        Page::Refused { reason, message } => {
            let given = message.as_deref().filter(|_| *reason == Reason::Application).map(Value::from);
            let why = given.map_or_else(|| say(&format!("ended.why.{}", reason.as_str())), Ok)?;
            ("declined", "ended.nothing", Some(why))
        }
        Page::Cancelled => ("cancelled", "ended.cancelled", Some(say("ended.cancelled_text")?)),
        Page::TooLate { replaced: true } => ("replaced", "ended.replaced", None),
        Page::TooLate { .. } => ("expired", "ended.expired", None),
        _ => ("gone", "invalid.title", None),
    };
    // A new code helps unless the application itself said no.
    let is_worth_another = match page {
        Page::Used | Page::TooLate { .. } => true,
        Page::Refused { reason, .. } => *reason != Reason::Application,
        _ => false,
    };
    let advice = if is_worth_another { say("ended.scan_new")? } else { Value::UNDEFINED };
    let mut names = Names::from([
        ("state", state.into()),
        ("heading", heading.into()),
        ("message", message.unwrap_or_default()),
        ("advice", advice),
    ]);
    if let Page::Waiting { number, .. } = page {
        names.push(("number", format!("{number:02}").into()));
    }
    if let Page::Waiting { expires_in, proof, .. } | Page::Finish { expires_in, proof, .. } = page {
        names.push(("expires_in", seconds_up(*expires_in).into()));
        names.push(("seconds", seconds_up(*expires_in).into()));
        names.push(("time", clock(*expires_in)));
        names.push(("proof", proof.as_str().into()));
    }
    if let Page::SigningIn { proof } = page {
        names.push(("seconds", 0.into()));
        names.push(("proof", proof.as_str().into()));
    }
    Ok(names)
}

fn failure_names(failure: &Failure, frame: &Frame<'_>) -> Result<Names, Error> {
    let row = Row::of(failure);
    let n = match failure {
        Failure::TooManyCodes { retry_after } => seconds_up(*retry_after).div_ceil(60).max(1),
        _ => failure.retry_after().unwrap_or_default(),
    };
    let mut names = vec![
        ("site", Value::from(frame.site)),
        ("path", mono(frame.ticket_path)),
        ("n", n.into()),
        ("host", Value::from_safe_string(address(&frame.host))),
    ];
    if let Failure::UnknownHost { host } | Failure::OtherOrigin { origin: host } = failure {
        names.extend([
            ("host", Value::from_safe_string(format!("<code>{}</code>", address(host)))),
            ("url", mono("public.url")),
            ("hosts", mono("public.hosts")),
        ]);
    }
    if let Failure::Loopback { host, url } = failure {
        names
            .extend([("host", Value::from_safe_string(address(host))), ("url", Value::from_safe_string(address(url)))]);
    }
    if let Failure::NotStripped { sub_path } = failure {
        names.extend([("sub_path", mono(sub_path)), ("url", mono("public.url"))]);
    }
    let message = frame.markup(&row.text, &names)?;
    let mut out = Names::from([
        ("status", failure.status().as_u16().into()),
        ("title", frame.plain(&row.title, &[("site", frame.site.into())])?.into()),
        ("heading", frame.markup(&row.title, &[("site", frame.site.into())])?),
        ("message", message),
        ("retry_after", failure.retry_after().map_or(Value::UNDEFINED, Value::from)),
    ]);
    if matches!(failure, Failure::Unavailable | Failure::TooManyTries { .. }) {
        out.push(("back_text", frame.markup("go.back", &[("site", frame.site.into())])?));
    }
    if let Some((to, key)) = row.action {
        let url = match to {
            To::Home => frame.home.to_owned(),
            To::Start => frame.ticket_path.to_owned(),
            To::Here => "./".to_owned(),
            To::Again => String::new(),
            To::Url(url) => url.to_owned(),
        };
        out.push(("action_url", url.into()));
        out.push(("action_text", frame.markup(key, &[("site", frame.site.into())])?));
        if let Failure::TooManyTries { .. } = failure {
            out.push(("wait", n.into()));
        }
    }
    Ok(out)
}

/// The link of an error page.
enum To<'a> {
    Home,
    Start,
    /// The folder of the page itself, by GET: where its form was sent from.
    Here,
    /// The page itself, by GET.
    Again,
    Url(&'a str),
}

/// An error page: two texts and an action.
struct Row<'a> {
    title: String,
    text: String,
    action: Option<(To<'a>, &'static str)>,
}

impl<'a> Row<'a> {
    /// The texts of this name, and a link.
    fn new(name: &str, action: Option<(To<'a>, &'static str)>) -> Row<'a> {
        Row { title: format!("error.{name}.title"), text: format!("error.{name}.text"), action }
    }

    fn of(failure: &'a Failure) -> Row<'a> {
        let (back, home) = (Some((To::Home, "go.back")), Some((To::Home, "go.site")));
        match failure {
            Failure::StillSignedOut { login_url } => {
                let action = login_url.as_deref().map_or((To::Home, "go.back"), |url| (To::Url(url), "go.sign_in"));
                Row::new("still_signed_out", Some(action))
            }
            Failure::SignInFirst => Row::new("sign_in_first", back),
            Failure::SignInAgain => Row::new("sign_in_again", back),
            Failure::NotByPerson => Row::new("not_by_person", Some((To::Start, "go.start"))),
            Failure::ServiceWorker => Row::new("service_worker", Some((To::Start, "go.start"))),
            Failure::NotAllowed => Row::new("not_allowed", back),
            Failure::TooManyCodes { .. } => Row::new("too_many_codes", back),
            Failure::Unavailable => Row::new("unavailable", Some((To::Start, "go.again"))),
            Failure::ApplicationAway => Row::new("site_down", Some((To::Start, "go.again"))),
            Failure::UnknownHost { .. } | Failure::OtherOrigin { .. } => Row::new("unknown_host", None),
            Failure::Loopback { url, .. } => Row::new("loopback", Some((To::Url(url), "go.open"))),
            Failure::NotStripped { .. } => {
                Row { text: "error.not_stripped.text".to_owned(), ..Row::new("unknown_host", None) }
            }
            Failure::InUse => Row::new("in_use", home),
            Failure::SignInFailed { again: true } => {
                Row { text: "error.failed.again".to_owned(), ..Row::new("failed", Some((To::Here, "go.again"))) }
            }
            Failure::SignInFailed { again: false } => {
                Row { text: "error.failed.over".to_owned(), ..Row::new("failed", home) }
            }
            Failure::OtherNetwork => Row::new("other_network", Some((To::Here, "go.again"))),
            Failure::OpenAgain => Row::new("open_again", Some((To::Here, "go.open_again"))),
            Failure::UnavailableHere => Row::new("unavailable_here", Some((To::Here, "go.again"))),
            Failure::TooManyTries { .. } => Row::new("too_many_tries", Some((To::Here, "go.again"))),
            Failure::Status(status) => Row::of_status(*status),
        }
    }

    fn of_status(status: StatusCode) -> Row<'a> {
        let (back, again) = (Some((To::Home, "go.back")), Some((To::Again, "go.again")));
        match status {
            StatusCode::BAD_REQUEST | StatusCode::URI_TOO_LONG => Row::new("malformed", back),
            StatusCode::NOT_FOUND => Row::new("not_found", back),
            StatusCode::METHOD_NOT_ALLOWED => Row::new("method", back),
            StatusCode::PAYLOAD_TOO_LARGE => Row::new("too_large", back),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Row::new("cookies_too_large", back),
            StatusCode::BAD_GATEWAY => Row::new("site_down", again),
            StatusCode::SERVICE_UNAVAILABLE => Row::new("busy", again),
            StatusCode::GATEWAY_TIMEOUT => Row::new("site_slow", again),
            _ => Row::new("other", back),
        }
    }
}

impl Frame<'_> {
    fn markup(&self, key: &str, names: &[(&str, Value)]) -> Result<Value, Error> {
        self.language.markup(key, &names.iter().cloned().collect::<Kwargs>())
    }

    /// A device's name, or a text for an unknown device.
    fn label(&self, device: Option<&Device>) -> Result<Value, Error> {
        match device.filter(|device| device.label != UNKNOWN) {
            Some(device) => Ok(device.label.as_str().into()),
            None => self.plain("device.unknown", &[]).map(Value::from),
        }
    }

    fn plain(&self, key: &str, names: &[(&str, Value)]) -> Result<String, Error> {
        self.language.plain(key, &names.iter().cloned().collect::<Kwargs>())
    }
}

/// The start page's address for links in the sandboxed page: `from=code` explains missing `SameSite=Strict` cookies.
fn again(ticket_path: &str, next: Option<&str>) -> String {
    match next {
        Some(next) => {
            let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
            format!("{ticket_path}?from=code&next={next}")
        }
        None => format!("{ticket_path}?from=code"),
    }
}

fn text(text: Option<&str>) -> Value {
    text.filter(|text| !text.is_empty()).map_or(Value::UNDEFINED, Value::from)
}

fn approval(by_number: bool) -> Value {
    Value::from(if by_number { "number" } else { "phone" })
}

fn device(device: Option<&Device>, label: Value) -> Value {
    let address = device.and_then(|device| device.address.as_deref());
    let same = device.and_then(|device| device.same_network);
    Value::from(BTreeMap::from([
        ("label", label),
        ("address", text(address)),
        ("same_network", same.map_or(Value::UNDEFINED, Value::from)),
    ]))
}

/// m:ss, counted down by the page's script.
fn clock(left: Duration) -> Value {
    let seconds = seconds_up(left);
    let text = format!("{}:{:02}", seconds / 60, seconds % 60);
    Value::from_safe_string(format!("<bdi dir=\"ltr\" data-slot=\"time\">{text}</bdi>"))
}

/// The options of the choice: value, words, and whether it is the chosen one. A single length is no choice.
fn lengths(offered: &[Stay], chosen: Option<Stay>, frame: &Frame<'_>) -> Result<Value, Error> {
    if offered.len() < 2 {
        return Ok(Value::UNDEFINED);
    }
    let option = |stay: &Stay| {
        let (key, n) = match *stay {
            Stay::Browser => ("stay.browser", 0),
            Stay::Minutes(n) => ("stay.minutes", n),
            Stay::Hours(n) => ("stay.hours", n),
            Stay::Days(n) => ("stay.days", n),
        };
        let words = frame.plain(key, &[("n", n.into())])?;
        Ok(Value::from(vec![Value::from(stay.to_string()), words.into(), (chosen == Some(*stay)).into()]))
    };
    offered.iter().map(option).collect::<Result<Vec<_>, Error>>().map(Value::from)
}

/// How long ago the code was made.
fn age(age: Duration, frame: &Frame<'_>) -> Result<Value, Error> {
    match age.as_secs() {
        0..10 => frame.markup("confirm.just_now", &[]),
        seconds @ 10..60 => frame.markup("confirm.seconds_ago", &[("n", seconds.into())]),
        seconds => frame.markup("confirm.minutes_ago", &[("n", (seconds / 60).into())]),
    }
}

fn strong(value: &Value) -> Value {
    Value::from_safe_string(format!("<strong><bdi>{}</bdi></strong>", super::catalogue::escape(&value.to_string())))
}

fn mono(text: &str) -> Value {
    Value::from_safe_string(format!("<code><bdi>{}</bdi></code>", super::catalogue::escape(text)))
}

fn address(text: &str) -> String {
    format!("<bdi>{}</bdi>", super::catalogue::escape_address(text))
}
