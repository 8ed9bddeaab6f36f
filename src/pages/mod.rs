//! Renders a [`Page`] as HTML in the reader's language, with its Content-Security-Policy.
//!
//! A page contains its style, script and picture, and loads nothing. Names, hosts and messages are escaped; style and
//! script have a nonce that differs in every response (docs/security.md, row D23).

mod brand;
pub(crate) mod catalogue;
mod colour;
mod content;
mod page;
mod page_cache;
pub mod picture;
mod samples;
mod symbol;
mod templates;
#[cfg(test)]
mod tests;
mod theme;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use data_encoding::BASE64;
use http::{HeaderValue, StatusCode};
use minijinja::value::{Object, Value};
use minijinja::{Environment, Error};

use crate::config;
use crate::config::{ShowAccount, Warning};
use crate::device::{Devices, Kind};
use crate::origin::Origin;
use crate::secret::fill_random;

use self::catalogue::Catalogue;
use self::content::{Frame, Names};
use self::page_cache::PageCache;
use self::templates::Files;

pub use self::page::{After, Approve, Code, Confirm, Device, Failure, Outcome, Page, Start, Tried, TypeCode};
pub use self::templates::{TemplateError, TemplateErrors, replaceable};

const CODE_SCRIPT: &str = include_str!("../../templates/page.js");
const WAITING_SCRIPT: &str = include_str!("../../templates/waiting.js");
const START_SCRIPT: &str = include_str!("../../templates/start.js");
const RETRY_SCRIPT: &str = include_str!("../../templates/retry.js");

/// All pages, in all languages. Made once from the configuration and shared by all workers.
pub struct Pages {
    templates: Environment<'static>,
    built_in: Environment<'static>,
    /// Whether no file of an operator's takes the place of a template or a text.
    is_built_in: bool,
    folder: PathBuf,
    languages: Vec<Language>,
    fixed: Option<Lang>,
    site: String,
    /// The style sheet of the sandboxed pages.
    code_style: Value,
    /// The style sheet of the others.
    style: Value,
    warnings: Vec<Warning>,
}

struct Language {
    catalogue: Catalogue,
    of_site: Names,
    /// One for each pair of devices, from the first page on that is for such a pair.
    voices: [OnceLock<Voice>; 16],
}

/// A language as it speaks of two devices.
struct Voice {
    catalogue: Arc<Catalogue>,
    /// What is the same on all of its pages.
    common: Arc<Scope>,
    cache: PageCache,
}

/// What a template may name: what belongs to one page, and below it what is the same on every page of its language.
#[derive(Debug)]
struct Scope {
    own: Names,
    below: Option<Arc<Scope>>,
}

impl Scope {
    fn get(&self, name: &str) -> Option<Value> {
        let own = self.own.iter().rev().find(|(known, _)| *known == name);
        own.map(|(_, value)| value.clone()).or_else(|| self.below.as_ref()?.get(name))
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Scope>, name: &Value) -> Option<Value> {
        self.get(name.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Scope>, name: &str) -> Option<Value> {
        self.get(name)
    }
}

/// A language of these [`Pages`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lang(usize);

/// What an answer brings to its page.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub lang: Lang,
    /// The public origin that the reader's browser shows.
    pub origin: &'a Origin,
    /// The ticket path as the browser sees it, sub-path included, with its last slash.
    pub ticket_path: &'a str,
    /// The application's address as the browser sees it: a path.
    pub home: &'a str,
    pub request_id: &'a str,
}

/// A page, ready to be sent.
#[derive(Clone, Debug)]
pub struct Rendered {
    pub html: String,
    /// The status that belongs to it.
    pub status: StatusCode,
    /// The value of Content-Security-Policy: it names the nonce in the document.
    pub policy: String,
    /// An operator's template failed and the built-in one took its place: what to log.
    pub problem: Option<String>,
}

impl Pages {
    /// Reads every template and text, and tries those of an operator on every page they lay out.
    ///
    /// # Errors
    ///
    /// [`TemplateErrors`], naming file, line and cause of each, when files in `pages.templates` cannot be used.
    pub fn new(settings: &config::Pages) -> Result<Pages, TemplateErrors> {
        let files = Files::read(settings.templates.as_deref())?;
        let variables = theme::variables(&settings.accent);
        let tags = files.languages.iter().map(Catalogue::tag);
        let fixed = settings.language.as_deref().map(|tag| catalogue::lookup(tag, tags));
        let mut warnings = Vec::new();
        if let (Some(None), Some(tag)) = (fixed, &settings.language) {
            let sentence = format!("has no texts in `{tag}`; the pages are in English");
            warnings.push(Warning { key: "pages.language".to_owned(), sentence });
        }
        let styles = &files.styles;
        let has_brand = !settings.logo.is_empty() || !settings.links.is_empty();
        let brand = if has_brand { styles.brand.as_str() } else { "" };
        let style = |more: &str| {
            Value::from_safe_string(format!("{variables}\n{}{more}{brand}\n{}", styles.every, styles.extra))
        };
        let (code_style, style) = (style(&styles.code), style(&styles.others));
        let of_site = Names::from([
            ("site", Value::from(settings.site.as_str())),
            ("logo", Value::from(settings.logo.as_str())),
            ("logo_dark", Value::from(settings.logo_dark.as_str())),
            ("monogram", Value::from(brand::monogram(&settings.site))),
            ("icon", brand::icon(settings)),
            ("links", brand::links(&settings.links)),
            ("accent", Value::from(settings.accent.as_str())),
            ("devices", (!settings.devices_url.is_empty()).into()),
            ("code_source", Value::from_safe_string(templates::compact_script(CODE_SCRIPT))),
            ("waiting_source", Value::from_safe_string(templates::compact_script(WAITING_SCRIPT))),
            ("start_source", Value::from_safe_string(templates::compact_script(START_SCRIPT))),
            ("retry_source", Value::from_safe_string(templates::compact_script(RETRY_SCRIPT))),
        ]);
        let pages = Pages {
            templates: files.pages,
            built_in: files.built_in,
            is_built_in: settings.templates.is_none(),
            folder: settings.templates.clone().unwrap_or_else(|| PathBuf::from("templates")),
            languages: files.languages.into_iter().map(|catalogue| Language::new(catalogue, &of_site)).collect(),
            fixed: fixed.map(|found| Lang(found.unwrap_or_default())),
            site: settings.site.clone(),
            code_style,
            style,
            warnings,
        };
        let found = if settings.templates.is_some() { pages.try_all() } else { Vec::new() };
        TemplateErrors::unless_any(found, pages)
    }

    /// What an operator should know about the settings of the pages, one sentence each.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The language for a browser: the fixed one, else the best by Accept-Language, else English.
    pub fn language(&self, accept_language: Option<&HeaderValue>) -> Lang {
        let tags = self.languages.iter().map(|language| language.catalogue.tag());
        let asked = || accept_language.and_then(|field| catalogue::negotiate(field, tags)).map(Lang);
        self.fixed.or_else(asked).unwrap_or_default()
    }

    /// Lays out `page`. It always comes out: where an operator's template fails, the built-in one is used.
    pub fn render(&self, page: &Page, context: &Context<'_>) -> Rendered {
        self.render_between(page, context, Devices::default())
    }

    /// The same for a sign-in between these devices: the texts name them by what they are.
    pub fn render_between(&self, page: &Page, context: &Context<'_>, devices: Devices) -> Rendered {
        let nonce = nonce();
        let policy = policy(page, context.origin, &nonce);
        let status = page.status();
        let (html, problem) = match self.render_with(&self.templates, page, context, devices, &nonce, None) {
            Ok(html) => (html, None),
            Err(error) => {
                let problem = Some(TemplateError::of_page(&self.folder, &error).to_string());
                (
                    self.render_with(&self.built_in, page, context, devices, &nonce, None)
                        .unwrap_or_else(|_| bare(status)),
                    problem,
                )
            }
        };
        Rendered { html, status, policy, problem }
    }

    fn render_with(
        &self,
        environment: &Environment<'static>,
        page: &Page,
        context: &Context<'_>,
        devices: Devices,
        nonce: &str,
        without: Option<&'static str>,
    ) -> Result<String, Error> {
        let language = self.languages.get(context.lang.0).unwrap_or(&self.languages[0]).voice(devices);
        let frame = Frame {
            language: &language.catalogue,
            site: &self.site,
            home: context.home,
            ticket_path: context.ticket_path,
            shown_on: devices.shown_on,
            host: context.origin.authority(),
        };
        let mut names = content::names(page, &frame)?;
        names.extend(of_answer(context, nonce));
        let lay_out = |names| self.lay_out(environment, page, language, names, without);
        match self.is_built_in && page.is_for_many() {
            true => language.cache.fill(page.template(), names, lay_out),
            false => lay_out(names),
        }
    }

    fn lay_out(
        &self,
        environment: &Environment<'static>,
        page: &Page,
        language: &Voice,
        names: Names,
        without: Option<&'static str>,
    ) -> Result<String, Error> {
        let names = Arc::new(Scope { own: names, below: Some(language.common.clone()) });
        let style = if page.is_sandboxed() { &self.code_style } else { &self.style };
        let mut made = Names::from([("style", style.clone())]);
        for (name, part) in content::parts(page) {
            let scope = Scope { own: made.clone(), below: Some(names.clone()) };
            let markup = self.built_in.get_template(part)?.render(Value::from_object(scope))?;
            made.push((*name, Value::from_safe_string(markup)));
        }
        made.extend(without.map(|name| (name, Value::from("-"))));
        environment.get_template(page.template())?.render(Value::from_object(Scope { own: made, below: Some(names) }))
    }

    /// Renders one page of each kind in every language. Answers what is wrong with the operator's templates.
    fn try_all(&self) -> Vec<TemplateError> {
        let mut found = Vec::new();
        let Some(origin) = Origin::parse("https://example.com") else { return found };
        for lang in (0..self.languages.len()).map(Lang) {
            let context = Context { lang, origin: &origin, ticket_path: "/qr/", home: "/", request_id: "-" };
            for page in samples::all() {
                let error = self.try_one(&page, &context).err();
                found.extend(error.filter(|error| !found.contains(error)));
            }
        }
        found
    }

    /// Renders a page, and once more with something else in place of each part that must not be forgotten: where that
    /// makes no difference, it was.
    fn try_one(&self, page: &Page, context: &Context<'_>) -> Result<(), TemplateError> {
        let render = |without| {
            let html = self.render_with(&self.templates, page, context, Devices::default(), "-", without);
            html.map_err(|error| TemplateError::of_page(&self.folder, &error))
        };
        let whole = render(None)?;
        for name in page.needs() {
            if render(Some(name))? == whole {
                return Err(TemplateError::missing(&self.folder, &self.templates, page.template(), name));
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages").field("site", &self.site).finish_non_exhaustive()
    }
}

impl Language {
    fn new(catalogue: Catalogue, of_site: &Names) -> Language {
        let language =
            Language { catalogue, of_site: of_site.clone(), voices: std::array::from_fn(|_| OnceLock::new()) };
        // Most people sign a phone in at a computer.
        language.voice(Devices::default());
        language
    }

    fn voice(&self, devices: Devices) -> &Voice {
        let place = |kind| match kind {
            Kind::Phone => 0,
            Kind::Tablet => 1,
            Kind::Computer => 2,
            Kind::Device => 3,
        };
        let voice = &self.voices[4 * place(devices.shown_on) + place(devices.read_on)];
        voice.get_or_init(|| Voice::new(self.catalogue.between(devices), &self.of_site))
    }
}

impl Voice {
    fn new(catalogue: Catalogue, of_site: &Names) -> Voice {
        let catalogue = Arc::new(catalogue);
        let mut own = of_site.clone();
        own.extend(templates::speakers(&catalogue));
        own.extend([("lang", Value::from(catalogue.lang())), ("dir", Value::from(catalogue.direction()))]);
        Voice { catalogue, common: Arc::new(Scope { own, below: None }), cache: PageCache::default() }
    }
}

/// What belongs to one answer, whatever the page.
fn of_answer(context: &Context<'_>, nonce: &str) -> [(&'static str, Value); 6] {
    [
        ("nonce", Value::from(nonce)),
        ("host", Value::from(context.origin.authority())),
        ("home", Value::from(context.home)),
        ("ticket_path", Value::from(context.ticket_path)),
        ("public_url", Value::from(context.origin.to_string())),
        ("request_id", Value::from(context.request_id)),
    ]
}

/// The built-in style sheet in an accent.
pub fn style(accent: &str) -> String {
    format!("{}\n{}", theme::variables(accent), templates::STYLE)
}

/// The icon of a site without a logo, as a `data:` URL: the first letter of its name on a tile in the accent.
pub fn icon(site: &str, accent: &str) -> String {
    brand::tile(site, accent)
}

/// How the account is named on the phone before it is signed in: in full, not at all, or by the application's hint.
/// Without one by the first letter of each word, and the domain of an e-mail address.
pub fn shown_account(name: &str, hint: Option<&str>, how: ShowAccount) -> Option<String> {
    match how {
        ShowAccount::Full => Some(name.to_owned()),
        ShowAccount::None => None,
        ShowAccount::Masked => Some(hint.map_or_else(|| masked(name), str::to_owned)),
    }
}

/// `Ana Lindqvist` as `A•• L••`, `ana@example.com` as `a••@example.com`. Words without a letter or digit are left out.
fn masked(name: &str) -> String {
    let at = name.rfind('@').filter(|at| *at > 0 && !name.contains(char::is_whitespace));
    let (name, domain) = name.split_at(at.unwrap_or(name.len()));
    let initials = name.split_whitespace().filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let words: Vec<String> = initials.map(|initial| format!("{initial}••")).collect();
    if words.is_empty() { format!("••{domain}") } else { format!("{}{domain}", words.join(" ")) }
}

/// 128 bits for `nonce-…`. Without randomness there is none, and neither style nor script runs.
fn nonce() -> String {
    let mut bytes = [0; 16];
    fill_random(&mut bytes).map(|()| BASE64.encode(&bytes)).unwrap_or_default()
}

/// The Content-Security-Policy of a page.
///
/// The pages that hold `desk` are sandboxed: a script of the application cannot read them (docs/security.md, D7). There
/// `'self'` matches no origin, so the policy names the public one. Their links need no further permission: a sandboxed
/// top-level page may always leave itself. The other pages set no form-action, which Chromium would apply to the
/// redirects that follow a form, too.
fn policy(page: &Page, origin: &Origin, nonce: &str) -> String {
    let inline = match nonce {
        "" => "style-src 'none'; script-src 'none'".to_owned(),
        nonce => format!("style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'"),
    };
    let common =
        format!("default-src 'none'; {inline}; img-src data:; font-src data:; base-uri 'none'; frame-ancestors 'none'");
    match page.is_sandboxed() {
        true => {
            let source = source_of(origin);
            format!("{common}; connect-src {source}; form-action {source}; sandbox allow-scripts allow-forms")
        }
        false => format!("{common}; connect-src 'self'"),
    }
}

/// An origin as a policy can name it. An IPv6 address or an underscore has no spelling there (CSP 3, section 2.3.1):
/// then the scheme alone must do.
fn source_of(origin: &Origin) -> String {
    match origin.name().bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')) {
        true => origin.to_string(),
        false => format!("{}:", origin.scheme()),
    }
}

/// What is left when nothing can be laid out.
fn bare(status: StatusCode) -> String {
    let status = status.as_u16();
    format!("<!doctype html><meta charset=\"utf-8\"><title>{status}</title><h1>{status}</h1>")
}
