//! The variables of a page's template.

use std::collections::BTreeMap;
use std::time::Duration;

use minijinja::value::{Kwargs, Value};
use minijinja::{Error, ErrorKind};

use super::catalogue::{Catalogue, address, element};
use super::error_page::ErrorPage;
use super::page::{After, Approve, Code, Confirm, Context, Device, Failure, Outcome, Page, Start, Tried, TypeCode};
use super::picture;
use crate::clock::seconds_up;
use crate::device::{Kind, UNKNOWN};
use crate::stay::Stay;
use crate::ticket::Reason;

/// The variables of a template. Of two with the same name, the later one counts. A linear search of so few is faster
/// than a map.
pub(super) type Names = Vec<(&'static str, Value)>;

/// The facts that the variables of any page may depend on.
pub(super) struct Frame<'a> {
    pub(super) language: &'a Catalogue,
    pub(super) site: &'a str,
    pub(super) context: &'a Context<'a>,
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
    let expired = start.after == After::Expiry;
    let message = if expired { frame.markup("code.say.nothing", &[])? } else { Value::UNDEFINED };
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
    let title = frame.plain("code.picture", &[])?;
    let svg = picture::svg(&code.link, &title)
        .map_err(|e| Error::new(ErrorKind::InvalidOperation, "no picture").with_source(e))?;
    let warning = code
        .unreachable
        .as_deref()
        .map(|url| frame.markup("code.unreachable", &[("url", address(url)), ("setting", mono("public.url"))]));
    let mut names = Names::from(time_left(code.expires_in));
    names.extend([
        ("name", text(code.name.as_deref())),
        ("picture", Value::from_safe_string(svg)),
        ("approval", approval(code.by_number)),
        ("stay", lengths(&code.stay, None, frame)?),
        ("typed", text(code.typed.as_deref())),
        ("code_first", matches!(frame.context.devices.shown_on, Kind::Phone | Kind::Tablet).into()),
        ("undo", code.undo.into()),
        ("warning", warning.transpose()?.unwrap_or_default()),
        ("again_url", again(frame, code.next.as_deref()).into()),
        ("desk", code.desk.as_str().into()),
        ("view", code.view.as_str().into()),
    ]);
    Ok(names)
}

fn approve_names(approve: &Approve, frame: &Frame<'_>) -> Result<Names, Error> {
    let phone = approve.device.as_ref();
    let label = frame.label(phone)?;
    let say = |key: &str| frame.markup(key, &[("label", element("strong", &label))]);
    let (heading, result, again_text) = match approve.outcome {
        Outcome::Approved => ("code.say.almost", "approved", None),
        Outcome::Spent => ("code.state.spent", "spent", Some("go.another_phone")),
        Outcome::Declined(_) => ("code.state.declined", "declined", Some("go.start_again")),
        Outcome::Undone => ("code.undo.done", "undone", None),
        Outcome::NotUndone => ("code.undo.failed", "not_undone", None),
        Outcome::NothingToUndo => ("code.undo.over", "nothing_to_undo", None),
        Outcome::Late => ("code.say.late", "late", None),
        Outcome::Early => ("code.say.early", "early", Some("go.new_code")),
        Outcome::Malformed => ("code.say.malformed", "malformed", None),
        Outcome::Denied => ("code.state.denied", "denied", Some("go.new_code")),
    };
    let lines = match approve.outcome {
        Outcome::Approved => {
            let finish = element("strong", &frame.plain("finish.button", &[])?.into());
            vec![frame.markup("code.say.almost_press", &[("finish", finish), ("label", label.clone())])?]
        }
        Outcome::Declined(Reason::Computer) => vec![say("code.say.nothing")?, say("code.say.asked_to")?],
        Outcome::Declined(reason) => {
            let why = say(&format!("code.why.{}", reason.as_str()))?;
            vec![say("code.say.nothing")?, why, say("code.say.asked_to")?]
        }
        Outcome::Early => vec![say("code.say.early_scan")?],
        Outcome::Undone => vec![say("code.say.asked_to")?],
        _ => Vec::new(),
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
        ("again_url", again(frame, approve.next.as_deref()).into()),
        ("again_text", again_text.map(|key| frame.markup(key, &[])).transpose()?.unwrap_or_default()),
    ]))
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
    let say = |key: &str| frame.markup(key, &[]);
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
    // A new code helps unless the application refused the sign-in.
    let may_try_again = match page {
        Page::Used | Page::TooLate { .. } => true,
        Page::Refused { reason, .. } => *reason != Reason::Application,
        _ => false,
    };
    let advice = if may_try_again { say("ended.scan_new")? } else { Value::UNDEFINED };
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
        names.extend(time_left(*expires_in));
        names.push(("proof", proof.as_str().into()));
    }
    if let Page::SigningIn { proof } = page {
        names.extend([("seconds", 0.into()), ("proof", proof.as_str().into())]);
    }
    Ok(names)
}

fn failure_names(failure: &Failure, frame: &Frame<'_>) -> Result<Names, Error> {
    let texts = ErrorPage::of(failure, frame.context);
    let n = match failure {
        Failure::TooManyCodes { retry_after } => seconds_up(*retry_after).div_ceil(60).max(1),
        _ => failure.retry_after().unwrap_or_default(),
    };
    let context = frame.context;
    let mut names = vec![("path", mono(context.ticket_path)), ("n", n.into())];
    match failure {
        Failure::UnknownHost { host } | Failure::OtherOrigin { origin: host } => names.extend([
            ("host", Value::from_safe_string(format!("<code>{}</code>", address(host)))),
            ("url", mono("public.url")),
            ("hosts", mono("public.hosts")),
        ]),
        Failure::Loopback { host, url } => names.extend([("host", address(host)), ("url", address(url))]),
        Failure::NotStripped { sub_path } => names.extend([
            ("host", address(&context.origin.authority())),
            ("sub_path", mono(sub_path)),
            ("url", mono("public.url")),
        ]),
        _ => names.push(("host", address(&context.origin.authority()))),
    }
    let mut out = Names::from([
        ("status", failure.status().as_u16().into()),
        ("title", frame.plain(&texts.title, &[])?.into()),
        ("heading", frame.markup(&texts.title, &[])?),
        ("message", frame.markup(&texts.text, &names)?),
        ("retry_after", failure.retry_after().map_or(Value::UNDEFINED, Value::from)),
    ]);
    if matches!(failure, Failure::Unavailable | Failure::TooManyTries { .. }) {
        out.push(("back_text", frame.markup("go.back", &[])?));
    }
    if let Some((url, key)) = texts.action {
        out.push(("action_url", url.into()));
        out.push(("action_text", frame.markup(key, &[])?));
        if let Failure::TooManyTries { .. } = failure {
            out.push(("wait", n.into()));
        }
    }
    Ok(out)
}

impl Frame<'_> {
    /// A text as markup. Any text may name the site.
    fn markup(&self, key: &str, names: &[(&str, Value)]) -> Result<Value, Error> {
        self.language.markup(key, &self.variables(names))
    }

    fn plain(&self, key: &str, names: &[(&str, Value)]) -> Result<String, Error> {
        self.language.plain(key, &self.variables(names))
    }

    fn variables(&self, names: &[(&str, Value)]) -> Kwargs {
        names.iter().cloned().chain([("site", self.site.into())]).collect()
    }

    /// A device's name, or a text for an unknown device.
    fn label(&self, device: Option<&Device>) -> Result<Value, Error> {
        match device.filter(|device| device.label != UNKNOWN) {
            Some(device) => Ok(device.label.as_str().into()),
            None => self.plain("device.unknown", &[]).map(Value::from),
        }
    }
}

/// The start page's address for links in the sandboxed page: `from=code` explains missing `SameSite=Strict` cookies.
fn again(frame: &Frame<'_>, next: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(format!("{}?from=code", frame.context.ticket_path));
    query.extend_pairs(next.map(|next| ("next", next))).finish()
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

/// The time left in seconds, twice, and as m:ss, which the page's script counts down.
fn time_left(left: Duration) -> [(&'static str, Value); 3] {
    let seconds = seconds_up(left);
    let time = format!("<bdi dir=\"ltr\" data-slot=\"time\">{}:{:02}</bdi>", seconds / 60, seconds % 60);
    [("expires_in", seconds.into()), ("seconds", seconds.into()), ("time", Value::from_safe_string(time))]
}

/// The options for the length of a session: value, label, and whether it is chosen. None for a single length.
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

/// How long ago the code was minted.
fn age(age: Duration, frame: &Frame<'_>) -> Result<Value, Error> {
    match age.as_secs() {
        0..10 => frame.markup("confirm.just_now", &[]),
        seconds @ 10..60 => frame.markup("confirm.seconds_ago", &[("n", seconds.into())]),
        seconds => frame.markup("confirm.minutes_ago", &[("n", (seconds / 60).into())]),
    }
}

fn mono(text: &str) -> Value {
    element("code", &text.into())
}
